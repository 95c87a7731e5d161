//! Who takes what is delivered: our own services, or others that the configuration names in their
//! place.

use std::sync::Arc;

use anyhow::Context as _;
use hearth_front::elsewhere::Elsewhere;
use hearth_services::remote::buses::RemoteBuses;
use hearth_services::remote::queues::RemoteQueues;
use hearth_services::remote::tls::Trust;
use hearth_services::remote::topics::RemoteTopics;
use hearth_services::targets::{Publish, PutEvent, SendMessage};

use crate::config::Config;

/// Who takes messages and events.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// Messages for queues.
    pub(crate) queues: Arc<dyn SendMessage>,
    /// Messages for topics.
    pub(crate) topics: Arc<dyn Publish>,
    /// Events for buses.
    pub(crate) buses: Arc<dyn PutEvent>,
}

/// The services of others that stand in for our own.
#[derive(Debug, Clone)]
pub(crate) struct Remotes {
    queues: Option<Arc<dyn SendMessage>>,
    topics: Option<Arc<dyn Publish>>,
    buses: Option<Arc<dyn PutEvent>>,
}

/// Which services a configuration leaves to others.
pub(crate) fn elsewhere(config: &Config) -> Elsewhere {
    let named = |endpoint: &String| (!endpoint.is_empty()).then(|| endpoint.clone());
    Elsewhere {
        sqs: named(&config.sqs_endpoint),
        sns: named(&config.sns_endpoint),
        events: named(&config.events_endpoint),
    }
}

impl Remotes {
    /// The services that are elsewhere, asked with an access key id and its secret.
    pub(crate) fn at(
        elsewhere: &Elsewhere,
        keys: (&str, &str),
        trust: &Trust,
    ) -> anyhow::Result<Self> {
        let Elsewhere { sqs, sns, events } = elsewhere;
        let queues = sqs.as_deref().map(|endpoint| RemoteQueues::new(endpoint, keys, trust));
        let queues = queues.transpose().context("`sqs_endpoint` cannot be used")?;
        let topics = sns.as_deref().map(|endpoint| RemoteTopics::new(endpoint, keys, trust));
        let topics = topics.transpose().context("`sns_endpoint` cannot be used")?;
        let buses = events.as_deref().map(|endpoint| RemoteBuses::new(endpoint, keys, trust));
        let buses = buses.transpose().context("`events_endpoint` cannot be used")?;
        Ok(Self {
            queues: queues.map(|queues| Arc::new(queues) as Arc<dyn SendMessage>),
            topics: topics.map(|topics| Arc::new(topics) as Arc<dyn Publish>),
            buses: buses.map(|buses| Arc::new(buses) as Arc<dyn PutEvent>),
        })
    }

    /// Puts them in the place of our own.
    pub(crate) fn over(self, own: Targets) -> Targets {
        Targets {
            queues: self.queues.unwrap_or(own.queues),
            topics: self.topics.unwrap_or(own.topics),
            buses: self.buses.unwrap_or(own.buses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Elsewhere {
        let endpoint = Some(endpoint.to_owned());
        Elsewhere { sqs: endpoint.clone(), sns: endpoint.clone(), events: endpoint }
    }

    /// Any that can be told from others.
    fn own() -> Targets {
        let remotes = Remotes::at(&at("http://own.example"), ("", ""), &Trust::default()).unwrap();
        Targets {
            queues: remotes.queues.unwrap(),
            topics: remotes.topics.unwrap(),
            buses: remotes.buses.unwrap(),
        }
    }

    #[test]
    fn only_what_is_named_takes_the_place_of_our_own() {
        let all = at("http://other.example");
        let only_queues = Elsewhere { sns: None, events: None, ..all.clone() };
        for (elsewhere, expected) in [
            (Elsewhere::default(), [false, false, false]),
            (only_queues, [true, false, false]),
            (all, [true, true, true]),
        ] {
            let targets = Remotes::at(&elsewhere, ("", ""), &Trust::default()).unwrap().over(own());
            let shown = [
                format!("{:?}", targets.queues),
                format!("{:?}", targets.topics),
                format!("{:?}", targets.buses),
            ];
            let found = shown.each_ref().map(|one| one.contains("other.example"));
            assert_eq!(found, expected, "{shown:?}");
        }
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_refused_by_the_name_of_its_setting() {
        let odd = at("ftp://other.example");
        let none = Elsewhere::default();
        let refusal = |elsewhere: &Elsewhere| {
            let remotes = Remotes::at(elsewhere, ("", ""), &Trust::default());
            format!("{:#}", remotes.unwrap_err())
        };
        let sqs = refusal(&odd);
        assert!(sqs.starts_with("`sqs_endpoint` cannot be used: `ftp://other.example`"), "{sqs}");
        let sns = refusal(&Elsewhere { sns: Some("other.example".to_owned()), ..none.clone() });
        assert!(sns.starts_with("`sns_endpoint` cannot be used: `other.example`"), "{sns}");
        let events = refusal(&Elsewhere { events: odd.events, ..none });
        assert!(events.starts_with("`events_endpoint` cannot be used: "), "{events}");
    }
}
