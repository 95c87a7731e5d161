//! As much of AMQP 0-9-1 as it takes to publish persistent messages and to hear that they are kept.
//!
//! A client of our own, because one in another language would be measured as well, and the ones in
//! Rust bring a reactor along: this one is a blocking socket, as the HTTP client of the other peers.
//!
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>
//!
//! ```text
//!  open:     header ▶ start ◀ start-ok ▶ tune ◀ tune-ok ▶ open ▶ open-ok ◀   connection
//!            open ▶ open-ok ◀ declare ▶ declare-ok ◀ select ▶ select-ok ◀    channel 1
//!  publish:  publish ▶ header ▶ body ▶                       … ack ◀
//! ```

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// A connection on which nothing moves for this long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The largest frame of a broker that is believed.
const FRAME_BYTES_MAX: u32 = 1024 * 1024;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const FRAME_END: u8 = 0xCE;
const CHANNEL: u16 = 1;

/// Class and method.
type MethodId = (u16, u16);

const CONNECTION_START: MethodId = (10, 10);
const CONNECTION_START_OK: MethodId = (10, 11);
const CONNECTION_TUNE: MethodId = (10, 30);
const CONNECTION_TUNE_OK: MethodId = (10, 31);
const CONNECTION_OPEN: MethodId = (10, 40);
const CONNECTION_OPEN_OK: MethodId = (10, 41);
const CHANNEL_OPEN: MethodId = (20, 10);
const CHANNEL_OPEN_OK: MethodId = (20, 11);
const QUEUE_DECLARE: MethodId = (50, 10);
const QUEUE_DECLARE_OK: MethodId = (50, 11);
const QUEUE_PURGE: MethodId = (50, 30);
const QUEUE_PURGE_OK: MethodId = (50, 31);
const CONFIRM_SELECT: MethodId = (85, 10);
const CONFIRM_SELECT_OK: MethodId = (85, 11);
const BASIC_PUBLISH: MethodId = (60, 40);
const BASIC_ACK: MethodId = (60, 80);

/// Says that a message has a mode of delivery, and which: persistent.
const HAS_DELIVERY_MODE: u16 = 1 << 12;
const PERSISTENT: u8 = 2;
const DURABLE: u8 = 1 << 1;

/// A connection with one channel, whose messages are confirmed, to one durable queue.
#[derive(Debug)]
pub(super) struct Publisher {
    stream: BufReader<TcpStream>,
    queue: &'static str,
    /// What is written until it is sent.
    out: Vec<u8>,
}

/// Which messages are kept. They are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub(super) number: u64,
    pub(super) extent: Extent,
}

/// Whether a confirmation is of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    One,
    AllUpTo,
}

impl Publisher {
    /// Connects, and makes the queue if it is not there.
    pub(super) fn open(address: SocketAddr, queue: &'static str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true).context("could not set up the connection")?;
        stream.set_read_timeout(Some(SILENCE_MAX)).context("could not set up the connection")?;
        stream.set_write_timeout(Some(SILENCE_MAX)).context("could not set up the connection")?;
        let mut this = Self { stream: BufReader::new(stream), queue, out: Vec::new() };
        this.out.extend_from_slice(b"AMQP\0\0\x09\x01");
        this.flush()?;
        this.wait_for(CONNECTION_START)?;
        let mut login = Arguments::default();
        login.table().text("PLAIN").long_text("\0guest\0guest").text("en_US");
        this.call(0, CONNECTION_START_OK, &login)?;
        let tune = this.wait_for(CONNECTION_TUNE)?;
        let mut tuned = Arguments::default();
        // What it suggests, without heartbeats.
        tuned.bytes(tune.get(..6).context("it tunes nothing")?).short(0);
        this.call(0, CONNECTION_TUNE_OK, &tuned)?;
        let mut open = Arguments::default();
        open.text("/").text("").byte(0);
        this.call(0, CONNECTION_OPEN, &open)?;
        this.wait_for(CONNECTION_OPEN_OK)?;
        let mut open = Arguments::default();
        this.ask(CHANNEL_OPEN, open.text(""), CHANNEL_OPEN_OK)?;
        let mut declare = Arguments::default();
        declare.short(0).text(queue).byte(DURABLE).table();
        this.ask(QUEUE_DECLARE, &declare, QUEUE_DECLARE_OK)?;
        let mut select = Arguments::default();
        this.ask(CONFIRM_SELECT, select.byte(0), CONFIRM_SELECT_OK)?;
        Ok(this)
    }

