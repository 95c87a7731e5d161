//! What reads a mapping: one [`Reader`] for each family of sources. The supervisor starts it for
//! each mapping that is enabled, and stops it when the mapping changes.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::source::{Source, SourceKind};
use tokio::sync::watch;

use crate::function::RunFunction;
use crate::progress::Progress;

/// Reads sources of a family.
#[async_trait]
pub trait Reader: Send + Sync + Debug {
    /// Whether it reads sources of this kind.
    fn serves(&self, kind: SourceKind) -> bool;

    /// Whether a source can be read for a function with this timeout, before a mapping is made of
    /// it.
    ///
    /// # Errors
    ///
    /// If not: AWS's words.
    async fn check(&self, source: &Source, function_timeout_seconds: u32) -> Result<(), String>;

    /// Reads the source of a mapping until it is told to stop, or until it cannot go on. It ends
    /// soon after it was told; batches that run may go on behind it.
    async fn read(&self, work: Work) -> Ended;
}

/// A mapping to be read.
#[derive(Debug, Clone)]
pub struct Work {
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// Who runs its function.
    pub functions: Arc<dyn RunFunction>,
    /// Where to say what was done.
    pub progress: Arc<Progress>,
    /// When to stop.
    pub stop: Stop,
}

/// Why a reader has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The source cannot be read, and this is why. The mapping is shown as disabled, and another
    /// reader is started a little later.
    Unreadable(String),
}

/// Says when to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Phase>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Going,
    Stopped,
}

/// Tells readers to stop, also when it is dropped.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Phase>);

impl Stopper {
    /// One that has not stopped anything.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(Phase::Going);
        (Self(sender), Stop(receiver))
    }

    /// Tells them.
    pub fn stop(&self) {
        self.0.send_replace(Phase::Stopped);
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stop {
    /// Whether it is time.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() == Phase::Stopped
    }

    /// Ends when it is time. May be dropped at any moment.
    pub async fn stopped(&self) {
        let _ = self.0.clone().wait_for(|phase| *phase == Phase::Stopped).await;
    }
}
