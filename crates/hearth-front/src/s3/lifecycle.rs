//! The document with the rules for what expires.

use hearth_services::buckets::lifecycle::{
    Expiration, FilterForm, LifecycleRule, NoncurrentExpiration, RuleFilter, RuleStatus,
};
use hearth_services::buckets::{Tagged, Tags};
use hearth_types::ids::RequestId;
use hearth_types::time::Timestamp;
use hearth_wire::xml::Element;

use super::answer;
use super::document::Node;
use super::error::S3Error;
use super::presigned::iso_time;
use super::tagging;

/// What would have no effect: there is one storage class.
const REFUSED: [&str; 2] = ["Transition", "NoncurrentVersionTransition"];

/// Reads the document.
pub(super) fn read(root: &Node) -> Result<Vec<LifecycleRule>, S3Error> {
    root.all("Rule").map(read_rule).collect()
}

fn read_rule(rule: &Node) -> Result<LifecycleRule, S3Error> {
    if let Some(name) = REFUSED.into_iter().find(|name| rule.child(name).is_some()) {
        return Err(S3Error::not_implemented(&format!("{name} of lifecycle rules")));
    }
    let id = rule.text("ID").filter(|id| !id.is_empty());
    let noncurrent = match rule.child("NoncurrentVersionExpiration") {
        None => None,
        Some(node) => Some(NoncurrentExpiration {
            days: number(node, "NoncurrentDays")?.ok_or_else(S3Error::malformed_xml)?,
            newer_versions: number(node, "NewerNoncurrentVersions")?,
        }),
    };
    let abort = rule.child("AbortIncompleteMultipartUpload");
    let abort_days = match abort {
        None => None,
        Some(node) => {
            Some(number(node, "DaysAfterInitiation")?.ok_or_else(S3Error::malformed_xml)?)
        }
    };
    Ok(LifecycleRule {
        id: id.map_or_else(|| RequestId::random().to_string(), str::to_owned),
        status: match rule.text("Status") {
            Some("Enabled") => RuleStatus::Enabled,
            Some("Disabled") => RuleStatus::Disabled,
            _ => return Err(S3Error::malformed_xml()),
        },
        filter: read_filter(rule)?,
        expiration: rule.child("Expiration").map(read_expiration).transpose()?.flatten(),
        noncurrent,
        abort_days,
    })
}

fn read_filter(rule: &Node) -> Result<RuleFilter, S3Error> {
    let (form, node) = match (rule.child("Filter"), rule.child("Prefix")) {
        (Some(_), Some(_)) | (None, None) => return Err(S3Error::malformed_xml()),
        (None, Some(_)) => (FilterForm::Prefix, rule),
        (Some(filter), None) => match filter.child("And") {
            Some(and) => (FilterForm::And, and),
            None => (FilterForm::One, filter),
        },
    };
    let prefix = node.text("Prefix").map(str::to_owned);
    if form == FilterForm::Prefix {
        return Ok(RuleFilter { form, prefix, ..RuleFilter::default() });
    }
    if form == FilterForm::One && node.children.len() > 1 {
        return Err(S3Error::malformed_xml());
    }
    Ok(RuleFilter {
        form,
        prefix,
        tags: tagging::read_all(node, Tagged::Object)?,
        larger_than: number(node, "ObjectSizeGreaterThan")?,
        smaller_than: number(node, "ObjectSizeLessThan")?,
    })
}

/// `None` if it says that lone markers do not expire, and nothing else.
fn read_expiration(node: &Node) -> Result<Option<Expiration>, S3Error> {
    let is_lone = node.text("ExpiredObjectDeleteMarker").map(str::trim);
    match (number(node, "Days")?, node.text("Date"), is_lone) {
        (Some(days), None, None | Some("false")) => Ok(Some(Expiration::Days(days))),
        (None, Some(date), None | Some("false")) => {
            let date = date_of(date.trim())
                .ok_or_else(|| S3Error::invalid_argument("'Date' must be at midnight GMT"))?;
            Ok(Some(Expiration::Date(date)))
        }
        (None, None, Some("true")) => Ok(Some(Expiration::LoneMarkers)),
        (None, None, Some("false")) => Ok(None),
        _ => Err(S3Error::malformed_xml()),
    }
}

/// A day, with a time or without.
fn date_of(text: &str) -> Option<Timestamp> {
    if text.contains('T') {
        return iso_time(&text.replace("+00:00", "Z"));
    }
    iso_time(&format!("{text}T00:00:00Z"))
}

fn number<N: std::str::FromStr>(node: &Node, name: &str) -> Result<Option<N>, S3Error> {
    let number = node.text(name).map(|text| text.trim().parse());
    number.transpose().map_err(|_no_number| S3Error::malformed_xml())
}

/// The document with the rules of a bucket.
pub(super) fn document(rules: &[LifecycleRule]) -> Element {
    answer::root("LifecycleConfiguration").children(rules.iter().map(rule_element))
}