    /// Removes all messages of the queue that nobody is being given.
    pub(super) fn purge(&mut self) -> anyhow::Result<()> {
        let mut purge = Arguments::default();
        purge.short(0).text(self.queue).byte(0);
        self.ask(QUEUE_PURGE, &purge, QUEUE_PURGE_OK)
    }

    /// Writes a persistent message. It is on its way after [`Self::flush`].
    pub(super) fn publish(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let mut publish = Arguments::default();
        publish.short(0).text("").text(self.queue).byte(0);
        write_method(&mut self.out, (CHANNEL, BASIC_PUBLISH), &publish)?;
        let (class, _method) = BASIC_PUBLISH;
        let length = u64::try_from(body.len()).context("the message is too long")?;
        let mut header = Arguments::default();
        header.short(class).short(0).bytes(&length.to_be_bytes());
        header.short(HAS_DELIVERY_MODE).byte(PERSISTENT);
        write_frame(&mut self.out, (HEADER, CHANNEL), &header.0)?;
        write_frame(&mut self.out, (BODY, CHANNEL), body)
    }

    /// Sends what was written.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let sent = self.stream.get_mut().write_all(&self.out).context("could not send");
        self.out.clear();
        sent
    }

    /// Waits until the broker says that it has kept something.
    pub(super) fn confirmed(&mut self) -> anyhow::Result<Confirmed> {
        let ack = self.wait_for(BASIC_ACK)?;
        let (number, rest) = ack.split_first_chunk().context("an acknowledgement is short")?;
        let all = rest.first().is_some_and(|bits| bits & 1 == 1);
        let extent = if all { Extent::AllUpTo } else { Extent::One };
        Ok(Confirmed { number: u64::from_be_bytes(*number), extent })
    }

    /// Calls a method of the channel and waits for the answer.
    fn ask(
        &mut self,
        method: MethodId,
        arguments: &Arguments,
        answer: MethodId,
    ) -> anyhow::Result<()> {
        self.call(CHANNEL, method, arguments)?;
        self.wait_for(answer).map(drop)
    }

    fn call(&mut self, channel: u16, method: MethodId, with: &Arguments) -> anyhow::Result<()> {
        write_method(&mut self.out, (channel, method), with)?;
        self.flush()
    }

    /// The arguments of the next method, which must be this one.
    fn wait_for(&mut self, wanted: MethodId) -> anyhow::Result<Vec<u8>> {
        loop {
            let (kind, payload) = read_frame(&mut self.stream)?;
            if kind == HEARTBEAT {
                continue;
            }
            ensure!(kind == METHOD && payload.len() >= 4, "a frame of kind {kind} came");
            let (head, arguments) = payload.split_at(4);
            let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
            let found = (half(0), half(2));
            if found != wanted {
                let said = String::from_utf8_lossy(arguments).into_owned();
                bail!("{found:?} came and not {wanted:?}: {said}");
            }
            return Ok(arguments.to_vec());
        }
    }
}

/// Arguments of a method, as they are written.
#[derive(Debug, Default)]
struct Arguments(Vec<u8>);

impl Arguments {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    fn short(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let length = u8::try_from(text.len()).expect("our own texts are short");
        self.byte(length).bytes(text.as_bytes())
    }

    fn long_text(&mut self, text: &str) -> &mut Self {
        let length = u32::try_from(text.len()).expect("our own texts are short");
        self.bytes(&length.to_be_bytes()).bytes(text.as_bytes())
    }

    /// One with nothing in it.
    fn table(&mut self) -> &mut Self {
        self.long_text("")
    }
}

fn write_method(
    out: &mut Vec<u8>,
    (channel, (class, method)): (u16, MethodId),
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let mut payload = Arguments::default();
    payload.short(class).short(method).bytes(&arguments.0);
    write_frame(out, (METHOD, channel), &payload.0)
}

fn write_frame(
    out: &mut Vec<u8>,
    (kind, channel): (u8, u16),
    payload: &[u8],
) -> anyhow::Result<()> {
    let length = u32::try_from(payload.len()).context("the message is too long")?;
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
    Ok(())
}

