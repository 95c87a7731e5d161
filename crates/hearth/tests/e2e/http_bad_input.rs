//! Requests for functions that are too large, malformed, oddly written or slow: through each kind of
//! site the client gets an answer, and nobody else notices.
//!
//! What is refused before a site is looked for is the same for all of them; what a site refuses, it
//! says in its own words. Tokens that are not good are in `tests/clients/api/http_apis.py`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::function_urls::door;
use crate::functions::shapes;
use crate::harness::{Place, Server, now};
use crate::http::{Connection, raw};
use crate::sites::{Front, Kind};

/// How long a call may take while others misbehave: on a quiet machine it takes some milliseconds.
const UNDISTURBED: Duration = Duration::from_secs(5);
/// Longer than the server waits for the headers of a request.
const HEADERS_SECONDS_MAX: u64 = 90;
/// One of each kind that reads requests in its own way.
const KINDS: [Kind; 4] = [Kind::Url, Kind::HttpTwo, Kind::Rest, Kind::Balancer];

/// A function behind each kind of site.
#[derive(Debug)]
struct Ground {
    server: Server,
    fronts: Vec<(Kind, Front)>,
}

impl Ground {
    fn new(settings: &[&str], timeout_seconds: u32) -> Self {
        let server = Server::start_set(Place::new(), settings);
        let fronts = fronts(&server, "shapes", timeout_seconds);
        Self { server, fronts }
    }

    /// Everybody is answered, and soon.
    fn serves_others(&self, while_there_is: &str) {
        for (kind, front) in &self.fronts {
            let began = now();
            let answer = self.server.send(&front.request("GET", "/good"));
            assert_eq!(answer.text(), "good", "{kind:?}, during {while_there_is}");
            let took = began.elapsed();
            assert!(took < UNDISTURBED, "{kind:?}, during {while_there_is}: {took:?}");
        }
    }
}

fn fronts(server: &Server, function: &str, timeout_seconds: u32) -> Vec<(Kind, Front)> {
    server.create(function, &shapes(), json!({ "Timeout": timeout_seconds }));
    let fronts = KINDS.into_iter().map(|kind| (kind, kind.before(server, function)));
    let fronts: Vec<(Kind, Front)> = fronts.collect();
    for (_kind, front) in &fronts {
        // From here on it is warm.
        assert_eq!(server.send(&front.request("GET", "/good")).status, 200);
    }
    fronts
}

/// A request as bytes. In its text `HOST` and `BASE` stand for those of a site.
fn written(text: &str, front: &Front) -> Vec<u8> {
    text.replace("HOST", &front.host).replace("BASE", front.base).into_bytes()
}

/// A request whose path is `echo`, with more behind its first headers.
fn post(more: &str) -> String {
    format!("POST BASE/echo HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{more}")
}

/// The status of the only response among some bytes.
fn only_status(answer: &str) -> Option<u16> {
    // Events have the protocol in them, without a space behind it.
    let responses = answer.matches("HTTP/1.1 ").count() + answer.matches("HTTP/1.0 ").count();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.filter(|_| responses == 1)
}

/// What a function has answered, behind the headers.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_headers, body)| body)
}

