//! CloudWatch Logs, as its service model describes it: only the operations with which logs of
//! functions are written and read.
//!
//! All files below this module are generated.

mod operations;
mod shapes;
mod errors;
pub mod types;

pub use errors::ERRORS;
pub use operations::{Operation, SERVICE};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::{message, violations};

    #[test]
    fn errors_of_logs_are_answered_with_400_unless_the_service_failed() {
        let status = |name: &str| ERRORS.iter().find(|error| error.name == name).map(|e| e.status);
        assert_eq!(status("ResourceNotFoundException"), Some(400));
        assert_eq!(status("ServiceUnavailableException"), Some(500));
    }

    #[test]
    fn a_log_group_needs_a_name() {
        let input = Operation::CreateLogGroup.description().input;
        assert_eq!(
            message(&violations(input, &json!({}))),
            "1 validation error detected: Value null at 'logGroupName' failed to satisfy \
             constraint: Member must not be null"
        );
    }
}
