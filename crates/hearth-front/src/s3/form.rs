//! Uploads by forms of browsers (POST Object).
//!
//! # Promises
//!
//! 1. The file is streamed like every object; the fields before it are bounded.
//! 2. Nothing is put before the policy of the form, if it has one, has been checked.

use std::sync::Arc;

use hearth_services::buckets::{BucketError, EventKind, NewContent, Put, Stored, Tagged};
use hearth_services::limits::FORM_FIELDS_BYTES_MAX;
use hearth_wire::xml::Element;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::parts::{Event, PartHead, Parts};
use super::answer::{self, Answer, quoted};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::objects::{put_of, set_stored};
use super::policy::{Fields, Policy};
use super::request::Target;
use super::{Call, headers, tagging};

mod parts;

/// What stays as it is in the path of an address.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const QUERY: &AsciiSet = &PATH.add(b'/');

/// What of a form is known when its file begins.
#[derive(Debug)]
struct Form {
    fields: Fields,
    lengths: (u64, u64),
}

pub(super) async fn post(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    let boundary = boundary(call.header("content-type").unwrap_or_default());
    let boundary = boundary.ok_or_else(|| {
        S3Error::new((412, "PreconditionFailed"), "At least one of the pre-conditions you specified did not hold. Bucket POST must be of the enclosure-type multipart/form-data")
    })?;
    let mut parts = Parts::new(boundary);
    let (fields, file) = read_fields(body, &mut parts).await?;
    let form = check(call, fields, &file)?;
    let call = call_of(call, &form.fields)?;
    headers::refuse_what_is_not_offered(&call.headers)?;
    let mut put = Put { kind: EventKind::Post, ..put_of(&call)? };
    if let Some(text) = form.fields.get("tagging") {
        put.tags = tagging::read(&Node::read(text.as_bytes(), "Tagging")?, Tagged::Object)?;
    }
    let content = receive(&call, (body, &mut parts), form.lengths).await?;
    let stored = call.buckets.put(put, content).await?;
    Ok(answer_of(&call, &form.fields, &stored))
}

/// The boundary that a content type names.
fn boundary(kind: &str) -> Option<&str> {
    let (essence, parameters) = kind.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The fields before the file, and what is said of the file.
async fn read_fields(
    body: &mut Arriving,
    parts: &mut Parts,
) -> Result<(Fields, PartHead), S3Error> {
    let mut fields = Fields::default();
    let (mut name, mut value, mut bytes) = (String::new(), Vec::new(), 0);
    loop {
        if bytes > FORM_FIELDS_BYTES_MAX {
            let text = "Your POST request fields preceding the upload file were too large.";
            return Err(S3Error::new((400, "MaxPostPreDataLengthExceeded"), text));
        }
        match parts.next()? {
            Event::More => feed(body, parts).await?,
            Event::Part(head) if head.name.eq_ignore_ascii_case("file") => {
                return Ok((fields, head));
            }
            Event::Part(head) => {
                // Fields with nothing in them, and without names, are bounded as well.
                bytes += head.name.len() + 1;
                (name, value) = (head.name, Vec::new());
            }
            Event::Data(data) => {
                bytes += data.len();
                value.extend_from_slice(&data);
            }
            Event::PartEnd => {
                let text = String::from_utf8(std::mem::take(&mut value));
                fields.add(&name, text.map_err(|_not_utf8| parts::malformed())?);
            }
            Event::End => {
                let text = "POST requires exactly one file upload per request.";
                return Err(S3Error::invalid_argument(text));
            }
        }
    }
}

async fn feed(body: &mut Arriving, parts: &mut Parts) -> Result<(), S3Error> {
    match body.bytes().await? {
        Some(bytes) => {
            parts.push(&bytes);
            Ok(())
        }
        None => Err(parts::malformed()),
    }
}

/// Completes the fields, and refuses those that the policy does not allow.
fn check(call: &Call, mut fields: Fields, file: &PartHead) -> Result<Form, S3Error> {
    let key = fields.get("key").ok_or_else(|| {
        S3Error::invalid_argument("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
    })?;
    let name = file.file_name.as_deref().unwrap_or_default();
    // Some browsers say where the file was.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let key = key.replace("${filename}", name);
    let mut completed = Fields::default();
    completed.add("bucket", call.bucket().to_owned());
    completed.add("key", key);
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(*name, "bucket" | "key")) {
        completed.add(name, value.to_owned());
    }
    fields = completed;
    let lengths = match fields.get("policy") {
        Some(text) => {
            let policy = Policy::read(text)?;
            policy.check(&fields, call.buckets.now())?;
            policy.lengths()
        }
        None if ["x-amz-signature", "signature"].iter().any(|it| fields.get(it).is_some()) => {
            let text = "Bucket POST must contain a field named 'policy'.  If it is specified, please check the order of the fields.";
            return Err(S3Error::invalid_argument(text));
        }
        None => (0, u64::MAX),
    };
    Ok(Form { fields, lengths })
}

/// The same call, as if its fields had been headers.
fn call_of(call: &Call, fields: &Fields) -> Result<Call, S3Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let name = if name == "acl" { "x-amz-acl" } else { name };
        let is_header = name.starts_with("x-amz-")
            || matches!(
                name,
                "cache-control"
                    | "content-disposition"
                    | "content-encoding"
                    | "content-language"
                    | "content-md5"
                    | "content-type"
                    | "expires"
            );
        if !is_header {
            continue;
        }
        let invalid = || S3Error::invalid_argument(format!("The field {name} is not valid."));
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_odd| invalid())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_odd| invalid())?;
        headers.append(name, value);
    }
    let host = call.headers.get("host").cloned();
    headers.extend(host.map(|host| (HeaderName::from_static("host"), host)));
    Ok(Call {
        buckets: Arc::clone(&call.buckets),
        room: call.room.clone(),
        scope: call.scope.clone(),
        occasion: call.occasion.clone(),
        headers,
        target: Target::of(call.bucket(), fields.get("key").unwrap_or_default()),
    })
}

