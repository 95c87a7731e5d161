//! What a request can be for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::request::Request;
use crate::response::Response;
use crate::sockets::Sockets;

/// What all paths begin with that name a site, for clients that cannot name it by the host:
/// `/_hearth/sites/<kind>/<id>/…`.
pub const PATH_PREFIX: &str = "/_hearth/sites/";

/// What requests can be for: all function URLs, all APIs of a kind, all load balancers.
#[async_trait]
pub trait Site: Send + Sync + fmt::Debug {
    /// Which of them is meant, if it is one of this kind. `host` is in lower case and without its
    /// port; `path` is as it was sent. Looks nowhere but into memory.
    fn find(&self, host: &str, path: &str) -> Option<Place>;

    /// The WebSockets that are opened here, if that is what it is for. Then handshakes go there.
    fn sockets(&self) -> Option<&Arc<Sockets>> {
        None
    }

    /// Answers a request. There is always an answer, within a bounded time.
    async fn serve(&self, place: Place, request: Request) -> Response;

    /// How large a body may be.
    fn body_bytes_max(&self) -> usize;

    /// What is answered to a request that is larger.
    fn too_large(&self) -> Response;
}

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The id, or the name, of the one that is meant.
    pub id: String,
    /// The part of the path that is the site's, percent-encoded as it was sent; begins with a `/`.
    pub path: String,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sites(pub Vec<Arc<dyn Site>>);

impl Sites {
    /// The one that is meant.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<(Arc<dyn Site>, Place)> {
        let found = |site: &Arc<dyn Site>| Some((Arc::clone(site), site.find(host, path)?));
        self.0.iter().find_map(found)
    }
}

/// The id and the rest of a path `/_hearth/sites/<kind>/<id>/…`.
#[must_use]
pub fn by_path(kind: &str, path: &str) -> Option<Place> {
    let rest = path.strip_prefix(PATH_PREFIX)?.strip_prefix(kind)?.strip_prefix('/')?;
    let (id, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    (!id.is_empty()).then(|| Place { id: id.to_owned(), path: path.to_owned() })
}

/// The first label of a host whose second one is this: `<id>.<service>.…`.
#[must_use]
pub fn by_host<'a>(service: &str, host: &'a str) -> Option<&'a str> {
    let (id, rest) = host.split_once('.')?;
    let (second, _region_and_domain) = rest.split_once('.')?;
    (second == service && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_site() {
        #[rustfmt::skip]
        let rows = [
            ("/_hearth/sites/url/abc/x/y", Some(("abc", "/x/y"))),
            ("/_hearth/sites/url/abc/",    Some(("abc", "/"))),
            ("/_hearth/sites/url/abc",     Some(("abc", "/"))),
            ("/_hearth/sites/url/",        None),
            ("/_hearth/sites/urls/abc/",   None),
            ("/_hearth/sites/api/abc/",    None),
            ("/x",                         None),
        ];
        for (path, expected) in rows {
            let expected = expected
                .map(|(id, path): (&str, &str)| Place { id: id.to_owned(), path: path.to_owned() });
            assert_eq!(by_path("url", path), expected, "{path}");
        }
    }

    #[test]
    fn a_host_names_a_site() {
        #[rustfmt::skip]
        let rows = [
            ("abc.lambda-url.us-east-1.localhost", Some("abc")),
            ("abc.lambda-url.us-east-1.on.aws",    Some("abc")),
            ("abc.execute-api.us-east-1.localhost", None),
            (".lambda-url.us-east-1.localhost",    None),
            ("lambda-url.us-east-1.localhost",     None),
            ("localhost",                          None),
        ];
        for (host, expected) in rows {
            assert_eq!(by_host("lambda-url", host), expected, "{host}");
        }
    }
}
