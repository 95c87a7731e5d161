//! The API, the stage and the deployment that a connection, or a message, has to do with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sockets;
use super::said::Said;
use super::selection::Selection;
use crate::apis::record::{Api, DEFAULT_ROUTE, Protocol, Route, Snapshot};
use crate::apis::serve::settings;
use crate::permitted::Asked;
use crate::throttle;

/// The route for the beginning of a connection.
pub(super) const CONNECT: &str = "$connect";
/// The route for its end.
pub(super) const DISCONNECT: &str = "$disconnect";

/// What a connection has to do with at this moment: its API may change while it is open.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) api: Arc<Api>,
    pub(super) stage: String,
    pub(super) snapshot: Arc<Snapshot>,
}

impl Sockets {
    /// What is to be found at a stage of an API.
    pub(super) fn scene(&self, api: &str, stage: &str) -> Result<Scene, Said> {
        let api = self.apis.find(api).ok_or(Said::NotFound)?;
        if api.protocol != Protocol::WebSocket || api.endpoint_disabled {
            return Err(Said::NotFound);
        }
        let found = api.stages.get(stage).ok_or(Said::Forbidden)?;
        let snapshot = self.apis.served(&api, found).ok_or(Said::Forbidden)?;
        Ok(Scene { stage: stage.to_owned(), snapshot, api })
    }

    /// Lets a request of a route in, or says that there are too many.
    pub(super) fn enter(&self, scene: &Scene, route: &Route) -> Result<(), Said> {
        let Some(stage) = scene.api.stages.get(&scene.stage) else { return Err(Said::Forbidden) };
        let settings = settings(stage, &route.key);
        let names = [scene.api.id.as_str(), &scene.stage, &route.key];
        let rate = throttle::rate(settings.rate, settings.burst);
        let entered = self.throttle.enter(&names, rate);
        entered.map_err(|_too_many| Said::TooMany)
    }
}

impl Scene {
    /// The route with this key.
    pub(super) fn route(&self, key: &str) -> Option<&Route> {
        self.snapshot.routes.values().find(|route| route.key == key)
    }

    /// The route that a message is for.
    pub(super) fn route_of(&self, message: &str) -> Option<&Route> {
        let selection = Selection::parse(&self.snapshot.route_selection);
        let key = selection.and_then(|selection| selection.key(message));
        let own = key.and_then(|key| self.route(&key));
        own.or_else(|| self.route(DEFAULT_ROUTE))
    }

    /// The variables of the stage.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.api.stages.get(&self.stage).map_or(&NONE, |stage| &stage.variables)
    }

    /// The function of a URI, as this API asks for it on behalf of a source.
    pub(super) fn asked<'a>(
        &'a self,
        (uri, source): (&'a str, &'a str),
        role: Option<&'a str>,
    ) -> Asked<'a> {
        let (api, scope) = (&self.api.id, &self.api.scope);
        Asked { api, scope, variables: self.variables(), uri, source, role }
    }

    /// The ARN of a route, as permissions and policies name it.
    pub(super) fn route_arn(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.api_arn(), self.stage)
    }

    /// The ARN that those of its routes begin with.
    pub(super) fn api_arn(&self) -> String {
        let scope = &self.api.scope;
        format!("arn:aws:execute-api:{}:{}:{}", scope.region, scope.account, self.api.id)
    }
}
