//! What runs inside the walls of one execution environment.
//!
//! [`agent`] is PID 1 there: it starts the runtime when told to, with its extensions before it,
//! reports how they ended, and ends everything when told to reset. [`waiting`] is its side of an
//! interpreter that was started before there was a function. [`protocol`] is what it speaks with the
//! server, over one socket.
//! [`confine`] takes everything away from a process that it does not need; [`seccomp`] is the
//! filter of system calls which is part of that.
//!
//! # Deliberately absent
//!
//! No building of walls (that is `hearth-isolation`, which forks the agent), no HTTP, no threads,
//! no knowledge of functions. The agent never reads what a function wrote.

pub mod protocol;
pub mod wire;
pub mod agent;
mod waiting;
mod extensions;
pub mod confine;
pub mod seccomp;
