//! What a load balancer answers by itself: pages of errors, redirects, fixed responses.

use bytes::Bytes;

use super::record::{Fixed, Redirect, RedirectKind};
use super::route;
use crate::request::{Request, Scheme};
use crate::response::{Body, Response};

/// Who answers.
pub(super) const SERVER: &str = "awselb/2.0";

/// The pages that a load balancer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The request is none that it takes.
    BadRequest,
    /// The request came in the clear to a listener for TLS.
    PlainToTls,
    /// The body is too large.
    TooLarge,
    /// The first line is too long.
    LineTooLong,
    /// The function failed.
    BadGateway,
    /// There is nobody who could answer.
    Unavailable,
    /// The function took too long.
    TimedOut,
}

impl Page {
    fn words(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest | Self::PlainToTls => (400, "Bad Request"),
            Self::TooLarge => (413, "Request Entity Too Large"),
            Self::LineTooLong => (414, "Request-URI Too Large"),
            Self::BadGateway => (502, "Bad Gateway"),
            Self::Unavailable => (503, "Service Temporarily Unavailable"),
            Self::TimedOut => (504, "Gateway Time-out"),
        }
    }

    /// The page as a response.
    pub(super) fn response(self) -> Response {
        let (status, words) = self.words();
        let title = format!("{status} {words}");
        let page = if self == Self::PlainToTls {
            let why = "The plain HTTP request was sent to HTTPS port";
            let more = format!("<center>{why}</center>\r\n");
            html(&format!("{status} {why}"), &title, &more)
        } else {
            html(&title, &title, "")
        };
        answer(status, "text/html", page)
    }
}

/// Sends a client elsewhere.
pub(super) fn redirect(to: &Redirect, request: &Request) -> Response {
    let (status, words) = match to.kind {
        RedirectKind::Permanent => (301, "Moved Permanently"),
        RedirectKind::Temporary => (302, "Found"),
    };
    let title = format!("{status} {words}");
    let mut response = answer(status, "text/html", html(&title, &title, ""));
    response.headers.push(("location".to_owned(), location(to, request)));
    response
}

/// Answers at once.
pub(super) fn fixed(response: &Fixed) -> Response {
    let kind = response.content_type.as_deref().unwrap_or("text/plain");
    // AWS: with the encoding that the text has.
    let kind = format!("{kind}; charset=utf-8");
    answer(response.status, &kind, response.body.clone().unwrap_or_default())
}

fn answer(status: u16, kind: &str, body: String) -> Response {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Response { status, headers, body: Body::Whole(Bytes::from(body)) }
}

fn html(title: &str, heading: &str, more: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{more}</body>\r\n</html>\r\n"
    )
}

/// Where a client is sent. The port is always there, as AWS writes it.
fn location(to: &Redirect, request: &Request) -> String {
    let protocol = match request.scheme {
        Scheme::Http => "HTTP",
        Scheme::Https => "HTTPS",
    };
    let port = route::named_port(request).to_string();
    let fill = |text: &str| {
        filled(text, |name| match name {
            "protocol" => Some(protocol),
            "host" => Some(request.host.as_str()),
            "port" => Some(port.as_str()),
            "path" => Some(request.path.trim_start_matches('/')),
            "query" => Some(request.query.as_str()),
            _ => None,
        })
    };
    let scheme = fill(&to.protocol).to_ascii_lowercase();
    let mut location =
        format!("{scheme}://{}:{}{}", fill(&to.host), fill(&to.port), fill(&to.path));
    let query = fill(&to.query);
    if !query.is_empty() {
        location.push('?');
        location.push_str(&query);
    }
    location
}

/// A text with something in the place of each `#{name}`. What has no value stays as it is.
fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("#{") {
        whole.push_str(before);
        let named = behind.split_once('}');
        match named.and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                whole.push_str(value);
                rest = after;
            }
            None => {
                whole.push_str("#{");
                rest = behind;
            }
        }
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::testing::request;

    fn bytes(response: &Response) -> usize {
        match &response.body {
            Body::Whole(bytes) => bytes.len(),
            Body::Stream(..) => 0,
        }
    }

    #[test]
    fn pages_are_as_long_as_those_of_aws() {
        #[rustfmt::skip]
        let rows = [
            (Page::BadGateway,  502, 122),
            (Page::Unavailable, 503, 162),
            (Page::TimedOut,    504, 132),
        ];
        for (page, status, length) in rows {
            let response = page.response();
            assert_eq!((response.status, bytes(&response)), (status, length), "{page:?}");
        }
        let moved = Redirect { kind: RedirectKind::Permanent, ..Redirect::default() };
        let response = redirect(&moved, &request("GET", "/", "x"));
        assert_eq!((response.status, bytes(&response)), (301, 134));
    }

    #[test]
    fn a_redirect_is_filled_with_what_was_asked_for() {
        let mut sent = request("GET", "/old/page", "shop.example.com:8080");
        sent.query = "a=%20&b".to_owned();
        type Change = fn(&mut Redirect);
        #[rustfmt::skip]
        let rows: [(Change, &str); 5] = [
            (|_same| {},                                   "http://shop.example.com:8080/old/page?a=%20&b"),
            (|to| { to.protocol = "HTTPS".to_owned(); to.port = "443".to_owned(); }, "https://shop.example.com:443/old/page?a=%20&b"),
            (|to| to.host = "www.#{host}".to_owned(),      "http://www.shop.example.com:8080/old/page?a=%20&b"),
            (|to| { to.path = "/new/#{path}".to_owned(); to.query = String::new(); }, "http://shop.example.com:8080/new/old/page"),
            (|to| to.query = "#{query}&from=#{host}&#{odd}&#{".to_owned(), "http://shop.example.com:8080/old/page?a=%20&b&from=shop.example.com&#{odd}&#{"),
        ];
        for (change, expected) in rows {
            let mut to = Redirect::default();
            change(&mut to);
            assert_eq!(location(&to, &sent), expected);
        }
    }

    #[test]
    fn a_fixed_response_is_text_unless_it_is_said_otherwise() {
        let fixed = |content_type: Option<&str>| {
            let content_type = content_type.map(str::to_owned);
            fixed(&Fixed { status: 503, content_type, body: Some("closed".to_owned()) })
        };
        let kind = |response: &Response| response.headers[0].1.clone();
        assert_eq!(kind(&fixed(None)), "text/plain; charset=utf-8");
        assert_eq!(kind(&fixed(Some("application/json"))), "application/json; charset=utf-8");
        assert_eq!((fixed(None).status, bytes(&fixed(None))), (503, 6));
    }
}
