//! What Hearth is measured beside.

pub(super) mod echo;
pub(super) mod emulator;
pub(super) mod ministack;
mod amqp;
pub(super) mod kafka;
pub(super) mod rabbitmq;
pub(super) mod relay;
pub(super) mod sqlite;
