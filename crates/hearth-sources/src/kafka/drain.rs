//! Reads a topic and forgets it: what the client can do by itself, for measurements.

use std::sync::Arc;

use hearth_types::tasks::Tasks;
use tokio::sync::mpsc;

use super::cluster::{self, Cluster, EARLIEST, LATEST};
use super::connection::{Fault, Security};
use super::messages::{Appetite, Part};

/// Reads all that is in a topic of a cluster without walls, all partitions at a time, as mappings read
/// them. Says how many records that were.
///
/// # Errors
///
/// If it cannot be read: why.
pub async fn drain(servers: Vec<String>, topic: &str, tasks: &Tasks) -> Result<usize, String> {
    let cluster = Arc::new(Cluster { servers, security: Security { tls: None, sasl: None } });
    let text = |fault: Fault| fault.to_string();
    let mut any = cluster.any().await.map_err(text)?;
    let found = cluster::topic(&mut any, topic).await.map_err(text)?;
    let (sender, mut ended) = mpsc::channel(1);
    for (id, _leader) in found.partitions {
        let (cluster, topic, sender) = (Arc::clone(&cluster), topic.to_owned(), sender.clone());
        tasks.spawn("drain a partition", async move {
            let part = Part { topic: &topic, id };
            let drained = Box::pin(drain_partition(&cluster, part)).await;
            // Nobody listens any more if another one has failed.
            let _ = sender.send(drained).await;
        });
    }
    drop(sender);
    let mut count = 0;
    while let Some(drained) = ended.recv().await {
        count += drained.map_err(text)?;
    }
    Ok(count)
}

async fn drain_partition(cluster: &Cluster, part: Part<'_>) -> Result<usize, Fault> {
    let mut leader = cluster.leader(part).await?;
    let end = cluster::offset(&mut leader, part, LATEST).await?;
    let mut next = cluster::offset(&mut leader, part, EARLIEST).await?;
    let appetite = Appetite::of(usize::MAX);
    let mut count = 0;
    while next < end {
        let portion = cluster::read(&mut leader, (part, next), appetite).await?.portion;
        count += portion.records.len();
        next = portion.next.unwrap_or(next);
    }
    Ok(count)
}
