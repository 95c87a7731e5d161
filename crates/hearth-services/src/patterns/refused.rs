//! What AWS refuses, with the words and places that were recorded of the service.

use super::Pattern;

/// The reason without the source, and the place: `reason @ line:column`.
fn refusal(pattern: &str) -> String {
    let error = Pattern::parse(pattern).expect_err(pattern).to_string();
    let reason = error.strip_prefix("Event pattern is not valid. Reason: ").unwrap();
    let source = format!("[Source: (String)\"{pattern}\"; line: ");
    let Some((reason, place)) = reason.rsplit_once("\n at ") else { return reason.to_owned() };
    let place = place.strip_prefix(&source).and_then(|place| place.strip_suffix(']')).unwrap();
    let reason = reason.replace(&source, "[").replace("\n at ", " at ");
    format!("{reason} @ {}", place.replace(", column: ", ":"))
}

fn check(rows: &[(&str, &str)]) {
    for (pattern, expected) in rows {
        assert_eq!(refusal(pattern), *expected, "{pattern}");
    }
}

#[test]
fn as_recorded_of_the_service() {
    #[rustfmt::skip]
    check(&[
        (r#"{"int": 42}"#,                                                       r#""int" must be an object or an array @ 1:11"#),
        (r#"{"string": "my-value"}"#,                                            r#""string" must be an object or an array @ 1:13"#),
        (r#"{"resources": []}"#,                                                 "Empty arrays are not allowed @ 1:17"),
        (r#"{"source": ["aws.health"], "detail": {}}"#,                          "Empty objects are not allowed @ 1:40"),
        (r#"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"#,                    "Unrecognized match type NUMERIC @ 1:36"),
        (r#"{"my_key": [{"EXISTS": true}]}"#,                                    "Unrecognized match type EXISTS @ 1:28"),
        (r#"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"#,          "Bad numeric range operator: > @ 1:49"),
        (r#"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"#,             "Value of < must be numeric @ 1:50"),
        (r#"{"detail-type": [{"equals-ignore-case": ["ec2"]}]}"#,                "equals-ignore-case match pattern must be a string @ 1:42"),
        (r#"{"detail-type": [{"equals-ignore-case": {"prefix": "ec2"}}]}"#,      "equals-ignore-case match pattern must be a string @ 1:42"),
        (r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}"#, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported. @ 1:66"),
        (r#"{"EventBusArn": [{"wildcard": 123}]}"#,                              "wildcard match pattern must be a string @ 1:34"),
        (r#"{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}"#,     "prefix/suffix match pattern must be a string @ 1:57"),
        (r#"{"time": [{"prefix": ["2022-07-13"]}]}"#,                            "prefix match pattern must be a string @ 1:23"),
        (r#"{"time": [{"prefix": 123}]}"#,                                       "prefix match pattern must be a string @ 1:25"),
        (r#"{"FileName": [{"suffix": 123}]}"#,                                   "suffix match pattern must be a string @ 1:29"),
        (r#"{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}"#, "Value of anything-but must be an array or single string/number value. @ 1:55"),
        (r#"{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}"#,         "prefix match pattern must be a string @ 1:43"),
        (r#"{"ip": [{"cidr": "bad"}]}"#,                                         "Malformed CIDR, one '/' required"),
        (r#"{"ip": [{"cidr": "10.0.0.0/xx"}]}"#,                                 "Malformed CIDR, mask bits must be an integer"),
        (r#"{"ip": [{"cidr": "xx.11.xx/8"}]}"#,                                  "Nonstandard IP address: xx.11.xx"),
        (r#"{"ip": [{"cidr": "xxxx:db8:1234:1a00::/56"}]}"#,                     "Nonstandard IP address: xxxx:db8:1234:1a00::"),
        ("this is valid json but not a dict",                                    "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false') @ 1:5"),
        ("{'bad': 'quotation'}",                                                 "Unexpected character (''' (code 39)): was expecting double-quote to start field name @ 1:2"),
        (r#"{"not": closed mark""#,                                              "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false') @ 1:15"),
        (r#"["not", "a", "dict", "but valid json"]"#,                            "Filter is not an object @ 1:2"),
    ]);
}

#[test]
fn an_error_in_a_list_is_said_twice() {
    let pattern =
        r#"{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}"#;
    let error = Pattern::parse(pattern).unwrap_err().to_string();
    let place = format!("\n at [Source: (String)\"{pattern}\"; line: 1, column: 67]");
    let said = "Event pattern is not valid. Reason: Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
    assert_eq!(error, format!("{said}{place}{place}"));
}

#[test]
fn other_mistakes() {
    #[rustfmt::skip]
    check(&[
        ("",                                               "Filter is not an object @ 1:1"),
        ("{}",                                             "Empty objects are not allowed @ 1:3"),
        (r#"{"a": [[1]]}"#,                                "Match value must be String, number, true, false, or null @ 1:9"),
        (r#"{"a": [{}]}"#,                                 "Match expression name not found @ 1:10"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,     "Only one key allowed in match expression @ 1:35"),
        (r#"{"a": [{"exists": "yes"}]}"#,                  "exists match pattern must be either true or false. @ 1:20"),
        (r#"{"a": [{"numeric": 5}]}"#,                     "Value of numeric must be an array. @ 1:21"),
        (r#"{"a": [{"numeric": [5]}]}"#,                   "Invalid member in numeric match: 5 @ 1:22"),
        (r#"{"a": [{"numeric": ["!", 5]}]}"#,              "Unrecognized numeric range operator: ! @ 1:27"),
        (r#"{"a": [{"numeric": ["=", "5"]}]}"#,            "Value of equals must be numeric @ 1:27"),
        (r#"{"a": [{"numeric": ["=", 5, 6]}]}"#,           "Too many elements in numeric expression @ 1:30"),
        (r#"{"a": [{"numeric": ["=", 6e9]}]}"#,            "Value must be between -5.0E9 and 5.0E9, inclusive @ 1:30"),
        (r#"{"a": [{"numeric": [">", 5, "<", 4]}]}"#,      "Bottom must be less than top @ 1:36"),
        (r#"{"a": [{"anything-but": null}]}"#,             "Value of anything-but must be an array or single string/number value. @ 1:29"),
        (r#"{"a": [{"anything-but": ["x", 1]}]}"#,         "Inside anything but list, either all values are number or string, mixed type is not supported @ 1:33"),
        (r#"{"a": [{"anything-but": {"prefix": ""}}]}"#,   "Null prefix/suffix not allowed @ 1:38"),
        (r#"{"a": [{"anything-but": {"regex": ""}}]}"#,    "Unsupported anything-but pattern: regex @ 1:36"),
        (r#"{"a": [{"anything-but": 6e9}]}"#,              "Value must be between -5.0E9 and 5.0E9, inclusive"),
        (r#"{"a": [{"wildcard": "a**"}]}"#,                "Consecutive wildcard characters at pos 2 @ 1:26"),
        (r#"{"a": [{"wildcard": "a\\b"}]}"#,               "Invalid escape character at pos 2 @ 1:27"),
        (r#"{"a": [{"cidr": "10.0.0.0/32"}]}"#,            "IPv4 mask bits must be < 32"),
        (r#"{"$or": 1}"#,                                  "It must be an Array followed with $or. @ 1:10"),
        (r#"{"$or": [1]}"#,                                "Only JSON object is allowed in array of $or relationship. @ 1:11"),
        (r#"{"$or": [{"a": [1]}]}"#,                       "There must have at least 2 Objects in $or relationship. @ 1:21"),
        (r#"{"$or": [{"prefix": ["x"]}, {"a": [1]}]}"#,    "prefix is Ruler reserved fieldName which cannot be used inside $or. @ 1:22"),
        (r#"{"a": [1] "b": [1]}"#,                         "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries @ 1:11"),
        (r#"{"a": [1 2]}"#,                                "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries @ 1:10"),
        (r#"{"a" [1]}"#,                                   "Unexpected character ('[' (code 91)): was expecting a colon to separate field name and value @ 1:6"),
        (r#"{"a": [1}"#,                                   "Unexpected close marker '}': expected ']' (for Array starting at [1, column: 7]) @ 1:10"),
        (r#"{"a": [1]"#,                                   "Unexpected end-of-input: expected close marker for Object (start marker at [1, column: 1]) @ 1:10"),
        (r#"{"a": ["x"#,                                   "Unexpected end-of-input: was expecting closing quote for a string value @ 1:10"),
        (r#"{"a": [01]}"#,                                 "Invalid numeric value: Leading zeroes not allowed @ 1:10"),
        ("{\n  \"ä\": {\n    \"b\": 1}}",                  "\"b\" must be an object or an array @ 3:11"),
    ]);
}

#[test]
fn a_long_pattern_is_cut_in_the_message() {
    let pattern = format!(r#"{{"a": ["{}"], "b": 1}}"#, "x".repeat(600));
    let error = Pattern::parse(&pattern).unwrap_err().to_string();
    let cut: String = pattern.chars().take(500).collect();
    let left_out = pattern.len() - 500;
    assert!(
        error.contains(&format!("(String)\"{cut}\"[truncated {left_out} chars]; line: 1")),
        "{error}"
    );
}

#[test]
fn what_would_be_too_much_is_refused() {
    let objects: Vec<String> = (0..11).map(|number| format!("{{\"{number}\": [1]}}")).collect();
    let or = format!("\"$or\": [{}]", objects.join(","));
    let two = format!("{{\"a\": {{{or}}}, \"b\": {{{or}}}}}");
    assert_eq!(Pattern::parse(&two).unwrap().alternatives.len(), 121);
    let three = format!("{{\"a\": {{{or}}}, \"b\": {{{or}}}, \"c\": {{{or}}}}}");
    assert_eq!(refusal(&three), "$or leads to more than 1000 combinations of rules");
    let objects: Vec<String> = (0..10).map(|number| format!("{{\"{number}\": [1]}}")).collect();
    let or = format!("\"$or\": [{}]", objects.join(","));
    let fields: String = (0..25).map(|number| format!("\"{number}\": [1], ")).collect();
    let wide = format!("{{{fields}\"a\": {{{or}}}, \"b\": {{{or}}}, \"c\": {{{or}}}}}");
    let said = "$or leads to more than 20000 fields in all combinations of rules";
    assert_eq!(refusal(&wide), said);
    let deep = |depth: usize| format!("{}[1]{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(Pattern::parse(&deep(128)).is_ok());
    assert_eq!(refusal(&deep(500)), "its objects are more than 128 deep");
    let long = format!("{{\"a\": [\"{}\"]}}", "x".repeat(4096));
    assert_eq!(refusal(&long), "it has 4107 characters and the limit is 4096");
}
