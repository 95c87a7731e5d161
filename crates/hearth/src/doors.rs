//! Where this server listens: for everything, and, if the configuration says so, for functions alone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_front::front::Front;
use hearth_front::server;
use hearth_front::traffic::listener::{self, Door};
use hearth_front::traffic::tls;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::config::Config;

/// The listeners, bound and not served yet.
#[derive(Debug)]
pub(crate) struct Doors {
    api: TcpListener,
    /// Where everything is served.
    pub(crate) address: SocketAddr,
    http: Option<HttpListener>,
}

/// The listener for function URLs, APIs and load balancers.
#[derive(Debug)]
struct HttpListener {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    address: SocketAddr,
}

impl Doors {
    /// Binds what the configuration names.
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let (api, address) = bind(config.listen).await?;
        Ok(Self { api, address, http: HttpListener::bind(config).await? })
    }

    /// How many there are, which share the connections that there may be.
    pub(crate) fn count(&self) -> usize {
        1 + usize::from(self.http.is_some())
    }

    /// Begins to serve them. Returns where only functions are served.
    pub(crate) fn open(self, front: &Arc<Front>) -> Option<String> {
        let url = self.http.as_ref().map(HttpListener::url);
        let (admission, tasks) = (&front.admission, &front.tasks);
        if let Some(HttpListener { listener, tls, address: _ }) = self.http {
            let connections_max = front.connections_max;
            let door =
                Door { front: Arc::clone(front), tls, connections_max, tasks: tasks.clone() };
            let serving = listener::serve(listener, door, admission.clone());
            tasks.spawn("door for functions", serving);
        }
        let serving = server::serve(self.api, Arc::clone(front), admission.clone(), tasks.clone());
        tasks.spawn("front door", serving);
        url
    }
}

impl HttpListener {
    /// Binds it, if the configuration has one.
    async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.http.0 else { return Ok(None) };
        let tls = match (config.http_certificate.as_str(), config.http_key.as_str()) {
            ("", "") => None,
            (certificate, key) => {
                let tls = tls::server(Path::new(certificate), Path::new(key));
                Some(tls.context("`http_certificate` and `http_key` cannot be used")?)
            }
        };
        let (listener, address) = bind(address).await?;
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "functions are served beyond this machine in the clear; `http_certificate` and `http_key` turn on TLS"
            );
        }
        Ok(Some(Self { listener, tls, address }))
    }

    /// Where it is reached.
    fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener
        .with_context(|| format!("could not listen on {address}; is another server running?"))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    Ok((listener, address))
}
