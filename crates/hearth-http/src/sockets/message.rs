//! A message on its way to the function of its route, and back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_types::limits::SOCKET_MESSAGE_BYTES_MAX;

use super::Sockets;
use super::connection::Connection;
use super::event::{self, Happening};
use super::id;
use super::said::Said;
use super::scene::Scene;
use crate::answer::v1::{self, Answer};
use crate::apis::record::{DEFAULT_ROUTE, IntegrationKind, Route};
use crate::event::v1::Maker;
use crate::permitted;

impl Sockets {
    /// Does what a message asks for. What is to be said about it waits for the client then.
    pub(super) async fn hear(&self, connection: &Arc<Connection>, message: &str) {
        let request_id = id::random();
        let reply = match self.answer(connection, message, &request_id).await {
            Ok(None) => return,
            Ok(Some(reply)) => reply,
            Err(said) => said.text(&connection.id, &request_id),
        };
        if let Err(why) = connection.outbox.put(reply) {
            tracing::debug!(connection = connection.id, ?why, "an answer was not taken");
        }
    }

    /// What is answered to a message, if something is.
    async fn answer(
        &self,
        connection: &Connection,
        message: &str,
        request_id: &str,
    ) -> Result<Option<Bytes>, Said> {
        let scene = self.scene(&connection.api, &connection.stage)?;
        let route = scene.route_of(message).ok_or(Said::Forbidden)?;
        self.enter(&scene, route)?;
        let happening = Happening { scene: &scene, connection, request_id, now: self.now() };
        let payload = event::message(&happening, &route.key, message);
        // The message is there as well until this is done.
        let room = self.heard.take(message.len() + payload.len()).ok_or(Said::TooMany)?;
        let answer = self.ask(&scene, route, (payload, None)).await?;
        drop(room);
        if !scene.answers(route) {
            return Ok(None);
        }
        let body = answer.decoded().map_err(|_not_base64| Said::BadAnswer)?;
        if body.len() > SOCKET_MESSAGE_BYTES_MAX {
            return Err(Said::BadAnswer);
        }
        Ok((!body.is_empty()).then_some(body))
    }

    /// Runs the function of a route, and reads its answer.
    pub(super) async fn ask(
        &self,
        scene: &Scene,
        route: &Route,
        (payload, trace): (Bytes, Option<String>),
    ) -> Result<Answer, Said> {
        let integration = route.integration.as_ref();
        let integration = integration.and_then(|id| scene.snapshot.integrations.get(id));
        let integration = integration.ok_or(Said::Internal)?;
        match integration.kind {
            IntegrationKind::AwsProxy => {}
            // The rules of integrations do not let that be.
            IntegrationKind::HttpProxy => return Err(Said::Internal),
        }
        let source = scene.route_arn(&route.key);
        let role = integration.credentials.as_deref();
        let asked = scene.asked((&integration.uri, &source), role);
        let limit = Duration::from_millis(u64::from(integration.timeout_millis));
        let bounds = (trace.as_deref(), limit);
        let call = permitted::call(&self.control, &asked, || payload, bounds);
        let call = call.ok_or(Said::Internal)?;
        let api = &scene.api.id;
        let ran = self.functions.run(call).await.map_err(|why| {
            tracing::info!(api, %why, "the function of an API did not answer");
            Said::of(&why)
        })?;
        v1::read(&ran.payload, Maker::Http).map_err(|why| {
            tracing::info!(api, %why, "a function answered in a wrong form");
            Said::BadAnswer
        })
    }
}

impl Scene {
    /// Whether the client is sent what the function of a route answers.
    pub(super) fn answers(&self, route: &Route) -> bool {
        route.response_selection.as_deref() == Some(DEFAULT_ROUTE)
            && route.responses.values().any(|response| response.key == DEFAULT_ROUTE)
    }
}
