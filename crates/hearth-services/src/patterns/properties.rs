//! The index answers what the patterns answer one by one, and nothing panics.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::matcher::{Matcher, Number, Scalar};
use super::{Alternative, Index, Pattern};

/// A value with its path and the elements of arrays that it is in.
struct Found {
    path: String,
    value: Value,
    elements: Vec<(usize, usize)>,
}

/// The values of an event, found in the simplest way.
fn flatten(event: &Value) -> Vec<Found> {
    fn go(
        value: &Value,
        path: &[&str],
        elements: &[(usize, usize)],
        out: &mut (Vec<Found>, usize),
    ) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    go(value, &[path, &[name.as_str()]].concat(), elements, out);
                }
            }
            Value::Array(values) => {
                let array = out.1;
                out.1 += 1;
                for (index, value) in values.iter().enumerate() {
                    let mut inner = elements.to_vec();
                    if value.is_object() || value.is_array() {
                        inner.push((array, index));
                    }
                    go(value, path, &inner, out);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let (path, elements) = (path.join("."), elements.to_vec());
                out.0.push(Found { path, value: value.clone(), elements });
            }
        }
    }
    let mut out = (Vec::new(), 0);
    go(event, &[], &[], &mut out);
    out.0
}

fn accepts(matcher: &Matcher, value: &Value) -> bool {
    let scalar = match value {
        Value::Null => Scalar::Null,
        Value::Bool(true) => Scalar::True,
        Value::Bool(false) => Scalar::False,
        Value::Number(number) => Scalar::number(Number::read(&number.to_string()).unwrap()),
        Value::String(text) => Scalar::Text(text.into()),
        Value::Array(_) | Value::Object(_) => unreachable!("it has parts"),
    };
    matcher.accepts(&scalar)
}

/// Tries every choice of values for the fields of an alternative.
fn naive(alternative: &Alternative, found: &[Found]) -> bool {
    fn go(
        fields: &[(&String, &[Matcher])],
        found: &[Found],
        chosen: &mut Vec<(usize, usize)>,
    ) -> bool {
        let Some(((path, matchers), rest)) = fields.split_first() else { return true };
        let values: Vec<&Found> = found.iter().filter(|one| one.path == **path).collect();
        if values.is_empty() && matchers.contains(&Matcher::Absent) {
            return go(rest, found, chosen);
        }
        values.into_iter().any(|one| {
            let agrees = one.elements.iter().all(|(array, index)| {
                chosen.iter().all(|(other, at)| other != array || at == index)
            });
            if !agrees || !matchers.iter().any(|matcher| accepts(matcher, &one.value)) {
                return false;
            }
            let before = chosen.len();
            chosen.extend(&one.elements);
            let matched = go(rest, found, chosen);
            chosen.truncate(before);
            matched
        })
    }
    let fields: Vec<(&String, &[Matcher])> =
        alternative.iter().map(|(path, matchers)| (path, &**matchers)).collect();
    go(&fields, found, &mut Vec::new())
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "a.b", ""]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "x", "xy", "yx", "XY", "10.0.0.1", "::1", "ä"])
        .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, 6e9, -6e9]).prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::vec((name(), value), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn expression() -> impl Strategy<Value = Value> {
    let comparison = prop::sample::select(vec!["=", "<", "<=", ">", ">="]);
    prop_oneof![
        4 => scalar(),
        1 => text().prop_map(|text| json!({"prefix": text})),
        1 => text().prop_map(|text| json!({"suffix": text})),
        1 => text().prop_map(|text| json!({"equals-ignore-case": text})),
        1 => text().prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => prop::sample::select(vec!["*", "x*", "*y", "*x*"]).prop_map(|text| json!({"wildcard": text})),
        1 => any::<bool>().prop_map(|there| json!({"exists": there})),
        1 => (comparison, -1_i64..2).prop_map(|(operator, value)| json!({"numeric": [operator, value]})),
        1 => text().prop_map(|text| json!({"anything-but": text})),
        1 => (-1_i64..2).prop_map(|number| json!({"anything-but": [number]})),
        1 => Just(json!({"cidr": "10.0.0.0/8"})),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let field = prop::collection::vec(expression(), 1..3).prop_map(Value::from);
    let fields = field.prop_recursive(3, 12, 3, |inner| {
        let object = prop::collection::vec((name(), inner), 1..3);
        let object = object.prop_map(|members| members.into_iter().collect::<Map<_, _>>()).boxed();
        prop_oneof![
            object.clone().prop_map(Value::Object),
            (object.clone(), object.clone(), object).prop_map(|(mut fields, one, other)| {
                fields.insert("$or".to_owned(), json!([one, other]));
                Value::Object(fields)
            }),
        ]
    });
    prop::collection::vec((name(), fields), 1..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn the_index_answers_what_the_patterns_answer_one_by_one(
        patterns in prop::collection::vec(pattern(), 1..12), events in prop::collection::vec(event(), 1..6)
    ) {
        // Few are longer than a pattern may be.
        let patterns = patterns.iter().map(ToString::to_string).filter(|text| text.len() <= 4_096);
        let patterns: Vec<Pattern> =
            patterns.map(|text| Pattern::parse(&text).unwrap()).collect();
        let index = Index::new(&patterns);
        for event in events {
            let found = flatten(&event);
            let expected: Vec<usize> = patterns.iter().enumerate()
                .filter(|(_, pattern)| pattern.alternatives.iter().any(|one| naive(one, &found)))
                .map(|(number, _)| number)
                .collect();
            let matching = index.matching(event.to_string().as_bytes()).unwrap();
            prop_assert_eq!(matching, expected, "{} of {:?}", event, patterns);
        }
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let _ = Pattern::parse(&text);
    }

    #[test]
    fn no_damaged_pattern_panics(pattern in pattern(), cut in any::<prop::sample::Index>(), put in ".{0,2}") {
        let text = pattern.to_string();
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = ends[cut.index(ends.len())];
        let _ = Pattern::parse(&format!("{}{put}{}", &text[..at], &text[at..]));
        let _ = Pattern::parse(&text[..at]);
    }
}

#[test]
fn a_hostile_event_takes_bounded_time() {
    // Every field has very many values, and no two of them are ever in the same element.
    let fields = ["a", "b", "c", "d", "e", "f"];
    let pattern: Map<String, Value> =
        fields.iter().map(|name| ((*name).to_owned(), json!([1]))).collect();
    let pattern = Pattern::parse(&json!({ "x": pattern }).to_string()).unwrap();
    let elements: Vec<Value> =
        (0..6_000).map(|number: usize| json!({ fields[number % 6]: 1 })).collect();
    assert!(!pattern.matches(json!({ "x": elements }).to_string().as_bytes()).unwrap());
}
