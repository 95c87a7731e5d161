//! Publishing: one message, or up to ten.

use std::collections::BTreeMap;

use hearth_services::topics::{BatchEntry, NewAttribute, NewMessage, Published, TopicArn};
use serde_json::{Value, json};

use super::topics::topic;
use super::{Call, invalid};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// The list of a batch.
const ENTRIES: &str = "PublishBatchRequestEntries";

pub(super) async fn publish(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = receiver(&mut parameters);
    let message = message(&mut parameters);
    parameters.check()?;
    let published = asked.topics.publish(&asked.asker(), &arn?, message).await?;
    Ok(shown(published))
}

pub(super) async fn publish_batch(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let elements = parameters.required_list(ENTRIES);
    parameters.check()?;
    let mut entries = Vec::with_capacity(elements.len());
    for (number, element) in (1..).zip(elements) {
        let mut parameters = Parameters::within(ENTRIES, number, element);
        let id = parameters.required("Id");
        let message = message(&mut parameters);
        parameters.check()?;
        entries.push(BatchEntry { id, message });
    }
    let published = asked.topics.publish_batch(&asked.asker(), &arn?, entries).await?;
    let successful: Vec<Value> = published
        .into_iter()
        .map(|(id, published)| {
            let mut shown = shown(published);
            shown["Id"] = Value::from(id);
            shown
        })
        .collect();
    // A batch is taken whole or refused whole.
    Ok(json!({ "Successful": successful, "Failed": [] }))
}

/// A topic, by one of the two names that a request may have for it.
fn receiver(parameters: &mut Parameters) -> Result<TopicArn, Refusal> {
    let phone = parameters.text("PhoneNumber");
    let target = parameters.text("TargetArn");
    if let Some(arn) = parameters.text("TopicArn") {
        return Ok(TopicArn::parse("TopicArn", &arn)?);
    }
    if let Some(target) = target {
        let is_endpoint = target.split(':').nth(5).is_some_and(|name| name.contains('/'));
        if is_endpoint {
            let why = "TargetArn Reason: No endpoint found for the target arn specified";
            return Err(invalid(why));
        }
        return Ok(TopicArn::parse("TargetArn", &target)?);
    }
    match phone {
        Some(_) => Err(invalid("PhoneNumber Reason: Hearth does not send text messages")),
        None => Err(invalid("TopicArn or TargetArn Reason: no value for required parameter")),
    }
}

fn message(parameters: &mut Parameters) -> NewMessage {
    NewMessage {
        text: parameters.required("Message"),
        subject: parameters.text("Subject"),
        structure: parameters.text("MessageStructure"),
        attributes: attributes(parameters),
        group: parameters.text("MessageGroupId"),
        deduplication: parameters.text("MessageDeduplicationId"),
    }
}

fn attributes(parameters: &mut Parameters) -> BTreeMap<String, NewAttribute> {
    let mut attributes = BTreeMap::new();
    for entry in parameters.entries("MessageAttributes") {
        let value = entry.get("Value");
        let text = |member: &str| {
            value.and_then(|value| value.get(member)).and_then(Value::as_str).map(str::to_owned)
        };
        let name = entry.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("DataType").is_none() {
            parameters.miss(&format!("messageAttributes.{name}.member.dataType"));
        }
        let binary = text("BinaryValue");
        let binary = binary.map(|text| parameters.bytes("MessageAttributes", &text));
        let data_type = text("DataType").unwrap_or_default();
        attributes.insert(name, NewAttribute { data_type, text: text("StringValue"), binary });
    }
    attributes
}

fn shown(published: Published) -> Value {
    let Published { message_id, sequence_number } = published;
    json!({ "MessageId": message_id, "SequenceNumber": sequence_number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: &str) -> Parameters {
        let request = hearth_wire::aws_query::input(format!("Action=Publish&{form}").as_bytes());
        Parameters::new(request.unwrap().parameters)
    }

    #[test]
    fn a_message_is_read_with_its_attributes() {
        let mut parameters = of("Message=m&Subject=s&MessageGroupId=g&\
             MessageAttributes.entry.1.Name=a.b&MessageAttributes.entry.1.Value.DataType=String&\
             MessageAttributes.entry.1.Value.StringValue=x&\
             MessageAttributes.entry.2.Name=c&MessageAttributes.entry.2.Value.DataType=Binary&\
             MessageAttributes.entry.2.Value.BinaryValue=eA%3D%3D");
        let found = message(&mut parameters);
        let text = NewAttribute {
            data_type: "String".to_owned(),
            text: Some("x".to_owned()),
            binary: None,
        };
        let binary = NewAttribute {
            data_type: "Binary".to_owned(),
            text: None,
            binary: Some(b"x".to_vec()),
        };
        let expected = NewMessage {
            text: "m".to_owned(),
            subject: Some("s".to_owned()),
            group: Some("g".to_owned()),
            attributes: [("a.b".to_owned(), text), ("c".to_owned(), binary)].into(),
            ..NewMessage::default()
        };
        assert_eq!(found, expected);
        assert_eq!(parameters.check(), Ok(()));
    }

    #[test]
    fn an_attribute_without_a_type_is_missed() {
        let mut parameters = of("Message=m&MessageAttributes.entry.1.Name=attr1&\
             MessageAttributes.entry.1.Value.StringValue=x");
        message(&mut parameters);
        let text = "1 validation error detected: Value null at 'messageAttributes.attr1.member.dataType' failed to satisfy constraint: Member must not be null";
        assert_eq!(parameters.check(), Err(Refusal::validation(text)));
    }

    #[test]
    fn a_receiver_has_two_names() {
        let arn = "arn:aws:sns:us-east-1:000000000000:t";
        for name in ["TopicArn", "TargetArn"] {
            let found = receiver(&mut of(&format!("{name}={arn}"))).map(|arn| arn.to_string());
            assert_eq!(found, Ok(arn.to_owned()));
        }
        #[rustfmt::skip]
        let rows = [
            ("TargetArn=arn:aws:sns:us-east-1:000000000000:endpoint/GCM/a/b", "TargetArn Reason: No endpoint found for the target arn specified"),
            ("PhoneNumber=%2B123",                                            "PhoneNumber Reason: Hearth does not send text messages"),
            ("",                                                              "TopicArn or TargetArn Reason: no value for required parameter"),
        ];
        for (form, expected) in rows {
            assert_eq!(receiver(&mut of(form)), Err(invalid(expected)), "{form}");
        }
    }
}
