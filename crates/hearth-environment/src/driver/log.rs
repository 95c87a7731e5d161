//! The log of one environment: its own lines, those of its extensions, and the platform's between
//! them. Whoever subscribed to telemetry is told of the lines as well.
//!
//! Extensions have a pipe of their own, so that their lines can be told from the function's. Within
//! each pipe the order is kept; between the two there is none.

use std::sync::Arc;
use std::time::Duration;

use hearth_types::function::Target;
use hearth_types::limits::{LOG_BURST_BYTES_MAX, LOG_BYTES_PER_SECOND_MAX, LOG_EVENT_COST_BYTES};
use hearth_types::logs::{LogEvent, LogStream};
use hearth_types::time::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::Shared;
use crate::backend;
use crate::output::Output;
use crate::tail::LogTail;
use crate::telemetry::events::{Event, Record};
use crate::telemetry::hub::Hub;

/// How much is read from the pipe at a time.
const CHUNK_BYTES: usize = 16 * 1024;

pub(super) struct Log {
    name: String,
    stream: Arc<dyn LogStream>,
    pipe: Box<dyn backend::Output>,
    output: Output,
    /// What extensions write, where there are any.
    extensions: Option<Source>,
    /// Those who subscribed to telemetry, where there may be any.
    pub(super) telemetry: Option<Box<Hub>>,
    /// The last lines of the invocation that is running, if somebody wants them.
    tail: Option<LogTail>,
    allowance: Allowance,
    full: bool,
    broken: bool,
}

/// A pipe, and what was read from it and is not yet an event.
struct Source {
    pipe: Box<dyn backend::Output>,
    output: Output,
}

/// Who wrote something.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Function,
    Extension,
}

impl Log {
    pub(super) fn new(shared: &Shared, target: &Target, pipe: Box<dyn backend::Output>) -> Self {
        let date = shared.clock.now().date_path();
        let name = format!("{date}/[{}]{}", target.version, Uuid::new_v4().simple());
        let stream = shared.logs.open(&target.function.scope, &target.log_group, &name);
        let output = Output::default();
        let allowance = Allowance::new(Instant::now());
        Self {
            name,
            stream,
            pipe,
            output,
            extensions: None,
            telemetry: None,
            tail: None,
            allowance,
            full: false,
            broken: false,
        }
    }

    /// From now on there are extensions, which write here.
    pub(super) fn add_extensions(&mut self, pipe: Box<dyn backend::Output>) {
        self.extensions = Some(Source { pipe, output: Output::default() });
    }

    /// The extensions have ended: what they wrote last is read, and then there are none.
    pub(super) fn end_extensions(&mut self, now: Timestamp) {
        self.drain_extensions(now);
        if let Some(mut source) = self.extensions.take() {
            let rest = source.output.finish(now);
            self.written(rest.into_iter().collect(), Writer::Extension);
        }
    }

