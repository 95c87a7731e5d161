//! The listeners of a load balancer.

use super::arn;
use super::check;
use super::error::{BalancerError, TooMany};
use super::limits;
use super::record::{Action, Attributes, Balancer, Listener, Protocol, Tags};

/// AWS: what TLS follows if nobody says otherwise.
const SSL_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// A listener to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewListener {
    /// Its port.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// The ARN of the certificate that it would show.
    pub certificate: Option<String>,
    /// The name of the policy that TLS would follow.
    pub ssl_policy: Option<String>,
    /// What is done with what no rule is for.
    pub default_action: Action,
    /// Its tags.
    pub tags: Tags,
}

/// What is to be changed of a listener.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListenerChange {
    /// Its port.
    pub port: Option<u16>,
    /// What it speaks.
    pub protocol: Option<Protocol>,
    /// The ARN of the certificate that it would show.
    pub certificate: Option<String>,
    /// The name of the policy that TLS would follow.
    pub ssl_policy: Option<String>,
    /// What is done with what no rule is for.
    pub default_action: Option<Action>,
}

impl Balancer {
    /// Adds a listener. One that is there already, with the same settings, is left as it is.
    ///
    /// # Errors
    ///
    /// If its port is taken by another one, it cannot be, or there are too many.
    pub fn add_listener(&mut self, new: NewListener) -> Result<Listener, BalancerError> {
        let listener = Listener {
            id: arn::new_id(),
            port: new.port,
            protocol: new.protocol,
            ssl_policy: ssl_policy(new.protocol, new.ssl_policy),
            certificate: new.certificate,
            attributes: Attributes::new(),
            tags: new.tags,
            default_rule: arn::new_id(),
            default_tags: Tags::new(),
            default_action: new.default_action,
            rules: Vec::new(),
        };
        check_listener(&listener)?;
        if let Some(known) = self.listeners.iter().find(|known| known.port == listener.port) {
            return if is_same(known, &listener) {
                Ok(known.clone())
            } else {
                Err(BalancerError::ListenerExists(self.arn.to_string()))
            };
        }
        if self.listeners.len() >= limits::LISTENERS_MAX {
            return Err(BalancerError::TooMany(TooMany::Listeners));
        }
        self.listeners.push(listener.clone());
        Ok(listener)
    }

    /// Changes a listener.
    ///
    /// # Errors
    ///
    /// If there is none with this id, its port is taken by another one, or it cannot be.
    pub fn change_listener(
        &mut self,
        id: &str,
        change: ListenerChange,
    ) -> Result<Listener, BalancerError> {
        let mut changed = self.listener_mut(id)?.clone();
        changed.port = change.port.unwrap_or(changed.port);
        changed.protocol = change.protocol.unwrap_or(changed.protocol);
        changed.default_action = change.default_action.unwrap_or(changed.default_action);
        match changed.protocol {
            Protocol::Http => {
                changed.certificate = change.certificate;
                changed.ssl_policy = None;
            }
            Protocol::Https => {
                changed.certificate = change.certificate.or(changed.certificate);
                let policy = change.ssl_policy.or(changed.ssl_policy);
                changed.ssl_policy = ssl_policy(changed.protocol, policy);
            }
        }
        check_listener(&changed)?;
        let mut others = self.listeners.iter().filter(|other| other.id != id);
        if others.any(|other| other.port == changed.port) {
            return Err(BalancerError::ListenerExists(self.arn.to_string()));
        }
        *self.listener_mut(id)? = changed.clone();
        Ok(changed)
    }

    /// Deletes a listener with its rules.
    ///
    /// # Errors
    ///
    /// If there is none with this id.
    pub fn delete_listener(&mut self, id: &str) -> Result<(), BalancerError> {
        self.listener_mut(id)?;
        self.listeners.retain(|listener| listener.id != id);
        Ok(())
    }

