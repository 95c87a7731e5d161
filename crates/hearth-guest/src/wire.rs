//! Framing: a length, then JSON, with file descriptors beside it where there are any.
//!
//! Used between server and launcher and between server and agent. Both ends are one program, so
//! there are no versions. A frame is bounded by [`FRAME_BYTES_MAX`]. [`Frames`] is pure: it is fed
//! bytes and hands out messages, so that it serves a blocking reader and an asynchronous one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message. Environment variables are 4 KB and paths are short; the rest is slack.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// The most descriptors that come with one message.
pub const DESCRIPTORS_MAX: usize = 16;

/// Writes a message as a frame.
///
/// # Errors
///
/// If it is too long, which is a bug of the caller.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Sends a message and descriptors. Waits until all of it is sent.
///
/// # Errors
///
/// If the other end is gone or the message is too long.
pub fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let frame = encode(message)?;
    let mut sent = 0;
    while sent < frame.len() {
        // The descriptors travel with the first byte.
        let with: &[BorrowedFd<'_>] = if sent == 0 { descriptors } else { &[] };
        match send_part(&socket, &frame[sent..], with) {
            Ok(length) => sent += length,
            Err(rustix::io::Errno::INTR) => {}
            // The socket may be shared with an asynchronous reader and so be non-blocking.
            Err(rustix::io::Errno::AGAIN) => wait_writable(&socket)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn send_part(
    socket: &impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
}

fn wait_writable(socket: &impl AsFd) -> io::Result<()> {
    let mut interest = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::OUT)];
    match rustix::event::poll(&mut interest, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes bytes and descriptors off a socket once.
///
/// # Errors
///
/// `WouldBlock` on a non-blocking socket with nothing to read, `UnexpectedEof` if the other end
/// is closed, and what the kernel says otherwise.
pub fn receive_into(socket: impl AsFd, frames: &mut Frames) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 4096];
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            frames.descriptors.extend(descriptors);
        }
    }
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    frames.bytes.extend_from_slice(&bytes[..received.bytes]);
    Ok(())
}

/// What was received and not yet taken.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Frames {
    /// Takes the next whole message, if there is one.
    ///
    /// # Errors
    ///
    /// If the frame is too long or is not the message that was expected.
    pub fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(header) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
        }
        let Some(body) = self.bytes.get(4..4 + length) else { return Ok(None) };
        let message = serde_json::from_slice(body)?;
        self.bytes.drain(..4 + length);
        Ok(Some(message))
    }

    /// Takes the descriptors of one message. Those of later ones may have come as well.
    pub fn take_descriptors(&mut self, count: usize) -> Vec<OwnedFd> {
        let count = count.min(self.descriptors.len());
        self.descriptors.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::protocol::{Command, Exit, Report};

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (left, right) = UnixStream::pair().unwrap();
        let (carried, _other) = UnixStream::pair().unwrap();
        send(&left, &Report::WallsUp, &[carried.as_fd()]).unwrap();
        send(&left, &Report::Exited(Exit::Signal(9)), &[]).unwrap();
        drop(left);

        let mut frames = Frames::default();
        let mut got = Vec::new();
        while receive_into(&right, &mut frames).is_ok() {
            while let Some(report) = frames.take::<Report>().unwrap() {
                got.push(report);
            }
        }
        assert_eq!(got, [Report::WallsUp, Report::Exited(Exit::Signal(9))]);
        assert_eq!(frames.take_descriptors(2).len(), 1);
    }

    #[test]
    fn a_message_in_pieces_is_put_together() {
        let frame = encode(&Command::Reset).unwrap();
        let mut frames = Frames::default();
        for byte in &frame[..frame.len() - 1] {
            frames.bytes.push(*byte);
            assert_eq!(frames.take::<Command>().unwrap(), None);
        }
        frames.bytes.push(*frame.last().unwrap());
        assert_eq!(frames.take::<Command>().unwrap(), Some(Command::Reset));
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused() {
        let mut frames = Frames::default();
        frames.bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(frames.take::<Command>().is_err());
    }
}
