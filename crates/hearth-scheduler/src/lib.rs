//! Who gets which environment; when one is started, kept and retired.
//!
//! [`core`] decides and is pure; [`driver`] starts and retires environments as it is told, and is
//! what the invoker asks for one.

pub mod core;
pub mod driver;