    /// The name of the stream.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn keep_tail(&mut self) {
        self.tail = Some(LogTail::new());
    }

    pub(super) fn take_tail(&mut self) -> Option<Vec<u8>> {
        self.tail.take().map(LogTail::into_bytes)
    }

    /// Writes a line of the platform, behind everything that the function has written so far.
    pub(super) fn platform(&mut self, line: &str, now: Timestamp) {
        self.drain(now);
        if let Some(rest) = self.output.finish(now) {
            self.written(vec![rest], Writer::Function);
        }
        self.append(vec![LogEvent { at: now, message: format!("{line}\n").into() }]);
    }

    /// Waits until the function has written something and there is room for it.
    pub(super) async fn ready(&mut self) {
        if self.full {
            self.stream.room().await;
            self.full = false;
        }
        if let Some(until) = self.allowance.blocked_until() {
            tokio::time::sleep_until(until).await;
        }
        let Self { pipe, extensions, broken, .. } = self;
        let own = async {
            if *broken || pipe.readable().await.is_err() {
                *broken = true;
                std::future::pending::<()>().await;
            }
        };
        let Some(source) = extensions else { return own.await };
        tokio::select! {
            () = own => {}
            // Also when it has ended, or broken: reading it finds that out.
            _readable = source.pipe.readable() => {}
        }
    }

    /// Reads a part of what was written. A flood is left in the pipe until there is room for it,
    /// so that it slows down the function and nobody else.
    pub(super) fn read(&mut self, now: Timestamp) {
        let mut chunk = [0; CHUNK_BYTES];
        if let Ok(length) = self.pipe.try_read(&mut chunk)
            && length > 0
        {
            self.take(&chunk[..length], now);
        }
        let _ = self.read_extensions(&mut chunk, now);
        let _ = self.has_room();
    }

    fn take(&mut self, read: &[u8], now: Timestamp) {
        let events = self.output.push(read, now);
        self.spend(read.len(), events.len());
        self.written(events, Writer::Function);
    }

    fn spend(&mut self, bytes: usize, events: usize) {
        let cost = bytes as u64 + LOG_EVENT_COST_BYTES * (events as u64 + 1);
        self.allowance.spend(cost, Instant::now());
    }

    /// Reads a part of what extensions wrote. Returns how much.
    fn read_extensions(&mut self, chunk: &mut [u8], now: Timestamp) -> usize {
        let Some(source) = &mut self.extensions else { return 0 };
        match source.pipe.try_read(chunk) {
            Ok(length) if length > 0 => {
                let events = source.output.push(&chunk[..length], now);
                self.spend(length, events.len());
                self.written(events, Writer::Extension);
                length
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            // The last of them has ended.
            Ok(_) | Err(_) => {
                let rest = source.output.finish(now);
                self.extensions = None;
                self.written(rest.into_iter().collect(), Writer::Extension);
                0
            }
        }
    }

    /// Like [`Self::drain`], of what extensions wrote.
    fn drain_extensions(&mut self, now: Timestamp) {
        if self.extensions.is_none() {
            return;
        }
        let mut chunk = [0; 4096];
        for _part in 0..128 {
            if !self.has_room() || self.read_extensions(&mut chunk, now) == 0 {
                return;
            }
        }
    }

    fn has_room(&mut self) -> bool {
        self.full = !self.stream.has_room();
        !self.full
    }

    /// Reads everything that was written until now: at most what fits into the pipe, twice over,
    /// for somebody may be writing at the same time.
    pub(super) fn drain(&mut self, now: Timestamp) {
        self.drain_extensions(now);
        let mut chunk = [0; 4096];
        for _part in 0..128 {
            // A flooder's rest comes later: nothing is lost, only its own order.
            if !self.has_room() {
                return;
            }
            match self.pipe.try_read(&mut chunk) {
                Ok(length) if length > 0 => self.take(&chunk[..length], now),
                _ => return,
            }
        }
    }

    pub(super) fn end(&mut self, now: Timestamp) {
        self.drain(now);
        self.end_extensions(now);
        let rest = self.output.finish(now);
        self.written(rest.into_iter().collect(), Writer::Function);
    }

    /// Keeps what somebody inside wrote, and tells those who subscribed to it.
    fn written(&mut self, events: Vec<LogEvent>, writer: Writer) {
        if let Some(hub) = &mut self.telemetry {
            for event in &events {
                let line = event.message.clone();
                let record = match writer {
                    Writer::Function => Record::Function(line),
                    Writer::Extension => Record::ExtensionLine(line),
                };
                hub.push(Event { at: event.at, record }, Instant::now());
            }
        }
        self.append(events);
    }

    fn append(&mut self, events: Vec<LogEvent>) {
        if events.is_empty() {
            return;
        }
        if let Some(tail) = &mut self.tail {
            for event in &events {
                tail.push(&event.message);
            }
        }
        self.stream.append(events);
    }
}

/// How much output may be taken now: a bucket that fills with time. Pure.
struct Allowance {
    /// Below zero when more was taken than there was.
    bytes: i64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { bytes: LOG_BURST_BYTES_MAX.cast_signed(), at: now }
    }

    fn spend(&mut self, bytes: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX).min(1_000_000);
        let gained = (passed * LOG_BYTES_PER_SECOND_MAX / 1_000_000).cast_signed();
        self.bytes = (self.bytes + gained).min(LOG_BURST_BYTES_MAX.cast_signed());
        self.bytes = self.bytes.saturating_sub_unsigned(bytes);
        self.at = now;
    }

    /// When there is something in the bucket again, if it is empty.
    fn blocked_until(&self) -> Option<Instant> {
        let missing = u64::try_from(-self.bytes).ok().filter(|missing| *missing > 0)?;
        let micros = missing * 1_000_000 / LOG_BYTES_PER_SECOND_MAX;
        Some(self.at + Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_slowed_down_to_the_rate_and_silence_is_rewarded_up_to_the_burst() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        allowance.spend(LOG_BURST_BYTES_MAX, begin);
        assert_eq!(allowance.blocked_until(), None, "a burst is taken at once");

        allowance.spend(LOG_BYTES_PER_SECOND_MAX, begin);
        let second = begin + Duration::from_secs(1);
        assert_eq!(allowance.blocked_until(), Some(second), "then one second for a second's worth");

        allowance.spend(0, second);
        assert_eq!(allowance.blocked_until(), None);
        allowance.spend(0, second + Duration::from_secs(3_600));
        assert_eq!(
            allowance.bytes,
            LOG_BURST_BYTES_MAX.cast_signed(),
            "and no more than the burst"
        );
    }
}
