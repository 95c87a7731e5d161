//! Topics: making and deleting them, what is set, who may use them, and tags.

use hearth_services::topics::{CreateTopic, Permission, TopicArn};
use serde_json::{Value, json};

use super::{Call, behind, invalid, listed, shown_attributes};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

pub(super) async fn create(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let request = CreateTopic {
        name: parameters.required("Name"),
        attributes: parameters.texts_by_name("Attributes"),
        tags: pairs(parameters.tags("Tags")),
    };
    let protection = parameters.text("DataProtectionPolicy");
    parameters.check()?;
    if protection.is_some() {
        let why = "DataProtectionPolicy Reason: Hearth does not support it yet; leave it out";
        return Err(invalid(why));
    }
    let arn = asked.topics.create(&asked.asker(), request).await?;
    Ok(json!({ "TopicArn": arn.to_string() }))
}

pub(super) async fn delete(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    parameters.check()?;
    asked.topics.delete(&asked.asker(), &arn?).await?;
    Ok(Value::Null)
}

pub(super) fn list(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let after = behind(&mut parameters)?;
    parameters.check()?;
    let page = asked.topics.list(&asked.asker(), after.as_deref());
    Ok(listed("Topics", page, |arn| json!({ "TopicArn": arn.to_string() })))
}

pub(super) fn attributes(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    parameters.check()?;
    Ok(shown_attributes(asked.topics.attributes(&asked.asker(), &arn?)?))
}

pub(super) async fn set_attribute(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let name = parameters.required("AttributeName");
    let value = parameters.text("AttributeValue").unwrap_or_default();
    parameters.check()?;
    asked.topics.set_attribute(&asked.asker(), &arn?, (&name, &value)).await?;
    Ok(Value::Null)
}

pub(super) async fn add_permission(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let permission = Permission {
        label: parameters.required("Label"),
        accounts: parameters.required_texts("AWSAccountId"),
        actions: parameters.required_texts("ActionName"),
    };
    parameters.check()?;
    asked.topics.add_permission(&asked.asker(), &arn?, &permission).await?;
    Ok(Value::Null)
}

pub(super) async fn remove_permission(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let label = parameters.required("Label");
    parameters.check()?;
    asked.topics.remove_permission(&asked.asker(), &arn?, &label).await?;
    Ok(Value::Null)
}

pub(super) async fn tag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = resource(&mut parameters);
    let tags = pairs(parameters.required_tags("Tags"));
    parameters.check()?;
    asked.topics.tag(&asked.asker(), &arn?, tags).await?;
    Ok(json!({}))
}

pub(super) async fn untag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = resource(&mut parameters);
    let keys = parameters.required_texts("TagKeys");
    parameters.check()?;
    asked.topics.untag(&asked.asker(), &arn?, &keys).await?;
    Ok(json!({}))
}

pub(super) fn list_tags(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = resource(&mut parameters);
    parameters.check()?;
    let tags = asked.topics.tags(&asked.asker(), &arn?)?;
    let tags: Vec<Value> =
        tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    Ok(json!({ "Tags": tags }))
}

/// The topic that a call is about. What is missing is told before what cannot be read.
pub(super) fn topic(parameters: &mut Parameters) -> Result<TopicArn, Refusal> {
    Ok(TopicArn::parse("TopicArn", &parameters.required("TopicArn"))?)
}

fn resource(parameters: &mut Parameters) -> Result<TopicArn, Refusal> {
    Ok(TopicArn::parse("ResourceArn", &parameters.required("ResourceArn"))?)
}

fn pairs(tags: Vec<hearth_iam::Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
