//! What a broker sends, frame by frame, and what of it `lapin` gets to see. Pure.
//!
//! ```text
//!  frame:    kind (1)  channel (2)  size (4)  payload (size)  end (1)
//!
//!  message:  basic.deliver  ──▶  header: size of the body, properties  ──▶  body  ──▶  body …
//!              │                   │
//!              │ nobody wants it   │ unfit: the header goes on with nothing in it, and the body
//!              ▼                   ▼        does not
//!            nothing goes on     the message is told of, with why
//! ```
//!
//! # Promises
//!
//! 1. Every byte of headers that goes on was checked before (`properties`).
//! 2. A message that is unfit is told of before anything of it goes on.
//! 3. Here are never more bytes than those of one frame, and no frame goes on that is larger than
//!    `RABBIT_FRAME_BYTES_MAX`, nor a message that is larger than what a function takes.
//! 4. How the bytes are cut into pieces changes nothing.
//!
//! # Deliberately absent
//!
//! Sockets and waiting: `wire`. What is done with unfit messages: whoever reads the queue.

use bytes::BytesMut;
use hearth_types::limits;

use super::properties::{self, Unfit};

const FRAME_BYTES_MAX: usize = limits::RABBIT_FRAME_BYTES_MAX as usize;
/// Kind, channel, and size.
const HEAD_BYTES: usize = 7;
/// What stands around a payload.
const AROUND_BYTES: usize = HEAD_BYTES + 1;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;
/// A header has this before its properties: class, weight, and the size of the body.
const BEFORE_PROPERTIES_BYTES: usize = 12;
/// A frame that says that its sender is alive.
pub(super) const ALIVE: [u8; AROUND_BYTES] = [HEARTBEAT, 0, 0, 0, 0, 0, 0, END];

/// Why a connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// These are no frames.
    #[error("what the broker sends is not AMQP 0-9-1")]
    NotAmqp,
    /// A frame is larger than was agreed on.
    #[error("the broker has sent a frame of {0} bytes")]
    Large(usize),
    /// It is not what a broker says to one who consumes, or not at this moment.
    #[error("the broker has sent something that it was not asked for")]
    Unexpected,
    /// How it introduces itself cannot be read.
    #[error("the broker says of itself what cannot be read")]
    Introduction(#[source] Unfit),
}

/// Whether messages are wanted that begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// They are.
    #[default]
    All,
    /// They are not: the connection is being closed.
    Nothing,
}

/// A message that goes on, told of when it is complete, or at once if it is unfit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    /// The number that the broker has given it.
    pub(super) tag: u64,
    /// What it may take in memory.
    pub(super) bytes: usize,
    /// Why it goes on with nothing in it.
    pub(super) unfit: Option<Unfit>,
}

/// Goes through what a broker sends.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// The head of the frame that has begun, and its payload unless it goes on as it comes.
    frame: Vec<u8>,
    /// What of it is still to come behind its head, its end included.
    rest: usize,
    last: u8,
    content: Option<Content>,
}

/// A message of which not all has come.
#[derive(Debug)]
struct Content {
    channel: [u8; 2],
    tag: u64,
    fate: Fate,
    /// What is still to come of its body.
    left: u64,
    /// What it may take in memory.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its header is still to come.
    Announced,
    /// The same, and nobody wants it.
    Unwanted,
    /// It goes on.
    Passed,
    /// What is still to come does not.
    Withheld,
}

impl Sieve {
    /// Whether a message, or another frame, may begin now and nothing of one is outstanding.
    pub(super) fn is_between(&self) -> bool {
        self.frame.is_empty() && self.content.is_none()
    }

    /// Takes what came, up to the end of a frame, and adds to `passed` what goes on. Says how many bytes
    /// it has taken, and which message that has made known.
    pub(super) fn take(
        &mut self,
        came: &[u8],
        wanted: Wanted,
        passed: &mut BytesMut,
    ) -> Result<(usize, Option<Message>), Refusal> {
        let mut taken = 0;
        if self.frame.len() < HEAD_BYTES {
            taken = came.len().min(HEAD_BYTES - self.frame.len());
            self.frame.extend_from_slice(&came[..taken]);
            if self.frame.len() < HEAD_BYTES {
                return Ok((taken, None));
            }
            self.begin(passed)?;
        }
        let payload = &came[taken..];
        let payload = &payload[..payload.len().min(self.rest)];
        self.go_on(payload, passed);
        taken += payload.len();
        if self.rest > 0 {
            return Ok((taken, None));
        }
        let frame = std::mem::take(&mut self.frame);
        let ended = self.end(&frame, wanted, passed);
        // Its memory is used again.
        self.frame = frame;
        self.frame.clear();
        Ok((taken, ended?))
    }

