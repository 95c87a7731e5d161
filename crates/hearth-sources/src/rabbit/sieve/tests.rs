//! Frames that brokers send, and what becomes of them.

use proptest::prelude::*;

use super::*;
use crate::rabbit::properties::tests::{nested, with_headers};

fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [&[kind, 0, channel][..], &size.to_be_bytes(), payload, &[END]].concat()
}

/// Properties without any.
const NONE: &[u8] = &[0, 0];

fn deliver(tag: u64) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 60, 1, b'c'];
    payload.extend(tag.to_be_bytes());
    payload.extend([0, 0, 1, b'q']);
    frame(METHOD, 1, &payload)
}

fn header(body: usize, properties: &[u8]) -> Vec<u8> {
    let size = u64::try_from(body).unwrap();
    frame(HEADER, 1, &[&[0, 60, 0, 0][..], &size.to_be_bytes(), properties].concat())
}

/// A message, with a body in two frames, or fewer if it is that short.
pub(in crate::rabbit) fn message(tag: u64, properties: &[u8], body: &[u8]) -> Vec<u8> {
    let (first, second) = body.split_at(body.len() / 2);
    let bodies = [first, second].into_iter().filter(|part| !part.is_empty());
    let bodies = bodies.flat_map(|part| frame(BODY, 1, part)).collect();
    [deliver(tag), header(body.len(), properties), bodies].concat()
}

/// What becomes of bytes that come in pieces of such a size.
fn sift(came: &[u8], piece: usize, wanted: Wanted) -> Result<(Vec<u8>, Vec<Message>), Refusal> {
    let (mut sieve, mut passed, mut messages) = (Sieve::default(), BytesMut::new(), Vec::new());
    for piece in came.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, message) = sieve.take(rest, wanted, &mut passed)?;
            messages.extend(message);
            rest = &rest[taken..];
        }
    }
    Ok((passed.to_vec(), messages))
}

fn all(came: &[u8]) -> Result<(Vec<u8>, Vec<Message>), Refusal> {
    sift(came, came.len().max(1), Wanted::All)
}

#[test]
fn messages_go_on_as_they_are_and_are_told_of_when_they_are_complete() {
    let properties = with_headers(&nested(3));
    let came = [message(1, &properties, b"order"), message(2, NONE, b"")].concat();
    let (passed, messages) = all(&came).unwrap();
    assert_eq!(passed, came);
    let told: Vec<(u64, Option<Unfit>)> = messages.iter().map(|one| (one.tag, one.unfit)).collect();
    assert_eq!(told, [(1, None), (2, None)]);
    let headers = properties.len() * limits::RABBIT_HEADER_BYTES_EACH;
    assert!(messages[0].bytes > headers + 5, "{messages:?}");
    let short = came.len() - message(2, NONE, b"").len() - 1;
    assert_eq!(all(&came[..short]).unwrap().1, [], "its last byte has not come");
}

#[test]
fn a_message_that_is_unfit_goes_on_empty_and_harms_no_other() {
    let nested = with_headers(&nested(20_000));
    let large = vec![0; limits::RABBIT_FRAME_BYTES_MAX as usize];
    let mut huge = [deliver(2), header(limits::PAYLOAD_SYNC_BYTES_MAX + 1, NONE)].concat();
    for part in vec![7; limits::PAYLOAD_SYNC_BYTES_MAX + 1].chunks(100_000) {
        huge.extend(frame(BODY, 1, part));
    }
    #[rustfmt::skip]
    let rows = [
        ("nested deeply",       message(2, &nested, b"order"),      Unfit::Deep),
        ("no properties",       message(2, &[0xff, 0xff], b""),     Unfit::Malformed),
        ("no text",             message(2, b"\x80\0\x01\xff", b""), Unfit::Malformed),
        ("more than a frame",   message(2, &large, b"order"),       Unfit::Large),
        ("more than an event",  huge,                               Unfit::Large),
    ];
    for (name, unfit, expected) in rows {
        let (first, third) = (message(1, NONE, b"before"), message(3, NONE, b"behind"));
        let came = [first.as_slice(), &unfit, &third].concat();
        let (passed, messages) = all(&came).unwrap();
        let told: Vec<_> = messages.iter().map(|one| (one.tag, one.unfit)).collect();
        assert_eq!(told, [(1, None), (2, Some(expected)), (3, None)], "{name}");
        assert_eq!(passed, [first, deliver(2), header(0, NONE), third].concat(), "{name}");
    }
}

