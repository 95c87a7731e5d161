//! What filter policies take and refuse, as AWS documents it and as it was seen to answer.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn filter(policy: &Value) -> Filter {
    Filter::parse(&policy.to_string()).unwrap_or_else(|why| panic!("{policy}: {why}"))
}

fn takes(policy: &Value, message: &Value) -> bool {
    filter(policy).matches(Some(message))
}

#[test]
fn each_kind_of_condition() {
    #[rustfmt::skip]
    let rows = [
        (json!({"a": ["x", "y"]}),                                   json!({"a": "y"}),              true),
        (json!({"a": ["x"]}),                                        json!({"a": "X"}),              false),
        (json!({"a": ["x"]}),                                        json!({}),                      false),
        (json!({"a": ["x"]}),                                        json!({"a": ["w", "x"]}),       true),
        (json!({"a": ["x"], "b": ["y"]}),                            json!({"a": "x"}),              false),
        (json!({"a": [300]}),                                        json!({"a": 300.0}),            true),
        (json!({"a": [300]}),                                        json!({"a": "300"}),            false),
        (json!({"a": [true, null]}),                                 json!({"a": null}),             true),
        (json!({"a": [true]}),                                       json!({"a": "true"}),           false),
        (json!({"a": [{"prefix": "bas"}]}),                          json!({"a": "baseball"}),       true),
        (json!({"a": [{"suffix": "ball"}]}),                         json!({"a": "baseball"}),       true),
        (json!({"a": [{"suffix": "ball"}]}),                         json!({"a": "rugby"}),          false),
        (json!({"a": [{"equals-ignore-case": "TENNIS"}]}),           json!({"a": "Tennis"}),         true),
        (json!({"a": [{"wildcard": "*ball"}]}),                      json!({"a": "baseball"}),       true),
        (json!({"a": [{"wildcard": "b*s*b*l"}]}),                    json!({"a": "baseball"}),       true),
        (json!({"a": [{"wildcard": "b*x*l"}]}),                      json!({"a": "baseball"}),       false),
        (json!({"a": [{"wildcard": "ab*b"}]}),                       json!({"a": "ab"}),             false),
        (json!({"a": [{"wildcard": "a\\*b"}]}),                      json!({"a": "a*b"}),            true),
        (json!({"a": [{"wildcard": "a\\*b"}]}),                      json!({"a": "axb"}),            false),
        (json!({"a": [{"anything-but": "x"}]}),                      json!({"a": "y"}),              true),
        (json!({"a": [{"anything-but": ["x", "y"]}]}),               json!({"a": "y"}),              false),
        (json!({"a": [{"anything-but": ["x", "y"]}]}),               json!({"a": ["x", "z"]}),       true),
        (json!({"a": [{"anything-but": [1, 2]}]}),                   json!({"a": 3}),                true),
        (json!({"a": [{"anything-but": "x"}]}),                      json!({}),                      false),
        (json!({"a": [{"anything-but": {"prefix": "order-"}}]}),     json!({"a": "order-1"}),        false),
        (json!({"a": [{"anything-but": {"suffix": "-1"}}]}),         json!({"a": "order-2"}),        true),
        (json!({"a": [{"anything-but": {"wildcard": "o*1"}}]}),      json!({"a": "order-1"}),        false),
        (json!({"a": [{"anything-but": {"prefix": ["a", "o"]}}]}),   json!({"a": "order-1"}),        false),
        (json!({"a": [{"numeric": ["=", 301.5]}]}),                  json!({"a": 301.5}),            true),
        (json!({"a": [{"numeric": ["<", 0]}]}),                      json!({"a": 0}),                false),
        (json!({"a": [{"numeric": [">", 0, "<=", 150]}]}),           json!({"a": 150}),              true),
        (json!({"a": [{"numeric": [">", 0, "<=", 150]}]}),           json!({"a": 0}),                false),
        (json!({"a": [{"numeric": [">=", 100]}]}),                   json!({"a": "200"}),            false),
        (json!({"a": [{"exists": true}]}),                           json!({"a": ""}),               true),
        (json!({"a": [{"exists": true}]}),                           json!({"b": 1}),                false),
        (json!({"a": [{"exists": false}]}),                          json!({"b": 1}),                true),
        (json!({"a": [{"exists": false}]}),                          json!({"a": 1}),                false),
        (json!({"a": [{"cidr": "10.0.0.0/24"}]}),                    json!({"a": "10.0.0.255"}),     true),
        (json!({"a": [{"cidr": "10.0.0.0/24"}]}),                    json!({"a": "10.1.1.0"}),       false),
        (json!({"a": [{"cidr": "0.0.0.0/0"}]}),                      json!({"a": "1.2.3.4"}),        true),
        (json!({"a": [{"cidr": "2001:db8::/32"}]}),                  json!({"a": "2001:db8::1"}),    true),
        (json!({"a": [{"cidr": "2001:db8::/32"}]}),                  json!({"a": "10.0.0.1"}),       false),
    ];
    for (policy, message, expected) in rows {
        assert_eq!(takes(&policy, &message), expected, "{policy} {message}");
    }
}

