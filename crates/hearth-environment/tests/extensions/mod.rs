//! Extensions in whole lives of environments: who is started, told, waited for and ended, when.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const BOTH: &str = "\"INVOKE\",\"SHUTDOWN\"";

/// An environment with these extensions.
fn world_with(runtime: Script, extensions: Vec<(&str, Option<Script>)>) -> World {
    let mut backend = Simulated::new(runtime);
    let owned = extensions.into_iter().map(|(name, script)| (name.to_owned(), script));
    backend.extensions = owned.collect();
    let layers = Some(PathBuf::from("/nowhere"));
    world_of(backend, Target { layers, ..target() }, &[])
}

/// Registers for everything under a name, and passes on what it hears of until it is over.
fn listening(name: &'static str, seen: &mpsc::Sender<String>) -> Script {
    let seen = seen.clone();
    script(move |me| {
        let seen = seen.clone();
        async move {
            let id = me.register(name, BOTH).await.extension_id.unwrap();
            loop {
                let event = me.next_event(&id).await;
                let event: Value = serde_json::from_slice(&event.body).unwrap();
                let kind = event["eventType"].as_str().unwrap_or_default();
                let reason = event["shutdownReason"].as_str().unwrap_or_default();
                let _ = seen.send(format!("{name} {kind} {reason}").trim_end().to_owned()).await;
                if kind == "SHUTDOWN" {
                    return Exit::Status(0);
                }
            }
        }
    })
}

/// Registers, takes one event, and then does this.
fn after_one_event(name: &'static str, events: &'static str, then: Option<Exit>) -> Script {
    script(move |me| async move {
        let id = me.register(name, events).await.extension_id.unwrap();
        me.next_event(&id).await;
        match then {
            Some(exit) => exit,
            None => std::future::pending().await,
        }
    })
}

/// Takes an event and never answers it.
fn stuck() -> Script {
    script(|runtime| async move {
        runtime.next().await;
        std::future::pending().await
    })
}

impl World {
    fn history(&self) -> Vec<Happening> {
        self.backend.history.lock().unwrap().clone()
    }

