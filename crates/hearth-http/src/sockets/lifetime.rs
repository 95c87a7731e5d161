//! How long a connection stays open: a pure decision.

use std::borrow::Cow;

use hearth_types::limits::{SOCKET_IDLE_MILLIS_MAX, SOCKET_LIFE_MILLIS_MAX};
use hearth_types::time::Moment;

/// Why a connection ends, as it is said on the wire and to `$disconnect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    /// The code.
    pub(super) code: u16,
    /// The reason.
    pub(super) reason: Cow<'static, str>,
}

impl Closing {
    const fn of(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// Whoever has the API has closed it.
    pub(super) const DELETED: Self = Self::of(1000, "");
    /// Nothing happened for too long, it is too old, or the server stops.
    pub(super) const GOING_AWAY: Self = Self::of(1001, "Going away");
    /// The client breaks the protocol.
    pub(super) const PROTOCOL: Self = Self::of(1002, "Protocol error");
    /// AWS: messages that are not text are not supported.
    pub(super) const BINARY: Self = Self::of(1003, "Unsupported data");
    /// The client has said nothing about why it closes.
    pub(super) const NOTHING_SAID: Self = Self::of(1005, "Client-side close frame status not set");
    /// The client is gone, or does not take what it is sent.
    pub(super) const VANISHED: Self = Self::of(1006, "Connection closed abnormally");
    /// A text is not UTF-8.
    pub(super) const NOT_TEXT: Self = Self::of(1007, "Invalid frame payload data");
    /// A frame or a message is too large.
    pub(super) const TOO_LARGE: Self = Self::of(1009, "Message too big");
}

/// When a connection began, and when something last happened on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    opened: Moment,
    active: Moment,
}

impl Lifetime {
    /// One that begins.
    pub(super) fn begin(now: Moment) -> Self {
        Self { opened: now, active: now }
    }

    /// There was a message.
    pub(super) fn touch(&mut self, now: Moment) {
        self.active = self.active.max(now);
    }

    /// When it is over if nothing happens before.
    pub(super) fn due(&self) -> Moment {
        let idle = self.active.plus_millis(SOCKET_IDLE_MILLIS_MAX);
        idle.min(self.opened.plus_millis(SOCKET_LIFE_MILLIS_MAX))
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        now >= self.due()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connection_ends_when_nothing_happens_and_when_it_is_old() {
        let begin = Moment(7);
        let mut lifetime = Lifetime::begin(begin);
        let idle = begin.plus_millis(SOCKET_IDLE_MILLIS_MAX);
        assert_eq!(lifetime.due(), idle);
        assert!(!lifetime.is_over(Moment(idle.0 - 1)) && lifetime.is_over(idle));

        lifetime.touch(Moment(idle.0 - 1));
        assert!(!lifetime.is_over(idle), "a message keeps it open");

        let old = begin.plus_millis(SOCKET_LIFE_MILLIS_MAX);
        lifetime.touch(Moment(old.0 - 1));
        assert_eq!(lifetime.due(), old, "and not for ever");
    }

    proptest! {
        #[test]
        fn no_connection_outlives_either_limit(
            steps in proptest::collection::vec(0_u64..SOCKET_LIFE_MILLIS_MAX, 0..20),
        ) {
            let mut lifetime = Lifetime::begin(Moment(0));
            let (mut now, mut active) = (0, 0);
            for step in steps {
                now += step;
                let over = now >= SOCKET_LIFE_MILLIS_MAX || now - active >= SOCKET_IDLE_MILLIS_MAX;
                prop_assert_eq!(lifetime.is_over(Moment(now)), over);
                if over {
                    break;
                }
                lifetime.touch(Moment(now));
                active = now;
            }
        }
    }
}
