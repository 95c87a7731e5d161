//! Subscriptions: asking for them, confirming and ending them, and what is set.

use hearth_services::topics::{
    Confirm, Proof, Subscribe, SubscriptionArn, SubscriptionRecord, TopicArn,
};
use serde_json::{Value, json};

use super::topics::topic;
use super::{Asked, Call, behind, listed, shown_attributes};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

pub(super) async fn subscribe(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let request = Subscribe {
        protocol: parameters.required("Protocol"),
        endpoint: parameters.text("Endpoint"),
        attributes: parameters.texts_by_name("Attributes"),
    };
    let wants_arn = parameters.is_true("ReturnSubscriptionArn");
    parameters.check()?;
    let record = asked.topics.subscribe(&asked.asker(), &arn?, request).await?;
    let shown = if record.is_pending() && !wants_arn {
        "pending confirmation".to_owned()
    } else {
        record.arn.to_string()
    };
    Ok(json!({ "SubscriptionArn": shown }))
}

pub(super) async fn confirm(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { mut asked, mut parameters } = call;
    let request = Confirm {
        topic: parameters.required("TopicArn"),
        token: parameters.required("Token"),
        authenticate_on_unsubscribe: parameters.text("AuthenticateOnUnsubscribe"),
    };
    parameters.check()?;
    if let Ok(arn) = TopicArn::parse("TopicArn", &request.topic) {
        follow(&mut asked, &arn);
    }
    let arn = asked.topics.confirm((&asked.asker(), asked.proof), &request).await?;
    Ok(json!({ "SubscriptionArn": arn.to_string() }))
}

pub(super) async fn unsubscribe(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { mut asked, mut parameters } = call;
    // Recorded: without one, it is not said that it must not be null.
    let arn = SubscriptionArn::parse(&parameters.text("SubscriptionArn").unwrap_or_default());
    parameters.check()?;
    let arn = arn?;
    follow(&mut asked, &arn.topic);
    asked.topics.unsubscribe((&asked.asker(), asked.proof), &arn).await?;
    Ok(Value::Null)
}

/// Whoever follows a link says nothing of an account or a region: those of the topic are meant.
fn follow(asked: &mut Asked<'_>, topic: &TopicArn) {
    match asked.proof {
        Proof::Nothing => asked.scope = topic.scope.clone(),
        Proof::Signed => {}
    }
}

pub(super) fn list(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let after = behind(&mut parameters)?;
    parameters.check()?;
    let page = asked.topics.subscriptions(&asked.asker(), after.as_deref());
    Ok(listed("Subscriptions", page, |record| shown(&record)))
}

pub(super) fn list_by_topic(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = topic(&mut parameters);
    let after = behind(&mut parameters)?;
    parameters.check()?;
    let page = asked.topics.subscriptions_of(&asked.asker(), &arn?, after.as_deref())?;
    Ok(listed("Subscriptions", page, |record| shown(&record)))
}

pub(super) fn attributes(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = subscription(&mut parameters);
    parameters.check()?;
    Ok(shown_attributes(asked.topics.subscription_attributes(&asked.asker(), &arn?)?))
}

pub(super) async fn set_attribute(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { asked, mut parameters } = call;
    let arn = subscription(&mut parameters);
    let name = parameters.required("AttributeName");
    let value = parameters.text("AttributeValue").unwrap_or_default();
    parameters.check()?;
    let set = (name.as_str(), value.as_str());
    asked.topics.set_subscription_attribute(&asked.asker(), &arn?, set).await?;
    Ok(Value::Null)
}

fn subscription(parameters: &mut Parameters) -> Result<SubscriptionArn, Refusal> {
    Ok(SubscriptionArn::parse(&parameters.required("SubscriptionArn"))?)
}

/// A subscription in a listing. One that waits for its endpoint does not show its ARN.
fn shown(record: &SubscriptionRecord) -> Value {
    let arn =
        if record.is_pending() { "PendingConfirmation".to_owned() } else { record.arn.to_string() };
    json!({
        "SubscriptionArn": arn,
        "Owner": record.owner.as_str(),
        "Protocol": record.protocol.as_str(),
        "Endpoint": record.endpoint,
        "TopicArn": record.arn.topic.to_string(),
    })
}
