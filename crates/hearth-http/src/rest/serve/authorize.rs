//! What authorizers are asked by, and what is remembered of their answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fancy_regex::{Regex, RegexBuilder};
use hearth_types::time::Timestamp;

use super::super::limits;
use super::mapping::Known;
use crate::authorizer::answer::Answer;

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

/// By what an answer is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The id of the API.
    pub api: String,
    /// The name of the stage.
    pub stage: String,
    /// The id of the authorizer.
    pub authorizer: String,
    /// By what it was asked.
    pub values: Vec<String>,
}

/// The answers of authorizers that are still good.
#[derive(Debug, Default)]
pub struct Authorized(Mutex<HashMap<Identity, Remembered>>);

#[derive(Debug)]
struct Remembered {
    answer: Arc<Answer>,
    until: Timestamp,
}

impl Authorized {
    /// An answer, if there is one that is still good.
    #[must_use]
    pub fn get(&self, identity: &Identity, now: Timestamp) -> Option<Arc<Answer>> {
        let answers = self.answers();
        let known = answers.get(identity).filter(|known| now < known.until)?;
        Some(Arc::clone(&known.answer))
    }

    /// Remembers an answer.
    pub fn keep(
        &self,
        identity: Identity,
        answer: Arc<Answer>,
        (now, until): (Timestamp, Timestamp),
    ) {
        let mut answers = self.answers();
        if answers.len() >= limits::AUTHORIZED_MAX {
            answers.retain(|_, known| now < known.until);
        }
        // Asking again is all that comes of forgetting.
        if answers.len() >= limits::AUTHORIZED_MAX {
            answers.clear();
        }
        answers.insert(identity, Remembered { answer, until });
    }

    /// Forgets the answers about an API, or about one of its stages.
    pub fn forget(&self, api: &str, stage: Option<&str>) {
        self.answers().retain(|identity, _| {
            identity.api != api || stage.is_some_and(|stage| identity.stage != stage)
        });
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<Identity, Remembered>> {
        self.0.lock().expect("no code panics while it holds the answers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorizer::answer;

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

    #[test]
    fn an_answer_is_good_for_a_while() {
        let payload = br#"{"principalId":"me","policyDocument":{"Statement":[]}}"#;
        let answer = Arc::new(answer::read(payload).unwrap());
        let identity = |stage: &str| Identity {
            api: "a".to_owned(),
            stage: stage.to_owned(),
            authorizer: "z".to_owned(),
            values: vec!["token".to_owned()],
        };
        let authorized = Authorized::default();
        let span = (Timestamp(1_000), Timestamp(2_000));
        authorized.keep(identity("one"), Arc::clone(&answer), span);
        authorized.keep(identity("two"), answer, span);
        assert!(authorized.get(&identity("one"), Timestamp(1_999)).is_some());
        assert!(authorized.get(&identity("one"), Timestamp(2_000)).is_none());
        authorized.forget("a", Some("one"));
        assert!(authorized.get(&identity("one"), Timestamp(1_000)).is_none());
        assert!(authorized.get(&identity("two"), Timestamp(1_000)).is_some());
        authorized.forget("a", None);
        assert!(authorized.get(&identity("two"), Timestamp(1_000)).is_none());
    }
}
