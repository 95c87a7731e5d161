//! Both ends of a stream, without anything between them, and with a clock that stands still while
//! something happens.

use std::sync::Mutex;

use hearth_types::limits::{
    SOCKET_IDLE_MILLIS_MAX, SOCKET_LIFE_MILLIS_MAX, SOCKET_MESSAGES_RUNNING_MAX,
};
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::super::outbox::Room;
use super::*;
use crate::event::tests::request;

type Stream = WebSocketStream<DuplexStream>;

/// Hears, and is not done with anything until it is told so.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<(String, OwnedSemaphorePermit)>>,
    more: Notify,
}

impl Ear for Listener {
    fn hear(&self, message: Utf8Bytes, place: OwnedSemaphorePermit) {
        self.heard.lock().unwrap().push((message.as_str().to_owned(), place));
        self.more.notify_one();
    }

    fn now(&self) -> Timestamp {
        Timestamp(2_000_000_000_000)
    }
}

impl Listener {
    async fn wait_for(&self, messages: usize) -> Vec<String> {
        while self.heard.lock().unwrap().len() < messages {
            self.more.notified().await;
        }
        self.heard.lock().unwrap().drain(..).map(|(message, _place)| message).collect()
    }
}

fn connection() -> Connection {
    Connection::of(&request("GET", "/prod", &[]), ("abc", "prod"), &Arc::new(Room::default()))
}

/// The server's end and the client's, with so many bytes between them at the most.
async fn ends(bytes: usize) -> (Stream, Stream) {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    (open(ours).await, client)
}

/// Serves a client that does this, to the end, and says how it ended and what the client has of it.
async fn serve<T>(work: impl AsyncFnOnce(Stream, &Connection, &Listener) -> T) -> (End, T) {
    let (connection, listener) = (connection(), Listener::default());
    let (mut server, client) = ends(64 * 1024).await;
    let serving = async {
        let end = converse(&connection, &mut server, &listener).await;
        goodbye(&mut server, end.clone()).await;
        drop(server);
        end
    };
    tokio::join!(serving, work(client, &connection, &listener))
}