    fn logged(&self) -> String {
        self.lines.0.lock().unwrap().concat()
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_are_started_first_and_hear_of_invocations_and_of_the_end() {
    let (seen, mut heard) = mpsc::channel(16);
    let runtime = script(well_behaved);
    let mut world = world_with(runtime, vec![("outer", Some(listening("outer", &seen)))]);
    world.until_idle().await;
    let started = [Happening::Built, Happening::Launched, Happening::Ran];
    assert_eq!(world.history(), started);
    let line = "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n";
    assert!(world.logged().contains(line), "{}", world.logged());

    assert_eq!(world.run().await, ("1".to_owned(), RunResult::Success));
    world.until_idle().await;
    assert_eq!(heard.recv().await.unwrap(), "outer INVOKE");
    world.retire().await;
    assert_eq!(heard.recv().await.unwrap(), "outer SHUTDOWN spindown");
    assert_eq!(world.happened(Happening::Terminated), 1, "the runtime is told as well");
}

#[tokio::test(start_paused = true)]
async fn an_environment_without_extensions_ends_at_once() {
    let mut world = world(script(well_behaved), &[]);
    world.until_idle().await;
    world.retire().await;
    assert_eq!(world.history(), [Happening::Built, Happening::Ran, Happening::TornDown]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_has_its_answer_while_an_extension_is_still_at_it() {
    let slow = script(|me: SimulatedRuntime| async move {
        let id = me.register("slow", "\"INVOKE\"").await.extension_id.unwrap();
        loop {
            me.next_event(&id).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut world = world_with(script(well_behaved), vec![("slow", Some(slow))]);
    world.until_idle().await;
    assert_eq!(world.run().await.0, "1");
    let answered = tokio::time::Instant::now();
    assert!(!world.logged().contains("REPORT"), "the invocation is not over");
    world.until_idle().await;
    assert!(answered.elapsed() >= Duration::from_millis(900));
    assert!(world.logged().contains("REPORT"));
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_takes_too_long_costs_the_environment_and_not_the_caller() {
    let stalling = after_one_event("stalling", "\"INVOKE\"", None);
    let mut world = world_with(script(well_behaved), vec![("stalling", Some(stalling))]);
    world.until_idle().await;
    assert_eq!(world.run().await, ("1".to_owned(), RunResult::Success));
    world.until_idle().await;
    assert!(world.logged().contains("\tStatus: timeout\t"), "{}", world.logged());
    assert_eq!(world.happened(Happening::Killed), 1, "it did not want to hear of the end");
    assert_eq!(world.happened(Happening::Reset), 1);
    assert_eq!(world.run().await, ("1".to_owned(), RunResult::Success), "all begins again");
}

#[tokio::test(start_paused = true)]
async fn each_way_for_an_extension_to_fail_is_told_to_the_caller() {
    let reports = |path: &'static str, after_event: Option<()>| {
        script(move |me: SimulatedRuntime| async move {
            let id = me.register("failing", BOTH).await.extension_id.unwrap();
            if after_event.is_some() {
                me.next_event(&id).await;
            }
            let headers = [
                ("lambda-extension-identifier", id.as_str()),
                ("lambda-extension-function-error-type", "Own.Error"),
            ];
            me.request(("POST", path), &headers, "{}").await;
            std::future::pending().await
        })
    };
    let init_error = reports("/2020-01-01/extension/init/error", None);
    let exit_error = reports("/2020-01-01/extension/exit/error", Some(()));
    let crashes = after_one_event("failing", BOTH, Some(Exit::Status(1)));
    let at_once = script(|_me| async { Exit::Status(0) });
    let hangs = script(|_me| async { std::future::pending().await });
    #[rustfmt::skip]
    let rows = [
        ("crashes at work",      Some(crashes),    "Extension.Crash",       "Error: exit status 1"),
        ("exits at once",        Some(at_once),    "Extension.Crash",       "Error: exit code 0"),
        ("cannot be started",    None,             "Extension.LaunchError", "fork/exec /opt/extensions/failing: permission denied"),
        ("reports in init",      Some(init_error), "Extension.InitError",   "Error: Own.Error"),
        ("reports at work",      Some(exit_error), "Extension.ExitError",   "Error: Own.Error"),
        ("never registers",      Some(hangs),      "Sandbox.Timedout",      "Task timed out after 3.00 seconds"),
    ];
    for (name, failing, error_type, message) in rows {
        let (seen, mut heard) = mpsc::channel(16);
        let other = ("listening", Some(listening("listening", &seen)));
        let mut world = world_with(stuck(), vec![("failing", failing), other]);
        world.until_idle().await;
        let (payload, result) = world.run().await;
        assert_eq!(result, RunResult::Unhandled, "{name}");
        let payload: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(payload["errorType"], error_type, "{name}");
        assert!(payload["errorMessage"].as_str().unwrap().ends_with(message), "{name}: {payload}");
        world.until_idle().await;
        assert!(world.happened(Happening::Reset) >= 1, "{name}");
        world.retire().await;
        // The other one heard of it if it had come far enough to hear anything.
        while let Ok(said) = heard.try_recv() {
            let expected = ["INVOKE", "SHUTDOWN failure", "SHUTDOWN timeout"];
            assert!(expected.iter().any(|end| said.ends_with(end)), "{name}: {said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_a_timeout_are_told_as_what_they_are() {
    let dies = script(|runtime| async move {
        runtime.next().await;
        Exit::Status(3)
    });
    let rows = [(dies, "SHUTDOWN failure"), (stuck(), "SHUTDOWN timeout")];
    for (runtime, expected) in rows {
        let (seen, mut heard) = mpsc::channel(16);
        let mut world = world_with(runtime, vec![("outer", Some(listening("outer", &seen)))]);
        world.until_idle().await;
        assert_eq!(world.run().await.1, RunResult::Unhandled);
        assert_eq!(heard.recv().await.unwrap(), "outer INVOKE");
        assert_eq!(heard.recv().await.unwrap(), format!("outer {expected}"));
        world.until_idle().await;
        world.retire().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_by_itself_is_ended_when_its_time_is_over() {
    let deaf_runtime = script(|runtime: SimulatedRuntime| async move {
        tokio::join!(runtime.terminated(), well_behaved(runtime.clone())).1
    });
    let deaf = script(|me: SimulatedRuntime| async move {
        let id = me.register("deaf", BOTH).await.extension_id.unwrap();
        me.next_event(&id).await;
        std::future::pending().await
    });
    let mut world = world_with(deaf_runtime, vec![("deaf", Some(deaf))]);
    world.until_idle().await;
    let told = tokio::time::Instant::now();
    world.retire().await;
    assert_eq!(told.elapsed().as_secs(), 2, "{:?}", told.elapsed());
    assert_eq!(world.happened(Happening::Terminated), 1);
    assert_eq!(world.happened(Happening::Killed), 1, "the runtime, to leave time for the other");
}

#[tokio::test(start_paused = true)]
async fn an_internal_extension_hears_of_invocations_only() {
    let (seen, mut heard) = mpsc::channel(16);
    let runtime = script(move |runtime: SimulatedRuntime| {
        let seen = seen.clone();
        async move {
            let refused = runtime.register("inner", BOTH).await;
            let _ = seen.send(error_type(&refused.body)).await;
            let id = runtime.register("inner", "\"INVOKE\"").await.extension_id.unwrap();
            let me = runtime.clone();
            let inner = async move {
                loop {
                    me.next_event(&id).await;
                    let late = me.register("late", "\"INVOKE\"").await;
                    let _ = seen.send(error_type(&late.body)).await;
                }
            };
            tokio::select! {
                exit = well_behaved(runtime) => exit,
                () = inner => Exit::Status(0),
            }
        }
    });
    let mut world = world(runtime, &[]);
    world.until_idle().await;
    assert_eq!(heard.recv().await.unwrap(), "Extension.InvalidEventType");
    assert_eq!(world.run().await.0, "1");
    assert_eq!(heard.recv().await.unwrap(), "Extension.RegistrationClosed");
    world.until_idle().await;
    world.retire().await;
    assert_eq!(world.happened(Happening::Terminated), 1);
    assert_eq!(world.happened(Happening::Killed), 0);
}

fn error_type(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["errorType"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_is_sent_what_happens_in_order_and_once() {
    let (seen, mut sent) = mpsc::channel(64);
    let subscriber = script(move |me: SimulatedRuntime| {
        let seen = seen.clone();
        async move {
            let id = me.register("subscriber", BOTH).await.extension_id.unwrap();
            let taking = take_batches(me.listen(8080), seen);
            let body = json!({
                "schemaVersion": "2022-12-13",
                "types": ["platform", "function"],
                "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080" },
            });
            let headers = [("lambda-extension-identifier", id.as_str())];
            let route = ("PUT", "/2022-07-01/telemetry");
            let answered = me.request(route, &headers, &body.to_string()).await;
            assert_eq!((answered.status, &answered.body[..]), (200, &b"\"OK\""[..]));
            let listening = async {
                loop {
                    me.next_event(&id).await;
                }
            };
            tokio::select! {
                () = taking => Exit::Status(0),
                () = listening => Exit::Status(0),
            }
        }
    });
    let mut world = world_with(script(well_behaved), vec![("subscriber", Some(subscriber))]);
    world.until_idle().await;
    assert_eq!(world.run().await.0, "1");
    world.until_idle().await;
    let mut kinds = Vec::new();
    for _event in 0..9 {
        kinds.push(sent.recv().await.unwrap());
    }
    assert_eq!(kinds[0], "platform.initStart");
    let invocation = ["platform.start", "function", "platform.runtimeDone", "platform.report"];
    assert_eq!(kinds[5..], invocation);
    kinds[1..5].sort();
    let init = [
        "platform.extension",
        "platform.initReport",
        "platform.initRuntimeDone",
        "platform.telemetrySubscription",
    ];
    assert_eq!(kinds[1..5], init);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(sent.try_recv().is_err(), "nothing comes twice");
    world.retire().await;
}

/// Takes batches over HTTP, and passes on the types of their events.
async fn take_batches(mut connections: mpsc::Receiver<DuplexStream>, seen: mpsc::Sender<String>) {
    while let Some(mut connection) = connections.recv().await {
        let mut request = Vec::new();
        let events = loop {
            let mut chunk = [0; 1024];
            let length = connection.read(&mut chunk).await.unwrap();
            assert!(length > 0, "a batch is sent whole");
            request.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8(request.clone()).unwrap();
            let body = text.split_once("\r\n\r\n").map(|(_head, body)| body);
            let events = body.and_then(|body| serde_json::from_str::<Vec<Value>>(body).ok());
            if let Some(events) = events {
                break events;
            }
        };
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        connection.write_all(answer).await.unwrap();
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            let _ = seen.send(kind).await;
        }
    }
}
