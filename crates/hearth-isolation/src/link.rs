//! The server's connection to the launcher.
//!
//! One task reads the socket and one writes it. Requests go through a bounded channel; answers find
//! who waits for them through a table. What belongs to one environment (its agent, its output, its
//! figures) goes over descriptors of its own and touches neither.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hearth_guest::protocol::StepFailed;
use hearth_guest::wire::{self, Frames};
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cgroups::HandleKind;
use crate::launcher::{Answer, Request};

/// What an answer from the launcher brings to whoever waits for it.
pub(crate) enum Outcome {
    Started { handles: Vec<HandleKind>, descriptors: Vec<OwnedFd> },
    Fitted,
    Refused(StepFailed),
    Stopped { leak: Option<String> },
    LauncherGone,
}

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Outcome>>>;

/// The connection to the launcher, shared by the backend and by all walls.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UnixStream,
    waiting: Waiting,
    /// Frames on their way. One task writes them, so that nobody waits for a busy launcher.
    requests: mpsc::Sender<Vec<u8>>,
    gone: watch::Sender<bool>,
    tasks: Tasks,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Started { .. } => "Started",
            Self::Fitted => "Fitted",
            Self::Refused(_) => "Refused",
            Self::Stopped { .. } => "Stopped",
            Self::LauncherGone => "LauncherGone",
        })
    }
}

impl Link {
    /// Starts the two tasks.
    pub(crate) fn start(socket: UnixStream, tasks: &Tasks) -> Arc<Self> {
        let (requests, frames) = mpsc::channel(limits::LAUNCHER_MAILBOX);
        let (gone, _) = watch::channel(false);
        let waiting = Mutex::default();
        let link = Arc::new(Self { socket, waiting, requests, gone, tasks: tasks.clone() });
        tasks.spawn("answers of the launcher", Arc::clone(&link).listen());
        tasks.spawn("requests to the launcher", Arc::clone(&link).write(frames));
        link
    }

    /// Waits until the launcher has ended.
    pub(crate) async fn ended(&self) {
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Whether it has ended.
    pub(crate) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Tells the launcher that it is not needed any more.
    pub(crate) fn close(&self) {
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.waiting.lock().expect("no code panics while it holds the table")
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(
        &self,
        id: u64,
        request: &Request,
        limit: Duration,
    ) -> io::Result<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(id, sender);
        if self.is_gone() {
            self.lock().remove(&id);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Err(error) = self.tell(request) {
            self.lock().remove(&id);
            return Err(error);
        }
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(Outcome::LauncherGone) | Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(Ok(outcome)) => Ok(outcome),
            Err(_elapsed) => {
                self.lock().remove(&id);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Sends a request. Does not wait.
    pub(crate) fn tell(&self, request: &Request) -> io::Result<()> {
        match self.requests.try_send(wire::encode(request)?) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            // As many as there are environments at the most, so they may all wait their turn.
            Err(mpsc::error::TrySendError::Full(frame)) => {
                let requests = self.requests.clone();
                self.tasks.spawn("a request to the launcher", async move {
                    let _ = requests.send(frame).await;
                });
                Ok(())
            }
        }
    }

    /// Writes requests, until the launcher is gone.
    async fn write(self: Arc<Self>, mut requests: mpsc::Receiver<Vec<u8>>) {
        let mut gone = self.gone.subscribe();
        loop {
            let frame = tokio::select! {
                frame = requests.recv() => frame,
                _gone = gone.wait_for(|gone| *gone) => return,
            };
            let Some(frame) = frame else { return };
            let mut rest = frame.as_slice();
            while !rest.is_empty() {
                if self.socket.writable().await.is_err() {
                    return;
                }
                match self.socket.try_write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_gone) => return,
                }
            }
        }
    }

    /// Hands answers to those who wait, until the launcher is gone.
    async fn listen(self: Arc<Self>) {
        let mut frames = Frames::default();
        let ended = loop {
            let received = self
                .socket
                .async_io(tokio::io::Interest::READABLE, || {
                    wire::receive_into(&self.socket, &mut frames)
                })
                .await;
            if let Err(error) = received {
                break error;
            }
            loop {
                match frames.take::<Answer>() {
                    Ok(Some(answer)) => self.dispatch(answer, &mut frames),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "the launcher said something odd; this is a bug in Hearth");
                        break;
                    }
                }
            }
        };
        self.gone.send_replace(true);
        for (_, waiting) in self.lock().drain() {
            let _ = waiting.send(Outcome::LauncherGone);
        }
        tracing::debug!(%ended, "the launcher is gone");
    }

    fn dispatch(&self, answer: Answer, frames: &mut Frames) {
        let (id, outcome) = match answer {
            Answer::Started { id, handles } => {
                let descriptors = frames.take_descriptors(2 + handles.len());
                (id, Outcome::Started { handles, descriptors })
            }
            Answer::NotStarted { id, failed } | Answer::NotFitted { id, failed } => {
                (id, Outcome::Refused(failed))
            }
            Answer::Fitted { id } => (id, Outcome::Fitted),
            Answer::Stopped { id, leak } => (id, Outcome::Stopped { leak }),
            Answer::Configured | Answer::NotConfigured(_) => return,
        };
        if let Some(waiting) = self.lock().remove(&id) {
            let _ = waiting.send(outcome);
        }
    }
}
