//! Parts of a JSON text, as they are written in it: what a target is sent has the names in the order
//! and the numbers in the form in which they came.
//!
//! Texts are valid JSON without white space; [`compact`] makes them so.

/// A valid JSON text without its white space.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in text.chars() {
        if in_string {
            (in_string, escaped) = (escaped || character != '"', !escaped && character == '\\');
        } else if matches!(character, ' ' | '\t' | '\r' | '\n') {
            continue;
        } else {
            in_string = character == '"';
        }
        out.push(character);
    }
    out
}

/// How deep the parts of a valid JSON text are within each other.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if in_string => {
                (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            }
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A path to a part of a text: the JSON paths that EventBridge takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// Every member or element.
    Each,
}

impl Path {
    /// Reads `$`, `$.detail.items[0]`, `$.detail.items[*].name`; `None` if it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(more) = rest.strip_prefix('.') {
                let end = more.find(['.', '[']).unwrap_or(more.len());
                let (name, behind) = more.split_at(end);
                let odd = |character: char| {
                    character.is_whitespace() || matches!(character, '\'' | '"' | ']' | '$')
                };
                if name.is_empty() || name.contains(odd) {
                    return None;
                }
                steps.push(if name == "*" { Step::Each } else { Step::Name(name.to_owned()) });
                rest = behind;
            } else {
                let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
                let step = if index == "*" { Step::Each } else { Step::Index(index.parse().ok()?) };
                steps.push(step);
                rest = behind;
            }
        }
        Some(Self(steps))
    }

    /// The part of a text that the path leads to. With a `*` in it, all of them, as an array.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        let mut found = Vec::new();
        select(text, &self.0, &mut found);
        if self.0.contains(&Step::Each) {
            return Some(format!("[{}]", found.join(",")));
        }
        found.pop().map(str::to_owned)
    }
}

fn select<'t>(value: &'t str, steps: &[Step], found: &mut Vec<&'t str>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    let parts = parts(value);
    match step {
        Step::Name(wanted) => {
            // Of names that are there twice the last one counts, as everywhere.
            let named = parts.iter().rev().find(|part| part.name.as_ref() == Some(wanted));
            if let Some(part) = named {
                select(part.value, rest, found);
            }
        }
        Step::Index(index) => {
            if let Some(part) = parts.get(*index).filter(|part| part.name.is_none()) {
                select(part.value, rest, found);
            }
        }
        Step::Each => parts.iter().for_each(|part| select(part.value, rest, found)),
    }
}

/// A member of an object, or an element of an array.
struct Part<'t> {
    name: Option<String>,
    value: &'t str,
}

/// The parts of a value; none if it has no parts.
fn parts(value: &str) -> Vec<Part<'_>> {
    let is_object = value.starts_with('{');
    let mut parts = Vec::new();
    if !is_object && !value.starts_with('[') {
        return parts;
    }
    let mut rest = &value[1..value.len() - 1];
    while !rest.is_empty() {
        let mut name = None;
        if is_object {
            let (text, behind) = rest.split_at(length(rest));
            name = serde_json::from_str(text).ok();
            rest = behind.strip_prefix(':').unwrap_or(behind);
        }
        let (value, behind) = rest.split_at(length(rest));
        parts.push(Part { name, value });
        rest = behind.strip_prefix(',').unwrap_or_default();
    }
    parts
}

/// How long the value is that a text begins with.
fn length(text: &str) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            if !in_string && depth == 0 {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_white_space_outside_of_strings_goes() {
        let text = "{ \"a b\" : [ 1.0 ,\n \"x \\\" y\\\\\" , true ] }";
        assert_eq!(compact(text), "{\"a b\":[1.0,\"x \\\" y\\\\\",true]}");
    }

    #[test]
    fn brackets_in_strings_have_no_depth() {
        for (text, expected) in
            [("1", 0), ("{}", 1), (r#"{"[{\"[":["}"],"b":[[1],{"c":[]}]}"#, 4), ("[[],[]]", 2)]
        {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_lead_to_parts_as_they_are_written() {
        let text =
            r#"{"z":1.50,"detail":{"b":[{"n":"x"},{"n":"y,}"}],"a":{"c":null},"é":"\"q\""}}"#;
        #[rustfmt::skip]
        let rows = [
            ("$",                   Some(text)),
            ("$.z",                 Some("1.50")),
            ("$.detail.a",          Some(r#"{"c":null}"#)),
            ("$.detail.a.c",        Some("null")),
            ("$.detail.b[1].n",     Some(r#""y,}""#)),
            ("$.detail.b[*].n",     Some(r#"["x","y,}"]"#)),
            ("$.detail.b[2].n",     None),
            ("$.detail.a[0]",       None),
            ("$.detail.nothing.x",  None),
            ("$.detail.é",          Some(r#""\"q\"""#)),
            ("$.z.y",               None),
            ("$.detail.a.*",        Some("[null]")),
        ];
        for (path, expected) in rows {
            let found = Path::parse(path).unwrap().find(text);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in
            ["", "detail", "$detail", "$.", "$..a", "$.a['b']", "$.a[\"b\"]", "$.a[x]", "$.a[1"]
        {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn each_part_of_any_object_is_found(
            members in prop::collection::btree_map("[a-z]{1,3}", ".{0,5}", 0..5)
        ) {
            let text = serde_json::to_string_pretty(&members).unwrap();
            let text = compact(&text);
            prop_assert_eq!(&text, &serde_json::to_string(&members).unwrap());
            for (name, value) in &members {
                let found = Path::parse(&format!("$.{name}")).unwrap().find(&text);
                prop_assert_eq!(found, Some(serde_json::to_string(value).unwrap()));
            }
        }
    }
}
