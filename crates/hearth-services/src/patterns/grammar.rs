//! The grammar: from tokens to fields with matchers. The texts of errors are AWS's.

mod expression;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::matcher::{Matcher, Number, address};
use super::tokens::{Token, Tokens};
use super::{Alternative, PatternError};
use crate::limits;

const OR: &str = "$or";

/// AWS: names that fields within an `$or` cannot have.
#[rustfmt::skip]
const RESERVED_IN_OR: &[&str] = &[
    "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard",
    "numeric", "cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard",
    "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
    "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
];

/// The alternatives of a pattern.
pub(super) fn alternatives(text: &str) -> Result<Vec<Alternative>, PatternError> {
    let mut compiler = Compiler { tokens: Tokens::new(text), path: Vec::new(), depth: 0 };
    if compiler.tokens.advance()? != Token::StartObject {
        return Err(compiler.tokens.error("Filter is not an object"));
    }
    let mut alternatives = Vec::new();
    compiler.object(&mut alternatives, Within::Fields)?;
    Ok(alternatives)
}

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Fields,
    Or,
}

struct Compiler<'a> {
    tokens: Tokens<'a>,
    path: Vec<String>,
    /// How many objects of fields have been begun and not ended.
    depth: usize,
}

impl Compiler<'_> {
    /// The fields of an object. Each is added to every alternative that there is so far.
    fn object(
        &mut self,
        alternatives: &mut Vec<Alternative>,
        within: Within,
    ) -> Result<(), PatternError> {
        self.depth += 1;
        if self.depth > limits::PATTERN_DEPTH_MAX {
            let limit = limits::PATTERN_DEPTH_MAX;
            let reason = format!("its objects are more than {limit} deep");
            return Err(PatternError { reason });
        }
        let mut is_empty = true;
        loop {
            let Token::Name(name) = self.tokens.advance()? else {
                self.depth -= 1;
                let message = "Empty objects are not allowed";
                return if is_empty { Err(self.tokens.error(message)) } else { Ok(()) };
            };
            is_empty = false;
            if name == OR {
                self.or(alternatives)?;
                continue;
            }
            if within == Within::Or && RESERVED_IN_OR.contains(&name.as_str()) {
                return Err(self.tokens.error(&format!(
                    "{name} is Ruler reserved fieldName which cannot be used inside {OR}."
                )));
            }
            self.field(name, alternatives, within)?;
        }
    }

    fn field(
        &mut self,
        name: String,
        alternatives: &mut Vec<Alternative>,
        within: Within,
    ) -> Result<(), PatternError> {
        let value = self.tokens.advance()?;
        if value == Token::StartObject {
            self.path.push(name);
            self.object(alternatives, within)?;
            self.path.pop();
            return Ok(());
        }
        if value != Token::StartArray {
            let message = format!("\"{name}\" must be an object or an array");
            return Err(self.tokens.error(&message));
        }
        let matchers: Arc<[Matcher]> = self.matchers()?.into();
        self.path.push(name);
        let path = self.path.join(".");
        self.path.pop();
        if alternatives.is_empty() {
            alternatives.push(BTreeMap::new());
        }
        // A field that is named twice is what it was named last, as on AWS.
        for alternative in alternatives.iter_mut() {
            alternative.insert(path.clone(), Arc::clone(&matchers));
        }
        bounded(alternatives)
    }

    /// Each object of the array goes on from the alternatives that there were before it.
    fn or(&mut self, alternatives: &mut Vec<Alternative>) -> Result<(), PatternError> {
        let before = std::mem::take(alternatives);
        if self.tokens.advance()? != Token::StartArray {
            return Err(self.tokens.error(&format!("It must be an Array followed with {OR}.")));
        }
        let mut objects = 0;
        loop {
            let token = self.tokens.advance()?;
            if token == Token::EndArray {
                break;
            }
            if token != Token::StartObject {
                let message = format!("Only JSON object is allowed in array of {OR} relationship.");
                return Err(self.tokens.error(&message));
            }
            objects += 1;
            let mut branch = if before.is_empty() { vec![BTreeMap::new()] } else { before.clone() };
            self.object(&mut branch, Within::Or)?;
            alternatives.extend(branch);
            bounded(alternatives)?;
        }
        if objects < 2 {
            return Err(self
                .tokens
                .error(&format!("There must have at least 2 Objects in {OR} relationship.")));
        }
        Ok(())
    }

    /// The matchers of a field, whose array has been begun.
    fn matchers(&mut self) -> Result<Vec<Matcher>, PatternError> {
        let mut matchers = Vec::new();
        loop {
            let matcher = match self.tokens.advance()? {
                Token::EndArray => break,
                Token::StartObject => self.expression()?,
                Token::Text => {
                    let text = self.tokens.text()?;
                    address(&text).map_or_else(|| Matcher::Text(text.into()), Matcher::Address)
                }
                Token::Number(text) => Matcher::Number(self.read_number(&text)?),
                Token::True => Matcher::True,
                Token::False => Matcher::False,
                Token::Null => Matcher::Null,
                Token::EndObject | Token::StartArray | Token::Name(_) | Token::End => {
                    let message = "Match value must be String, number, true, false, or null";
                    return Err(self.tokens.error(message));
                }
            };
            matchers.push(matcher);
        }
        if matchers.is_empty() {
            return Err(self.tokens.error("Empty arrays are not allowed"));
        }
        Ok(matchers)
    }

    fn read_number(&self, text: &str) -> Result<Number, PatternError> {
        Number::read(text).ok_or_else(|| self.tokens.error(&format!("Invalid number: {text}")))
    }
}

/// Refuses alternatives that are too many, or have too many fields.
fn bounded(alternatives: &[Alternative]) -> Result<(), PatternError> {
    let refuse = |limit: usize, what: &str| {
        let reason = format!("{OR} leads to more than {limit} {what} of rules");
        Err(PatternError { reason })
    };
    if alternatives.len() > limits::PATTERN_ALTERNATIVES_MAX {
        return refuse(limits::PATTERN_ALTERNATIVES_MAX, "combinations");
    }
    if alternatives.iter().map(BTreeMap::len).sum::<usize>() > limits::PATTERN_FIELDS_MAX {
        return refuse(limits::PATTERN_FIELDS_MAX, "fields in all combinations");
    }
    Ok(())
}
