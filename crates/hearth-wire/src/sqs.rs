//! SQS, as its service model describes it.
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
    fn every_operation_is_described() {
        assert_eq!(SERVICE.target_prefix, Some("AmazonSQS"));
        assert_eq!(SERVICE.not_built, [""; 0]);
        assert_eq!(Operation::SendMessage.name(), "SendMessage");
        assert!(ERRORS.iter().all(|error| error.status == 400));
    }
}