#[test]
fn keys_within_keys_and_arrays_of_objects() {
    #[rustfmt::skip]
    let rows = [
        (json!({"o": {"k": [{"prefix": "auto-"}]}}),  json!({"o": {"k": "auto-1"}}),                        true),
        (json!({"o": {"k": ["v"]}}),                  json!({"o": "v"}),                                    false),
        (json!({"o": {"k": ["v"]}}),                  json!({"o": [{"k": "u"}, {"k": "v"}]}),               true),
        (json!({"o": {"k": ["v"], "l": ["w"]}}),      json!({"o": [{"k": "v"}, {"l": "w"}]}),               false),
        (json!({"o": {"k": ["v"], "l": ["w"]}}),      json!({"o": [{"k": "x"}, {"k": "v", "l": "w"}]}),     true),
        (json!({"o": {"k": [{"exists": false}]}}),    json!({}),                                            true),
        (json!({"o": {"k": [{"exists": false}]}}),    json!({"o": {"k": 1}}),                               false),
        (json!({"o": {"k": [{"exists": true}]}}),     json!({"o": {"k": {"deeper": 1}}}),                   false),
        (json!({"o": [{"exists": true}]}),            json!({"o": []}),                                     false),
        (json!({"o": {"k": ["v"]}}),                  json!({"o": {"k": [["u", ["v"]]]}}),                  true),
    ];
    for (policy, message, expected) in rows {
        assert_eq!(takes(&policy, &message), expected, "{policy} {message}");
    }
}

#[test]
fn one_of_several_policies() {
    let policy = json!({
        "source": ["aws.cloudwatch"],
        "$or": [
            {"metric": ["CPU", "Latency"]},
            {"type": ["M"], "$or": [{"id": [1234]}, {"space": [1000]}]},
        ],
    });
    #[rustfmt::skip]
    let rows = [
        (json!({"source": "aws.cloudwatch", "metric": "CPU"}),             true),
        (json!({"source": "aws.cloudwatch", "type": "M", "space": 1000}),  true),
        (json!({"source": "aws.cloudwatch", "type": "M"}),                 false),
        (json!({"metric": "CPU"}),                                         false),
    ];
    for (message, expected) in rows {
        assert_eq!(takes(&policy, &message), expected, "{message}");
    }
    // What is no list of at least two objects is a key like any other.
    assert!(takes(&json!({"$or": ["a", "b"]}), &json!({"$or": "b"})));
    assert!(takes(&json!({"$or": [{"prefix": "a"}, {"prefix": "b"}]}), &json!({"$or": "bc"})));
}

