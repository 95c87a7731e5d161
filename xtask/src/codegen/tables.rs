//! The static tables: operations with their routes, shapes of inputs, and errors.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use serde_json::Number;

use super::model::{Member, Model, Operation, Shape};
use super::types::snake_case;

/// The text of `operations.rs`.
pub(super) fn operations(model: &Model) -> anyhow::Result<String> {
    let service = &model.metadata.service_full_name;
    let names: Vec<&str> = model.operations.iter().map(|(name, _)| name.as_str()).collect();
    let count = names.len();
    let mut descriptions = String::new();
    for (index, (name, operation)) in model.operations.iter().enumerate() {
        descriptions += &description(model, index, name, operation)
            .with_context(|| format!("could not describe the operation {name}"))?;
    }
    let buckets = buckets(model);
    let prefix = option(model.metadata.target_prefix.as_ref().map(|text| format!("{text:?}")));
    let not_built: Vec<String> =
        model.operations_not_built.iter().map(|name| format!("{name:?}")).collect();
    let all: Vec<String> = names.iter().map(|name| format!("Operation::{name}")).collect();
    let body = format!(
        "/// One operation of {service}.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {{ {variants} }}

impl Operation {{
    /// Every operation, in the order of the model.
    pub const ALL: [Operation; {count}] = [{all}];

    /// The name that AWS gives it.
    pub fn name(self) -> &'static str {{ self.description().name }}

    /// How it travels.
    pub fn description(self) -> &'static OperationDescription {{ &OPERATIONS[self as usize] }}

    /// The operation that a description of this service belongs to.
    pub fn of(description: &OperationDescription) -> Operation {{ Self::ALL[description.index] }}
}}

/// {service}.
pub static SERVICE: Service = Service {{
    name: {service:?},
    target_prefix: {prefix},
    operations: &OPERATIONS,
    buckets: &[{buckets}],
    not_built: &[{not_built}],
}};

static OPERATIONS: [OperationDescription; {count}] = [{descriptions}];
",
        variants = names.join(", "),
        all = all.join(", "),
        not_built = not_built.join(", "),
    );
    let uses = used(&body, &["Bucket", "OperationDescription", "Placed", "Segment", "Service"]);
    let mut text = format!("//! The operations of {service}, and how each of them travels.\n\n");
    text += "use super::shapes;\n";
    text += &format!("use crate::service::{{{uses}}};\n");
    if body.contains("Location::") {
        text += "use crate::shape::Location;\n";
    }
    Ok(text + "\n" + &body)
}

fn description(
    model: &Model,
    index: usize,
    name: &str,
    operation: &Operation,
) -> anyhow::Result<String> {
    let (path, query) = match operation.http.request_uri.split_once('?') {
        Some((path, query)) => (path, Some(query.split_once('=').context("a bare query part")?)),
        None => (operation.http.request_uri.as_str(), None),
    };
    let input = operation.input.as_ref().context("it has no input")?;
    Ok(format!(
        "OperationDescription {{ name: {name:?}, index: {index}, method: {:?}, segments: &[{}], \
         query: {}, status: {}, input: &shapes::{}, placed: &[{}] }},\n",
        operation.http.method,
        segments(path).join(", "),
        option(query.map(|query| format!("{query:?}"))),
        operation.http.response_code.unwrap_or(200),
        static_name(&input.shape),
        placed(model, operation)?.join(", "),
    ))
}

fn segments(path: &str) -> Vec<String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| {
        match segment.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(label) => format!("Segment::Label({label:?})"),
            None => format!("Segment::Literal({segment:?})"),
        }
    });
    segments.collect()
}

/// The members of the output that do not go into the JSON body.
fn placed(model: &Model, operation: &Operation) -> anyhow::Result<Vec<String>> {
    let Some(output) = &operation.output else { return Ok(Vec::new()) };
    let shape = model.shape(&output.shape)?;
    let mut placed = Vec::new();
    for (name, member) in shape.members() {
        let location = location(shape, name, member)?;
        if location != "Location::Body" {
            placed.push(format!("Placed {{ member: {name:?}, location: {location} }}"));
        }
    }
    Ok(placed)
}

