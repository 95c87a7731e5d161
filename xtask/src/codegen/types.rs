//! Structs for the inputs and outputs of some operations.
//!
//! A struct is keyed by member names wherever its members travel: `hearth-wire` puts an input
//! together, and takes an output apart, as one JSON object.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};

use super::model::{Model, Shape};

/// The text of `types.rs`.
pub(super) fn types(
    model: &Model,
    operations: &[&str],
    rename_all: &str,
) -> anyhow::Result<String> {
    let (mut inputs, mut all) = (Vec::new(), Vec::new());
    for name in operations {
        let operation = model.operations.get(name).with_context(|| format!("{name} is unknown"))?;
        inputs.extend(operation.input.iter().map(|input| input.shape.as_str()));
        all.extend(operation.output.iter().map(|output| output.shape.as_str()));
    }
    all.extend(&inputs);
    let inputs = model.reached(inputs)?;
    let all = model.reached(all)?;

    let mut body = String::new();
    for (name, shape) in model.shapes.iter() {
        if shape.kind != "structure" || !all.contains(name.as_str()) {
            continue;
        }
        let below =
            model.reached(shape.members().map(|(_, each)| each.shape.as_str()).collect())?;
        ensure!(!below.contains(name.as_str()), "{name} contains itself and would need a box");
        let writer = Writer { model, rename_all, required: required(shape, &inputs, name) };
        body += &writer.structure(name, shape)?;
    }
    let service = &model.metadata.service_full_name;
    let mut text = format!("//! The inputs and outputs of some operations of {service}.\n\n");
    if body.contains("BTreeMap<") {
        text += "use std::collections::BTreeMap;\n\n";
    }
    text += "use serde::{Deserialize, Serialize};\n\n";
    if body.contains("Blob") {
        text += "use crate::blob::Blob;\n\n";
    }
    Ok(text + &body)
}

/// The members that are always there. An output may lack any member, whatever the model says.
fn required<'a>(shape: &'a Shape, inputs: &BTreeSet<&str>, name: &str) -> Vec<&'a str> {
    if inputs.contains(name) {
        shape.required.iter().map(String::as_str).collect()
    } else {
        Vec::new()
    }
}

struct Writer<'a> {
    model: &'a Model,
    rename_all: &'a str,
    required: Vec<&'a str>,
}

impl Writer<'_> {
    fn structure(&self, name: &str, shape: &Shape) -> anyhow::Result<String> {
        let mut fields = String::new();
        for (member_name, member) in shape.members() {
            fields += &self.field(member_name, &member.shape)?;
        }
        Ok(format!(
            "/// `{name}` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = {:?})]
pub struct {name} {{ {fields} }}

",
            self.rename_all,
        ))
    }

    fn field(&self, member: &str, shape: &str) -> anyhow::Result<String> {
        let field = snake_case(member);
        let is_required = self.required.contains(&member);
        let mut attributes = Vec::new();
        if renamed(&field, self.rename_all)? != member {
            attributes.push(format!("rename = {member:?}"));
        }
        if !is_required {
            attributes.push("skip_serializing_if = \"Option::is_none\"".to_owned());
        }
        let mut text = String::new();
        if !attributes.is_empty() {
            text += &format!("#[serde({})]\n", attributes.join(", "));
        }
        let keyword = ["type", "match", "ref", "use", "in", "move", "self", "where", "loop", "for"];
        let raw = if keyword.contains(&field.as_str()) { "r#" } else { "" };
        let rust = self.rust_type(shape)?;
        let rust = if is_required { rust } else { format!("Option<{rust}>") };
        Ok(format!("{text}pub {raw}{field}: {rust},\n"))
    }

    fn rust_type(&self, name: &str) -> anyhow::Result<String> {
        let shape = self.model.shape(name)?;
        Ok(match shape.kind.as_str() {
            "string" => "String".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "double" | "timestamp" => "f64".to_owned(),
            "boolean" => "bool".to_owned(),
            "blob" => "Blob".to_owned(),
            "list" => {
                let member = shape.member.as_ref().context("a list without a member")?;
                format!("Vec<{}>", self.rust_type(&member.shape)?)
            }
            "map" => {
                let value = shape.value.as_ref().context("a map without a value")?;
                format!("BTreeMap<String, {}>", self.rust_type(&value.shape)?)
            }
            "structure" => name.to_owned(),
            other => bail!("the type {other} is not known"),
        })
    }
}

/// `KMSKeyArn` becomes `kms_key_arn`.
pub(super) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| letters[index]);
        let after = letters.get(index + 1);
        let begins_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins_word {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What serde makes of a field name.
fn renamed(field: &str, rename_all: &str) -> anyhow::Result<String> {
    let pascal: String = field.split('_').map(capitalized).collect();
    Ok(match rename_all {
        "PascalCase" => pascal,
        "camelCase" => {
            let (first, rest) = pascal.split_at(1);
            first.to_ascii_lowercase() + rest
        }
        other => bail!("the case {other} is not known"),
    })
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        #[rustfmt::skip]
        let rows = [
            ("FunctionName", "function_name"),
            ("KMSKeyArn",    "kms_key_arn"),
            ("S3Bucket",     "s3_bucket"),
            ("UUID",         "uuid"),
            ("logGroupName", "log_group_name"),
            ("Ipv6Allowed",  "ipv6_allowed"),
        ];
        for (name, snake) in rows {
            assert_eq!(snake_case(name), snake);
        }
    }
}