#[test]
fn attributes_are_compared_by_their_type() {
    let attribute = |data_type: &str, text: &str| MessageAttribute {
        data_type: data_type.to_owned(),
        value: AttributeValue::Text(text.to_owned()),
    };
    let binary =
        MessageAttribute { data_type: "Binary".to_owned(), value: AttributeValue::Binary(vec![1]) };
    let attributes = BTreeMap::from([
        ("sport".to_owned(), attribute("String.Array", r#"["rugby", "tennis", 7]"#)),
        ("broken".to_owned(), attribute("String.Array", "rugby")),
        ("price".to_owned(), attribute("Number", "210.75")),
        ("store".to_owned(), attribute("String", "99")),
        ("picture".to_owned(), binary),
    ]);
    let found = subject(FilterScope::MessageAttributes, &attributes, "{}").unwrap();
    #[rustfmt::skip]
    let rows = [
        (json!({"sport": ["tennis"]}),                        true),
        (json!({"sport": [7]}),                               true),
        (json!({"sport": [{"anything-but": ["rugby"]}]}),     true),
        (json!({"price": [{"numeric": [">", 200]}]}),         true),
        (json!({"price": ["210.75"]}),                        false),
        (json!({"store": ["99"]}),                            true),
        (json!({"store": [99]}),                              false),
        (json!({"picture": [{"exists": true}]}),              false),
        (json!({"broken": [{"exists": true}]}),               false),
        (json!({"other": [null]}),                            false),
    ];
    for (policy, expected) in rows {
        assert_eq!(takes(&policy, &found), expected, "{policy}");
    }
}

#[test]
fn a_body_that_is_no_object_is_not_wanted() {
    let wanted = filter(&json!({"a": [{"exists": false}]}));
    for body in ["text", "[1]", "1", ""] {
        let found = subject(FilterScope::MessageBody, &BTreeMap::new(), body);
        assert!(!wanted.matches(found.as_ref()), "{body}");
    }
    let found = subject(FilterScope::MessageBody, &BTreeMap::new(), "{}");
    assert!(wanted.matches(found.as_ref()));
}

/// Each was recorded from AWS, with its column.
#[test]
fn mistakes_are_told_as_aws_tells_them() {
    #[rustfmt::skip]
    let rows = [
        (r#"{"key":[["value"]]}"#,                               10, "Match value must be String, number, true, false, or null"),
        (r#"{"key":[{"wrong-operator":true}]}"#,                 31, "Unrecognized match type wrong-operator"),
        (r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#,    37, "Only one key allowed in match expression"),
        (r#"{"key":[{"suffix":100}]}"#,                          22, "suffix match pattern must be a string"),
        (r#"{"key":[{"suffix":null}]}"#,                         23, "suffix match pattern must be a string"),
        (r#"{"key":{"suffix":"value"}}"#,                        19, "\"suffix\" must be an object or an array"),
        (r#"{"key":[{"suffix":[]}]}"#,                           20, "suffix match pattern must be a string"),
        (r#"{"key":{"not-an-operator":"value"}}"#,               28, "\"not-an-operator\" must be an object or an array"),
        (r#"{"key_a":"value_one"}"#,                             11, "\"key_a\" must be an object or an array"),
        (r#"{"key":[{"numeric":[]}]}"#,                          22, "Invalid member in numeric match: ]"),
        (r#"{"key":[{"numeric":["operator"]}]}"#,                32, "Unrecognized numeric range operator: operator"),
        (r#"{"key":[{"numeric":[1,"<="]}]}"#,                    22, "Invalid member in numeric match: 1"),
        (r#"{"key":[{"numeric":["=","000"]}]}"#,                 26, "Value of equals must be numeric"),
        (r#"{"key":[{"numeric":[">="]}]}"#,                      26, "Value of >= must be numeric"),
        (r#"{"key":[{"numeric":["<",100,">",10]}]}"#,            30, "Too many elements in numeric expression"),
        (r#"{"key":[{"numeric":[">=",1,">",2]}]}"#,              31, "Bad numeric range operator: >"),
        (r#"{"key":[{"numeric":[">",3,"<",1]}]}"#,               33, "Bottom must be less than top"),
        (r#"{"key":[{"numeric":[">",20,"<="]}]}"#,               33, "Value of <= must be numeric"),
        (r#"{"key":[{"numeric":[">",20,30]}]}"#,                 30, "Bad value in numeric range: 30"),
        (r#"{"key":[{"numeric":[">",20,"test"]}]}"#,             34, "Bad numeric range operator: test"),
        (r#"{"key":[{"numeric":[">","20","<","30"]}]}"#,         26, "Value of > must be numeric"),
        (r#"{"key":[{"numeric":[">",20,"<","30"]}]}"#,           33, "Value of < must be numeric"),
        (r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#,      36, "Too many terms in numeric range expression"),
        (r#"{"key":[{"exists":null}]}"#,                         23, "exists match pattern must be either true or false."),
        (r#"{"key":[{"exists":"no"}]}"#,                         20, "exists match pattern must be either true or false."),
    ];
    for (policy, column, expected) in rows {
        let told = Filter::parse(policy).unwrap_err();
        let (why, place) = told.split_once("\n at ").unwrap_or((told.as_str(), ""));
        assert_eq!(why, expected, "{policy}");
        assert!(place.ends_with(&format!("; line: 1, column: {column}]")), "{policy}: {place}");
    }
}

#[test]
fn other_mistakes_are_refused_too() {
    #[rustfmt::skip]
    let rows = [
        (r#"["a"]"#,                                       "Filter is not an object"),
        (r#"{"a":[]}"#,                                    "Empty arrays are not allowed"),
        (r#"{"a":{}}"#,                                    "Empty objects are not allowed"),
        (r#"{"a":[{}]}"#,                                  "Empty objects are not allowed"),
        (r#"{"a":[2000000000]}"#,                          "Value must be between -1.0E9 and 1.0E9, inclusive"),
        (r#"{"a":[{"numeric":["=",-2000000000]}]}"#,       "Value must be between -1.0E9 and 1.0E9, inclusive"),
        (r#"{"a":[{"wildcard":"a**"}]}"#,                  "Consecutive wildcard characters at pos 2"),
        (r#"{"a":[{"wildcard":"a\\b"}]}"#,                 "Invalid escape character at pos 1"),
        (r#"{"a":[{"cidr":"10.0.0.0"}]}"#,                 "Malformed CIDR, one '/' required"),
        (r#"{"a":[{"cidr":"10.0.0.0/33"}]}"#,              "IPv4 mask bits must be <= 32"),
        (r#"{"a":[{"cidr":"host/3"}]}"#,                   "Nonstandard IP address: host"),
        (r#"{"a":[{"anything-but":null}]}"#,               "Value of anything-but must be an array or single string/number value."),
        (r#"{"a":[{"anything-but":["x",1]}]}"#,            "Inside anything but list, either all values are number or string, mixed type is not supported"),
        (r#"{"a":[{"anything-but":{"exists":false}}]}"#,   "Unsupported anything-but pattern: exists"),
        (r#"{"a":[{"anything-but":{"prefix":false}}]}"#,   "prefix match pattern must be a string"),
    ];
    for (policy, expected) in rows {
        let told = Filter::parse(policy).unwrap_err();
        assert!(told.starts_with(expected), "{policy}: {told}");
    }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("value{number}")).collect()
}

/// Both sides of the bound were recorded from AWS.
#[test]
fn a_policy_may_be_as_complex_as_on_aws_and_not_more() {
    let complex = "Filter policy is too complex";
    let many = "Filter policy can not have more than 5 keys";
    let or = |space: usize| {
        json!({
            "source": texts(3),
            "$or": [
                {"metric": texts(6)},
                {"type": texts(4), "$or": [{"id": texts(4)}, {"space": texts(space)}]},
            ],
        })
    };
    let nested = json!({
        "$or": [{"metric": texts(3)}, {"namespace": texts(2)}],
        "detail": {"scope": texts(2), "$or": [{"source": texts(1)}, {"type": texts(3)}]},
    });
    let deep = json!({
        "key_a": {"key_b": {"key_c": texts(4)}}, "key_d": {"key_e": texts(3)}, "key_f": texts(3),
    });
    let six: Map<String, Value> =
        (0..6).map(|number| (format!("key{number}"), json!(["v"]))).collect();
    #[rustfmt::skip]
    let rows = [
        (json!({"key": texts(150)}),                       None),
        (json!({"key": texts(151)}),                       Some(complex)),
        (json!({"a": texts(100), "b": texts(51)}),         Some(complex)),
        (or(7),                                            None),
        (or(8),                                            Some(complex)),
        (nested,                                           Some(complex)),
        (deep,                                             Some(complex)),
        (Value::Object(six),                               Some(many)),
    ];
    for (policy, expected) in rows {
        let told = Filter::parse(&policy.to_string()).err();
        assert_eq!(told.as_deref(), expected, "{policy}");
    }
}

proptest! {
    #[test]
    fn no_policy_and_no_message_panics(policy in ".{0,80}", message in ".{0,80}") {
        if let Ok(filter) = Filter::parse(&policy) {
            let found = subject(FilterScope::MessageBody, &BTreeMap::new(), &message);
            filter.matches(found.as_ref());
        }
    }

    #[test]
    fn no_nearly_right_policy_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ":", ",", "\"a\"", "\"$or\"", "\"prefix\"", "\"numeric\"",
                "\">\"", "\"<=\"", "1", "null", "true", "\"anything-but\"", "\"x*y\"",
            ]),
            0..24,
        )
    ) {
        let _ = Filter::parse(&parts.concat());
    }

    #[test]
    fn a_text_is_taken_by_every_test_that_it_passes(text in "[a-z]{2,8}", cut in 1_usize..8) {
        let cut = cut.min(text.len() - 1);
        let (head, tail) = text.split_at(cut);
        let policies = [
            json!([text]),
            json!([{"prefix": head}]),
            json!([{"suffix": tail}]),
            json!([{"wildcard": format!("{head}*{tail}")}]),
            json!([{"equals-ignore-case": text.to_uppercase()}]),
            json!([{"anything-but": format!("{text}!")}]),
        ];
        for conditions in policies {
            let policy = json!({"a": conditions});
            for message in [json!({"a": text}), json!({"a": [1, text]})] {
                let taken = takes(&policy, &message);
                prop_assert!(taken, "{} {}", policy, message);
            }
        }
    }
}
