//! API Gateway, version 2: HTTP and WebSocket APIs, as their service model describes them.
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
    fn what_is_described_is_known_by_name() {
        assert_eq!(SERVICE.target_prefix, None);
        assert_eq!(Operation::CreateApi.name(), "CreateApi");
        assert!(SERVICE.not_built.contains(&"CreateDomainName"));
    }
}