/// The kind of a frame, and what is in it.
fn read_frame(from: &mut impl Read) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut head = [0; 7];
    from.read_exact(&mut head).context("the broker said nothing more")?;
    let [kind, _, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes came");
    let mut payload = vec![0; usize::try_from(length).context("a frame is too long")? + 1];
    from.read_exact(&mut payload).context("the broker broke off")?;
    ensure!(payload.pop() == Some(FRAME_END), "a frame does not end where it should");
    Ok((kind, payload))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn method(channel: u16, id: MethodId, arguments: &[u8]) -> Vec<u8> {
        let (mut frame, mut with) = (Vec::new(), Arguments::default());
        with.bytes(arguments);
        write_method(&mut frame, (channel, id), &with).unwrap();
        frame
    }

    /// A broker that answers each method as it should, and confirms two messages at once.
    fn broker(listener: &TcpListener) -> Vec<MethodId> {
        let (mut stream, _) = listener.accept().unwrap();
        let mut header = [0; 8];
        stream.read_exact(&mut header).unwrap();
        assert_eq!(&header, b"AMQP\0\0\x09\x01");
        stream.write_all(&method(0, CONNECTION_START, &[0, 9])).unwrap();
        let (mut seen, mut bodies) = (Vec::new(), 0);
        while bodies < 2 {
            let (kind, payload) = read_frame(&mut stream).unwrap();
            if kind != METHOD {
                bodies += usize::from(kind == BODY);
                continue;
            }
            let half = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
            let id = (half(0), half(2));
            seen.push(id);
            let answer = match id {
                CONNECTION_START_OK => method(0, CONNECTION_TUNE, &[0x07, 0xFF, 0, 2, 0, 0, 0, 60]),
                CONNECTION_OPEN => method(0, CONNECTION_OPEN_OK, &[0]),
                CHANNEL_OPEN => method(CHANNEL, CHANNEL_OPEN_OK, &[0, 0, 0, 0]),
                QUEUE_DECLARE => method(CHANNEL, QUEUE_DECLARE_OK, b"\x01q\0\0\0\0\0\0\0\0"),
                CONFIRM_SELECT => method(CHANNEL, CONFIRM_SELECT_OK, &[]),
                _ => continue,
            };
            stream.write_all(&answer).unwrap();
        }
        let mut heartbeat = Vec::new();
        write_frame(&mut heartbeat, (HEARTBEAT, 0), &[]).unwrap();
        stream.write_all(&heartbeat).unwrap();
        stream.write_all(&method(CHANNEL, BASIC_ACK, &[0, 0, 0, 0, 0, 0, 0, 2, 1])).unwrap();
        seen
    }

    #[test]
    fn messages_are_published_and_confirmed() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let broker = thread::spawn(move || broker(&listener));
        let mut publisher = Publisher::open(address, "q").unwrap();
        publisher.publish(b"one").unwrap();
        publisher.publish(b"two").unwrap();
        publisher.flush().unwrap();
        let confirmed = publisher.confirmed().unwrap();
        assert_eq!(confirmed, Confirmed { number: 2, extent: Extent::AllUpTo });
        let seen = broker.join().unwrap();
        let expected = [
            CONNECTION_START_OK,
            CONNECTION_TUNE_OK,
            CONNECTION_OPEN,
            CHANNEL_OPEN,
            QUEUE_DECLARE,
            CONFIRM_SELECT,
            BASIC_PUBLISH,
            BASIC_PUBLISH,
        ];
        assert_eq!(seen, expected);
        let gone = publisher.confirmed().unwrap_err();
        assert!(gone.to_string().contains("nothing more"), "{gone}");
    }

    #[test]
    fn a_frame_that_is_not_whole_is_refused() {
        let whole = method(1, BASIC_ACK, &[0; 9]);
        assert!(read_frame(&mut whole.as_slice()).is_ok());
        let mut bad_end = whole.clone();
        *bad_end.last_mut().unwrap() = 0;
        let mut endless = whole.clone();
        endless[3] = 0xFF;
        let rows: [&[u8]; 4] = [&whole[..whole.len() - 1], &bad_end, &endless, &[]];
        for mut bad in rows {
            assert!(read_frame(&mut bad).is_err());
        }
    }
}
