//! SQS' query protocol: a form becomes the model's input, and an output becomes XML.
//!
//! Lists and maps are flattened: each element stands beside the others under a name of its own,
//! `Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=30`. The names are in [`NAMES`]; elements
//! of a batch are called as their shape is.

use hearth_types::ids::RequestId;
use hearth_wire::shape::{Kind, Shape};
use hearth_wire::xml::Element;
use serde_json::{Map, Value};

use super::error::{NAMESPACE, SqsError};

/// What a member of the model is called in a form and in XML, if its elements have another name.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("AWSAccountIds",               "AWSAccountId"),
    ("Actions",                     "ActionName"),
    ("AttributeNames",              "AttributeName"),
    ("Attributes",                  "Attribute"),
    ("BinaryListValues",            "BinaryListValue"),
    ("Failed",                      "BatchResultErrorEntry"),
    ("MessageAttributeNames",       "MessageAttributeName"),
    ("MessageAttributes",           "MessageAttribute"),
    ("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    ("MessageSystemAttributes",     "MessageSystemAttribute"),
    ("Messages",                    "Message"),
    ("QueueUrls",                   "QueueUrl"),
    ("Results",                     "ListMessageMoveTasksResultEntry"),
    ("StringListValues",            "StringListValue"),
    ("TagKeys",                     "TagKey"),
    ("Tags",                        "Tag"),
    ("queueUrls",                   "QueueUrl"),
    ("tags",                        "Tag"),
];

fn name_of(member: &str) -> &str {
    NAMES.iter().find(|(name, _)| *name == member).map_or(member, |(_, name)| name)
}

/// What the key and the value of a map's element are called.
fn names_in_map(member: &str) -> (&'static str, &'static str) {
    match member {
        "Tags" | "tags" => ("Key", "Value"),
        _ => ("Name", "Value"),
    }
}

/// The input that a form stands for.
pub(super) fn input(shape: &Shape, parameters: Value) -> Result<Value, SqsError> {
    let mut given = object(parameters);
    let mut members = Map::new();
    for member in shape.members() {
        let mut name = name_of(member.name);
        if let Kind::List { member: entry, .. } = &member.shape.kind
            && member.name == "Entries"
        {
            name = entry.name;
        }
        if let Some(found) = given.remove(name) {
            let value = value(member.shape, member.name, found)?;
            members.insert(member.name.to_owned(), value);
        }
    }
    Ok(Value::Object(members))
}

