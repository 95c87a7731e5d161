//! AWS's documented cases of the grammar, as tables of pattern, event and answer.

use super::Pattern;

/// Checks that each event is matched or not.
fn check(rows: &[(&str, &str, bool)]) {
    for (pattern, event, expected) in rows {
        let read = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let found = read.matches(event.as_bytes()).unwrap();
        assert_eq!(found, *expected, "{pattern} of {event}");
    }
}

#[test]
fn values_are_compared_by_type_and_value() {
    #[rustfmt::skip]
    check(&[
        (r#"{"a": ["x"]}"#,                    r#"{"a": "x"}"#,               true),
        (r#"{"a": ["x"]}"#,                    r#"{"a": "X"}"#,               false),
        (r#"{"a": ["x", "y"]}"#,               r#"{"a": "y"}"#,               true),
        (r#"{"a": ["x"], "b": [1]}"#,          r#"{"a": "x"}"#,               false),
        (r#"{"a": [""]}"#,                     r#"{"a": ""}"#,                true),
        (r#"{"a": [""]}"#,                     r#"{"a": null}"#,              false),
        (r#"{"a": [null]}"#,                   r#"{"a": null}"#,              true),
        (r#"{"a": [null]}"#,                   r#"{}"#,                       false),
        (r#"{"a": [true]}"#,                   r#"{"a": true}"#,              true),
        (r#"{"a": [true]}"#,                   r#"{"a": "true"}"#,            false),
        (r#"{"a": [false]}"#,                  r#"{"a": true}"#,              false),
        (r#"{"a": [300]}"#,                    r#"{"a": 300.0}"#,             true),
        (r#"{"a": [3.0e2]}"#,                  r#"{"a": 300}"#,               true),
        (r#"{"a": [300]}"#,                    r#"{"a": "300"}"#,             false),
        (r#"{"a": [123456789012]}"#,           r#"{"a": 123456789012}"#,      true),
        (r#"{"a": [123456789012]}"#,           r#"{"a": 123456789013}"#,      false),
        (r#"{"a": [0]}"#,                      r#"{"a": -0.0}"#,              true),
        (r#"{"a": ["\u00e4\"\\"]}"#,           r#"{"a": "ä\"\\"}"#,           true),
        (r#"{"a": [{"exactly": "x"}]}"#,       r#"{"a": "x"}"#,               true),
        (r#"{"A": ["x"]}"#,                    r#"{"a": "x"}"#,               false),
    ]);
}

#[test]
fn beginnings_ends_and_cases() {
    #[rustfmt::skip]
    check(&[
        (r#"{"t": [{"prefix": "2017-10-02"}]}"#,                          r#"{"t": "2017-10-02T16:24:49Z"}"#, true),
        (r#"{"t": [{"prefix": "2017-10-02"}]}"#,                          r#"{"t": "2017-10-03"}"#,           false),
        (r#"{"t": [{"prefix": "1"}]}"#,                                   r#"{"t": 12}"#,                     false),
        (r#"{"t": [{"prefix": ""}]}"#,                                    r#"{"t": "x"}"#,                    true),
        (r#"{"t": [{"prefix": {"equals-ignore-case": "EC2"}}]}"#,         r#"{"t": "ec2.x"}"#,                true),
        (r#"{"t": [{"prefix": {"equals-ignore-case": "EC2"}}]}"#,         r#"{"t": "x.ec2"}"#,                false),
        (r#"{"t": [{"suffix": ".png"}]}"#,                                r#"{"t": "a.png"}"#,                true),
        (r#"{"t": [{"suffix": ".png"}]}"#,                                r#"{"t": "a.PNG"}"#,                false),
        (r#"{"t": [{"suffix": {"equals-ignore-case": ".png"}}]}"#,        r#"{"t": "a.PNG"}"#,                true),
        (r#"{"t": [{"equals-ignore-case": "ALICE"}]}"#,                   r#"{"t": "aLice"}"#,                true),
        (r#"{"t": [{"equals-ignore-case": "ÄRGER"}]}"#,                   r#"{"t": "ärger"}"#,                true),
        (r#"{"t": [{"equals-ignore-case": ""}]}"#,                        r#"{"t": ""}"#,                     true),
        (r#"{"t": [{"equals-ignore-case": "x"}]}"#,                       r#"{"t": "xx"}"#,                   false),
    ]);
}

#[test]
fn anything_but() {
    #[rustfmt::skip]
    check(&[
        (r#"{"s": [{"anything-but": "init"}]}"#,                                r#"{"s": "run"}"#,        true),
        (r#"{"s": [{"anything-but": "init"}]}"#,                                r#"{"s": "init"}"#,       false),
        (r#"{"s": [{"anything-but": "init"}]}"#,                                r#"{}"#,                  false),
        (r#"{"s": [{"anything-but": "init"}]}"#,                                r#"{"s": null}"#,         true),
        (r#"{"s": [{"anything-but": 123}]}"#,                                   r#"{"s": 456}"#,          true),
        (r#"{"s": [{"anything-but": 123}]}"#,                                   r#"{"s": 123.0}"#,        false),
        (r#"{"s": [{"anything-but": 123}]}"#,                                   r#"{"s": "123"}"#,        true),
        (r#"{"s": [{"anything-but": 0}]}"#,                                     r#"{"s": 0}"#,            false),
        (r#"{"s": [{"anything-but": ["stopped", "overloaded"]}]}"#,             r#"{"s": "stopped"}"#,    false),
        (r#"{"s": [{"anything-but": ["stopped", "overloaded"]}]}"#,             r#"{"s": "run"}"#,        true),
        (r#"{"s": [{"anything-but": [100, 200]}]}"#,                            r#"{"s": 200}"#,          false),
        (r#"{"s": [{"anything-but": [100, 200]}]}"#,                            r#"{"s": 300}"#,          true),
        (r#"{"s": [{"anything-but": {"prefix": "init"}}]}"#,                    r#"{"s": "initial"}"#,    false),
        (r#"{"s": [{"anything-but": {"prefix": "init"}}]}"#,                    r#"{"s": 1}"#,            true),
        (r#"{"s": [{"anything-but": {"prefix": ["init", "error"]}}]}"#,         r#"{"s": "error1"}"#,     false),
        (r#"{"s": [{"anything-but": {"suffix": ".txt"}}]}"#,                    r#"{"s": "a.txt"}"#,      false),
        (r#"{"s": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}"#,          r#"{"s": "a.png"}"#,      true),
        (r#"{"s": [{"anything-but": {"equals-ignore-case": "init"}}]}"#,        r#"{"s": "INIT"}"#,       false),
        (r#"{"s": [{"anything-but": {"equals-ignore-case": ["a", "b"]}}]}"#,    r#"{"s": "C"}"#,          true),
        (r#"{"s": [{"anything-but": {"equals-ignore-case": "init"}}]}"#,        r#"{"s": null}"#,         true),
        (r#"{"s": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,               r#"{"s": "a/lib/b"}"#,    false),
        (r#"{"s": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}"#,  r#"{"s": "a/etc/b"}"#,    true),
        (r#"{"s": [{"anything-but": {"wildcard": "*"}}]}"#,                     r#"{"s": 7}"#,            true),
        (r#"{"s": [{"anything-but": "x"}]}"#,                                   r#"{"s": ["x", "y"]}"#,   true),
        (r#"{"s": [{"anything-but": "x"}]}"#,                                   r#"{"s": ["x"]}"#,        false),
    ]);
}

#[test]
fn numbers() {
    #[rustfmt::skip]
    check(&[
        (r#"{"n": [{"numeric": ["=", 3.018e2]}]}"#,              r#"{"n": 301.8}"#,          true),
        (r#"{"n": [{"numeric": ["<", 10]}]}"#,                   r#"{"n": 9.999999}"#,       true),
        (r#"{"n": [{"numeric": ["<", 10]}]}"#,                   r#"{"n": 10}"#,             false),
        (r#"{"n": [{"numeric": ["<=", 10]}]}"#,                  r#"{"n": 10}"#,             true),
        (r#"{"n": [{"numeric": [">", 0]}]}"#,                    r#"{"n": 0}"#,              false),
        (r#"{"n": [{"numeric": [">=", 0]}]}"#,                   r#"{"n": 0}"#,              true),
        (r#"{"n": [{"numeric": [">", 0, "<=", 5]}]}"#,           r#"{"n": 5}"#,              true),
        (r#"{"n": [{"numeric": [">", 0, "<=", 5]}]}"#,           r#"{"n": 5.000001}"#,       false),
        (r#"{"n": [{"numeric": [">=", -5e9]}]}"#,                r#"{"n": -5000000000}"#,    true),
        (r#"{"n": [{"numeric": [">", 0]}]}"#,                    r#"{"n": 5000000001}"#,     false),
        (r#"{"n": [{"numeric": [">", 0]}]}"#,                    r#"{"n": "5"}"#,            false),
        (r#"{"n": [{"numeric": [">", 0]}]}"#,                    r#"{"n": null}"#,           false),
        (r#"{"n": [{"numeric": ["=", 0.1]}]}"#,                  r#"{"n": 1e-1}"#,           true),
    ]);
}

#[test]
fn addresses() {
    #[rustfmt::skip]
    check(&[
        (r#"{"ip": [{"cidr": "10.0.0.0/24"}]}"#,                  r#"{"ip": "10.0.0.33"}"#,             true),
        (r#"{"ip": [{"cidr": "10.0.0.0/24"}]}"#,                  r#"{"ip": "10.0.1.0"}"#,              false),
        (r#"{"ip": [{"cidr": "10.0.0.9/24"}]}"#,                  r#"{"ip": "10.0.0.8"}"#,              false),
        (r#"{"ip": [{"cidr": "0.0.0.0/0"}]}"#,                    r#"{"ip": "255.255.255.255"}"#,       true),
        (r#"{"ip": [{"cidr": "10.0.0.0/8"}]}"#,                   r#"{"ip": "ten"}"#,                   false),
        (r#"{"ip": [{"cidr": "10.0.0.0/8"}]}"#,                   r#"{"ip": "2001:db8::1"}"#,           false),
        (r#"{"ip": [{"cidr": "2001:db8:1234:1a00::/56"}]}"#,      r#"{"ip": "2001:db8:1234:1a00:0::1"}"#, true),
        (r#"{"ip": [{"cidr": "2001:db8:1234:1a00::/56"}]}"#,      r#"{"ip": "2001:db8:1234:1b00::"}"#,  false),
        (r#"{"ip": ["2001:db8::1"]}"#,                            r#"{"ip": "2001:DB8:0:0::1"}"#,       true),
        (r#"{"ip": ["10.0.0.1"]}"#,                               r#"{"ip": "10.0.0.1"}"#,              true),
        (r#"{"ip": ["10.0.0.1"]}"#,                               r#"{"ip": "10.0.0.2"}"#,              false),
        (r#"{"ip": ["300.0.0.1"]}"#,                              r#"{"ip": "300.0.0.1"}"#,             true),
    ]);
}

#[test]
fn wildcards() {
    #[rustfmt::skip]
    check(&[
        (r#"{"p": [{"wildcard": "dir/*.png"}]}"#,      r#"{"p": "dir/a.png"}"#,      true),
        (r#"{"p": [{"wildcard": "dir/*.png"}]}"#,      r#"{"p": "dir/.png"}"#,       true),
        (r#"{"p": [{"wildcard": "dir/*.png"}]}"#,      r#"{"p": "dir/a.png.b"}"#,    false),
        (r#"{"p": [{"wildcard": "*a*b*"}]}"#,          r#"{"p": "xxbayb"}"#,         true),
        (r#"{"p": [{"wildcard": "*a*b*"}]}"#,          r#"{"p": "xxbay"}"#,          false),
        (r#"{"p": [{"wildcard": "a*a"}]}"#,            r#"{"p": "a"}"#,              false),
        (r#"{"p": [{"wildcard": "*"}]}"#,              r#"{"p": ""}"#,               true),
        (r#"{"p": [{"wildcard": "*"}]}"#,              r#"{"p": 1}"#,                false),
        (r#"{"p": [{"wildcard": "a\\*b"}]}"#,          r#"{"p": "a*b"}"#,            true),
        (r#"{"p": [{"wildcard": "a\\*b"}]}"#,          r#"{"p": "axb"}"#,            false),
        (r#"{"p": [{"wildcard": "a\\\\*"}]}"#,         r#"{"p": "a\\b"}"#,           true),
        (r#"{"p": [{"wildcard": "plain"}]}"#,          r#"{"p": "plain"}"#,          true),
    ]);
}

#[test]
fn a_field_is_there_if_it_is_a_leaf() {
    #[rustfmt::skip]
    check(&[
        (r#"{"d": {"c": [{"exists": true}]}}"#,             r#"{"d": {"c": null}}"#,           true),
        (r#"{"d": {"c": [{"exists": true}]}}"#,             r#"{"d": {"e": 1}}"#,              false),
        (r#"{"d": {"c": [{"exists": true}]}}"#,             r#"{"d": {"c": {"e": 1}}}"#,       false),
        (r#"{"d": {"c": [{"exists": false}]}}"#,            r#"{"d": {"e": 1}}"#,              true),
        (r#"{"d": {"c": [{"exists": false}]}}"#,            r#"{"d": {"c": {"e": 1}}}"#,       true),
        (r#"{"d": {"c": [{"exists": false}]}}"#,            r#"{"d": {"c": 1}}"#,              false),
        (r#"{"d": {"c": [{"exists": false}]}}"#,            r#"{}"#,                           true),
        (r#"{"d": {"c": [{"exists": false}]}}"#,            r#"{"d": {"c": []}}"#,             true),
        (r#"{"d": {"c": [{"exists": true}]}}"#,             r#"{"d": {"c": []}}"#,             false),
        (r#"{"a": ["x", {"exists": false}]}"#,              r#"{"a": "x"}"#,                   true),
        (r#"{"a": ["x", {"exists": false}]}"#,              r#"{"b": "x"}"#,                   true),
        (r#"{"a": ["x", {"exists": false}]}"#,              r#"{"a": "y"}"#,                   false),
    ]);
}

#[test]
fn either_or() {
    let parallel = r#"{"$or": [{"m": [1]}, {"n": [1]}], "d": {"$or": [{"s": [1]}, {"t": [1]}]}}"#;
    let nested = r#"{"s": [1], "$or": [{"m": [1]}, {"t": [1], "$or": [{"i": [1]}, {"j": [1]}]}]}"#;
    #[rustfmt::skip]
    check(&[
        (r#"{"s": ["c"], "$or": [{"m": [1]}, {"n": [2]}]}"#,  r#"{"s": "c", "n": 2}"#,          true),
        (r#"{"s": ["c"], "$or": [{"m": [1]}, {"n": [2]}]}"#,  r#"{"s": "c", "n": 1}"#,          false),
        (r#"{"$or": [{"m": [1]}, {"n": [2]}], "s": ["c"]}"#,  r#"{"m": 1}"#,                    false),
        (parallel,                                            r#"{"n": 1, "d": {"t": 1}}"#,     true),
        (parallel,                                            r#"{"n": 1, "d": {"u": 1}}"#,     false),
        (nested,                                              r#"{"s": 1, "t": 1, "j": 1}"#,    true),
        (nested,                                              r#"{"s": 1, "t": 1}"#,            false),
        (nested,                                              r#"{"s": 1, "m": 1}"#,            true),
    ]);
}

#[test]
fn names_are_joined_with_dots() {
    #[rustfmt::skip]
    check(&[
        (r#"{"detail": {"state": {"x": [1]}}}"#,   r#"{"detail": {"state.x": 1}}"#,       true),
        (r#"{"detail.state.x": [1]}"#,             r#"{"detail": {"state": {"x": 1}}}"#,  true),
        (r#"{"detail.state": {"x": [1]}}"#,        r#"{"detail.state.x": 1}"#,            true),
        (r#"{"detail.state": [1]}"#,               r#"{"detail": {"other": 1}}"#,         false),
        // What is said twice is what was said last; objects are merged.
        (r#"{"a": ["x"], "a": ["y"]}"#,            r#"{"a": "x"}"#,                       false),
        (r#"{"a": ["x"], "a": ["y"]}"#,            r#"{"a": "y"}"#,                       true),
        (r#"{"d": {"a": [1]}, "d": {"b": [1]}}"#,  r#"{"d": {"b": 1}}"#,                  false),
        // An event that says something twice says both.
        (r#"{"a": ["x"]}"#,                        r#"{"a": "x", "a": "y"}"#,             true),
    ]);
}

#[test]
fn any_element_of_an_array_will_do_and_fields_of_one_object_stay_together() {
    let both = r#"{"e": {"first": ["anna"], "last": ["smith"]}}"#;
    let three = r#"{"e": {"g": {"a": [1], "b": [2]}, "c": [3]}}"#;
    #[rustfmt::skip]
    check(&[
        (r#"{"r": ["b", "c"]}"#,  r#"{"r": ["a", "b"]}"#,                                                         true),
        (r#"{"r": ["b", "c"]}"#,  r#"{"r": ["a", "d"]}"#,                                                         false),
        (r#"{"r": ["b"]}"#,       r#"{"r": [["a"], ["b"]]}"#,                                                     true),
        (both,                    r#"{"e": [{"first": "anna", "last": "smith"}, {"first": "bob"}]}"#,             true),
        (both,                    r#"{"e": [{"first": "anna", "last": "jones"}, {"first": "x", "last": "smith"}]}"#, false),
        (both,                    r#"{"e": {"first": ["x", "anna"], "last": ["smith"]}}"#,                        true),
        (three,                   r#"{"e": [{"g": [{"a": 1}, {"b": 2}], "c": 3}]}"#,                              false),
        (three,                   r#"{"e": [{"g": [{"a": 1, "b": 2}, {"b": 7}], "c": 3}]}"#,                      true),
        (three,                   r#"{"e": [{"g": [{"a": 1, "b": 2}]}, {"c": 3}]}"#,                              false),
        // Arrays that are beside each other do not depend on each other.
        (r#"{"x": {"i": [1]}, "y": {"i": [2]}}"#, r#"{"x": [{"i": 0}, {"i": 1}], "y": [{"i": 2}]}"#,              true),
    ]);
}

#[test]
fn elements_far_behind_and_deep_within_are_found() {
    let pattern = Pattern::parse(r#"{"e": {"a": [1], "b": [2]}}"#).unwrap();
    let event = |last: &str| {
        let (a, b) = (r#"{"a":1},"#.repeat(300), r#"{"b":2},"#.repeat(300));
        format!(r#"{{"e":[{a}{b}{last}]}}"#)
    };
    assert!(pattern.matches(event(r#"{"a":1,"b":2}"#).as_bytes()).unwrap());
    assert!(!pattern.matches(event(r#"{"a":1,"b":3}"#).as_bytes()).unwrap());
    let deep = |inner: &str| format!(r#"{{"e":{}{inner}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(pattern.matches(deep(r#"{"a":1},[{"b":2},{"a":1,"b":2}]"#).as_bytes()).unwrap());
    assert!(!pattern.matches(deep(r#"{"a":1},[{"b":2}]"#).as_bytes()).unwrap());
}

#[test]
fn an_event_that_is_not_json_is_refused() {
    let pattern = Pattern::parse(r#"{"a": [1]}"#).unwrap();
    for event in ["", "{", r#"{"a": 1} x"#, "nope"] {
        assert!(pattern.matches(event.as_bytes()).is_err(), "{event}");
    }
    assert!(!pattern.matches(b"7").unwrap());
}
