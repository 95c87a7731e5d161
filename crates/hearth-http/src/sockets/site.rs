//! Where WebSocket APIs are found.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::Sockets;
use super::opening::SERVICE;
use crate::apis::record::Protocol;
use crate::request::Request;
use crate::response::Response;
use crate::site::{Place, Site, by_host, by_path};

/// What they are called in paths.
const KIND: &str = "socket";

/// All WebSocket APIs.
#[derive(Debug)]
pub struct SocketSite(Arc<Sockets>);

impl SocketSite {
    /// The site of these connections.
    #[must_use]
    pub fn new(sockets: Arc<Sockets>) -> Self {
        Self(sockets)
    }
}

#[async_trait]
impl Site for SocketSite {
    fn find(&self, host: &str, path: &str) -> Option<Place> {
        if let Some(place) = by_path(KIND, path) {
            return Some(place);
        }
        let id = by_host(SERVICE, host)?;
        let api = self.0.apis.find(id).filter(|api| api.protocol == Protocol::WebSocket)?;
        Some(Place { id: api.id.clone(), path: path.to_owned() })
    }

    fn sockets(&self) -> Option<&Arc<Sockets>> {
        Some(&self.0)
    }

    /// A request that opens no connection: nothing else can be had here.
    async fn serve(&self, _place: Place, _request: Request) -> Response {
        Response::json(426, &json!({ "message": "Upgrade Required" }))
    }

    fn body_bytes_max(&self) -> usize {
        0
    }

    fn too_large(&self) -> Response {
        Response::json(426, &json!({ "message": "Upgrade Required" }))
    }
}
