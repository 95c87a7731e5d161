//! The errors that AWS's models name, and the JSON bodies that carry them.
//!
//! The key of the text is `Message` for some errors and `message` for others, and SDKs read only
//! the one that their model names. So the key is looked up, never guessed.
//!
//! # Deliberately absent
//!
//! Which error answers which failure, and its text: `hearth-front` decides that.

use serde_json::{Map, Value};

use crate::lambda;

/// How one error travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorShape {
    /// The name, which also travels in the `x-amzn-errortype` header.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The key of the text: `Message` or `message`.
    pub message_key: &'static str,
    /// Whether the model gives it a `Type` beside the text.
    pub has_type: bool,
}

/// Errors that the service answers and its model does not name.
static NOT_MODELLED: [ErrorShape; 12] = [
    not_modelled("ValidationException", 400, "message"),
    not_modelled("SerializationException", 400, "message"),
    not_modelled("AccessDeniedException", 403, "Message"),
    not_modelled("ExpiredTokenException", 403, "message"),
    not_modelled("IncompleteSignatureException", 403, "message"),
    not_modelled("InvalidSignatureException", 403, "message"),
    not_modelled("MissingAuthenticationTokenException", 403, "message"),
    not_modelled("UnrecognizedClientException", 403, "message"),
    not_modelled("UnknownOperationException", 404, "message"),
    not_modelled("RequestEntityTooLargeException", 413, "message"),
    not_modelled("ThrottlingException", 429, "message"),
    not_modelled("InternalFailure", 500, "message"),
];

const fn not_modelled(name: &'static str, status: u16, message_key: &'static str) -> ErrorShape {
    ErrorShape { name, status, message_key, has_type: false }
}

/// The error of AWS Lambda with this name.
pub fn find(name: &str) -> Option<&'static ErrorShape> {
    lambda::ERRORS.iter().chain(&NOT_MODELLED).find(|error| error.name == name)
}

/// The body of an error of AWS Lambda. `message` is `None` for the errors that say `null`, and
/// `error_type` is `None` for the few that are answered without a `Type`.
pub fn body(name: &str, message: Option<&str>, error_type: Option<&str>) -> Value {
    let key = find(name).map_or("message", |error| error.message_key);
    let mut body = Map::new();
    body.insert(key.to_owned(), message.map_or(Value::Null, Value::from));
    if let Some(error_type) = error_type {
        body.insert("Type".to_owned(), Value::from(error_type));
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_of_the_text_depends_on_the_error() {
        #[rustfmt::skip]
        let rows = [
            ("ResourceNotFoundException",              404, "Message"),
            ("CodeSigningConfigNotFoundException",     404, "Message"),
            ("ServiceException",                       500, "Message"),
            ("InvalidParameterValueException",         400, "message"),
            ("ResourceConflictException",              409, "message"),
            ("PreconditionFailedException",            412, "message"),
            ("TooManyRequestsException",               429, "message"),
            ("InvalidRequestContentException",         400, "message"),
            ("RequestTooLargeException",               413, "message"),
            ("ValidationException",                    400, "message"),
        ];
        for (name, status, key) in rows {
            let error = find(name).expect(name);
            assert_eq!((error.status, error.message_key), (status, key), "{name}");
            assert_eq!(body(name, Some("t"), Some("User")), json!({key: "t", "Type": "User"}));
        }
    }

    #[test]
    fn type_and_text_may_be_missing() {
        assert_eq!(body("ValidationException", Some("t"), None), json!({"message": "t"}));
        assert_eq!(body("AccessDeniedException", None, None), json!({"Message": null}));
        assert_eq!(body("NobodyKnowsException", Some("t"), None), json!({"message": "t"}));
    }

    #[test]
    fn no_error_is_in_both_tables() {
        for error in &NOT_MODELLED {
            assert!(lambda::ERRORS.iter().all(|modelled| modelled.name != error.name), "{error:?}");
        }
    }
}
