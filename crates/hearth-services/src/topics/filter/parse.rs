//! Reading a filter policy, token by token, and complaining as AWS does.

use std::net::IpAddr;

use super::tokens::{Kind, Token, location, tokens};
use super::{Bound, Condition, Excluded, Field, Network, Policy, Range, Scalar, TextTest};
use crate::limits::{
    FILTER_COMBINATIONS_MAX, FILTER_KEYS_MAX, FILTER_NUMBER_MAX, FILTER_POLICY_BYTES_MAX,
};

/// An object with one of these is a condition, so that `$or` around it is a key like any other.
const KEYWORDS: &[&str] = &[
    "anything-but",
    "cidr",
    "equals-ignore-case",
    "exists",
    "numeric",
    "prefix",
    "suffix",
    "wildcard",
];

/// Reads a whole policy.
pub(super) fn policy(text: &str) -> Result<Policy, String> {
    if text.len() > FILTER_POLICY_BYTES_MAX {
        return Err(format!("Filter policy is larger than {FILTER_POLICY_BYTES_MAX} bytes"));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0 };
    let first = parser.next();
    if first.kind != Kind::ObjectBegin {
        return Err(parser.wrong("Filter is not an object", first.begun));
    }
    let policy = parser.object()?;
    if policy.keys() > FILTER_KEYS_MAX {
        return Err(format!("Filter policy can not have more than {FILTER_KEYS_MAX} keys"));
    }
    if policy.combinations(1) > FILTER_COMBINATIONS_MAX {
        return Err("Filter policy is too complex".to_owned());
    }
    Ok(policy)
}

