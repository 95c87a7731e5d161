//! A wire whose other end is here.

use std::future::poll_fn;

use tokio::io::{AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::rabbit::gate::{Outlet, gate};
use crate::rabbit::properties::Unfit;
use crate::rabbit::properties::tests::{nested, with_headers};
use crate::rabbit::sieve::tests::message;

/// Properties without any.
const NONE: &[u8] = &[0, 0];

/// A wire, its other end, and who takes what waits.
fn wire() -> (Wire, DuplexStream, Outlet) {
    let (near, far) = tokio::io::duplex(64 * 1024 * 1024);
    let (inlet, outlet) = gate();
    (Wire::new(Box::new(near), inlet), far, outlet)
}

/// What `lapin` reads next; `None` if that would have it wait.
async fn read_now(wire: &mut Wire) -> Option<io::Result<Vec<u8>>> {
    let mut into = vec![0; 256 * 1024];
    let read = poll_fn(|context| {
        Poll::Ready(
            match futures_io::AsyncRead::poll_read(Pin::new(&mut *wire), context, &mut into) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            },
        )
    });
    // All of it is one task's turn, and nothing is to be put off because the turn is long.
    let read = tokio::task::unconstrained(read).await?;
    Some(read.map(|length| into[..length].to_vec()))
}

/// Everything that can be read now.
async fn read_all(wire: &mut Wire) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(read) = read_now(wire).await {
        let read = read.unwrap();
        if read.is_empty() {
            break;
        }
        all.extend(read);
    }
    all
}

#[tokio::test]
async fn a_message_that_is_unfit_is_known_when_lapin_has_it() {
    let (mut wire, mut far, outlet) = wire();
    far.write_all(&message(1, &with_headers(&nested(20_000)), b"order")).await.unwrap();
    far.write_all(&message(2, NONE, b"order")).await.unwrap();
    let passed = read_all(&mut wire).await;
    assert!(passed.ends_with(&message(2, NONE, b"order")), "{passed:?}");
    assert_eq!(outlet.taken(1), Some(Unfit::Deep));
    assert_eq!(outlet.taken(2), None);
}

#[tokio::test]
async fn what_is_no_amqp_ends_the_connection_and_says_so() {
    let (mut wire, mut far, _outlet) = wire();
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
    let refused = read_now(&mut wire).await.unwrap().unwrap_err();
    assert_eq!(refused.to_string(), Refusal::NotAmqp.to_string());
}

/// So many messages that more than enough would wait. Each fits into one frame or a few.
async fn send_too_much(far: &mut DuplexStream) -> u64 {
    let body = vec![7; 200_000];
    let count = u64::try_from(limits::RABBIT_WAITING_BYTES_MAX / body.len()).unwrap() + 20;
    for tag in 1..=count {
        far.write_all(&message(tag, NONE, &body)).await.unwrap();
    }
    count
}

#[tokio::test(start_paused = true)]
async fn no_more_than_enough_is_read_and_lapin_hears_that_the_connection_is_alive() {
    let (mut wire, mut far, outlet) = wire();
    let count = send_too_much(&mut far).await;
    let first = read_all(&mut wire).await;
    let most = limits::RABBIT_WAITING_BYTES_MAX;
    assert!((most - 400_000..most + 400_000).contains(&first.len()), "{}", first.len());
    tokio::time::advance(PAUSE * 2).await;
    assert_eq!(read_all(&mut wire).await, ALIVE);
    assert_eq!(outlet.taken(count), None);
    let rest = read_all(&mut wire).await;
    let one = message(1, NONE, &vec![7; 200_000]).len();
    assert_eq!(first.len() + rest.len(), one * usize::try_from(count).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_broker_is_heard_behind_what_waits_when_the_link_is_closed() {
    let (mut wire, mut far, outlet) = wire();
    send_too_much(&mut far).await;
    let close_ok = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xce];
    far.write_all(&close_ok).await.unwrap();
    read_all(&mut wire).await;
    drop(outlet);
    assert_eq!(read_all(&mut wire).await, close_ok);
}
