//! Who gets which environment; when one is started, kept and retired.
//!
//! [`keep`] learns how long environments are worth keeping; [`core`] decides; both are pure.
//! [`driver`] starts and retires environments as it is told, and is what the invoker asks for one.

pub mod keep;
pub mod core;
pub mod driver;
