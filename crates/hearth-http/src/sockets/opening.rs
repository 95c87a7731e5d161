//! A handshake on its way to a connection, and a connection that is to get its stream.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::Sockets;
use super::connection::Connection;
use super::event::{self, Happening};
use super::id;
use super::lifetime::Closing;
use super::said::Said;
use super::scene::{CONNECT, DISCONNECT, Scene};
use crate::request::Request;
use crate::response::{Body, Response};
use crate::site::{Place, by_host};

/// What APIs are called in hosts.
pub(super) const SERVICE: &str = "execute-api";

/// A connection that is known, and whose client is to hear that it is open. It has to be run, or
/// said to have vanished; else its functions do not hear of its end.
#[derive(Debug)]
pub struct Opening {
    pub(super) sockets: Arc<Sockets>,
    pub(super) connection: Arc<Connection>,
    protocol: Option<String>,
    _place: OwnedSemaphorePermit,
}

/// Why there is no connection.
enum No {
    /// In the service's own words.
    Said(Said),
    /// In those of the function.
    Response(Response),
}

impl From<Said> for No {
    fn from(said: Said) -> Self {
        Self::Said(said)
    }
}

impl Sockets {
    /// Finds out whether a handshake leads to a connection. It is one in its form.
    ///
    /// # Errors
    ///
    /// If it does not: what is answered in place.
    pub async fn open(
        self: &Arc<Self>,
        place: &Place,
        mut request: Request,
    ) -> Result<Opening, Box<Response>> {
        let (request_id, api) = (id::random(), place.id.as_str());
        let stage = stage_of(&place.path).unwrap_or_default();
        let scene = self.scene(api, stage);
        if let Ok(scene) = &scene
            && by_host(SERVICE, &request.host).is_none()
        {
            // As if it had come by the name that the API has.
            request.host = format!("{api}.{SERVICE}.{}.localhost", scene.api.scope.region);
        }
        let connection = Connection::of(&request, (api, stage), &self.room);
        let connection_id = connection.id.clone();
        let opened = match scene {
            Ok(scene) => self.connect(&scene, connection, (&request, request_id.as_str())).await,
            Err(said) => Err(said.into()),
        };
        opened.map_err(|no| {
            Box::new(match no {
                No::Said(said) => said.response(&connection_id, &request_id),
                No::Response(response) => response,
            })
        })
    }

    async fn connect(
        self: &Arc<Self>,
        scene: &Scene,
        mut connection: Connection,
        (request, request_id): (&Request, &str),
    ) -> Result<Opening, No> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_none_left| Said::TooMany)?;
        let mut protocol = None;
        if let Some(route) = scene.route(CONNECT) {
            self.enter(scene, route)?;
            let now = request.time;
            let happening = Happening { scene, connection: &connection, request_id, now };
            let authorizer = self.authorize(&happening, request, route).await?;
            connection.authorizer = authorizer;
            let happening = Happening { scene, connection: &connection, request_id, now };
            let payload = event::connect(&happening, request);
            let trace = request.header("x-amzn-trace-id").map(str::to_owned);
            let answer = self.ask(scene, route, (payload, trace)).await?;
            if !(200..300).contains(&answer.status) {
                let told = scene.answers(route).then(|| answer.decoded().unwrap_or_default());
                let said = No::Said(Said::Refused(answer.status));
                let told = told.filter(|body| !body.is_empty());
                return Err(told.map_or(said, |body| refusal(answer.status, body)));
            }
            protocol = chosen(request, answer.header("sec-websocket-protocol"));
        }
        let connection = Arc::new(connection);
        if !self.register(&connection) {
            // The function has heard of it, so it hears that there is nothing.
            self.disconnected(&connection, &Closing::GOING_AWAY).await;
            return Err(Said::Closing.into());
        }
        Ok(Opening { sockets: Arc::clone(self), connection, protocol, _place: place })
    }

    /// Tells the function of `$disconnect`, if there is one, that a connection has ended.
    pub(super) async fn disconnected(&self, connection: &Connection, closing: &Closing) {
        let Ok(scene) = self.scene(&connection.api, &connection.stage) else { return };
        let Some(route) = scene.route(DISCONNECT) else { return };
        let (request_id, now) = (id::random(), self.now());
        let happening = Happening { scene: &scene, connection, request_id: &request_id, now };
        let payload = event::disconnect(&happening, closing);
        if let Err(why) = self.ask(&scene, route, (payload, None)).await {
            let api = &connection.api;
            tracing::info!(api, ?why, "the end of a connection was not heard");
        }
    }
}

impl Opening {
    /// The subprotocol that was chosen.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// There will be no stream: the client has gone away.
    pub async fn vanished(self) {
        self.end(&Closing::VANISHED).await;
    }

    /// Makes the connection unknown, and then tells its functions.
    pub(super) async fn end(&self, closing: &Closing) {
        self.connection.outbox.end(closing.clone());
        if self.sockets.forget(&self.connection) {
            self.sockets.disconnected(&self.connection, closing).await;
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // After a panic; else it is not known any more.
        self.sockets.forget(&self.connection);
    }
}

/// The stage that a path names: it has nothing else.
fn stage_of(path: &str) -> Option<&str> {
    let stage = path.strip_prefix('/')?;
    let stage = stage.strip_suffix('/').unwrap_or(stage);
    (!stage.is_empty() && !stage.contains('/')).then_some(stage)
}

/// The subprotocol that the function has chosen, if the client has offered it: no client takes
/// another one.
fn chosen(request: &Request, answered: Option<&str>) -> Option<String> {
    let chosen = answered?.trim();
    let offers = request.headers.iter().filter(|(name, _)| name == "sec-websocket-protocol");
    let mut offers = offers.flat_map(|(_, offers)| offers.split(','));
    offers.any(|offer| offer.trim() == chosen).then(|| chosen.to_owned())
}

fn refusal(status: u16, body: Bytes) -> No {
    No::Response(Response { status, headers: Vec::new(), body: Body::Whole(body) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::request;

    #[test]
    fn a_path_names_a_stage_and_nothing_else() {
        #[rustfmt::skip]
        let rows = [
            ("/prod",   Some("prod")),
            ("/prod/",  Some("prod")),
            ("/",       None),
            ("",        None),
            ("//",      None),
            ("/prod/a", None),
        ];
        for (path, expected) in rows {
            assert_eq!(stage_of(path), expected, "{path}");
        }
    }

    #[test]
    fn only_a_subprotocol_that_was_offered_is_chosen() {
        let request = request("GET", "/prod", &[("sec-websocket-protocol", "chat, superchat")]);
        #[rustfmt::skip]
        let rows = [
            (Some("superchat"), Some("superchat")),
            (Some(" chat "),    Some("chat")),
            (Some("other"),     None),
            (None,              None),
        ];
        for (answered, expected) in rows {
            assert_eq!(chosen(&request, answered).as_deref(), expected, "{answered:?}");
        }
    }
}