/// The code and the reason of the goodbye that a client is told.
async fn told(client: &mut Stream) -> Option<(u16, String)> {
    while let Some(Ok(message)) = client.next().await {
        if let Message::Close(frame) = message {
            return frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways() {
    let (end, ()) = serve(async |mut client, connection, listener| {
        client.send(Message::text("hello")).await.unwrap();
        assert_eq!(listener.wait_for(1).await, ["hello"]);
        assert_eq!(connection.known().active, listener.now(), "it counts as active");

        let long = "x".repeat(SOCKET_MESSAGE_BYTES_MAX);
        for message in ["", "short", long.as_str()] {
            connection.outbox.put(Bytes::copy_from_slice(message.as_bytes())).unwrap();
            let got = client.next().await.unwrap().unwrap();
            assert_eq!(got.into_text().unwrap().as_str(), message);
        }
        connection.outbox.put(Bytes::from_static(b"\xff")).unwrap();
        let got = client.next().await.unwrap().unwrap();
        assert_eq!(got, Message::binary(Bytes::from_static(b"\xff")), "what is no text is not one");

        client.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
        let got = client.next().await.unwrap().unwrap();
        assert_eq!(got, Message::Pong(Bytes::from_static(b"p")));

        let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
        client.close(Some(frame)).await.unwrap();
        assert_eq!(told(&mut client).await, Some((1000, "bye".to_owned())));
    })
    .await;
    assert_eq!(end, End::Theirs(Closing { code: 1000, reason: "bye".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_sent_behind_answers_to_pings_that_the_client_does_not_take() {
    // With their answers, several times as much as there is room for on the way.
    const PINGS: usize = 2_000;
    let (end, ()) = serve(async |mut client, connection, _listener| {
        for _ping in 0..PINGS {
            client.send(Message::Ping(Bytes::from_static(&[b'p'; 125]))).await.unwrap();
        }
        let long = "x".repeat(SOCKET_MESSAGE_BYTES_MAX);
        connection.outbox.put(Bytes::copy_from_slice(long.as_bytes())).unwrap();
        let got = loop {
            let message = client.next().await.unwrap().unwrap();
            if message.is_text() {
                break message;
            }
            assert!(message.is_pong(), "{message:?}");
        };
        assert_eq!(got.into_text().unwrap().as_str(), long);
        client.close(None).await.unwrap();
        told(&mut client).await;
    })
    .await;
    assert_eq!(end, End::Theirs(Closing::NOTHING_SAID));
}

#[test]
fn a_long_message_is_sent_in_frames() {
    #[rustfmt::skip]
    let rows: [(usize, &[usize]); 5] = [
        (0,                             &[0]),
        (1,                             &[1]),
        (SOCKET_FRAME_BYTES_MAX,        &[SOCKET_FRAME_BYTES_MAX]),
        (SOCKET_FRAME_BYTES_MAX + 1,    &[SOCKET_FRAME_BYTES_MAX, 1]),
        (2 * SOCKET_FRAME_BYTES_MAX,    &[SOCKET_FRAME_BYTES_MAX, SOCKET_FRAME_BYTES_MAX]),
    ];
    for (length, expected) in rows {
        let message = Bytes::from(vec![b'x'; length]);
        let sent: Vec<Frame> = frames(&message).collect();
        let lengths: Vec<usize> = sent.iter().map(|frame| frame.payload().len()).collect();
        assert_eq!(lengths, expected);
        let ends: Vec<bool> = sent.iter().map(|frame| frame.header().is_final).collect();
        assert_eq!(ends.iter().filter(|is_end| **is_end).count(), 1);
        assert_eq!(ends.last(), Some(&true));
        assert_eq!(sent[0].header().opcode, OpCode::Data(Data::Text));
        let follow = |frame: &Frame| frame.header().opcode == OpCode::Data(Data::Continue);
        assert!(sent[1..].iter().all(follow));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_may_not_send_ends_the_connection() {
    let frame = Frame::message(vec![b'x'; SOCKET_FRAME_BYTES_MAX], OpCode::Data(Data::Text), false);
    let more = |length: usize, is_final: bool| {
        Frame::message(vec![b'x'; length], OpCode::Data(Data::Continue), is_final)
    };
    let full = SOCKET_FRAME_BYTES_MAX;
    let too_long =
        vec![frame, more(full, false), more(full, false), more(full, false), more(1, true)];
    let too_large = vec![b'x'; SOCKET_FRAME_BYTES_MAX + 1];
    let not_text = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
    let rows = [
        ("a large frame", vec![Message::text(String::from_utf8(too_large).unwrap())], 1009),
        ("a long message", too_long.into_iter().map(Message::Frame).collect(), 1009),
        ("bytes", vec![Message::binary(vec![1, 2, 3])], 1003),
        ("a text that is none", vec![Message::Frame(not_text)], 1007),
        ("the middle of a message", vec![Message::Frame(more(1, true))], 1002),
    ];
    for (what, messages, code) in rows {
        let (end, heard) = serve(async |mut client, _connection, listener| {
            for message in messages {
                // The connection may have ended before the last one.
                let _ = client.send(message).await;
            }
            let (told, _) = told(&mut client).await.unwrap();
            assert_eq!(told, code, "{what}");
            listener.heard.lock().unwrap().len()
        })
        .await;
        let (End::Ours(closing) | End::Broken(closing)) = end else { panic!("{what}: {end:?}") };
        assert_eq!((closing.code, heard), (code, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_against_the_protocol_end_the_connection() {
    // The mask is zero, so what is masked stands as it is.
    let mut long_ping = vec![0x89, 0xfe, 0, 126, 0, 0, 0, 0];
    long_ping.resize(8 + 126, b'p');
    #[rustfmt::skip]
    let rows: [(&str, &[u8]); 9] = [
        ("a frame without a mask",    &[0x81, 0x01, b'x']),
        ("a compressed one",          &[0xc1, 0x81, 0, 0, 0, 0, b'x']),
        ("one of an unknown kind",    &[0x83, 0x81, 0, 0, 0, 0, b'x']),
        ("a ping in parts",           &[0x09, 0x80, 0, 0, 0, 0]),
        ("a long ping",               long_ping.as_slice()),
        ("a message within another",  &[0x01, 0x81, 0, 0, 0, 0, b'x', 0x81, 0x81, 0, 0, 0, 0, b'y']),
        ("half a code",               &[0x88, 0x81, 0, 0, 0, 0, 3]),
        ("a code that is never sent", &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed]),
        ("a code that is none",       &[0x88, 0x82, 0, 0, 0, 0, 0x00, 0x01]),
    ];
    for (what, bytes) in rows {
        let (end, heard) = serve(async |mut client, _connection, listener| {
            client.get_mut().write_all(bytes).await.unwrap();
            let (code, _) = told(&mut client).await.expect(what);
            assert_eq!(code, 1002, "{what}");
            listener.heard.lock().unwrap().len()
        })
        .await;
        let (End::Theirs(closing) | End::Broken(closing)) = end else { panic!("{what}: {end:?}") };
        assert_eq!((closing.code, heard), (1002, 0), "{what}");
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_is_small() {
    const BYTES_MAX: usize = 8 * 1_024;
    let (connection, listener) = (connection(), Listener::default());
    let (mut server, _client) = ends(64).await;
    let known = size_of_val(&connection) + size_of_val(&server) + SOCKET_READ_BYTES;
    let bytes = known + size_of_val(&converse(&connection, &mut server, &listener));
    assert!(bytes <= BYTES_MAX, "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn a_long_message_in_frames_is_heard() {
    let (end, ()) = serve(async |mut client, _connection, listener| {
        let parts = SOCKET_MESSAGE_BYTES_MAX / SOCKET_FRAME_BYTES_MAX;
        for at in 0..parts {
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let bytes = vec![b'x'; SOCKET_FRAME_BYTES_MAX];
            let frame = Frame::message(bytes, OpCode::Data(kind), at + 1 == parts);
            client.send(Message::Frame(frame)).await.unwrap();
        }
        let heard = listener.wait_for(1).await;
        assert_eq!(heard[0].len(), SOCKET_MESSAGE_BYTES_MAX);
        client.close(None).await.unwrap();
        told(&mut client).await;
    })
    .await;
    assert_eq!(end, End::Theirs(Closing::NOTHING_SAID));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_missed() {
    let (end, ()) = serve(async |client, _connection, _listener| drop(client)).await;
    assert_eq!(end, End::Vanished);
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_when_nothing_happens_and_when_it_is_old() {
    let begin = Instant::now();
    let (end, ()) = serve(async |mut client, _connection, _listener| {
        assert_eq!(told(&mut client).await, Some((1001, "Going away".to_owned())));
    })
    .await;
    assert_eq!(end, End::Ours(Closing::GOING_AWAY));
    assert_eq!(moment(begin), Moment(SOCKET_IDLE_MILLIS_MAX));

    let begin = Instant::now();
    let (end, said) = serve(async |mut client, _connection, listener| {
        let step = Duration::from_millis(SOCKET_IDLE_MILLIS_MAX - 1);
        let mut said = 0;
        loop {
            tokio::select! {
                () = sleep(step) => {
                    client.send(Message::text("still here")).await.unwrap();
                    said += listener.wait_for(1).await.len();
                }
                told = told(&mut client) => {
                    assert_eq!(told, Some((1001, "Going away".to_owned())));
                    return said;
                }
            }
        }
    })
    .await;
    assert_eq!(end, End::Ours(Closing::GOING_AWAY));
    assert_eq!(moment(begin), Moment(SOCKET_LIFE_MILLIS_MAX));
    assert_eq!(said, 12);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (connection, listener) = (connection(), Listener::default());
    let (mut server, client) = ends(64).await;
    connection.outbox.put(Bytes::from(vec![b'x'; 1_000])).unwrap();
    let begin = Instant::now();
    let end = converse(&connection, &mut server, &listener).await;
    assert_eq!(end, End::Vanished);
    assert_eq!(begin.elapsed().as_secs(), SOCKET_WRITE_SECONDS_MAX);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_read_while_too_much_of_it_is_worked_on() {
    let (end, ()) = serve(async |mut client, connection, listener| {
        for number in 0..=SOCKET_MESSAGES_RUNNING_MAX {
            client.send(Message::text(number.to_string())).await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(listener.heard.lock().unwrap().len(), SOCKET_MESSAGES_RUNNING_MAX);
        // Done with one of them, so the last one is heard.
        drop(listener.heard.lock().unwrap().remove(0));
        let last = listener.wait_for(SOCKET_MESSAGES_RUNNING_MAX).await.pop();
        assert_eq!(last, Some(SOCKET_MESSAGES_RUNNING_MAX.to_string()));
        connection.outbox.end(Closing::DELETED);
        assert_eq!(told(&mut client).await, Some((1000, String::new())));
    })
    .await;
    assert_eq!(end, End::Ours(Closing::DELETED));
}
