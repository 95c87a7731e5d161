//! Answers that are streamed.

use hearth_environment::invocation::Answer;
use hearth_environment::stream::{Part, ResponseStream, StreamError};
use hearth_types::limits::{STREAM_PIECE_BYTES_MAX, STREAM_PIECES_MAX};
use tokio::sync::Notify;

use super::*;

/// Invokes a function for a caller that takes its answer as it comes.
async fn answer(world: &World, log: LogRequest) -> Answer {
    let (outcome, receiver) = oneshot::channel();
    world.hand_over(log, Taker::Pieces(outcome));
    receiver.await.unwrap().unwrap()
}

async fn stream(world: &World, log: LogRequest) -> ResponseStream {
    match answer(world, log).await {
        Answer::Stream(stream) => stream,
        Answer::Whole(completed) => panic!("it is not streamed: {completed:?}"),
    }
}

/// Takes everything that comes until the end.
async fn rest(stream: &mut ResponseStream) -> (String, Option<StreamError>, Option<Vec<u8>>) {
    let mut text = String::new();
    loop {
        match stream.next().await.expect("there is an end") {
            Part::Piece(piece) => text.push_str(std::str::from_utf8(&piece).unwrap()),
            Part::End(end) => return (text, end.error, end.log_tail),
        }
    }
}