fn location(shape: &Shape, name: &str, member: &Member) -> anyhow::Result<String> {
    let wire_name = member.location_name.as_deref().unwrap_or(name);
    Ok(match member.location.as_deref() {
        Some("uri") => format!("Location::Uri({wire_name:?})"),
        Some("querystring") => format!("Location::Querystring({wire_name:?})"),
        Some("header") => format!("Location::Header({wire_name:?})"),
        Some("statusCode") => "Location::StatusCode".to_owned(),
        Some(other) => bail!("the location {other} is not known"),
        None if shape.payload.as_deref() == Some(name) => "Location::Payload".to_owned(),
        None => {
            ensure!(wire_name == name, "{name} has another name in the body");
            "Location::Body".to_owned()
        }
    })
}

/// The operations by the first segment of their paths.
fn buckets(model: &Model) -> String {
    let mut buckets: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (index, (_, operation)) in model.operations.iter().enumerate() {
        // What an operation asks of the query is not a part of its path.
        let path = operation.http.request_uri.split('?').next().unwrap_or_default();
        let first = path.split('/').nth(1).unwrap_or_default();
        buckets.entry(first).or_default().push(index.to_string());
    }
    let buckets =
        buckets.iter().filter(|(first, _)| !first.is_empty()).map(|(first, operations)| {
            format!("Bucket {{ first: {first:?}, operations: &[{}] }}", operations.join(", "))
        });
    buckets.collect::<Vec<_>>().join(", ")
}

/// The text of `shapes.rs`: what the inputs of all operations are made of.
pub(super) fn shapes(model: &Model) -> anyhow::Result<String> {
    let inputs = model.operations.iter().filter_map(|(_, operation)| operation.input.as_ref());
    let reached = model.reached(inputs.map(|input| input.shape.as_str()).collect())?;
    let mut names = BTreeMap::new();
    let mut body = String::new();
    for (name, shape) in model.shapes.iter().filter(|(name, _)| reached.contains(name.as_str())) {
        let static_name = static_name(name);
        if let Some(other) = names.insert(static_name.clone(), name) {
            bail!("the shapes {name} and {other} would both be {static_name}");
        }
        let kind = kind(shape).with_context(|| format!("could not describe the shape {name}"))?;
        body += &format!(
            "pub(super) static {static_name}: Shape = \
             Shape {{ name: {name:?}, sensitive: {}, kind: {kind} }};\n",
            shape.sensitive,
        );
    }
    let uses = used(&body, &["Bounds", "Kind", "Length", "Location", "Member", "Shape"]);
    let service = &model.metadata.service_full_name;
    let mut text = format!("//! What the inputs of {service} are made of.\n\n");
    if body.contains("Pattern::") {
        text += "use crate::pattern::Pattern;\n";
    }
    text += &format!("use crate::shape::{{{uses}}};\n\n");
    Ok(text + &body)
}

fn kind(shape: &Shape) -> anyhow::Result<String> {
    let length = format!("Length {{ min: {}, max: {} }}", whole(&shape.min), whole(&shape.max));
    let bounds = format!("Bounds {{ min: {}, max: {} }}", whole(&shape.min), whole(&shape.max));
    Ok(match shape.kind.as_str() {
        "string" => string(shape, &length),
        "integer" => format!("Kind::Integer({bounds})"),
        "long" => format!("Kind::Long({bounds})"),
        "double" => {
            let (min, max) = (fraction(&shape.min), fraction(&shape.max));
            format!("Kind::Double {{ min: {min}, max: {max} }}")
        }
        "boolean" => "Kind::Boolean".to_owned(),
        "blob" => format!("Kind::Blob({length})"),
        "timestamp" => "Kind::Timestamp".to_owned(),
        "list" => {
            let member = shape.member.as_ref().context("a list without a member")?;
            let member = static_name(&member.shape);
            format!("Kind::List {{ member: &{member}, length: {length} }}")
        }
        "map" => {
            let key = shape.key.as_ref().context("a map without a key")?;
            let value = shape.value.as_ref().context("a map without a value")?;
            let (key, value) = (static_name(&key.shape), static_name(&value.shape));
            format!("Kind::Map {{ key: &{key}, value: &{value}, length: {length} }}")
        }
        "structure" => structure(shape)?,
        other => bail!("the type {other} is not known"),
    })
}

