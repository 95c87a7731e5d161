//! What the control plane and the readers of mappings know of each other.
//!
//! The control plane asks it what can be read, and tells it that mappings have changed. The
//! supervisor hears of that, and says which sources cannot be read at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_control::mapping::{MappingId, Pollers};
use tokio::sync::Notify;

use crate::reader::Reader;

/// What can be read, what cannot, and that something has changed.
#[derive(Debug)]
pub struct Board {
    readers: Vec<Arc<dyn Reader>>,
    obstacles: Mutex<HashMap<MappingId, String>>,
    news: Notify,
}

impl Board {
    /// A board for these readers.
    #[must_use]
    pub fn new(readers: Vec<Arc<dyn Reader>>) -> Arc<Self> {
        Arc::new(Self { readers, obstacles: Mutex::default(), news: Notify::new() })
    }

    /// Who reads sources of this kind.
    pub(crate) fn reader(&self, kind: SourceKind) -> Option<Arc<dyn Reader>> {
        self.readers.iter().find(|reader| reader.serves(kind)).cloned()
    }

    /// Ends when mappings have changed since the last time. May be dropped at any moment.
    pub(crate) async fn changes(&self) {
        self.news.notified().await;
    }

    /// Has the supervisor look at all mappings.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    /// Says why a source cannot be read, or that it can.
    pub(crate) fn set_obstacle(&self, mapping: &MappingId, why: Option<String>) {
        let mut obstacles = self.lock();
        match why {
            Some(why) => obstacles.insert(mapping.clone(), why),
            None => obstacles.remove(mapping),
        };
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MappingId, String>> {
        self.obstacles.lock().expect("no code panics while it holds the obstacles")
    }
}

#[async_trait]
impl Pollers for Board {
    fn serves(&self, kind: SourceKind) -> bool {
        self.reader(kind).is_some()
    }

    fn obstacle(&self, mapping: &MappingId) -> Option<String> {
        self.lock().get(mapping).cloned()
    }

    async fn check(&self, source: &Source, function_timeout_seconds: u32) -> Result<(), String> {
        match self.reader(source.kind()) {
            Some(reader) => reader.check(source, function_timeout_seconds).await,
            None => Ok(()),
        }
    }

    fn changed(&self) {
        self.wake();
    }
}
