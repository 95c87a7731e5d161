//! What Hearth is measured beside.

pub(super) mod echo;
pub(super) mod emulator;
pub(super) mod ministack;