    /// A head is here.
    fn begin(&mut self, passed: &mut BytesMut) -> Result<(), Refusal> {
        let (kind, size) = (self.frame[0], self.size());
        if !matches!(kind, METHOD | HEADER | BODY | HEARTBEAT) {
            return Err(Refusal::NotAmqp);
        }
        let whole = size.saturating_add(AROUND_BYTES);
        if whole > FRAME_BYTES_MAX && kind != HEADER {
            return Err(Refusal::Large(whole));
        }
        self.rest = size.saturating_add(1);
        if kind != BODY {
            return Ok(());
        }
        let channel = self.channel();
        let content = self.content.as_mut().filter(|content| content.channel == channel);
        let content = content.ok_or(Refusal::Unexpected)?;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        content.left = content.left.checked_sub(size).ok_or(Refusal::Unexpected)?;
        match content.fate {
            Fate::Passed => passed.extend_from_slice(&self.frame),
            Fate::Withheld => {}
            Fate::Announced | Fate::Unwanted => return Err(Refusal::Unexpected),
        }
        Ok(())
    }

    /// More of a payload is here, or its end.
    fn go_on(&mut self, payload: &[u8], passed: &mut BytesMut) {
        self.rest -= payload.len();
        self.last = payload.last().copied().unwrap_or(self.last);
        if self.frame[0] == BODY {
            if self.content.as_ref().is_some_and(|content| content.fate == Fate::Passed) {
                passed.extend_from_slice(payload);
            }
            return;
        }
        let room = FRAME_BYTES_MAX.saturating_sub(self.frame.len());
        self.frame.extend_from_slice(&payload[..payload.len().min(room)]);
    }

    /// A frame has ended. Where it did not go on as it came, it is here as a whole, or, if it is too
    /// large, its beginning is.
    fn end(
        &mut self,
        frame: &[u8],
        wanted: Wanted,
        passed: &mut BytesMut,
    ) -> Result<Option<Message>, Refusal> {
        if self.last != END {
            return Err(Refusal::NotAmqp);
        }
        match frame[0] {
            METHOD => self.method(frame, wanted, passed).map(|()| None),
            HEADER => self.header(frame, passed),
            BODY => Ok(self.ended_content()),
            _ => {
                passed.extend_from_slice(frame);
                Ok(None)
            }
        }
    }

    fn method(
        &mut self,
        frame: &[u8],
        wanted: Wanted,
        passed: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let channel = [frame[1], frame[2]];
        let payload = &frame[HEAD_BYTES..frame.len() - 1];
        let (name, arguments) = payload.split_first_chunk::<4>().ok_or(Refusal::NotAmqp)?;
        if self.content.as_ref().is_some_and(|content| content.channel == channel) {
            // The broker has changed its mind, such as about the channel.
            self.content = None;
        }
        match (u16::from_be_bytes([name[0], name[1]]), u16::from_be_bytes([name[2], name[3]])) {
            // connection.start: behind its version, the broker says what it is.
            (10, 10) => {
                let table = arguments.get(2..).ok_or(Refusal::NotAmqp)?;
                properties::check_table(table).map_err(Refusal::Introduction)?;
            }
            // What has a table in it and only a client says: connection.start-ok; exchange.declare,
            // .bind and .unbind; queue.declare, .bind and .unbind; basic.consume.
            (10, 11) | (40, 10 | 30 | 40) | (50, 10 | 20 | 50) | (60, 20) => {
                return Err(Refusal::Unexpected);
            }
            // basic.deliver: behind the name of the consumer, the number of the message.
            (60, 60) => {
                if self.content.is_some() {
                    return Err(Refusal::Unexpected);
                }
                let tag = delivery_tag(arguments).ok_or(Refusal::NotAmqp)?;
                let fate = match wanted {
                    Wanted::All => Fate::Announced,
                    Wanted::Nothing => Fate::Unwanted,
                };
                self.content = Some(Content { channel, tag, fate, left: 0, bytes: 0 });
                if wanted == Wanted::Nothing {
                    return Ok(());
                }
            }
            _ => {}
        }
        passed.extend_from_slice(frame);
        Ok(())
    }