fn value(shape: &Shape, name: &str, found: Value) -> Result<Value, SqsError> {
    match &shape.kind {
        Kind::Structure(_) => input(shape, found),
        Kind::List { member, .. } => {
            let elements = elements(found).into_iter().map(|one| value(member, name, one));
            elements.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Kind::Map { value: of, .. } => {
            let (key_name, value_name) = names_in_map(name);
            let mut entries = Map::new();
            for element in elements(found) {
                let mut element = object(element);
                let Some(Value::String(key)) = element.remove(key_name) else {
                    return Err(SqsError::missing(&format!("{}.{key_name}", name_of(name))));
                };
                let given = element.remove(value_name).unwrap_or_else(|| Value::from(""));
                entries.insert(key, value(of, name, given)?);
            }
            Ok(Value::Object(entries))
        }
        Kind::Integer(_) | Kind::Long(_) => {
            let text = text(name, found)?;
            let number = text.parse::<i32>().map(Value::from);
            number.map_err(|_other| invalid(name, &text, "Must be a whole number."))
        }
        Kind::Boolean => {
            let text = text(name, found)?;
            let truth = text.parse::<bool>().map(Value::from);
            truth.map_err(|_other| invalid(name, &text, "Must be true or false."))
        }
        Kind::String { .. } | Kind::Blob(_) | Kind::Double { .. } | Kind::Timestamp => {
            text(name, found).map(Value::from)
        }
    }
}

fn invalid(name: &str, value: &str, reason: &str) -> SqsError {
    SqsError::invalid_parameter(format!(
        "Value {value} for parameter {name} is invalid. Reason: {reason}"
    ))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// The elements of a list. One alone may stand there without a number.
fn elements(found: Value) -> Vec<Value> {
    match found {
        Value::Array(elements) => elements,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![other],
    }
}

fn text(name: &str, found: Value) -> Result<String, SqsError> {
    match found {
        Value::String(text) => Ok(text),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => Err(invalid(name, &other.to_string(), "Must be a text.")),
    }
}

/// The answer to an action. There is no result element if it answers nothing.
pub(super) fn output(action: &str, output: &Value, id: RequestId) -> String {
    let result = output.as_object().map(|members| {
        let result = Element::new(&format!("{action}Result"));
        result.children(children(action, members))
    });
    let metadata =
        Element::new("ResponseMetadata").child(Element::text("RequestId", id.to_string()));
    Element::new(&format!("{action}Response"))
        .attribute("xmlns", NAMESPACE)
        .children(result)
        .child(metadata)
        .document()
}

fn children(action: &str, members: &Map<String, Value>) -> Vec<Element> {
    members.iter().flat_map(|(name, value)| elements_of(action, name, value)).collect()
}

fn elements_of(action: &str, member: &str, value: &Value) -> Vec<Element> {
    let of_batch = format!("{action}ResultEntry");
    let name = if member == "Successful" { of_batch.as_str() } else { name_of(member) };
    match value {
        Value::Null => Vec::new(),
        Value::Array(elements) => elements.iter().map(|one| element(action, name, one)).collect(),
        Value::Object(entries) if is_map(member) => {
            let (key_name, value_name) = names_in_map(member);
            let entry = |(key, value): (&String, &Value)| {
                Element::new(name)
                    .child(Element::text(key_name, key.as_str()))
                    .child(element(action, value_name, value))
            };
            entries.iter().map(entry).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![element(action, name, value)]
        }
    }
}

fn is_map(member: &str) -> bool {
    ["Attributes", "MessageAttributes", "Tags"].contains(&member)
}

fn element(action: &str, name: &str, value: &Value) -> Element {
    match value {
        Value::Object(members) => Element::new(name).children(children(action, members)),
        Value::String(text) => Element::text(name, text.as_str()),
        Value::Bool(_) | Value::Number(_) => Element::text(name, value.to_string()),
        Value::Null | Value::Array(_) => Element::new(name),
    }
}

#[cfg(test)]
mod tests {
    use hearth_wire::aws_query;
    use hearth_wire::sqs::Operation;
    use serde_json::json;

    use super::*;

    fn read(operation: Operation, form: &str) -> Result<Value, SqsError> {
        let request = aws_query::input(format!("Action=Do&{form}").as_bytes()).unwrap();
        input(operation.description().input, request.parameters)
    }

    #[test]
    fn a_form_becomes_the_input_of_the_model() {
        #[rustfmt::skip]
        let rows = [
            (Operation::CreateQueue,
             "QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=k&Tag.1.Value=v",
             json!({ "QueueName": "q", "Attributes": { "DelaySeconds": "5" }, "tags": { "k": "v" } })),
            (Operation::TagQueue,
             "QueueUrl=u&Tag.1.Key=k&Tag.1.Value=",
             json!({ "QueueUrl": "u", "Tags": { "k": "" } })),
            (Operation::UntagQueue,
             "QueueUrl=u&TagKey.1=a&TagKey.2=b",
             json!({ "QueueUrl": "u", "TagKeys": ["a", "b"] })),
            (Operation::GetQueueAttributes,
             "QueueUrl=u&AttributeName=All",
             json!({ "QueueUrl": "u", "AttributeNames": ["All"] })),
            (Operation::SendMessage,
             "QueueUrl=u&MessageBody=hi+there&DelaySeconds=3&MessageAttribute.1.Name=n&MessageAttribute.1.Value.StringValue=1&MessageAttribute.1.Value.DataType=Number",
             json!({ "QueueUrl": "u", "MessageBody": "hi there", "DelaySeconds": 3,
                     "MessageAttributes": { "n": { "StringValue": "1", "DataType": "Number" } } })),
            (Operation::SendMessageBatch,
             "QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=y",
             json!({ "QueueUrl": "u", "Entries": [{ "Id": "a", "MessageBody": "x" }, { "Id": "b", "MessageBody": "y" }] })),
            (Operation::AddPermission,
             "QueueUrl=u&Label=l&AWSAccountId.1=111111111111&ActionName.1=SendMessage",
             json!({ "QueueUrl": "u", "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"] })),
        ];
        for (operation, form, expected) in rows {
            assert_eq!(read(operation, form), Ok(expected), "{form}");
        }
    }

    #[test]
    fn what_has_another_form_is_refused() {
        #[rustfmt::skip]
        let rows = [
            (Operation::ReceiveMessage, "QueueUrl=u&WaitTimeSeconds=x", "Value x for parameter WaitTimeSeconds is invalid. Reason: Must be a whole number."),
            (Operation::SendMessage,    "QueueUrl.x=u",                 "for parameter QueueUrl is invalid. Reason: Must be a text."),
            (Operation::TagQueue,       "Tag.1.Value=v",                "The request must contain the parameter Tag.Key."),
        ];
        for (operation, form, reason) in rows {
            let error = read(operation, form).unwrap_err();
            assert!(error.message().ends_with(reason), "{error:?}");
        }
    }

    #[test]
    fn an_output_becomes_flat_xml() {
        let id = RequestId::random();
        let metadata = format!("<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>");
        let attribute = json!({ "StringValue": "1", "DataType": "Number" });
        let message = json!({ "MessageId": "m", "Attributes": { "SenderId": "s" }, "MessageAttributes": { "n": attribute } });
        #[rustfmt::skip]
        let rows = [
            ("ListQueues", json!({ "QueueUrls": ["a", "b"], "NextToken": "t" }),
             "<ListQueuesResult><NextToken>t</NextToken><QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl></ListQueuesResult>"),
            ("GetQueueAttributes", json!({ "Attributes": { "QueueArn": "a<b" } }),
             "<GetQueueAttributesResult><Attribute><Name>QueueArn</Name><Value>a&lt;b</Value></Attribute></GetQueueAttributesResult>"),
            ("ListQueueTags", json!({ "Tags": { "k": "v" } }),
             "<ListQueueTagsResult><Tag><Key>k</Key><Value>v</Value></Tag></ListQueueTagsResult>"),
            ("SendMessageBatch", json!({ "Successful": [{ "Id": "a" }], "Failed": [{ "Id": "b", "SenderFault": true }] }),
             "<SendMessageBatchResult><BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault></BatchResultErrorEntry><SendMessageBatchResultEntry><Id>a</Id></SendMessageBatchResultEntry></SendMessageBatchResult>"),
            ("ReceiveMessage", json!({ "Messages": [message] }),
             "<ReceiveMessageResult><Message><Attribute><Name>SenderId</Name><Value>s</Value></Attribute><MessageAttribute><Name>n</Name><Value><DataType>Number</DataType><StringValue>1</StringValue></Value></MessageAttribute><MessageId>m</MessageId></Message></ReceiveMessageResult>"),
            ("ReceiveMessage", json!({}), "<ReceiveMessageResult/>"),
            ("DeleteQueue", Value::Null, ""),
        ];
        for (action, value, result) in rows {
            let expected = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"{NAMESPACE}\">{result}{metadata}</{action}Response>"
            );
            assert_eq!(output(action, &value, id), expected);
        }
    }
}
