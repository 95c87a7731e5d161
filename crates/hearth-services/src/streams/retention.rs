//! Records that are older than their stream keeps them are deleted, whether anybody asks or not; so are
//! shards that have none but such, and files of streams that are gone.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::StreamError;
use super::quotas::RETENTION_LOOK_SECONDS;
use super::record::{ShardRecord, StreamRecord};
use super::{Streams, closing, in_background};

impl Streams {
    /// Looks through all streams from time to time, until they are closed.
    pub(super) async fn watch_retention(self: Arc<Self>) {
        let mut running = self.running.subscribe();
        loop {
            if let Err(error) = self.clear_orphans().await {
                tracing::warn!(%error, "records of deleted streams could not be removed");
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(RETENTION_LOOK_SECONDS)) => {}
                () = closing(&mut running) => return,
            }
            self.drop_old().await;
        }
    }

    /// Removes what is too old now.
    pub(super) async fn drop_old(&self) {
        for stream in self.streams.all() {
            for shard in &stream.shards {
                if let Err(error) = self.drop_old_of(&stream, shard).await {
                    tracing::warn!(%error, stream = stream.name, "old records could not be removed");
                }
            }
            if let Err(error) = self.forget_old_shards(&stream).await {
                tracing::warn!(%error, stream = stream.name, "old shards could not be removed");
            }
        }
    }

    async fn drop_old_of(
        &self,
        stream: &StreamRecord,
        shard: &ShardRecord,
    ) -> Result<(), StreamError> {
        // One that was never used has no directory, and is not to get one.
        let directory = self.directory_of(stream, shard.id);
        if !in_background("look at", move || Ok(directory.is_dir())).await? {
            return Ok(());
        }
        let log = self.log(stream, shard).await?;
        let horizon = stream.horizon(self.now());
        in_background("trim", move || log.trim(horizon)).await
    }

    async fn forget_old_shards(&self, stream: &StreamRecord) -> Result<(), StreamError> {
        let now = self.now();
        let is_old =
            |shard: &ShardRecord| shard.closed.is_some_and(|closed| closed <= stream.horizon(now));
        if !stream.shards.iter().any(is_old) {
            return Ok(());
        }
        let forget = |stream: &mut StreamRecord| {
            stream.forget_old_shards(now);
            Ok(())
        };
        let (before, after) = self.change(&stream.full_name(), forget).await?;
        for shard in before.shards.iter().filter(|shard| after.shard(shard.id).is_none()) {
            self.let_go_of(&before, shard);
            let directory = self.directory_of(&before, shard.id);
            in_background("delete", move || removed(&directory)).await?;
        }
        Ok(())
    }

    /// Forgets that a shard was used.
    pub(super) fn let_go_of(&self, stream: &StreamRecord, shard: &ShardRecord) {
        let mut shards = self.shards.lock().expect("no code panics while it holds the shards");
        shards.remove(&(stream.generation, shard.id));
    }

    /// Removes the files of streams that are not known: the process was killed while it deleted them.
    async fn clear_orphans(&self) -> Result<(), StreamError> {
        let directory = self.directory.clone();
        let found = in_background("look at", move || directories(&directory)).await?;
        // Only behind the directories: one of a stream that is made meanwhile is not among them.
        let known: HashSet<String> = self
            .streams
            .all()
            .iter()
            .map(|stream| stream.generation.simple().to_string())
            .collect();
        for name in found.into_iter().filter(|name| !known.contains(name)) {
            let directory = self.directory.join(name);
            in_background("delete", move || removed(&directory)).await?;
        }
        Ok(())
    }
}

/// The names of the directories in one. There need not be one.
fn directories(directory: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Removes a directory with all that is in it. There need not be one.
pub(super) fn removed(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