    /// One of its listeners, to be changed.
    ///
    /// # Errors
    ///
    /// If there is none with this id.
    pub fn listener_mut(&mut self, id: &str) -> Result<&mut Listener, BalancerError> {
        let missing = format!("Listener '{}' not found", self.arn.listener(id));
        let found = self.listeners.iter_mut().find(|listener| listener.id == id);
        found.ok_or(BalancerError::ListenerMissing(missing))
    }
}

fn check_listener(listener: &Listener) -> Result<(), BalancerError> {
    if listener.port == 0 {
        let text = "The port of a listener is 1 to 65535";
        return Err(BalancerError::Validation(text.to_owned()));
    }
    check::certificate(listener.protocol, listener.certificate.as_deref())?;
    check::action(&listener.default_action.kind)
}

fn ssl_policy(protocol: Protocol, given: Option<String>) -> Option<String> {
    match protocol {
        Protocol::Http => None,
        Protocol::Https => Some(given.unwrap_or_else(|| SSL_POLICY.to_owned())),
    }
}

fn is_same(one: &Listener, other: &Listener) -> bool {
    let of = |listener: &Listener| {
        (listener.protocol, listener.certificate.clone(), listener.ssl_policy.clone())
    };
    of(one) == of(other) && one.default_action == other.default_action
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::record::{ActionKind, Fixed};
    use crate::balancers::testing::balancer;

    fn fixed(status: u16) -> Action {
        let kind = ActionKind::Fixed(Fixed { status, content_type: None, body: None });
        Action { order: None, kind }
    }

    fn new(port: u16) -> NewListener {
        NewListener {
            port,
            protocol: Protocol::Http,
            certificate: None,
            ssl_policy: None,
            default_action: fixed(200),
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_port_has_one_listener() {
        let mut balancer = balancer();
        let first = balancer.add_listener(new(80)).unwrap();
        let again = balancer.add_listener(new(80)).unwrap();
        assert_eq!(again.id, first.id, "the same settings lead to the same listener");
        let other = NewListener { default_action: fixed(404), ..new(80) };
        let refused = balancer.add_listener(other).unwrap_err();
        assert!(matches!(refused, BalancerError::ListenerExists(_)), "{refused}");
        let second = balancer.add_listener(new(81)).unwrap();
        let change = ListenerChange { port: Some(80), ..ListenerChange::default() };
        let refused = balancer.change_listener(&second.id, change).unwrap_err();
        assert!(matches!(refused, BalancerError::ListenerExists(_)), "{refused}");
        balancer.delete_listener(&first.id).unwrap();
        let change = ListenerChange { port: Some(80), ..ListenerChange::default() };
        assert_eq!(balancer.change_listener(&second.id, change).unwrap().port, 80);
    }

    #[test]
    fn tls_has_a_certificate_and_a_policy() {
        let mut balancer = balancer();
        let bare = NewListener { protocol: Protocol::Https, ..new(443) };
        assert!(balancer.add_listener(bare.clone()).is_err());
        let certificate = Some("arn:aws:acm:us-east-1:000000000000:certificate/x".to_owned());
        let made = balancer.add_listener(NewListener { certificate, ..bare }).unwrap();
        assert_eq!(made.ssl_policy.as_deref(), Some(SSL_POLICY));
        let change = ListenerChange { protocol: Some(Protocol::Http), ..ListenerChange::default() };
        let changed = balancer.change_listener(&made.id, change).unwrap();
        assert_eq!((changed.certificate, changed.ssl_policy), (None, None));
    }

    #[test]
    fn there_is_a_bound_to_listeners() {
        let mut balancer = balancer();
        for port in 1..=50 {
            balancer.add_listener(new(port)).unwrap();
        }
        let refused = balancer.add_listener(new(51)).unwrap_err();
        assert!(matches!(refused, BalancerError::TooMany(TooMany::Listeners)), "{refused}");
    }
}
