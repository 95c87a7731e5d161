//! Addresses that are asked: `http://host:port/path?query`, or with `https`.

use hyper::Uri;
use hyper::http::uri::Authority;

/// Whom a connection leads to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
}

/// How a connection carries requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In the clear.
    Http,
    /// Through TLS.
    Https,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AddressError {
    #[error("it is no address of a server")]
    Malformed,
    #[error("it has a name and a password, which Hearth does not send yet")]
    Credentials,
}

impl Origin {
    /// The name, or the number, of the host.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// As an address begins.
    pub(super) fn shown(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}", self.authority)
    }
}

/// Whom to connect to, and the path and query to ask for.
pub(super) fn read(url: &str) -> Result<(Origin, String), AddressError> {
    let uri: Uri = url.parse().map_err(|_malformed| AddressError::Malformed)?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(_) | None => return Err(AddressError::Malformed),
    };
    let authority = uri.authority().ok_or(AddressError::Malformed)?;
    if authority.host().is_empty() {
        return Err(AddressError::Malformed);
    }
    if authority.as_str().contains('@') {
        return Err(AddressError::Credentials);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((Origin { scheme, authority: authority.clone() }, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        #[rustfmt::skip]
        let rows = [
            ("http://example.com",            Ok(("http://example.com", 80, "/"))),
            ("http://example.com:8080/a?b=c", Ok(("http://example.com:8080", 8080, "/a?b=c"))),
            ("HTTP://127.0.0.1/#part",        Ok(("http://127.0.0.1", 80, "/"))),
            ("http://[::1]:80/",              Ok(("http://[::1]:80", 80, "/"))),
            ("https://example.com/",          Ok(("https://example.com", 443, "/"))),
            ("https://example.com:8443",      Ok(("https://example.com:8443", 8443, "/"))),
            ("http://me:secret@example.com/", Err(AddressError::Credentials)),
            ("ftp://example.com/",            Err(AddressError::Malformed)),
            ("example.com",                   Err(AddressError::Malformed)),
            ("/path",                         Err(AddressError::Malformed)),
            ("http://",                       Err(AddressError::Malformed)),
            ("http://a b/",                   Err(AddressError::Malformed)),
            ("",                              Err(AddressError::Malformed)),
        ];
        for (url, expected) in rows {
            let found = read(url);
            let found = found.map(|(origin, path)| (origin.shown(), origin.port(), path));
            let expected = expected.map(|(shown, port, path): (&str, u16, &str)| {
                (shown.to_owned(), port, path.to_owned())
            });
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_host_is_named_without_its_brackets() {
        assert_eq!(read("http://[::1]:80/").unwrap().0.host(), "::1");
        assert_eq!(read("https://example.com/").unwrap().0.host(), "example.com");
    }
}