    fn header(&mut self, frame: &[u8], passed: &mut BytesMut) -> Result<Option<Message>, Refusal> {
        let channel = [frame[1], frame[2]];
        let content = self.content.as_mut().filter(|content| content.channel == channel);
        let content = content.ok_or(Refusal::Unexpected)?;
        let body = body_bytes(frame).ok_or(Refusal::NotAmqp)?;
        content.left = body;
        let fit = fitness(frame, body);
        match (content.fate, fit) {
            (Fate::Passed | Fate::Withheld, _) => return Err(Refusal::Unexpected),
            (Fate::Unwanted, _) => content.fate = Fate::Withheld,
            (Fate::Announced, Ok(bytes)) => {
                (content.fate, content.bytes) = (Fate::Passed, bytes);
                passed.extend_from_slice(frame);
            }
            (Fate::Announced, Err(unfit)) => {
                content.fate = Fate::Withheld;
                let message = Message {
                    tag: content.tag,
                    bytes: limits::RABBIT_MESSAGE_BYTES,
                    unfit: Some(unfit),
                };
                passed.extend_from_slice(&emptied(frame));
                let _withheld = self.ended_content();
                return Ok(Some(message));
            }
        }
        Ok(self.ended_content())
    }

    /// The message that has come to its end, if it has, and has gone on.
    fn ended_content(&mut self) -> Option<Message> {
        let ended = self.content.take_if(|content| content.left == 0)?;
        let message = Message { tag: ended.tag, bytes: ended.bytes, unfit: None };
        (ended.fate == Fate::Passed).then_some(message)
    }

    /// The channel of the frame that has begun.
    fn channel(&self) -> [u8; 2] {
        [self.frame[1], self.frame[2]]
    }

    /// The size of its payload.
    fn size(&self) -> usize {
        size(&self.frame)
    }
}

fn size(frame: &[u8]) -> usize {
    let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// The number of a message, which stands behind the name of its consumer.
fn delivery_tag(arguments: &[u8]) -> Option<u64> {
    let (length, rest) = arguments.split_first()?;
    let tag = rest.get(usize::from(*length)..)?.first_chunk()?;
    Some(u64::from_be_bytes(*tag))
}

/// The size of a body, as its header says.
fn body_bytes(header: &[u8]) -> Option<u64> {
    let size = header.get(HEAD_BYTES + 4..)?.first_chunk()?;
    Some(u64::from_be_bytes(*size))
}

/// What a message may take in memory, or why no function can have it.
fn fitness(header: &[u8], body: u64) -> Result<usize, Unfit> {
    let payload = size(header);
    if payload > FRAME_BYTES_MAX - AROUND_BYTES {
        return Err(Unfit::Large);
    }
    let body = usize::try_from(body).unwrap_or(usize::MAX);
    if body > limits::PAYLOAD_SYNC_BYTES_MAX {
        return Err(Unfit::Large);
    }
    let properties = header.get(HEAD_BYTES + BEFORE_PROPERTIES_BYTES..header.len() - 1);
    properties::check(properties.ok_or(Unfit::Malformed)?)?;
    let headers = payload.saturating_mul(limits::RABBIT_HEADER_BYTES_EACH);
    Ok(body.saturating_add(headers).saturating_add(limits::RABBIT_MESSAGE_BYTES))
}

/// A header of the same channel, of a message without properties and without a body.
fn emptied(header: &[u8]) -> [u8; AROUND_BYTES + BEFORE_PROPERTIES_BYTES + 2] {
    let mut emptied = [0; AROUND_BYTES + BEFORE_PROPERTIES_BYTES + 2];
    // Kind and channel, the size, and the class, which is that of messages.
    emptied[..3].copy_from_slice(&header[..3]);
    emptied[6] = 14;
    emptied[HEAD_BYTES + 1] = 60;
    emptied[AROUND_BYTES + BEFORE_PROPERTIES_BYTES + 1] = END;
    emptied
}

#[cfg(test)]
pub(super) mod tests;
