//! What the models say about values: their types, their constraints, and where they travel.
//!
//! Shapes are statics that refer to each other, so a recursive shape costs nothing. For the same
//! reason `Debug` of a shape prints its name and not what it refers to.

use std::fmt;

use crate::pattern::Pattern;

/// One shape of a model.
pub struct Shape {
    /// The model's name for it.
    pub name: &'static str,
    /// Whether a value of it must not be repeated in a text.
    pub sensitive: bool,
    /// Its type and its constraints.
    pub kind: Kind,
}

impl Shape {
    /// The members of a structure; none for any other shape.
    pub fn members(&self) -> &'static [Member] {
        if let Kind::Structure(members) = self.kind { members } else { &[] }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shape").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The type of a shape, with the constraints that belong to it.
#[derive(Debug)]
pub enum Kind {
    /// Text.
    String {
        /// How many characters it may have.
        length: Length,
        /// The expression that the whole text has to match.
        pattern: Option<Pattern>,
        /// The values that are allowed; empty if any is. In the order in which AWS prints them.
        enumeration: &'static [&'static str],
    },
    /// A number that fits into 32 bits.
    Integer(Bounds),
    /// A number that fits into 64 bits.
    Long(Bounds),
    /// A number with a fraction.
    Double {
        /// The smallest value.
        min: Option<f64>,
        /// The largest value.
        max: Option<f64>,
    },
    /// True or false.
    Boolean,
    /// Bytes, as base64 in JSON. The length counts the bytes.
    Blob(Length),
    /// A point in time, as seconds since 1970 in JSON.
    Timestamp,
    /// Values in an order.
    List {
        /// What each of them is.
        member: &'static Shape,
        /// How many there may be.
        length: Length,
    },
    /// Values by name.
    Map {
        /// What each name is: always a string.
        key: &'static Shape,
        /// What each value is.
        value: &'static Shape,
        /// How many entries there may be.
        length: Length,
    },
    /// Members with names that the model knows.
    Structure(&'static [Member]),
}

/// How long a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// The smallest length.
    pub min: Option<usize>,
    /// The largest length.
    pub max: Option<usize>,
}

/// How large a whole number may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest value.
    pub min: Option<i64>,
    /// The largest value.
    pub max: Option<i64>,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name, which is also its key in a JSON body.
    pub name: &'static str,
    /// Where it travels.
    pub location: Location,
    /// Whether it has to be there.
    pub required: bool,
    /// What it is.
    pub shape: &'static Shape,
}

impl Member {
    /// Whether this member is the body itself, byte for byte.
    pub fn is_raw_body(&self) -> bool {
        self.location == Location::Payload && matches!(self.shape.kind, Kind::Blob(_))
    }
}

/// Where a member travels, with the name it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the JSON object of the body, under the member's own name.
    Body,
    /// It is the body.
    Payload,
    /// In a labelled segment of the path.
    Uri(&'static str),
    /// In the query string.
    Querystring(&'static str),
    /// In a header.
    Header(&'static str),
    /// It is the status of the answer.
    StatusCode,
}

/// A member's name as AWS writes it in a path: the first letter is small.
pub(crate) fn push_camel(text: &mut String, name: &str) {
    let mut letters = name.chars();
    text.extend(letters.next().map(|first| first.to_ascii_lowercase()));
    text.push_str(letters.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_name_begins_small_in_a_path() {
        for (name, camel) in
            [("FunctionName", "functionName"), ("KMSKeyArn", "kMSKeyArn"), ("", "")]
        {
            let mut text = String::new();
            push_camel(&mut text, name);
            assert_eq!(text, camel);
        }
    }
}