async fn receive(
    call: &Call,
    (body, parts): (&mut Arriving, &mut Parts),
    (least, most): (u64, u64),
) -> Result<NewContent, S3Error> {
    let mut receiving = call.buckets.receive(headers::expected(call)?);
    loop {
        match parts.next()? {
            Event::More => feed(body, parts).await?,
            Event::Data(data) => {
                receiving.write(&data).await?;
                if receiving.size() > most {
                    return Err(BucketError::EntityTooLarge.into());
                }
            }
            Event::PartEnd => break,
            Event::Part(_) | Event::End => return Err(parts::malformed()),
        }
    }
    if receiving.size() < least {
        return Err(BucketError::EntityTooSmall.into());
    }
    // What comes behind the file is not looked at.
    body.discard().await;
    Ok(receiving.finish(None).await?)
}

fn answer_of(call: &Call, fields: &Fields, stored: &Stored) -> Answer {
    let host = call.header("host").unwrap_or_default();
    let key = utf8_percent_encode(call.key(), PATH);
    let place = format!("http://{host}/{}/{key}", call.bucket());
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    let redirect = redirect.filter(|to| to.starts_with("http://") || to.starts_with("https://"));
    let mut answer = match (redirect, fields.get("success_action_status")) {
        (Some(_), _) => answer::empty(StatusCode::SEE_OTHER),
        (None, Some("200")) => answer::empty(StatusCode::OK),
        (None, Some("201")) => {
            // A document of its own, without S3's namespace.
            let document = Element::new("PostResponse").children([
                Element::text("Location", &place),
                Element::text("Bucket", call.bucket()),
                Element::text("Key", call.key()),
                Element::text("ETag", quoted(&stored.etag)),
            ]);
            answer::xml_as(StatusCode::CREATED, &document)
        }
        (None, _) => answer::empty(StatusCode::NO_CONTENT),
    };
    let location = redirect.map(|to| {
        let separator = if to.contains('?') { '&' } else { '?' };
        let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let (bucket, key) = (encoded(call.bucket()), encoded(call.key()));
        let etag = encoded(&quoted(&stored.etag));
        format!("{to}{separator}bucket={bucket}&key={key}&etag={etag}")
    });
    answer::set(&mut answer, "location", &location.unwrap_or(place));
    answer::set(&mut answer, "etag", &quoted(&stored.etag));
    answer::set_encryption(&mut answer);
    set_stored(&mut answer, stored);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        #[rustfmt::skip]
        let rows = [
            ("multipart/form-data; boundary=abc",                 Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data",                               None),
            ("multipart/form-data; boundary=",                    None),
            ("multipart/mixed; boundary=abc",                     None),
            (long.as_str(),                                       None),
        ];
        for (kind, expected) in rows {
            assert_eq!(boundary(kind), expected, "{kind}");
        }
    }
}
