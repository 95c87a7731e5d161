//! A control plane whose store fails on command, and what can be done to it.

pub(crate) mod store;
pub(crate) mod place;
pub(crate) mod prepared;
pub(crate) mod operations;
pub(crate) mod seen;
