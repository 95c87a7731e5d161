//! Conditions of rules, as they are written.

use hearth_http::balancers::field;
use hearth_http::balancers::record::{Condition, QueryPair};
use serde_json::{Value, json};

use super::unsupported;
use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// AWS's fields, and where their values stand.
const FIELDS: [(&str, Field); 6] = [
    ("host-header", Field::Host),
    ("path-pattern", Field::Path),
    ("http-header", Field::Header),
    ("http-request-method", Field::Method),
    ("query-string", Field::Query),
    ("source-ip", Field::Source),
];

#[derive(Debug, Clone, Copy)]
enum Field {
    Host,
    Path,
    Header,
    Method,
    Query,
    Source,
}

impl Field {
    fn member(self) -> &'static str {
        match self {
            Self::Host => "HostHeaderConfig",
            Self::Path => "PathPatternConfig",
            Self::Header => "HttpHeaderConfig",
            Self::Method => "HttpRequestMethodConfig",
            Self::Query => "QueryStringConfig",
            Self::Source => "SourceIpConfig",
        }
    }
}

/// The conditions of a list.
pub(super) fn read(elements: Vec<Value>) -> Result<Vec<Condition>, Refusal> {
    let each = (1_usize..).zip(elements);
    each.map(|(place, element)| one(Parameters::within("Conditions", place, element))).collect()
}

fn one(mut condition: Parameters) -> Result<Condition, Refusal> {
    let named = condition.required("Field");
    let plain = condition.texts("Values");
    if condition.take("RegexValues").is_some() {
        return Err(unsupported("regular expressions in conditions"));
    }
    let field = FIELDS.iter().find(|(name, _)| *name == named).map(|(_, field)| *field);
    let config = field.and_then(|field| condition.structure(field.member()));
    condition.check()?;
    let Some(field) = field else {
        let known = FIELDS.map(|(name, _)| name).join(", ");
        let text = format!("Condition field '{named}' must be one of '[{known}]'");
        return Err(Refusal::validation(text));
    };
    let Some(mut config) = config else {
        return match field {
            Field::Host => Ok(Condition::Host(plain)),
            Field::Path => Ok(Condition::Path(plain)),
            Field::Header | Field::Method | Field::Query | Field::Source => {
                let text = format!("{} must be specified for '{named}'", field.member());
                Err(Refusal::validation(text))
            }
        };
    };
    if config.take("RegexValues").is_some() {
        return Err(unsupported("regular expressions in conditions"));
    }
    let read = match field {
        Field::Query => Condition::Query(pairs(&mut config)?),
        Field::Header => {
            let name = config.required("HttpHeaderName");
            Condition::Header { name, values: config.texts("Values") }
        }
        Field::Host => Condition::Host(config.texts("Values")),
        Field::Path => Condition::Path(config.texts("Values")),
        Field::Method => Condition::Method(config.texts("Values")),
        Field::Source => Condition::Source(config.texts("Values")),
    };
    config.check()?;
    if !plain.is_empty() && read != Condition::Host(plain.clone()) && read != Condition::Path(plain)
    {
        let text = format!("Values and {} cannot be specified together", field.member());
        return Err(Refusal::validation(text));
    }
    Ok(read)
}

fn pairs(config: &mut Parameters) -> Result<Vec<QueryPair>, Refusal> {
    let mut pairs = Vec::new();
    for (place, element) in (1_usize..).zip(config.list("Values")) {
        let mut pair = Parameters::within("Values", place, element);
        pairs.push(QueryPair { key: pair.text("Key"), value: pair.required("Value") });
        pair.check()?;
    }
    Ok(pairs)
}

/// Conditions, as they are answered.
pub(super) fn shown(conditions: &[Condition]) -> Value {
    let each = |condition: &Condition| {
        let named = field(condition);
        match condition {
            // AWS: these two are answered in both ways to write them.
            Condition::Host(values) => json!({
                "Field": named, "Values": values, "HostHeaderConfig": { "Values": values },
            }),
            Condition::Path(values) => json!({
                "Field": named, "Values": values, "PathPatternConfig": { "Values": values },
            }),
            Condition::Header { name, values } => json!({
                "Field": named,
                "HttpHeaderConfig": { "HttpHeaderName": name, "Values": values },
            }),
            Condition::Method(values) => json!({
                "Field": named, "HttpRequestMethodConfig": { "Values": values },
            }),
            Condition::Source(values) => json!({
                "Field": named, "SourceIpConfig": { "Values": values },
            }),
            Condition::Query(pairs) => {
                let pair = |pair: &QueryPair| json!({ "Key": pair.key, "Value": pair.value });
                let values: Vec<Value> = pairs.iter().map(pair).collect();
                json!({ "Field": named, "QueryStringConfig": { "Values": values } })
            }
        }
    };
    Value::from(conditions.iter().map(each).collect::<Vec<Value>>())
}
