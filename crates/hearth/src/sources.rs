//! Puts together what reads event sources.

use std::sync::Arc;

use anyhow::Context as _;
use hearth_control::control::Control;
use hearth_invoke::Invoker;
use hearth_services::queues::Queues;
use hearth_services::remote::queues::RemoteQueues;
use hearth_services::remote::tls::Trust;
use hearth_sources::progress::Book;
use hearth_sources::queue::QueueReader;
use hearth_sources::queue::source::{EmbeddedQueues, QueueSource, RemoteSource};
use hearth_sources::reader::Reader;
use hearth_sources::{Board, Parts, Sources};
use hearth_types::metrics::Metrics;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;

use crate::config::Config;

/// What reads event sources, before anything is read.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    /// For the control plane.
    pub(crate) board: Arc<Board>,
    /// For whoever shows what was done.
    pub(crate) book: Arc<Book>,
    tasks: Tasks,
}

impl Readers {
    /// Those for the sources that there are.
    pub(crate) fn new(
        (config, trust): (&Config, &Trust),
        queues: &Arc<Queues>,
        metrics: &Arc<dyn Metrics>,
        (clock, tasks): (&Arc<dyn Clock>, &Tasks),
    ) -> anyhow::Result<Self> {
        let source = queue_source(config, trust, queues)?;
        let queues = QueueReader::new(source, Arc::clone(clock), tasks.clone());
        let readers: Vec<Arc<dyn Reader>> = vec![Arc::new(queues)];
        let book = Arc::new(Book::new(Arc::clone(metrics)));
        Ok(Self { board: Board::new(readers), book, tasks: tasks.clone() })
    }

    /// Begins to read.
    pub(crate) fn start(self, control: &Arc<Control>, invoker: &Arc<Invoker>) -> Sources {
        Sources::start(Parts {
            control: Arc::clone(control),
            board: self.board,
            functions: Arc::new(Arc::clone(invoker)),
            book: self.book,
            tasks: self.tasks,
        })
    }
}

/// Our own queues, or those that the configuration names in their place. Whoever reads them has
/// connections of its own, so that waiting for messages does not hold up those that are sent.
fn queue_source(
    config: &Config,
    trust: &Trust,
    own: &Arc<Queues>,
) -> anyhow::Result<Arc<dyn QueueSource>> {
    if config.sqs_endpoint.is_empty() {
        return Ok(Arc::new(EmbeddedQueues(Arc::clone(own))));
    }
    let secret = config.endpoints_secret_access_key.0.as_str();
    let keys = (config.endpoints_access_key_id.as_str(), secret);
    let remote = RemoteQueues::new(&config.sqs_endpoint, keys, trust);
    let remote = remote.context("`sqs_endpoint` cannot be used")?;
    Ok(Arc::new(RemoteSource(Arc::new(remote))))
}
