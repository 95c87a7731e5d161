//! An event in the form in which rules see it and targets get it.

use std::fmt::Write as _;

use hearth_types::time::Timestamp;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) detail_type: String,
    pub(super) source: String,
    pub(super) account: String,
    /// In whole seconds.
    pub(super) time: String,
    pub(super) region: String,
    pub(super) resources: Vec<String>,
    /// A JSON object without white space.
    pub(super) detail: String,
}

impl Envelope {
    /// The event as JSON, with its members in AWS's order.
    pub(super) fn text(&self) -> String {
        let Self { id, detail_type, source, account, time, region, resources, detail } = self;
        let mut text = String::with_capacity(detail.len() + 512);
        text.push_str("{\"version\":\"0\"");
        let members = [
            ("id", id),
            ("detail-type", detail_type),
            ("source", source),
            ("account", account),
            ("time", time),
            ("region", region),
        ];
        for (name, value) in members {
            push(&mut text, name, &json(value));
        }
        push(&mut text, "resources", &json(resources));
        push(&mut text, "detail", detail);
        text.push('}');
        text
    }

    /// What templates have of the event under `aws.events.event`.
    pub(super) fn without_detail(&self) -> String {
        let Self { id, detail_type, source, account, time, region, resources, .. } = self;
        let mut text = format!("{{\"id\":{}", json(id));
        let members = [
            ("account", account),
            ("detailType", detail_type),
            ("time", time),
            ("source", source),
            ("region", region),
        ];
        for (name, value) in members {
            push(&mut text, name, &json(value));
        }
        push(&mut text, "resources", &json(resources));
        text.push_str(",\"version\":\"0\"}");
        text
    }
}

/// `2026-11-23T03:20:35Z`: how events carry their time.
pub(super) fn seconds(at: Timestamp) -> String {
    at.iso_seconds()
}

fn push(text: &mut String, name: &str, value: &str) {
    write!(text, ",\"{name}\":{value}").expect("writing to a string cannot fail");
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_with_awss_members() {
        let event = Envelope {
            id: "i\"d".to_owned(),
            detail_type: "created".to_owned(),
            source: "shop".to_owned(),
            account: "000000000000".to_owned(),
            time: seconds(Timestamp(1_795_404_035_999)),
            region: "us-east-1".to_owned(),
            resources: vec!["a".to_owned()],
            detail: "{\"z\":1,\"a\":2}".to_owned(),
        };
        let text = event.text();
        assert!(
            text.starts_with("{\"version\":\"0\",\"id\":\"i\\\"d\",\"detail-type\":"),
            "{text}"
        );
        assert!(text.ends_with("\"resources\":[\"a\"],\"detail\":{\"z\":1,\"a\":2}}"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["time"], "2026-11-23T03:20:35Z");
        assert_eq!(read.as_object().unwrap().len(), 9);
    }
}