fn string(shape: &Shape, length: &str) -> String {
    let pattern = shape.pattern.as_ref().map(|text| format!("Pattern::new({text:?})"));
    let pattern = option(pattern);
    let mut enumeration: Vec<&str> = shape.enumeration.iter().map(String::as_str).collect();
    order_as_java(&mut enumeration);
    let enumeration: Vec<String> = enumeration.iter().map(|name| format!("{name:?}")).collect();
    let enumeration = enumeration.join(", ");
    format!(
        "Kind::String {{ length: {length}, pattern: {pattern}, enumeration: &[{enumeration}] }}"
    )
}

fn structure(shape: &Shape) -> anyhow::Result<String> {
    let mut members = Vec::new();
    for (name, member) in shape.members() {
        members.push(format!(
            "Member {{ name: {name:?}, location: {}, required: {}, shape: &{} }}",
            location(shape, name, member)?,
            shape.required.contains(name),
            static_name(&member.shape),
        ));
    }
    Ok(format!("Kind::Structure(&[{}])", members.join(", ")))
}

/// Puts values into the order in which Java's `HashSet` hands them out, which is the order in
/// which AWS prints an enumeration.
fn order_as_java(values: &mut [&str]) {
    let wanted = values.len() * 4 / 3 + 1;
    let buckets = wanted.max(16).next_power_of_two() as u64;
    values.sort_by_key(|value| {
        let hash = value
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        u64::from(hash ^ (hash >> 16)) % buckets
    });
}

/// The text of `errors.rs`.
pub(super) fn errors(model: &Model) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for (name, shape) in model.shapes.iter().filter(|(_, shape)| shape.exception) {
        let has = |member: &str| shape.members().any(|(name, _)| name == member);
        let default_status = if shape.fault { 500 } else { 400 };
        let status = shape.error.as_ref().map_or(default_status, |error| error.http_status_code);
        let key = if has("Message") { "Message" } else { "message" };
        ensure!(!(has("Message") && has("message")), "{name} has two texts");
        rows.push(format!(
            "ErrorShape {{ name: {name:?}, status: {status}, message_key: {key:?}, has_type: {} }}",
            has("Type"),
        ));
    }
    let service = &model.metadata.service_full_name;
    Ok(format!(
        "//! The errors of {service}.

use crate::error::ErrorShape;

/// Every error that the model of {service} names, in its order.
pub static ERRORS: [ErrorShape; {}] = [{}];
",
        rows.len(),
        rows.join(", "),
    ))
}

fn static_name(shape: &str) -> String {
    snake_case(shape).to_ascii_uppercase()
}

fn whole(number: &Option<Number>) -> String {
    // Models write some whole bounds with a fraction of zero.
    let text = number.as_ref().map(Number::to_string);
    option(text.map(|text| text.strip_suffix(".0").unwrap_or(&text).to_owned()))
}

fn fraction(number: &Option<Number>) -> String {
    let number = number.as_ref().and_then(Number::as_f64);
    option(number.map(|number| format!("{number:?}")))
}

fn option(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

/// Those of `names` that `body` uses, for an import.
fn used(body: &str, names: &[&str]) -> String {
    let words: Vec<&str> =
        body.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let used = names.iter().filter(|name| words.contains(*name));
    used.copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enumerations_are_printed_as_aws_printed_them() {
        // The order of the model, and the order in which AWS answered in early 2025. Equal hashes
        // stay in the order of the model, so both matter.
        let mut runtimes = words(
            "nodejs16.x nodejs18.x nodejs20.x nodejs22.x java8.al2 java11 java17 java21 python3.8 \
             python3.9 python3.10 python3.11 python3.12 python3.13 dotnet6 dotnet8 ruby3.2 ruby3.3 \
             provided.al2 provided.al2023",
        );
        order_as_java(&mut runtimes);
        let printed = words(
            "nodejs20.x provided.al2023 python3.12 python3.13 nodejs22.x java17 nodejs16.x dotnet8 \
             python3.10 java11 python3.11 dotnet6 java21 nodejs18.x provided.al2 ruby3.3 java8.al2 \
             ruby3.2 python3.8 python3.9",
        );
        assert_eq!(runtimes, printed);

        let mut log_types = ["None", "Tail"];
        order_as_java(&mut log_types);
        assert_eq!(log_types, ["Tail", "None"]);
    }

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }
}