#[test]
fn what_could_be_understood_in_two_ways_reaches_no_function() {
    let ground = Ground::new(&["http=127.0.0.1:0"], 10);
    let (_scheme, alone) = door(&ground.server);
    #[rustfmt::skip]
    let rows = [
        ("two lengths",             post("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
        ("two lengths in one",      post("Content-Length: 1, 1\r\n\r\na")),
        ("a length with a sign",    post("Content-Length: +1\r\n\r\na")),
        ("a negative length",       post("Content-Length: -1\r\n\r\na")),
        ("a length in hexadecimal", post("Content-Length: 0x1\r\n\r\na")),
        ("a length beyond numbers", post("Content-Length: 99999999999999999999\r\n\r\na")),
        ("an unknown coding",       post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("no coding",               post("Transfer-Encoding: identity\r\n\r\n0\r\n\r\n")),
        ("chunked, and not last",   post("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        ("chunked, and not first",  post("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("chunked in two headers",  post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("chunked, then something", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n")),
        ("a vertical tab",          post("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n")),
        ("space before the colon",  post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("a folded coding",         post("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")),
        ("a folded header",         post("X: a\r\n b\r\n\r\n")),
        ("a return alone",          post("X: a\rY: b\r\n\r\n")),
        ("a zero byte",             post("X: a\0b\r\n\r\n")),
        ("two hosts",               post("Host: other.example\r\n\r\n")),
        ("an odd chunk",            post("Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")),
        ("a negative chunk",        post("Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n")),
        ("a chunk beyond numbers",  post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n0\r\n\r\n")),
        ("a chunk that goes on",    post("Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n")),
        ("a chunk's line feed",     post("Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n")),
        ("chunks for HTTP/1.0",     "POST BASE/echo HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("two spaces",              "GET  BASE/echo HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned()),
        ("a version twice",         "GET BASE/echo HTTP/1.1 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned()),
        ("an unknown version",      "GET BASE/echo HTTP/3.0\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned()),
        ("a control in the path",   "GET BASE/\x01 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned()),
    ];
    for (name, text) in rows {
        for (kind, front) in &ground.fronts {
            for address in [ground.server.address, alone] {
                let answer = raw(address, &written(&text, front));
                assert_eq!(
                    only_status(&answer),
                    Some(400),
                    "{name}, {kind:?}, {address}: {answer}"
                );
            }
        }
    }
    ground.serves_others("nothing else");
}

#[test]
fn what_stands_behind_a_body_is_not_taken_for_a_request() {
    let ground = Ground::new(&["http=127.0.0.1:0"], 10);
    let (_scheme, alone) = door(&ground.server);
    let behind = "0\r\n\r\nGET BASE/status-as-text HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let first = "POST BASE/good HTTP/1.1\r\nHost: HOST\r\n";
    let (length, chunks) = ("Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n");
    // Without `Connection: close`: that the end is said in two ways closes it.
    for order in [[length, chunks], [chunks, length]] {
        let text = format!("{first}{}\r\n{behind}", order.concat());
        for (kind, front) in &ground.fronts {
            for address in [ground.server.address, alone] {
                let answer = raw(address, &written(&text, front));
                assert_eq!(only_status(&answer), Some(200), "{kind:?}, {address}: {answer}");
                assert_eq!(body(&answer), "good", "{kind:?}, {address}");
            }
        }
    }
}

#[test]
fn lines_end_for_everybody_in_the_same_place_and_trailers_are_no_headers() {
    let ground = Ground::new(&[], 10);
    let feeds =
        "GET BASE/echo HTTP/1.1\nHost: HOST\nConnection: close\nX-One: 1\nX-Two: 2\n\n".to_owned();
    let trailers = post("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Evil: 1\r\n\r\n");
    for (kind, front) in &ground.fronts {
        // AWS is not known to refuse it, and RFC 9112 lets a line end so.
        let answer = raw(ground.server.address, &written(&feeds, front));
        assert_eq!(only_status(&answer), Some(200), "{kind:?}: {answer}");
        let event: Value = serde_json::from_str(body(&answer)).expect("it is the event");
        let headers = (&event["headers"]["x-one"], &event["headers"]["x-two"]);
        assert_eq!(headers, (&json!("1"), &json!("2")), "{kind:?}");

        let answer = raw(ground.server.address, &written(&trailers, front));
        assert_eq!(only_status(&answer), Some(200), "{kind:?}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("x-evil"), "{kind:?}: {answer}");
    }
}

#[test]
fn heads_have_bounds_and_each_kind_of_site_its_own() {
    let ground = Ground::new(&["http=127.0.0.1:0"], 10);
    let (_scheme, alone) = door(&ground.server);
    let many = |count: usize| (0..count).map(|at| format!("x-{at}: y\r\n")).collect::<String>();
    let long = |bytes: usize| format!("x-long: {}\r\n", "y".repeat(bytes));
    // Through a function URL, an HTTP API, a REST API and a load balancer.
    #[rustfmt::skip]
    let rows: [(&str, String, [u16; 4]); 6] = [
        ("fifty headers",    many(50),     [200, 200, 200, 200]),
        ("too many headers", many(101),    [431, 431, 431, 431]),
        ("thousands",        many(5_000),  [431, 431, 431, 431]),
        ("a long one",       long(11_000), [200, 431, 200, 200]),
        ("a longer one",     long(17_000), [200, 431, 200, 400]),
        ("the longest",      long(70_000), [431, 431, 431, 431]),
    ];
    for (name, headers, expected) in rows {
        for ((kind, front), status) in ground.fronts.iter().zip(expected) {
            for address in [ground.server.address, alone] {
                let text = post(&format!("{headers}\r\n"));
                let answer = raw(address, &written(&text, front));
                assert_eq!(only_status(&answer), Some(status), "{name}, {kind:?}, {address}");
            }
        }
    }
    ground.serves_others("nothing else");
}

/// A request with a body in chunks of a megabyte.
fn in_chunks(front: &Front, bytes: usize) -> Vec<u8> {
    let text = post("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut request = written(&text, front);
    let mut left = bytes;
    while left > 0 {
        let length = left.min(1 << 20);
        request.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        request.resize(request.len() + length, b'x');
        request.extend_from_slice(b"\r\n");
        left -= length;
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[test]
fn bodies_have_bounds_and_each_kind_of_site_its_own_words() {
    const MEGABYTE: usize = 1024 * 1024;
    let ground = Ground::new(&[], 20);
    let url = r#"{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}"#;
    let api = r#"{"message":"Request Entity Too Large"}"#;
    let rest = r#"{"message":"Request Too Long"}"#;
    let page = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n";
    // An API takes ten megabytes, of which a function gets six. To this REST API all is bytes, which
    // are a third longer in an event.
    #[rustfmt::skip]
    let rows: [(Kind, usize, &str); 8] = [
        (Kind::Url,      6 * MEGABYTE + 1,  url),
        (Kind::Url,      20 * MEGABYTE,     url),
        (Kind::HttpTwo,  6 * MEGABYTE + 1,  api),
        (Kind::HttpTwo,  10 * MEGABYTE + 1, api),
        (Kind::Rest,     5 * MEGABYTE,      rest),
        (Kind::Rest,     10 * MEGABYTE + 1, rest),
        (Kind::Balancer, MEGABYTE + 1,      page),
        (Kind::Balancer, 20 * MEGABYTE,     page),
    ];
    for (wanted, bytes, words) in rows {
        let found = ground.fronts.iter().find(|(kind, _front)| *kind == wanted);
        let (_kind, front) = found.expect("there is one of each");
        let request = front.request("POST", "/echo").header("content-type", "text/plain");
        let answer = ground.server.send(&request.body(vec![b'x'; bytes]));
        let told = (answer.status, answer.text());
        assert_eq!(told, (413, words.to_owned()), "{wanted:?}, {bytes} bytes");
        let answer = raw(ground.server.address, &in_chunks(front, bytes));
        let told = (only_status(&answer), body(&answer));
        assert_eq!(told, (Some(413), words), "{wanted:?}, {bytes} bytes in chunks");
    }
    ground.serves_others("nothing else");
}

#[test]
fn paths_reach_functions_as_they_were_sent() {
    let ground = Ground::new(&[], 10);
    let rows = [
        "/%00",
        "/a%00b",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../../../2015-03-31/functions",
        "/./a",
        "/a%2Fb",
        "/a%5cb",
        "/a%252fb",
        "/%zz",
        "/%",
        "/%e",
        "/%ff",
        "/%c0%ae%c0%ae/x",
        "/%f0%28%8c%28",
        "/a//b",
        "/a/",
        "/;a=b",
        "/a+b",
        "/é",
        "/%C3%A9",
        "/~{x}|",
    ];
    for path in rows {
        for (kind, front) in &ground.fronts {
            let by_path = ground.server.send(&front.request("GET", path));
            let text =
                format!("GET BASE{path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
            let by_host = raw(ground.server.address, &written(&text, front));
            assert_eq!(only_status(&by_host), Some(200), "{kind:?} {path}: {by_host}");
            let by_host: Value = serde_json::from_str(body(&by_host)).unwrap_or_default();
            for event in [by_path.json(), by_host] {
                let sent = event.get("rawPath").or_else(|| event.get("path"));
                assert_eq!(sent, Some(&json!(path)), "{kind:?}: {event}");
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_in_paths_and_passed_on_elsewhere() {
    let ground = Ground::new(&[], 10);
    for (kind, front) in &ground.fronts {
        let mut request = format!("GET {}/", front.base).into_bytes();
        request.extend_from_slice(b"\xff\xfe HTTP/1.1\r\nHost: ");
        request.extend_from_slice(front.host.as_bytes());
        request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        let answer = raw(ground.server.address, &request);
        assert_eq!(only_status(&answer), Some(400), "{kind:?}: {answer}");

        let mut request = format!("POST {}/echo?%ff=%zz&&=&a ", front.base).into_bytes();
        request.extend_from_slice(b"HTTP/1.1\r\nX-Odd: \xe9\r\nCookie: \xff=\xfe; ;;a\r\nHost: ");
        request.extend_from_slice(front.host.as_bytes());
        request.extend_from_slice(b"\r\nContent-Type: text/plain\r\nConnection: close\r\n");
        request.extend_from_slice(b"Content-Length: 2\r\n\r\n\xff\xfe");
        let answer = raw(ground.server.address, &request);
        assert_eq!(only_status(&answer), Some(200), "{kind:?}: {answer}");
        let event: Value = serde_json::from_str(body(&answer)).expect("it is the event");
        assert_eq!(event["headers"]["x-odd"], "é", "{kind:?}: a byte is a letter of Latin-1");
        let told = (&event["body"], &event["isBase64Encoded"]);
        assert_eq!(told, (&json!("//4="), &json!(true)), "{kind:?}");
    }
}

fn begun(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.write_all(bytes).expect("the beginning of a request can be sent");
    stream
}

#[test]
fn slow_senders_hold_up_nobody_and_do_not_last() {
    let ground = Ground::new(&["http=127.0.0.1:0"], 10);
    let (_scheme, alone) = door(&ground.server);
    let addresses = [ground.server.address, alone];
    let mut heads = Vec::new();
    let mut bodies = Vec::new();
    for text in ["", "GET BAS", "GET BASE/good HTTP/1.1\r\nHost: HOST\r\nX-Slow: "] {
        for (_kind, front) in &ground.fronts {
            let bytes = written(text, front);
            for _copy in 0..5 {
                heads.extend(addresses.map(|address| begun(address, &bytes)));
            }
        }
        ground.serves_others("half a head");
    }
    for more in [
        "Content-Length: 100\r\n\r\na",
        "Content-Length: 99999999999\r\n\r\na",
        "Transfer-Encoding: chunked\r\n\r\n5\r\na",
        "Transfer-Encoding: chunked\r\n\r\nfffffff\r\na",
    ] {
        let text = post(more);
        for (_kind, front) in &ground.fronts {
            let bytes = written(&text, front);
            for _copy in 0..5 {
                bodies.extend(addresses.map(|address| begun(address, &bytes)));
            }
        }
        ground.serves_others("half a body");
    }
    // A body that comes late is a body.
    let (_kind, front) = &ground.fronts[0];
    let mut late = begun(alone, &written(&post("Content-Length: 2\r\n\r\na"), front));
    ground.serves_others("a body that comes late");
    late.write_all(b"b").expect("the rest can be sent");
    let mut answer = String::new();
    late.read_to_string(&mut answer).expect("it is answered");
    assert_eq!(only_status(&answer), Some(200), "{answer}");

    let limit = Duration::from_secs(HEADERS_SECONDS_MAX);
    for mut head in heads {
        head.set_read_timeout(Some(limit)).expect("a time limit can be set");
        let ended = head.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        let is_over = !matches!(ended, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(is_over, "the connection is closed when its headers do not come");
    }
    drop(bodies);
    ground.serves_others("nothing else");
}

#[test]
fn slow_readers_hold_up_nobody() {
    let ground = Ground::new(&["http=127.0.0.1:0"], 10);
    let (_scheme, alone) = door(&ground.server);
    let mut held = Vec::new();
    for (_kind, front) in &ground.fronts {
        // More than fits between here and there.
        let request = "GET BASE/million HTTP/1.1\r\nHost: HOST\r\n\r\n".repeat(30);
        let bytes = written(&request, front);
        held.extend([ground.server.address, alone].map(|address| begun(address, &bytes)));
        for _round in 0..5 {
            ground.serves_others("responses that nobody reads");
        }
    }
    // Whoever reads after all gets what was asked for.
    let reader = held.first_mut().expect("there are some");
    let mut first = [0; 12];
    reader.read_exact(&mut first).expect("there is a response");
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[test]
fn functions_that_fail_or_hang_hold_up_nobody_else() {
    let ground = Ground::new(&[], 10);
    let bad = fronts(&ground.server, "bad", 3);
    let address = ground.server.address;
    thread::scope(|scope| {
        let asking: Vec<_> = bad
            .iter()
            .map(|(kind, front)| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address).expect("it takes connections");
                    for path in ["/sleeps", "/exits", "/raises", "/large", "/status-no-number"] {
                        let answer = connection.send(&front.request("GET", path));
                        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
                        assert!([500, 502].contains(&answer.status), "{kind:?} {path}: {answer:?}");
                    }
                })
            })
            .collect();
        let mut rounds = 0;
        while asking.iter().any(|one| !one.is_finished()) {
            ground.serves_others("functions that fail");
            rounds += 1;
        }
        assert!(rounds > 1, "the others went on meanwhile");
    });
}
