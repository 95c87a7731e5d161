//! A connection whose first bytes were looked at.
//!
//! A client that speaks HTTP/2 in the clear says so with its first bytes; all others speak HTTP/1.1.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What a client of HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.1, or 1.0.
    One,
    /// HTTP/2.
    Two,
}

/// A connection whose first bytes were read, and are read again.
#[derive(Debug)]
pub(crate) struct Replayed<S> {
    first: Bytes,
    stream: S,
}

/// Waits for the first bytes, and says what is spoken.
pub(crate) async fn listen<S>(mut stream: S) -> io::Result<(Spoken, Replayed<S>)>
where
    S: AsyncRead + Unpin,
{
    let mut first = BytesMut::with_capacity(PREFACE.len());
    let spoken = loop {
        let read = stream.read_buf(&mut first).await?;
        let seen = first.len().min(PREFACE.len());
        if read == 0 || first[..seen] != PREFACE[..seen] {
            break Spoken::One;
        }
        if seen == PREFACE.len() {
            break Spoken::Two;
        }
    };
    Ok((spoken, Replayed { first: first.freeze(), stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..length]);
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn the_first_bytes_say_what_is_spoken_and_are_not_lost() {
        #[rustfmt::skip]
        let rows: [(&[u8], Spoken); 6] = [
            (b"GET / HTTP/1.1\r\n\r\n",                 Spoken::One),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",       Spoken::Two),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes", Spoken::Two),
            (b"PRI * HTTP/1.1\r\n\r\n",                 Spoken::One),
            (b"PRI * HTTP/2.0",                         Spoken::One),
            (b"",                                       Spoken::One),
        ];
        for (sent, expected) in rows {
            // A byte at a time, as a slow client does.
            let (mut theirs, ours) = tokio::io::duplex(1);
            let sending = async {
                theirs.write_all(sent).await.unwrap();
                drop(theirs);
            };
            let reading = async {
                let (spoken, mut stream) = listen(ours).await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                (spoken, all)
            };
            let ((), (spoken, all)) = tokio::join!(sending, reading);
            assert_eq!((spoken, all.as_slice()), (expected, sent));
        }
    }
}
