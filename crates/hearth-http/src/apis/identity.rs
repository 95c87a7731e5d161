//! Identity sources: where in a request that is by which an authorizer decides.

use std::collections::BTreeMap;

use super::record::Protocol;

/// Where something is in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// In a header; its name is in lower case.
    Header(String),
    /// In a parameter of the query.
    Query(String),
    /// In what is known about the request.
    Context(String),
    /// In the variables of the stage.
    StageVariable(String),
}

/// What identities are taken from.
pub trait Identified {
    /// The first header with this name.
    fn header(&self, name: &str) -> Option<String>;
    /// The first parameter of the query with this name, decoded.
    fn query(&self, name: &str) -> Option<String>;
    /// What is known about the request under this name, such as `identity.sourceIp`.
    fn context(&self, name: &str) -> Option<String>;
}

impl IdentitySource {
    /// Reads a source. HTTP APIs write `$request.header.X`, WebSocket APIs `route.request.header.X`.
    #[must_use]
    pub fn parse(protocol: Protocol, text: &str) -> Option<Self> {
        let (request, before) = match protocol {
            Protocol::Http => ("$request.", "$"),
            Protocol::WebSocket => ("route.request.", ""),
        };
        let (kind, name) = match text.strip_prefix(request) {
            Some(rest) => rest.split_once('.')?,
            None => text.strip_prefix(before)?.split_once('.')?,
        };
        let is_of_request = text.starts_with(request);
        let name = name.to_owned();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        match kind {
            "header" if is_of_request => Some(Self::Header(name.to_ascii_lowercase())),
            "querystring" if is_of_request => Some(Self::Query(name)),
            "context" if !is_of_request => Some(Self::Context(name)),
            "stageVariables" if !is_of_request => Some(Self::StageVariable(name)),
            _ => None,
        }
    }

    /// What is there; what is empty counts as nothing.
    #[must_use]
    pub fn value(
        &self,
        request: &dyn Identified,
        variables: &BTreeMap<String, String>,
    ) -> Option<String> {
        let value = match self {
            Self::Header(name) => request.header(name),
            Self::Query(name) => request.query(name),
            Self::Context(name) => request.context(name),
            Self::StageVariable(name) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let header = |name: &str| Some(IdentitySource::Header(name.to_owned()));
        #[rustfmt::skip]
        let rows = [
            (Protocol::Http,      "$request.header.Authorization",    header("authorization")),
            (Protocol::Http,      "$request.querystring.Token",       Some(IdentitySource::Query("Token".to_owned()))),
            (Protocol::Http,      "$context.identity.sourceIp",       Some(IdentitySource::Context("identity.sourceIp".to_owned()))),
            (Protocol::Http,      "$stageVariables.v",                Some(IdentitySource::StageVariable("v".to_owned()))),
            (Protocol::Http,      "$request.body.a",                  None),
            (Protocol::Http,      "$header.a",                        None),
            (Protocol::Http,      "$request.header.",                 None),
            (Protocol::Http,      "route.request.header.Auth",        None),
            (Protocol::Http,      "Authorization",                    None),
            (Protocol::WebSocket, "route.request.header.Auth",        header("auth")),
            (Protocol::WebSocket, "stageVariables.v",                 Some(IdentitySource::StageVariable("v".to_owned()))),
            (Protocol::WebSocket, "$request.header.Auth",             None),
        ];
        for (protocol, text, expected) in rows {
            assert_eq!(IdentitySource::parse(protocol, text), expected, "{text}");
        }
    }
}
