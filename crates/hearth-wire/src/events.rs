//! EventBridge, as its service model describes it: buses, rules and targets.
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
        assert_eq!(SERVICE.target_prefix, Some("AWSEvents"));
        assert!(SERVICE.not_built.contains(&"CreateArchive"));
        assert_eq!(Operation::PutEvents.name(), "PutEvents");
    }
}
