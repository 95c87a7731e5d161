//! What authorizers are asked by.

use fancy_regex::{Regex, RegexBuilder};

use super::super::limits;
use super::mapping::Known;

/// Where that is by which an authorizer decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a header.
    Header(String),
    /// In the query.
    Query(String),
    /// In the variables of the stage.
    Variable(String),
    /// In what else is known.
    Context(String),
}

/// Reads sources, with commas between them.
#[must_use]
pub fn sources(text: &str) -> Option<Vec<Source>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|one| source(one.trim())).collect()
}

fn source(text: &str) -> Option<Source> {
    let (source, name): (fn(String) -> Source, _) =
        if let Some(name) = text.strip_prefix("method.request.header.") {
            (Source::Header, name)
        } else if let Some(name) = text.strip_prefix("method.request.querystring.") {
            (Source::Query, name)
        } else if let Some(name) = text.strip_prefix("stageVariables.") {
            (Source::Variable, name)
        } else {
            (Source::Context, text.strip_prefix("context.")?)
        };
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| source(name.to_owned()))
}

impl Source {
    /// What is there; what is empty counts as nothing.
    #[must_use]
    pub fn value(&self, known: &dyn Known) -> Option<String> {
        let value = match self {
            Self::Header(name) => known.header(name),
            Self::Query(name) => known.query(name),
            Self::Variable(name) => known.variable(name),
            Self::Context(name) => known.context(name),
        };
        value.filter(|value| !value.is_empty())
    }
}

/// An expression that whole texts are compared with.
#[must_use]
pub fn expression(text: &str) -> Option<Regex> {
    let whole = format!("\\A(?:{text})\\z");
    RegexBuilder::new(&whole).backtrack_limit(limits::EXPRESSION_STEPS_MAX).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_identities_are() {
        let header = |name: &str| Source::Header(name.to_owned());
        #[rustfmt::skip]
        let rows = [
            ("method.request.header.Authorization", Some(vec![header("Authorization")])),
            ("method.request.header.a, method.request.querystring.b", Some(vec![header("a"), Source::Query("b".to_owned())])),
            ("context.identity.sourceIp,stageVariables.v", Some(vec![Source::Context("identity.sourceIp".to_owned()), Source::Variable("v".to_owned())])),
            ("",                                    Some(vec![])),
            ("Authorization",                       None),
            ("method.request.header.",              None),
            ("method.request.body.a",               None),
            ("method.request.header.a,",            None),
        ];
        for (text, expected) in rows {
            assert_eq!(sources(text), expected, "{text}");
        }
    }

    #[test]
    fn expressions_are_about_the_whole_text() {
        let bearer = expression("Bearer [a-z]+|x").unwrap();
        for (text, expected) in [("Bearer abc", true), ("Bearer abc1", false), ("xx", false)] {
            assert_eq!(bearer.is_match(text).unwrap(), expected, "{text}");
        }
        assert!(expression("(").is_none());
    }
}