#[test]
fn an_unfit_message_is_told_of_before_anything_of_it_goes_on() {
    let came = message(1, &with_headers(&nested(20_000)), b"order");
    let (announced, rest) = came.split_at(deliver(1).len());
    let (mut sieve, mut passed) = (Sieve::default(), BytesMut::new());
    sieve.take(announced, Wanted::All, &mut passed).unwrap();
    let (_taken, told) = sieve.take(rest, Wanted::All, &mut passed).unwrap();
    assert_eq!(told.map(|message| message.unfit), Some(Some(Unfit::Deep)));
    assert!(!sieve.is_between(), "its body is still to come");
}

#[test]
fn when_nothing_is_wanted_no_message_goes_on_and_all_else_does() {
    let close_ok = frame(METHOD, 0, &[0, 10, 0, 51]);
    let came = [message(1, NONE, b"order"), ALIVE.to_vec(), close_ok.clone()].concat();
    let (passed, messages) = sift(&came, came.len(), Wanted::Nothing).unwrap();
    assert_eq!(passed, [ALIVE.to_vec(), close_ok].concat());
    assert_eq!(messages, []);
}

#[test]
fn a_message_that_has_begun_goes_on_when_nothing_is_wanted_any_more() {
    let came = message(1, NONE, b"order");
    let (mut sieve, mut passed) = (Sieve::default(), BytesMut::new());
    let (mut taken, _) = sieve.take(&came, Wanted::All, &mut passed).unwrap();
    while taken < came.len() {
        taken += sieve.take(&came[taken..], Wanted::Nothing, &mut passed).unwrap().0;
    }
    assert_eq!(passed, came);
    assert!(sieve.is_between());
}

#[test]
fn what_no_broker_says_ends_the_connection() {
    let introduction = |arrays: usize| {
        let headers = with_headers(&nested(arrays));
        frame(METHOD, 0, &[&[0, 10, 0, 10, 0, 9][..], &headers[2..]].concat())
    };
    assert!(all(&introduction(3)).is_ok());
    let large = frame(BODY, 1, &vec![0; limits::RABBIT_FRAME_BYTES_MAX as usize]);
    let mut unended = deliver(1);
    *unended.last_mut().unwrap() = 0;
    #[rustfmt::skip]
    let rows = [
        (b"HTTP/1.1 400 Bad Request".to_vec(),                    Refusal::NotAmqp),
        (b"AMQP\x00\x00\x09\x01".to_vec(),                        Refusal::NotAmqp),
        (unended,                                                 Refusal::NotAmqp),
        (frame(METHOD, 1, &[0, 60]),                              Refusal::NotAmqp),
        (frame(METHOD, 1, &[0, 60, 0, 60, 9]),                    Refusal::NotAmqp),
        (large,                             Refusal::Large(AROUND_BYTES + 128 * 1024)),
        (introduction(20_000),              Refusal::Introduction(Unfit::Deep)),
        (frame(METHOD, 1, &[0, 60, 0, 20]),                       Refusal::Unexpected),
        (header(0, NONE),                                         Refusal::Unexpected),
        (frame(BODY, 1, b"order"),                                Refusal::Unexpected),
        ([deliver(1), frame(BODY, 1, b"order")].concat(),         Refusal::Unexpected),
        ([deliver(1), header(9, NONE), header(9, NONE)].concat(), Refusal::Unexpected),
        ([deliver(1), header(1, NONE), frame(BODY, 1, b"order")].concat(), Refusal::Unexpected),
    ];
    for (came, expected) in rows {
        assert_eq!(all(&came), Err(expected), "{:?}", &came[..came.len().min(30)]);
    }
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let properties = prop_oneof![
        Just(NONE.to_vec()),
        (1..100_usize).prop_map(|arrays| with_headers(&nested(arrays))),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    let body = prop::collection::vec(any::<u8>(), 0..50);
    let messages = prop::collection::vec((properties, body), 0..5);
    messages.prop_map(|messages| {
        let messages = messages.iter().zip(1..);
        messages.flat_map(|((properties, body), tag)| message(tag, properties, body)).collect()
    })
}

proptest! {
    #[test]
    fn how_bytes_are_cut_changes_nothing(came in frames(), piece in 1..40_usize) {
        let whole = all(&came);
        prop_assert_eq!(sift(&came, piece, Wanted::All), whole);
    }

    #[test]
    fn every_message_is_told_of_once_and_in_order(came in frames()) {
        let (_passed, messages) = all(&came).unwrap();
        let deliveries = came.windows(6).filter(|six| *six == [0, 60, 0, 60, 1, b'c']).count();
        // By chance, a body looks like a delivery.
        prop_assert!(messages.len() <= deliveries);
        prop_assert!(messages.iter().map(|one| one.tag).eq((1..).take(messages.len())));
    }

    #[test]
    fn whatever_comes_no_code_panics(came in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = all(&came);
        let _ = all(&[deliver(1), came].concat());
    }
}
