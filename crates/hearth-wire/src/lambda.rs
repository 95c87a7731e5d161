//! AWS Lambda, as its service model describes it.
//!
//! All files below this module are generated. [`Operation`] has every operation of the model;
//! [`types`] has structs only for the operations that are listed in the generator, to keep compile
//! times small.

mod operations;
mod shapes;
mod errors;
pub mod types;

pub use errors::ERRORS;
pub use operations::{Operation, SERVICE};
