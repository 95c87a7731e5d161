//! The expressions that can stand in a field's array: `{"prefix": "a"}` and the others.

use super::super::matcher::{
    self, Bound, CidrError, Excluded, Matcher, Number, Range, Wildcard, fold,
};
use super::super::tokens::Token;
use super::{Compiler, PatternError};

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";
const STRING_OR_LIST: &str =
    "Value of anything-but must be an array or single string/number value.";
const NO_LITERALS: &str = "Inside anything but list, start|null|boolean is not supported.";

/// How a range ends at a number.
type End = fn(f64) -> Bound;

impl Compiler<'_> {
    /// An expression, whose object has been begun.
    pub(super) fn expression(&mut self) -> Result<Matcher, PatternError> {
        let Token::Name(kind) = self.tokens.advance()? else {
            return Err(self.tokens.error("Match expression name not found"));
        };
        match kind.as_str() {
            "exactly" => self.texts("exact", |text| Ok(Matcher::Text(text.into()))),
            "prefix" => self.affix("prefix", Matcher::Prefix, Matcher::PrefixFolded),
            "suffix" => self.affix("suffix", Matcher::Suffix, Matcher::SuffixFolded),
            "equals-ignore-case" => {
                self.texts("equals-ignore-case", |text| Ok(Matcher::Folded(fold(&text).into())))
            }
            "wildcard" => self.texts("wildcard", |text| {
                Wildcard::read(&text).map(Matcher::Wildcard).map_err(Said::AtPlace)
            }),
            // AWS calls it a prefix here.
            "cidr" => self.texts("prefix", |text| {
                matcher::cidr(&text).map(Matcher::Cidr).map_err(|CidrError(why)| Said::Alone(why))
            }),
            "numeric" => self.numeric(),
            "exists" => self.exists(),
            "anything-but" => self.anything_but(),
            _ => Err(self.tokens.error(&format!("Unrecognized match type {kind}"))),
        }
    }

    /// An expression of one string.
    fn texts(
        &mut self,
        name: &str,
        make: impl FnOnce(String) -> Result<Matcher, Said>,
    ) -> Result<Matcher, PatternError> {
        if self.tokens.advance()? != Token::Text {
            let message = format!("{name} match pattern must be a string");
            return Err(self.tokens.error(&message));
        }
        let text = self.tokens.text()?;
        let matcher = make(text).map_err(|said| match said {
            Said::AtPlace(message) => self.tokens.error(&message),
            Said::Alone(reason) => PatternError { reason },
        })?;
        self.end(ONE_KEY)?;
        Ok(matcher)
    }

    /// `prefix` and `suffix`, of a string or of `{"equals-ignore-case": string}`.
    fn affix(
        &mut self,
        name: &str,
        exact: fn(Box<str>) -> Matcher,
        folded: fn(Box<str>) -> Matcher,
    ) -> Result<Matcher, PatternError> {
        let token = self.tokens.advance()?;
        if token == Token::Text {
            let text = self.tokens.text()?;
            self.end(ONE_KEY)?;
            return Ok(exact(text.into()));
        }
        if token != Token::StartObject {
            let message = format!("{name} match pattern must be a string");
            return Err(self.tokens.error(&message));
        }
        let Token::Name(kind) = self.tokens.advance()? else {
            let capital = if name == "prefix" { "Prefix" } else { "Suffix" };
            return Err(self.tokens.error(&format!("{capital} expression name not found")));
        };
        if kind != "equals-ignore-case" {
            return Err(self.tokens.error(&format!("Unsupported {name} pattern: {kind}")));
        }
        let matcher = self.texts("equals-ignore-case", |text| Ok(folded(fold(&text).into())))?;
        self.end(ONE_KEY)?;
        Ok(matcher)
    }

    fn exists(&mut self) -> Result<Matcher, PatternError> {
        let token = self.tokens.advance()?;
        if token != Token::True && token != Token::False {
            let message = "exists match pattern must be either true or false.";
            return Err(self.tokens.error(message));
        }
        self.end(ONE_KEY)?;
        Ok(if token == Token::True { Matcher::Exists } else { Matcher::Absent })
    }

    fn numeric(&mut self) -> Result<Matcher, PatternError> {
        if self.tokens.advance()? != Token::StartArray {
            return Err(self.tokens.error("Value of numeric must be an array."));
        }
        let first = self.tokens.advance()?;
        if first != Token::Text {
            let shown = shown(&first);
            return Err(self.tokens.error(&format!("Invalid member in numeric match: {shown}")));
        }
        let operator = self.tokens.text()?;
        let value = self.tokens.advance()?;
        let named = if operator == "=" { "equals" } else { operator.as_str() };
        // Numbers are looked at when the end has been seen, as AWS does it.
        let (bottom, top) = match operator.as_str() {
            "=" | "<" | "<=" => {
                let limit = self.numeric_value(&value, named)?;
                if self.tokens.advance()? != Token::EndArray {
                    return Err(self.tokens.error(TOO_MANY));
                }
                let limit = self.comparable(limit)?;
                match operator.as_str() {
                    "=" => (Bound::Closed(limit), Bound::Closed(limit)),
                    "<" => (Range::LOWEST, Bound::Open(limit)),
                    _ => (Range::LOWEST, Bound::Closed(limit)),
                }
            }
            ">" | ">=" => {
                let limit = self.numeric_value(&value, named)?;
                let top = self.top()?;
                let limit = self.comparable(limit)?;
                let top = match top {
                    None => Range::HIGHEST,
                    Some((bound, top)) => {
                        let top = self.comparable(top)?;
                        if limit >= top {
                            return Err(self.tokens.error("Bottom must be less than top"));
                        }
                        bound(top)
                    }
                };
                let bottom =
                    if operator == ">" { Bound::Open(limit) } else { Bound::Closed(limit) };
                (bottom, top)
            }
            _ => {
                let message = format!("Unrecognized numeric range operator: {operator}");
                return Err(self.tokens.error(&message));
            }
        };
        self.end(TOO_MANY)?;
        Ok(Matcher::Numeric(Range { bottom, top }))
    }

    /// What stands behind the lower end of a range: its upper end, or nothing.
    fn top(&mut self) -> Result<Option<(End, Number)>, PatternError> {
        let token = self.tokens.advance()?;
        if token == Token::EndArray {
            return Ok(None);
        }
        if token != Token::Text {
            let shown = shown(&token);
            return Err(self.tokens.error(&format!("Bad value in numeric range: {shown}")));
        }
        let operator = self.tokens.text()?;
        let bound: fn(f64) -> Bound = match operator.as_str() {
            "<" => Bound::Open,
            "<=" => Bound::Closed,
            _ => {
                let message = format!("Bad numeric range operator: {operator}");
                return Err(self.tokens.error(&message));
            }
        };
        let value = self.tokens.advance()?;
        let top = self.numeric_value(&value, &operator)?;
        if self.tokens.advance()? != Token::EndArray {
            return Err(self.tokens.error("Too many terms in numeric range expression"));
        }
        Ok(Some((bound, top)))
    }

    fn numeric_value(&self, token: &Token, named: &str) -> Result<Number, PatternError> {
        if let Token::Number(text) = token {
            return self.read_number(text);
        }
        Err(self.tokens.error(&format!("Value of {named} must be numeric")))
    }

    fn comparable(&self, number: Number) -> Result<f64, PatternError> {
        number.comparable().ok_or_else(|| self.tokens.error(matcher::NOT_COMPARABLE))
    }

    fn anything_but(&mut self) -> Result<Matcher, PatternError> {
        let token = self.tokens.advance()?;
        let excluded = if token == Token::StartObject {
            let excluded = self.anything_but_of_a_kind()?;
            self.end(TOO_MANY)?;
            excluded
        } else if token == Token::StartArray {
            self.anything_but_list()?
        } else if token == Token::Text {
            Excluded::Texts(vec![self.tokens.text()?.into()])
        } else if let Token::Number(text) = token {
            let number = self.read_number(&text)?.comparable();
            let error = || PatternError { reason: matcher::NOT_COMPARABLE.to_owned() };
            Excluded::Numbers(vec![number.ok_or_else(error)?])
        } else {
            return Err(self.tokens.error(STRING_OR_LIST));
        };
        self.end(TOO_MANY)?;
        Ok(Matcher::AnythingBut(excluded))
    }

    /// Strings or numbers, not both.
    fn anything_but_list(&mut self) -> Result<Excluded, PatternError> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        loop {
            let token = self.tokens.advance()?;
            if token == Token::EndArray {
                break;
            }
            if token == Token::Text {
                texts.push(self.tokens.text()?.into());
            } else if let Token::Number(text) = token {
                let number = self.read_number(&text)?;
                numbers.push(self.comparable(number)?);
            } else {
                return Err(self.twice(NO_LITERALS));
            }
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => Ok(Excluded::Texts(texts)),
            (true, false) => Ok(Excluded::Numbers(numbers)),
            (true, true) | (false, false) => Err(self.tokens.error(
                "Inside anything but list, either all values are number or string, mixed type is not supported",
            )),
        }
    }

    /// `{"prefix": …}` and the like, of a string or of several.
    fn anything_but_of_a_kind(&mut self) -> Result<Excluded, PatternError> {
        let Token::Name(kind) = self.tokens.advance()? else {
            return Err(self.tokens.error("Anything-But expression name not found"));
        };
        let kind = match kind.as_str() {
            "equals-ignore-case" => Kind::Folded,
            "prefix" => Kind::Prefix,
            "suffix" => Kind::Suffix,
            "wildcard" => Kind::Wildcard,
            _ => {
                let message = format!("Unsupported anything-but pattern: {kind}");
                return Err(self.tokens.error(&message));
            }
        };
        let mut texts = Vec::new();
        let token = self.tokens.advance()?;
        if token == Token::Text {
            texts.push(self.excluded_text(kind)?);
        } else if token == Token::StartArray {
            self.excluded_texts(kind, &mut texts)?;
        } else if matches!(token, Token::Number(_)) {
            return Err(self.tokens.error(kind.must_be_a_string()));
        } else {
            return Err(self.tokens.error(STRING_OR_LIST));
        }
        Ok(match kind {
            Kind::Folded => Excluded::Folded(texts.iter().map(|text| fold(text).into()).collect()),
            Kind::Prefix => Excluded::Prefixes(texts.into_iter().map(Into::into).collect()),
            Kind::Suffix => Excluded::Suffixes(texts.into_iter().map(Into::into).collect()),
            Kind::Wildcard => {
                let wildcards = texts.iter().map(|text| Wildcard::read(text));
                let wildcards = wildcards.collect::<Result<_, String>>();
                Excluded::Wildcards(wildcards.map_err(|why| self.tokens.error(&why))?)
            }
        })
    }

    fn excluded_texts(&mut self, kind: Kind, texts: &mut Vec<String>) -> Result<(), PatternError> {
        loop {
            let token = self.tokens.advance()?;
            if token == Token::EndArray {
                return Ok(());
            }
            if token != Token::Text {
                return Err(self.twice(kind.must_be_a_string()));
            }
            texts.push(self.excluded_text(kind)?);
        }
    }

    fn excluded_text(&mut self, kind: Kind) -> Result<String, PatternError> {
        let text = self.tokens.text()?;
        if text.is_empty() && matches!(kind, Kind::Prefix | Kind::Suffix) {
            return Err(self.tokens.error("Null prefix/suffix not allowed"));
        }
        Ok(text)
    }

    /// The end of an expression.
    fn end(&mut self, otherwise: &str) -> Result<(), PatternError> {
        if self.tokens.advance()? == Token::EndObject {
            return Ok(());
        }
        Err(self.tokens.error(otherwise))
    }

    /// AWS catches its own error in a list and reports it as the text of another one.
    fn twice(&self, message: &str) -> PatternError {
        self.tokens.error(&self.tokens.error(message).reason)
    }
}

/// A token that should not be there, as Java prints it.
fn shown(token: &Token) -> String {
    match token {
        Token::StartObject => "{".to_owned(),
        Token::EndObject => "}".to_owned(),
        Token::StartArray => "[".to_owned(),
        Token::EndArray => "]".to_owned(),
        Token::Name(text) | Token::Number(text) => text.clone(),
        Token::Text => String::new(),
        Token::True => "true".to_owned(),
        Token::False => "false".to_owned(),
        Token::Null | Token::End => "null".to_owned(),
    }
}

/// Why a string is not what it should be.
enum Said {
    /// With the place.
    AtPlace(String),
    /// Without.
    Alone(String),
}

/// What `anything-but` can be applied to, beside values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folded,
    Prefix,
    Suffix,
    Wildcard,
}

impl Kind {
    fn must_be_a_string(self) -> &'static str {
        match self {
            Self::Folded => {
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            }
            Self::Prefix | Self::Suffix => "prefix/suffix match pattern must be a string",
            Self::Wildcard => "wildcard match pattern must be a string",
        }
    }
}