struct Parser<'a> {
    text: &'a str,
    /// Of a well-formed text.
    tokens: Vec<Token>,
    at: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Token {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token.expect("a well-formed text does not end within a value")
    }

    fn wrong(&self, why: impl AsRef<str>, byte: usize) -> String {
        format!("{}{}", why.as_ref(), location(self.text, byte))
    }

    /// Behind `{`.
    fn object(&mut self) -> Result<Policy, String> {
        let mut policy = Policy::default();
        loop {
            let token = self.next();
            let Kind::Name(name) = token.kind else {
                if policy == Policy::default() {
                    return Err(self.wrong("Empty objects are not allowed", token.ended));
                }
                return Ok(policy);
            };
            if name == "$or" && self.is_alternative() {
                let alternatives = self.alternatives()?;
                policy.alternatives.push(alternatives);
                continue;
            }
            let field = self.field(&name)?;
            policy.fields.retain(|(other, _)| *other != name);
            policy.fields.push((name, field));
        }
    }

    fn field(&mut self, name: &str) -> Result<Field, String> {
        let token = self.next();
        match token.kind {
            Kind::ArrayBegin => self.conditions().map(Field::Conditions),
            Kind::ObjectBegin => self.object().map(Field::Within),
            Kind::ObjectEnd
            | Kind::ArrayEnd
            | Kind::Name(_)
            | Kind::Text(_)
            | Kind::Number(..)
            | Kind::Bool(_)
            | Kind::Null => {
                let why = format!("\"{name}\" must be an object or an array");
                Err(self.wrong(why, token.begun))
            }
        }
    }

    /// Whether what follows `$or` is a list of at least two objects that are no conditions.
    fn is_alternative(&self) -> bool {
        let mut rest = self.tokens[self.at..].iter();
        if rest.next().map(|token| &token.kind) != Some(&Kind::ArrayBegin) {
            return false;
        }
        let (mut depth, mut objects, mut is_empty) = (0_usize, 0, false);
        for token in rest {
            match &token.kind {
                Kind::ObjectBegin | Kind::ArrayBegin => {
                    if depth == 0 {
                        if token.kind == Kind::ArrayBegin {
                            return false;
                        }
                        objects += 1;
                        is_empty = true;
                    }
                    depth += 1;
                }
                Kind::ObjectEnd | Kind::ArrayEnd if depth == 0 => break,
                Kind::ObjectEnd | Kind::ArrayEnd => {
                    depth -= 1;
                    if depth == 0 && is_empty {
                        return false;
                    }
                }
                Kind::Name(name) if depth == 1 => {
                    if KEYWORDS.contains(&name.as_str()) {
                        return false;
                    }
                    is_empty = false;
                }
                Kind::Text(_) | Kind::Number(..) | Kind::Bool(_) | Kind::Null if depth == 0 => {
                    return false;
                }
                Kind::Name(_) | Kind::Text(_) | Kind::Number(..) | Kind::Bool(_) | Kind::Null => {}
            }
        }
        objects >= 2
    }

    /// Of a list that [`Self::is_alternative`].
    fn alternatives(&mut self) -> Result<Vec<Policy>, String> {
        let mut policies = Vec::new();
        self.next();
        while self.next().kind == Kind::ObjectBegin {
            policies.push(self.object()?);
        }
        Ok(policies)
    }

    /// Behind `[`.
    fn conditions(&mut self) -> Result<Vec<Condition>, String> {
        let mut conditions = Vec::new();
        loop {
            let token = self.next();
            let condition = match token.kind {
                Kind::ArrayEnd if conditions.is_empty() => {
                    return Err(self.wrong("Empty arrays are not allowed", token.ended));
                }
                Kind::ArrayEnd => return Ok(conditions),
                Kind::Text(text) => Condition::Equals(Scalar::Text(text)),
                Kind::Number(_, number) => {
                    Condition::Equals(Scalar::Number(self.bounded(number, token.ended)?))
                }
                Kind::Bool(truth) => Condition::Equals(Scalar::Bool(truth)),
                Kind::Null => Condition::Equals(Scalar::Null),
                Kind::ObjectBegin => self.condition()?,
                Kind::ArrayBegin | Kind::ObjectEnd | Kind::Name(_) => {
                    let why = "Match value must be String, number, true, false, or null";
                    return Err(self.wrong(why, token.ended));
                }
            };
            conditions.push(condition);
        }
    }

    /// Behind `{` in a list of conditions.
    fn condition(&mut self) -> Result<Condition, String> {
        let token = self.next();
        let Kind::Name(keyword) = token.kind else {
            return Err(self.wrong("Empty objects are not allowed", token.ended));
        };
        let condition = match keyword.as_str() {
            "exists" => self.exists()?,
            "numeric" => Condition::Numeric(self.numeric()?),
            "cidr" => Condition::Address(self.network()?),
            "anything-but" => Condition::AnythingBut(self.anything_but()?),
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => {
                Condition::Text(self.test(&keyword)?)
            }
            other => {
                let value = self.next();
                return Err(self.wrong(format!("Unrecognized match type {other}"), value.ended));
            }
        };
        self.end_of_condition()?;
        Ok(condition)
    }

    fn end_of_condition(&mut self) -> Result<(), String> {
        if self.next().kind == Kind::ObjectEnd {
            return Ok(());
        }
        let value = self.next();
        Err(self.wrong("Only one key allowed in match expression", value.begun))
    }

    fn exists(&mut self) -> Result<Condition, String> {
        let token = self.next();
        match token.kind {
            Kind::Bool(true) => Ok(Condition::Exists),
            Kind::Bool(false) => Ok(Condition::Missing),
            Kind::ObjectBegin
            | Kind::ObjectEnd
            | Kind::ArrayBegin
            | Kind::ArrayEnd
            | Kind::Name(_)
            | Kind::Text(_)
            | Kind::Number(..)
            | Kind::Null => {
                let why = "exists match pattern must be either true or false.";
                Err(self.wrong(why, token.begun))
            }
        }
    }

    fn test(&mut self, keyword: &str) -> Result<TextTest, String> {
        let token = self.next();
        let Kind::Text(text) = token.kind else {
            let why = format!("{keyword} match pattern must be a string");
            return Err(self.wrong(why, token.ended));
        };
        self.test_of(keyword, text, token.ended)
    }

    fn test_of(&self, keyword: &str, text: String, ended: usize) -> Result<TextTest, String> {
        match keyword {
            "prefix" => Ok(TextTest::Prefix(text)),
            "suffix" => Ok(TextTest::Suffix(text)),
            "equals-ignore-case" => Ok(TextTest::EqualsIgnoringCase(text.to_lowercase())),
            _wildcard => {
                wildcard(&text).map(TextTest::Wildcard).map_err(|why| self.wrong(why, ended))
            }
        }
    }

    fn network(&mut self) -> Result<Network, String> {
        let token = self.next();
        let Kind::Text(text) = token.kind else {
            return Err(self.wrong("cidr match pattern must be a string", token.ended));
        };
        network(&text).map_err(|why| self.wrong(why, token.ended))
    }

    fn anything_but(&mut self) -> Result<Vec<Excluded>, String> {
        let token = self.next();
        match token.kind {
            Kind::Text(text) => Ok(vec![Excluded::Scalar(Scalar::Text(text))]),
            Kind::Number(_, number) => {
                let number = self.bounded(number, token.ended)?;
                Ok(vec![Excluded::Scalar(Scalar::Number(number))])
            }
            Kind::ArrayBegin => self.excluded_values(),
            Kind::ObjectBegin => self.excluded_texts(),
            Kind::ObjectEnd | Kind::ArrayEnd | Kind::Name(_) | Kind::Bool(_) | Kind::Null => {
                let why = "Value of anything-but must be an array or single string/number value.";
                Err(self.wrong(why, token.ended))
            }
        }
    }

    /// Behind `[`: texts, or numbers.
    fn excluded_values(&mut self) -> Result<Vec<Excluded>, String> {
        let mut excluded = Vec::new();
        let (mut texts, mut numbers) = (0, 0);
        loop {
            let token = self.next();
            let scalar = match token.kind {
                Kind::ArrayEnd if excluded.is_empty() => {
                    return Err(self.wrong("Empty arrays are not allowed", token.ended));
                }
                Kind::ArrayEnd => return Ok(excluded),
                Kind::Text(text) => {
                    texts += 1;
                    Scalar::Text(text)
                }
                Kind::Number(_, number) => {
                    numbers += 1;
                    Scalar::Number(self.bounded(number, token.ended)?)
                }
                Kind::ObjectBegin
                | Kind::ObjectEnd
                | Kind::ArrayBegin
                | Kind::Name(_)
                | Kind::Bool(_)
                | Kind::Null => {
                    let why = "Inside anything but list, start|null|boolean is not supported.";
                    return Err(self.wrong(why, token.ended));
                }
            };
            if texts > 0 && numbers > 0 {
                let why = "Inside anything but list, either all values are number or string, mixed type is not supported";
                return Err(self.wrong(why, token.ended));
            }
            excluded.push(Excluded::Scalar(scalar));
        }
    }

    /// Behind `{`: a test, of one text or of several.
    fn excluded_texts(&mut self) -> Result<Vec<Excluded>, String> {
        let token = self.next();
        let keyword = token.kind.shown();
        let is_test =
            matches!(keyword.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard");
        if !is_test {
            let value = self.next();
            let why = format!("Unsupported anything-but pattern: {keyword}");
            return Err(self.wrong(why, value.ended));
        }
        let mut excluded = Vec::new();
        if self.tokens.get(self.at).map(|token| &token.kind) == Some(&Kind::ArrayBegin) {
            self.next();
            while self.tokens.get(self.at).map(|token| &token.kind) != Some(&Kind::ArrayEnd) {
                excluded.push(Excluded::Text(self.test(&keyword)?));
            }
            let end = self.next();
            if excluded.is_empty() {
                return Err(self.wrong("Empty arrays are not allowed", end.ended));
            }
        } else {
            excluded.push(Excluded::Text(self.test(&keyword)?));
        }
        self.end_of_condition()?;
        Ok(excluded)
    }

    fn numeric(&mut self) -> Result<Range, String> {
        let begin = self.next();
        if begin.kind != Kind::ArrayBegin {
            return Err(self.wrong("Value of numeric must be an array.", begin.begun));
        }
        let token = self.next();
        let Kind::Text(operator) = &token.kind else {
            let why = format!("Invalid member in numeric match: {}", token.kind.shown());
            return Err(self.wrong(why, token.ended));
        };
        match operator.as_str() {
            "=" => {
                let number = self.operand("equals")?;
                self.end_of_numbers()?;
                let bound = Some((number, Bound::Included));
                Ok(Range { least: bound, greatest: bound })
            }
            "<" | "<=" => {
                let number = self.operand(operator)?;
                self.end_of_numbers()?;
                Ok(Range { least: None, greatest: Some((number, bound_of(operator))) })
            }
            ">" | ">=" => {
                let number = self.operand(operator)?;
                self.upper((number, bound_of(operator)))
            }
            other => {
                let value = self.next();
                let why = format!("Unrecognized numeric range operator: {other}");
                Err(self.wrong(why, value.ended))
            }
        }
    }

    /// Behind the lower bound of a range.
    fn upper(&mut self, least: (f64, Bound)) -> Result<Range, String> {
        let token = self.next();
        let operator = match &token.kind {
            Kind::ArrayEnd => return Ok(Range { least: Some(least), greatest: None }),
            Kind::Text(operator) if matches!(operator.as_str(), "<" | "<=") => operator,
            Kind::Text(operator) => {
                let why = format!("Bad numeric range operator: {operator}");
                return Err(self.wrong(why, token.ended));
            }
            Kind::ObjectBegin
            | Kind::ObjectEnd
            | Kind::ArrayBegin
            | Kind::Name(_)
            | Kind::Number(..)
            | Kind::Bool(_)
            | Kind::Null => {
                let why = format!("Bad value in numeric range: {}", token.kind.shown());
                return Err(self.wrong(why, token.ended));
            }
        };
        let number = self.operand(operator)?;
        let end = self.next();
        if end.kind != Kind::ArrayEnd {
            let why = "Too many terms in numeric range expression";
            return Err(self.wrong(why, end.begun));
        }
        if least.0 >= number {
            return Err(self.wrong("Bottom must be less than top", end.ended));
        }
        Ok(Range { least: Some(least), greatest: Some((number, bound_of(operator))) })
    }

    fn operand(&mut self, operator: &str) -> Result<f64, String> {
        let token = self.next();
        match token.kind {
            Kind::Number(_, number) => self.bounded(number, token.ended),
            Kind::ObjectBegin
            | Kind::ObjectEnd
            | Kind::ArrayBegin
            | Kind::ArrayEnd
            | Kind::Name(_)
            | Kind::Text(_)
            | Kind::Bool(_)
            | Kind::Null => {
                Err(self.wrong(format!("Value of {operator} must be numeric"), token.begun))
            }
        }
    }

    fn end_of_numbers(&mut self) -> Result<(), String> {
        let token = self.next();
        if token.kind == Kind::ArrayEnd {
            return Ok(());
        }
        Err(self.wrong("Too many elements in numeric expression", token.begun))
    }

    fn bounded(&self, number: f64, ended: usize) -> Result<f64, String> {
        if number.abs() <= FILTER_NUMBER_MAX {
            return Ok(number);
        }
        Err(self.wrong("Value must be between -1.0E9 and 1.0E9, inclusive", ended))
    }
}

