//! The texts of broken constraints, each against an operation of the model that can break it.

use serde_json::json;

use super::*;
use crate::lambda::Operation;

/// The message for an input, or "" if it breaks nothing.
fn text(operation: Operation, input: &Value) -> String {
    let violations = violations(operation.description().input, input);
    if violations.is_empty() { String::new() } else { message(&violations) }
}

/// The smallest CreateFunction that breaks nothing, with one member more.
fn create(member: &str, value: Value) -> String {
    let mut input = json!({
        "FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r", "Code": {},
    });
    input[member] = value;
    text(Operation::CreateFunction, &input)
}

#[test]
fn a_good_input_breaks_nothing() {
    assert_eq!(create("Description", json!("d".repeat(256))), "");
    assert_eq!(create("MemorySize", json!(128)), "");
    assert_eq!(create("Architectures", json!(["arm64"])), "");
    assert_eq!(create("Unknown", json!("x")), "");
}

#[test]
fn a_pattern_is_quoted_in_full() {
    let text = text(Operation::GetFunction, &json!({"FunctionName": "no spaces"}));
    let start = "1 validation error detected: Value 'no spaces' at 'functionName' failed to \
                 satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains(r"\d{12}"), "{text}");
}

#[test]
fn lengths_and_values_name_their_bound() {
    let long = "d".repeat(257);
    #[rustfmt::skip]
    let rows = [
        ("MemorySize",  json!(127),   "Value '127' at 'memorySize'", "Member must have value greater than or equal to 128"),
        ("Timeout",     json!(0),     "Value '0' at 'timeout'", "Member must have value greater than or equal to 1"),
        ("Description", json!(long),  "Value 'ddd", "Member must have length less than or equal to 256"),
        ("EphemeralStorage", json!({"Size": 511}), "Value '511' at 'ephemeralStorage.size'", "Member must have value greater than or equal to 512"),
    ];
    for (member, value, place, constraint) in rows {
        let text = create(member, value);
        assert!(text.starts_with(&format!("1 validation error detected: {place}")), "{text}");
        assert!(text.ends_with(&format!(" failed to satisfy constraint: {constraint}")), "{text}");
    }
}

#[test]
fn an_enumeration_is_listed() {
    assert_eq!(
        create("PackageType", json!("Tar")),
        "1 validation error detected: Value 'Tar' at 'packageType' failed to satisfy constraint: \
         Member must satisfy enum value set: [Zip, Image]"
    );
    let input = json!({"FunctionName": "f", "LogType": "All"});
    assert_eq!(
        text(Operation::Invoke, &input),
        "1 validation error detected: Value 'All' at 'logType' failed to satisfy constraint: \
         Member must satisfy enum value set: [Tail, None]"
    );
}

#[test]
fn a_list_is_named_with_the_constraints_of_its_elements() {
    assert_eq!(
        create("Architectures", json!(["mips"])),
        "1 validation error detected: Value '[mips]' at 'architectures' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must satisfy enum value set: \
         [x86_64, arm64], Member must not be null]"
    );
    assert_eq!(
        create("Architectures", json!(["x86_64", "arm64"])),
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to \
         satisfy constraint: Member must have length less than or equal to 1"
    );
    let layers = create("Layers", json!(["x"]));
    assert!(
        layers.starts_with(
            "1 validation error detected: Value '[x]' at 'layers' failed to satisfy constraint: \
             Member must satisfy constraint: [Member must have length less than or equal to "
        ),
        "{layers}"
    );
    assert!(layers.ends_with(", Member must not be null]"), "{layers}");
}

#[test]
fn a_structure_in_a_list_has_a_path() {
    let systems = json!([{"LocalMountPath": "/mnt/a"}]);
    let text = create("FileSystemConfigs", systems);
    assert_eq!(
        text,
        "1 validation error detected: Value null at 'fileSystemConfigs.1.member.arn' failed to \
         satisfy constraint: Member must not be null"
    );
}

#[test]
fn keys_of_a_map_are_named_together() {
    let input = json!({"Resource": "arn:aws:lambda:eu-west-1:123456789012:function:f",
                       "Tags": {"k".repeat(129): "v"}});
    let text = text(Operation::TagResource, &input);
    let constraint = "failed to satisfy constraint: Map keys must satisfy constraint: [Member must \
                      have length less than or equal to 128, Member must have length greater than \
                      or equal to 1";
    assert!(text.contains("=v}' at 'tags' "), "{text}");
    assert!(text.contains(constraint), "{text}");
}

#[test]
fn a_sensitive_map_is_not_repeated() {
    assert_eq!(
        create("Environment", json!({"Variables": {"1X": "secret"}})),
        "1 validation error detected: Value at 'environment.variables' failed to satisfy \
         constraint: Map keys must satisfy constraint: [Member must satisfy regular expression \
         pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
    );
}

#[test]
fn a_number_with_a_fraction_prints_as_in_java() {
    let input = json!({"FunctionName": "f", "Name": "a", "FunctionVersion": "1",
                       "RoutingConfig": {"AdditionalVersionWeights": {"2": 2}}});
    assert_eq!(
        text(Operation::CreateAlias, &input),
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' \
         failed to satisfy constraint: Map value must satisfy constraint: [Member must have value \
         less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member \
         must not be null]"
    );
}

#[test]
fn missing_members_are_counted_and_joined() {
    assert_eq!(
        text(Operation::CreateFunction, &json!({"Code": {}})),
        "2 validation errors detected: Value null at 'functionName' failed to satisfy constraint: \
         Member must not be null; Value null at 'role' failed to satisfy constraint: Member must \
         not be null"
    );
}

#[test]
fn a_raw_body_is_not_missed() {
    assert_eq!(text(Operation::InvokeAsync, &json!({"FunctionName": "f"})), "");
}
