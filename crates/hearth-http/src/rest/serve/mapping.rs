//! Where the values of parameters come from: `method.request.path.id`, `'a text'`,
//! `stageVariables.color`, `context.requestId`.
//!
//! # Deliberately absent
//!
//! Bodies as sources, which would have to be looked into.

use std::collections::BTreeMap;

use super::super::error::RestError;

/// What is known about a request.
pub trait Known {
    /// The first header with this name, whatever its case.
    fn header(&self, name: &str) -> Option<String>;
    /// The last parameter of the query with this name, decoded.
    fn query(&self, name: &str) -> Option<String>;
    /// The value of a variable of the path, decoded.
    fn path(&self, name: &str) -> Option<String>;
    /// A variable of the stage.
    fn variable(&self, name: &str) -> Option<String>;
    /// What else is known, such as `requestId` or `identity.sourceIp`.
    fn context(&self, name: &str) -> Option<String>;
}

/// Where a parameter of a request to an HTTP endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// In a header.
    Header(&'a str),
    /// In the query.
    Query(&'a str),
    /// In the path, in curly brackets.
    Path(&'a str),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// From here.
    Text(&'a str),
    /// From a header.
    Header(&'a str),
    /// From the query.
    Query(&'a str),
    /// From the path.
    Path(&'a str),
    /// From the stage.
    Variable(&'a str),
    /// From what else is known.
    Context(&'a str),
}

impl<'a> Target<'a> {
    /// Reads `integration.request.header.NAME` and the like.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (kind, name) = text.strip_prefix("integration.request.")?.split_once('.')?;
        if name.is_empty() {
            return None;
        }
        match kind {
            "header" => Some(Self::Header(name)),
            "querystring" => Some(Self::Query(name)),
            "path" => Some(Self::Path(name)),
            _ => None,
        }
    }
}

impl<'a> Source<'a> {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('\'') {
            return inner.strip_suffix('\'').map(Self::Text);
        }
        if let Some(name) = text.strip_prefix("stageVariables.") {
            return (!name.is_empty()).then_some(Self::Variable(name));
        }
        if let Some(name) = text.strip_prefix("context.") {
            return (!name.is_empty()).then_some(Self::Context(name));
        }
        let (kind, name) = text.strip_prefix("method.request.")?.split_once('.')?;
        if name.is_empty() {
            return None;
        }
        match kind {
            "header" | "multivalueheader" => Some(Self::Header(name)),
            "querystring" | "multivaluequerystring" => Some(Self::Query(name)),
            "path" => Some(Self::Path(name)),
            _ => None,
        }
    }

    /// The value, if there is one.
    #[must_use]
    pub fn value(self, known: &dyn Known) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_owned()),
            Self::Header(name) => known.header(name),
            Self::Query(name) => known.query(name),
            Self::Path(name) => known.path(name),
            Self::Variable(name) => known.variable(name),
            Self::Context(name) => known.context(name),
        }
    }
}

/// Whether an HTTP endpoint can be given a parameter.
///
/// # Errors
///
/// If one of the two is none, or not built.
pub fn check_request(target: &str, source: &str) -> Result<(), RestError> {
    if Target::parse(target).is_none() {
        return Err(invalid(target));
    }
    match Source::parse(source) {
        Some(_) => Ok(()),
        None if source.starts_with("method.request.body") => {
            Err(RestError::not_built(format!("the mapping expression {source}")))
        }
        None => Err(invalid(source)),
    }
}

/// Whether a text names a header of a response.
///
/// # Errors
///
/// If it does not.
pub fn check_response_name(name: &str) -> Result<(), RestError> {
    header_of(name).map(drop).ok_or_else(|| invalid(name))
}

/// Whether a mock can answer with a header.
///
/// # Errors
///
/// If one of the two is none, or not built.
pub fn check_response(name: &str, source: &str) -> Result<(), RestError> {
    check_response_name(name)?;
    match Source::parse(source) {
        Some(Source::Text(_) | Source::Variable(_) | Source::Context(_)) => Ok(()),
        Some(Source::Header(_) | Source::Query(_) | Source::Path(_)) => Err(invalid(source)),
        // A mock has no answer to take anything from.
        None if source.starts_with("integration.response.") => {
            Err(RestError::not_built(format!("the mapping expression {source} of a mock")))
        }
        None => Err(invalid(source)),
    }
}

/// The header that `method.response.header.NAME` is.
#[must_use]
pub fn header_of(name: &str) -> Option<&str> {
    name.strip_prefix("method.response.header.").filter(|name| !name.is_empty())
}

/// The headers of a mock's answer.
#[must_use]
pub fn response_headers(
    parameters: &BTreeMap<String, String>,
    known: &dyn Known,
) -> Vec<(String, String)> {
    let header = |(name, source): (&String, &String)| {
        Some((header_of(name)?.to_owned(), Source::parse(source)?.value(known)?))
    };
    parameters.iter().filter_map(header).collect()
}

/// A mapping expression that is none.
#[must_use]
pub fn invalid(expression: &str) -> RestError {
    RestError::invalid(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {expression}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_source() {
        #[rustfmt::skip]
        let rows = [
            ("'*'",                                Some(Source::Text("*"))),
            ("''",                                 Some(Source::Text(""))),
            ("'",                                  None),
            ("method.request.header.Accept",       Some(Source::Header("Accept"))),
            ("method.request.querystring.a.b",     Some(Source::Query("a.b"))),
            ("method.request.path.id",             Some(Source::Path("id"))),
            ("method.request.body",                None),
            ("method.request.path.",               None),
            ("stageVariables.color",               Some(Source::Variable("color"))),
            ("context.identity.sourceIp",          Some(Source::Context("identity.sourceIp"))),
            ("plain",                              None),
        ];
        for (text, expected) in rows {
            assert_eq!(Source::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_can_be_mapped_where() {
        let request = "integration.request.path.proxy";
        assert!(check_request(request, "method.request.path.proxy").is_ok());
        assert!(check_request("integration.request.cookie.a", "'a'").is_err());
        let told = check_request(request, "method.request.body.a").unwrap_err().to_string();
        assert!(told.starts_with("Hearth does not support the mapping expression"), "{told}");
        let response = "method.response.header.Access-Control-Allow-Origin";
        assert!(check_response(response, "'*'").is_ok());
        assert!(check_response(response, "method.request.header.Origin").is_err());
        assert!(check_response("method.response.body", "'*'").is_err());
    }
}