fn bound_of(operator: &str) -> Bound {
    if operator.ends_with('=') { Bound::Included } else { Bound::Excluded }
}

/// The parts of a text between its `*`s. A backslash takes the meaning from `*` and itself.
fn wildcard(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut is_behind_star = false;
    let mut letters = text.chars().enumerate();
    while let Some((place, letter)) = letters.next() {
        if letter == '*' {
            if is_behind_star {
                return Err(format!("Consecutive wildcard characters at pos {place}"));
            }
            is_behind_star = true;
            parts.push(String::new());
            continue;
        }
        is_behind_star = false;
        let letter = match letter {
            '\\' => match letters.next() {
                Some((_, escaped @ ('*' | '\\'))) => escaped,
                Some(_) | None => {
                    return Err(format!("Invalid escape character at pos {place}"));
                }
            },
            plain => plain,
        };
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    Ok(parts)
}

fn network(text: &str) -> Result<Network, String> {
    let malformed = || "Malformed CIDR, one '/' required".to_owned();
    let (address, bits) = text.split_once('/').ok_or_else(malformed)?;
    if bits.contains('/') {
        return Err(malformed());
    }
    let address: IpAddr =
        address.parse().map_err(|_odd| format!("Nonstandard IP address: {address}"))?;
    let bits: u8 =
        bits.parse().map_err(|_odd| "Malformed CIDR, mask bits must be an integer".to_owned())?;
    let (family, bits_max) = match address {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    if bits > bits_max {
        return Err(format!("{family} mask bits must be <= {bits_max}"));
    }
    Ok(Network { address, bits })
}
