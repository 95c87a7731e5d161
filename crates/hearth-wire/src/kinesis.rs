//! Kinesis, as its service model describes it: streams, shards, records and consumers.
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
    use super::*;

    #[test]
    fn what_is_not_built_is_known_by_name() {
        assert_eq!(SERVICE.target_prefix, Some("Kinesis_20131202"));
        assert!(SERVICE.not_built.contains(&"StartStreamEncryption"));
        assert_eq!(Operation::PutRecords.name(), "PutRecords");
    }

    #[test]
    fn only_a_failure_of_the_service_is_answered_with_500() {
        let failures = ERRORS.iter().filter(|error| error.status == 500);
        let failures: Vec<&str> = failures.map(|error| error.name).collect();
        assert_eq!(failures, ["InternalFailureException"]);
    }
}
