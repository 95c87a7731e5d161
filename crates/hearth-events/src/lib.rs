//! What happens later: whatever waits in the durable queue is taken from it here and handed to
//! whoever it is for.
//!
//! # Deliberately absent
//!
//! Nothing here runs a function: that is `hearth-invoke`'s.