/// A runtime that answers every event in this way.
fn each_event<F: Future<Output = ()> + Send + 'static>(
    answer: impl Fn(SimulatedRuntime, String) -> F + Clone + Send + Sync + 'static,
) -> Script {
    script(move |runtime| {
        let answer = answer.clone();
        async move {
            for _event in 0..100 {
                let id = runtime.next().await.request_id.unwrap_or_default();
                answer(runtime.clone(), id).await;
            }
            Exit::Status(0)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_caller_has_the_beginning_before_there_is_an_end() {
    let (gate, (seen, mut statuses)) = (Arc::new(Notify::new()), mpsc::channel(16));
    let opened = Arc::clone(&gate);
    let mut world = world(
        each_event(move |runtime, id| {
            let (gate, seen) = (Arc::clone(&opened), seen.clone());
            async move {
                let mut stream = runtime.stream(&id, "streaming").await;
                stream.send(b"one").await;
                gate.notified().await;
                stream.send(b"two").await;
                let _ = seen.send(stream.end().await.status).await;
            }
        }),
        &[],
    );
    world.until_idle().await;
    for _cold_and_warm in 0..2 {
        let mut stream = stream(&world, LogRequest::None).await;
        assert_eq!(stream.next().await, Some(Part::Piece("one".into())));
        gate.notify_one();
        assert_eq!(rest(&mut stream).await, ("two".to_owned(), None, None));
        assert_eq!(stream.next().await, None);
        assert_eq!(statuses.recv().await, Some(202));
        world.until_idle().await;
    }
    assert_eq!(world.happened(Happening::Ran), 1);
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn each_way_to_fail_in_the_middle_reaches_the_caller_and_leaves_an_environment_that_works() {
    let gate = Arc::new(Notify::new());
    let told = Arc::clone(&gate);
    let dies = script(move |runtime| {
        let told = Arc::clone(&told);
        async move {
            let id = runtime.next().await.request_id.unwrap_or_default();
            let mut stream = runtime.stream(&id, "streaming").await;
            stream.send(b"one").await;
            told.notified().await;
            Exit::Status(3)
        }
    });
    let fails = each_event(|runtime, id| async move {
        let mut stream = runtime.stream(&id, "streaming").await;
        stream.send(b"one").await;
        stream.fail("Own.Error", "eyJlcnJvck1lc3NhZ2UiOiJteSBvd24ifQ==").await;
    });
    let breaks_off = each_event(|runtime, id| async move {
        let mut stream = runtime.stream(&id, "streaming").await;
        stream.send(b"one").await;
        drop(stream);
        // The clock stands until nobody has anything else to do.
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
    let stuck = each_event(|runtime, id| async move {
        let mut stream = runtime.stream(&id, "streaming").await;
        stream.send(b"one").await;
        std::future::pending::<()>().await;
    });
    #[rustfmt::skip]
    let rows = [
        ("dies",                    dies,       "Runtime.TruncatedResponse", "RequestId: "),
        ("says so in its trailers", fails,      "Own.Error",                 "{\"errorMessage\":\"my own\"}"),
        ("breaks off",              breaks_off, "Runtime.TruncatedResponse", "cut off"),
        ("works for too long",      stuck,      "Sandbox.Timedout",          "Task timed out after 3.00 seconds"),
    ];
    for (name, script, code, details) in rows {
        let mut world = world(script, &[]);
        world.until_idle().await;
        for _attempt in 0..2 {
            let mut stream = stream(&world, LogRequest::None).await;
            assert_eq!(stream.next().await, Some(Part::Piece("one".into())), "{name}");
            gate.notify_one();
            let (text, error, _) = rest(&mut stream).await;
            let error = error.unwrap_or_else(|| panic!("{name} is not an error"));
            assert_eq!((text.as_str(), error.code.as_str()), ("", code), "{name}");
            assert!(error.details.contains(details), "{name}: {}", error.details);
            world.until_idle().await;
        }
        assert_eq!(world.happened(Happening::Built), 1, "{name}: the walls stay");
        world.retire().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_for_more_that_overtakes_the_end_of_a_stream_waits_for_it() {
    let (gate, (seen, mut statuses)) = (Arc::new(Notify::new()), mpsc::channel(16));
    let opened = Arc::clone(&gate);
    let mut world = world(
        script(move |runtime| {
            let (gate, seen) = (Arc::clone(&opened), seen.clone());
            async move {
                let mut event = runtime.next().await;
                for _event in 0..100 {
                    let id = event.request_id.unwrap_or_default();
                    let mut stream = runtime.stream(&id, "streaming").await;
                    stream.send(b"one").await;
                    let ending = async {
                        gate.notified().await;
                        let _ = seen.send(stream.end().await.status).await;
                    };
                    (event, ()) = tokio::join!(runtime.next(), ending);
                }
                Exit::Status(0)
            }
        }),
        &[],
    );
    world.until_idle().await;
    for _round in 0..2 {
        let mut stream = stream(&world, LogRequest::None).await;
        assert_eq!(stream.next().await, Some(Part::Piece("one".into())));
        // The clock stands until nobody has anything else to do: the call has arrived.
        tokio::time::sleep(Duration::from_millis(1)).await;
        gate.notify_one();
        assert_eq!(rest(&mut stream).await, (String::new(), None, None));
        assert_eq!(statuses.recv().await, Some(202));
        world.until_idle().await;
    }
    assert_eq!((world.happened(Happening::Ran), world.happened(Happening::Reset)), (1, 0));
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_for_more_may_overtake_an_answer_by_a_little() {
    let mut world = world(
        script(|runtime| async move {
            let mut event = runtime.next().await;
            for _event in 0..100 {
                let id = event.request_id.unwrap_or_default();
                let answering = async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    runtime.respond(&id, "late").await
                };
                (event, _) = tokio::join!(runtime.next(), answering);
            }
            Exit::Status(0)
        }),
        &[],
    );
    world.until_idle().await;
    for _round in 0..2 {
        assert_eq!(world.run().await, ("late".to_owned(), RunResult::Success));
        world.until_idle().await;
    }
    assert_eq!(world.happened(Happening::Reset), 0);
    world.retire().await;
}

/// Streams more than can wait for a caller.
fn streams_much() -> Script {
    each_event(|runtime, id| async move {
        let mut stream = runtime.stream(&id, "streaming").await;
        let piece = vec![b'x'; STREAM_PIECE_BYTES_MAX];
        for _piece in 0..8 * STREAM_PIECES_MAX {
            stream.send(&piece).await;
        }
        stream.end().await;
    })
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_in_the_middle_does_not_keep_the_function_from_its_end() {
    let mut world = world(streams_much(), &[]);
    world.until_idle().await;
    let mut gone = stream(&world, LogRequest::None).await;
    assert!(matches!(gone.next().await, Some(Part::Piece(_))));
    drop(gone);
    world.until_idle().await;
    assert_eq!(world.happened(Happening::Reset), 0, "the function ran to its end");

    let (text, error, _) = rest(&mut stream(&world, LogRequest::None).await).await;
    assert_eq!((text.len(), error), (8 * STREAM_PIECES_MAX * STREAM_PIECE_BYTES_MAX, None));
    world.until_idle().await;
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_holds_the_environment_no_longer_than_the_functions_time() {
    let mut world = world(streams_much(), &[]);
    world.until_idle().await;
    let mut unread = stream(&world, LogRequest::None).await;
    // Everybody waits for the caller: only the time of the function can end that.
    world.until_idle().await;
    assert_eq!(world.happened(Happening::Reset), 1);
    let (text, error, _) = rest(&mut unread).await;
    assert!(text.len() <= STREAM_PIECES_MAX * STREAM_PIECE_BYTES_MAX, "{}", text.len());
    assert_eq!(error.map(|error| error.code), Some("Sandbox.Timedout".to_owned()));
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_log_comes_with_the_end_of_the_stream() {
    let mut world = world(
        each_event(|runtime, id| async move {
            runtime.print("a line\n").await;
            let mut stream = runtime.stream(&id, "streaming").await;
            stream.send(b"one").await;
            stream.end().await;
        }),
        &[],
    );
    world.until_idle().await;
    let (text, error, tail) = rest(&mut stream(&world, LogRequest::Tail).await).await;
    assert_eq!((text.as_str(), error), ("one", None));
    let tail = String::from_utf8(tail.unwrap()).unwrap();
    assert!(tail.contains("a line\n") && tail.contains("REPORT RequestId: "), "{tail}");
    world.until_idle().await;
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_whole_gets_a_stream_whole_and_who_wants_pieces_gets_an_answer_whole() {
    let mut streams = world(
        each_event(|runtime, id| async move {
            let mut stream = runtime.stream(&id, "Streaming").await;
            stream.send(b"one").await;
            stream.send(b"two").await;
            stream.end().await;
        }),
        &[],
    );
    streams.until_idle().await;
    assert_eq!(streams.run().await, ("onetwo".to_owned(), RunResult::Success));
    streams.until_idle().await;
    streams.retire().await;

    let mut answers = world(script(well_behaved), &[]);
    answers.until_idle().await;
    let Answer::Whole(completed) = answer(&answers, LogRequest::None).await else {
        panic!("it does not stream")
    };
    assert_eq!((&completed.payload[..], completed.result), (&b"1"[..], RunResult::Success));
    answers.until_idle().await;
    answers.retire().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_another_invocation_or_in_an_unknown_mode_is_refused() {
    let (seen, mut statuses) = mpsc::channel(16);
    let mut world = world(
        each_event(move |runtime, id| {
            let seen = seen.clone();
            async move {
                let other = RequestId::random().to_string();
                for (id, mode) in [(&other, "streaming"), (&id, "sideways"), (&id, "streaming")] {
                    let stream = runtime.stream(id, mode).await;
                    let _ = seen.send(stream.end().await.status).await;
                }
            }
        }),
        &[],
    );
    world.until_idle().await;
    let Answer::Whole(completed) = answer(&world, LogRequest::None).await else {
        panic!("nothing was streamed")
    };
    let payload = String::from_utf8(completed.payload.to_vec()).unwrap();
    assert!(payload.contains("Runtime.InvalidResponseModeHeader"), "{payload}");
    assert_eq!(completed.result, RunResult::Unhandled);
    world.until_idle().await;
    let mut got = Vec::new();
    for _call in 0..3 {
        got.push(statuses.recv().await.unwrap());
    }
    assert_eq!(got, [400, 400, 403]);
    world.retire().await;
}