fn rule_element(rule: &LifecycleRule) -> Element {
    let status = match rule.status {
        RuleStatus::Enabled => "Enabled",
        RuleStatus::Disabled => "Disabled",
    };
    let text = |name: &str, number: u32| Element::text(name, number.to_string());
    let expiration = rule.expiration.map(|expiration| {
        Element::new("Expiration").child(match expiration {
            Expiration::Days(days) => text("Days", days),
            Expiration::Date(date) => Element::text("Date", date.iso()),
            Expiration::LoneMarkers => Element::text("ExpiredObjectDeleteMarker", "true"),
        })
    });
    let noncurrent = rule.noncurrent.map(|noncurrent| {
        let newer = noncurrent.newer_versions.map(|it| text("NewerNoncurrentVersions", it));
        Element::new("NoncurrentVersionExpiration")
            .child(text("NoncurrentDays", noncurrent.days))
            .children(newer)
    });
    let abort = rule.abort_days.map(|days| {
        Element::new("AbortIncompleteMultipartUpload").child(text("DaysAfterInitiation", days))
    });
    Element::new("Rule")
        .child(Element::text("ID", &rule.id))
        .child(filter_element(&rule.filter))
        .child(Element::text("Status", status))
        .children(expiration)
        .children(noncurrent)
        .children(abort)
}

fn filter_element(filter: &RuleFilter) -> Element {
    let RuleFilter { form, prefix, tags, larger_than, smaller_than } = filter;
    let size =
        |name: &str, bytes: &Option<u64>| bytes.map(|bytes| Element::text(name, bytes.to_string()));
    let conditions = || -> Vec<Element> {
        let prefix = prefix.as_ref().map(|prefix| Element::text("Prefix", prefix));
        prefix
            .into_iter()
            .chain(tags_of(tags))
            .chain(size("ObjectSizeGreaterThan", larger_than))
            .chain(size("ObjectSizeLessThan", smaller_than))
            .collect()
    };
    match form {
        FilterForm::Prefix => Element::text("Prefix", prefix.clone().unwrap_or_default()),
        FilterForm::One => Element::new("Filter").children(conditions()),
        FilterForm::And => Element::new("Filter").child(Element::new("And").children(conditions())),
    }
}

fn tags_of(tags: &Tags) -> Vec<Element> {
    tagging::elements(tags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Vec<LifecycleRule>, S3Error> {
        let text = format!("<LifecycleConfiguration>{text}</LifecycleConfiguration>");
        read(&Node::read(text.as_bytes(), "LifecycleConfiguration").unwrap())
    }

    /// Everything that a rule may say.
    const EVERYTHING: &str = "<Rule><ID>a</ID><Filter><And><Prefix>p/</Prefix><Tag><Key>k</Key>\
        <Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>9\
        </ObjectSizeLessThan></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days>\
        </Expiration><NoncurrentVersionExpiration><NoncurrentDays>4</NoncurrentDays>\
        <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>\
        <Rule><ID>b</ID><Prefix>old</Prefix><Status>Disabled</Status><Expiration>\
        <Date>2026-11-23T00:00:00.000Z</Date></Expiration><AbortIncompleteMultipartUpload>\
        <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
        <Rule><ID>c</ID><Filter/><Status>Enabled</Status><Expiration>\
        <ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>";

    #[test]
    fn rules_are_written_as_they_are_read() {
        let read_once = rules(EVERYTHING).unwrap();
        assert_eq!(read_once.len(), 3);
        assert_eq!(read_once[0].filter.larger_than, Some(5));
        assert_eq!(read_once[1].expiration, Some(Expiration::Date(Timestamp(1_795_392_000_000))));
        let written = document(&read_once).document();
        let root = Node::read(written.as_bytes(), "LifecycleConfiguration").unwrap();
        assert_eq!(read(&root).unwrap(), read_once);
    }

    #[test]
    fn a_rule_without_a_name_gets_one_and_others_are_refused() {
        let rule = |within: &str| format!("<Rule><Status>Enabled</Status>{within}</Rule>");
        let expiration = "<Expiration><Days>1</Days></Expiration>";
        let named = rules(&rule(&format!("<Filter/>{expiration}"))).unwrap();
        assert_eq!(named[0].id.len(), 36);
        #[rustfmt::skip]
        let rows = [
            (rule(expiration),                                                        "MalformedXML"),
            (rule(&format!("<Filter/><Prefix/>{expiration}")),                        "MalformedXML"),
            (format!("<Rule><Filter/>{expiration}</Rule>"),                           "MalformedXML"),
            (rule("<Filter/><Expiration/>"),                                          "MalformedXML"),
            (rule("<Filter/><Expiration><Days>x</Days></Expiration>"),                "MalformedXML"),
            (rule("<Filter/><Expiration><Date>soon</Date></Expiration>"),             "InvalidArgument"),
            (rule("<Filter/><Transition/>"),                                          "NotImplemented"),
            (rule("<Filter/><NoncurrentVersionExpiration/>"),                         "MalformedXML"),
        ];
        for (text, refusal) in rows {
            assert_eq!(rules(&text).unwrap_err().code, refusal, "{text}");
        }
    }
}
