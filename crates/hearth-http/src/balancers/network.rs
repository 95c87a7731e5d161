//! Networks in CIDR notation, such as `192.0.2.0/24` and `2001:db8::/32`.

use std::net::IpAddr;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads one.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let only_digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|_| only_digits)?;
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether an address belongs to it. One of IPv4 that is written as one of IPv6 is what it is.
    #[must_use]
    pub(super) fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = u32::from(own) ^ u32::from(other);
                differs.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = u128::from(own) ^ u128::from(other);
                differs.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_to_networks() {
        #[rustfmt::skip]
        let rows = [
            ("192.0.2.0/24",       "192.0.2.255",      true),
            ("192.0.2.0/24",       "192.0.3.0",        false),
            ("192.0.2.7/32",       "192.0.2.7",        true),
            ("192.0.2.7/32",       "192.0.2.6",        false),
            ("0.0.0.0/0",          "203.0.113.9",      true),
            ("0.0.0.0/0",          "2001:db8::1",      false),
            ("192.0.2.0/24",       "::ffff:192.0.2.9", true),
            ("2001:db8::/32",      "2001:db8:1::9",    true),
            ("2001:db8::/32",      "2001:db9::",       false),
            ("::/0",               "::1",              true),
            ("2001:db8::1/128",    "2001:db8::1",      true),
        ];
        for (network, address, expected) in rows {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.has(address.parse().unwrap()), expected, "{network:?} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_not_taken_for_one() {
        for text in ["", "192.0.2.0", "192.0.2.0/", "192.0.2.0/33", "x/8", "::/129", "::/+8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
