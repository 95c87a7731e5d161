//! The URIs of integrations and authorizers: which function is meant, and stage variables in them.

use std::collections::BTreeMap;

use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope};

/// What stands before the name of a stage variable.
const VARIABLE: &str = "${stageVariables.";

/// A function, and what stands behind its name.
pub type Named = (FunctionArn, Option<Qualifier>);

/// The function that a URI names: by its ARN, or by that with which API Gateway invokes it,
/// `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations`.
#[must_use]
pub fn function(uri: &str) -> Option<Named> {
    let arn = match uri.split_once(":lambda:path/") {
        Some((head, path)) => {
            let region = head.strip_prefix("arn:")?.split_once(":apigateway:")?.1;
            let (_date, rest) = path.split_once("/functions/")?;
            (!region.is_empty()).then(|| rest.strip_suffix("/invocations")).flatten()?
        }
        None => uri,
    };
    if !arn.starts_with("arn:") {
        return None;
    }
    let FunctionReference { region, account, name, qualifier } =
        FunctionReference::parse(arn).ok()?;
    let scope = Scope { account: account?, region: region? };
    Some((FunctionArn { scope, name }, qualifier))
}

/// Whether a text would name a function if its stage variables were put in.
#[must_use]
pub fn may_name_a_function(uri: &str) -> bool {
    function(&replace(uri, |_name| Some("x".to_owned()))).is_some()
}

/// A text with the stage variables put in; one that is not there is empty, as with AWS.
#[must_use]
pub fn with_variables(text: &str, variables: &BTreeMap<String, String>) -> String {
    replace(text, |name| variables.get(name).cloned())
}

fn replace(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(VARIABLE) {
        whole.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            whole.push_str(VARIABLE);
            whole.push_str(behind);
            return whole;
        };
        whole.push_str(&value(name).unwrap_or_default());
        rest = after;
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_by_their_uris() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let path = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions";
        #[rustfmt::skip]
        let rows = [
            (arn.to_owned(),                                       Some((arn, None))),
            (format!("{arn}:live"),                                Some((arn, Some("live")))),
            (format!("{path}/{arn}/invocations"),                  Some((arn, None))),
            (format!("{path}/{arn}:7/invocations"),                Some((arn, Some("7")))),
            (format!("{path}/{arn}"),                              None),
            ("f".to_owned(),                                       None),
            ("https://example.com".to_owned(),                     None),
            ("arn:aws:lambda:us-east-1:function:f".to_owned(),     None),
            ("arn:aws:sqs:us-east-1:000000000000:q".to_owned(),    None),
            (String::new(),                                        None),
        ];
        for (uri, expected) in rows {
            let found = function(&uri);
            let found = found
                .map(|(arn, qualifier)| (arn.to_string(), qualifier.map(|one| one.to_string())));
            let expected =
                expected.map(|(arn, qualifier)| (arn.to_owned(), qualifier.map(str::to_owned)));
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn stage_variables_are_put_in() {
        let variables = [("fn".to_owned(), "f".to_owned()), ("v".to_owned(), "3".to_owned())];
        let variables = variables.into();
        #[rustfmt::skip]
        let rows = [
            ("a:${stageVariables.fn}:${stageVariables.v}", "a:f:3"),
            ("a:${stageVariables.none}",                   "a:"),
            ("a:${stageVariables.fn",                      "a:${stageVariables.fn"),
            ("a",                                          "a"),
        ];
        for (text, expected) in rows {
            assert_eq!(with_variables(text, &variables), expected);
        }
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.fn}";
        assert!(may_name_a_function(arn));
        assert!(!may_name_a_function("${stageVariables.fn}"));
    }
}
