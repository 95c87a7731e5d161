//! Subscriptions: who is told of what is published. `record.rs` shows their life.

use std::sync::Arc;

use hearth_store::queue::Batch;
use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use uuid::Uuid;

use super::arn::{self, SubscriptionArn, TopicArn};
use super::delivery_policy::{self, CONTENT_TYPE, effective_of_subscription};
use super::envelope::{self, Beside, Kind, Signable};
use super::error::TopicError;
use super::publish::headers;
use super::record::{
    Attributes, Confirmation, DeliveryForm, Protocol, SubscriptionRecord, SubscriptionSettings,
    SubscriptionState, Token, TopicRecord,
};
use super::settings::{Subscribed, check_filter, set_of_subscription};
use super::{Asker, Page, Topics, cut};
use crate::delivery::{Delivery, Origin, Parcel, Patience, QueueMessage};
use crate::limits::{
    CONFIRMATION_MILLIS_MAX, FILTER_POLICIES_ACCOUNT_MAX, FILTER_POLICIES_MAX,
    NOTIFICATION_BYTES_DEFAULT, SUBSCRIPTIONS_FEW_MAX, SUBSCRIPTIONS_MAX, TOPIC_LIST_ITEMS_MAX,
};

/// Protocols of AWS's that nothing here could send to.
const NOT_BUILT: &[&str] = &["email", "email-json", "sms", "application", "firehose"];
/// How many letters a token has.
const TOKEN_CHARACTERS: usize = 128;

/// A subscription to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// `sqs`, `lambda`, `http` or `https`.
    pub protocol: String,
    /// The ARN of the queue or the function, or the URL.
    pub endpoint: Option<String>,
    /// What is set.
    pub attributes: Attributes,
}

/// The confirmation of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirm {
    /// The ARN of the topic.
    pub topic: String,
    /// What was sent to the endpoint.
    pub token: String,
    /// Whether ending the subscription is to take a signature: `true`.
    pub authenticate_on_unsubscribe: Option<String>,
}

/// Whether a request was signed. Whose signature it is, nobody checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It was.
    Signed,
    /// It was not: somebody has followed a link.
    Nothing,
}

impl Topics {
    /// Subscribes an endpoint, or finds the subscription that is there.
    ///
    /// # Errors
    ///
    /// If there is no such topic, the caller may not, something that was given cannot be, or there
    /// are too many.
    pub async fn subscribe(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        request: Subscribe,
    ) -> Result<Arc<SubscriptionRecord>, TopicError> {
        let _writing = self.topics.writing().await;
        let topic = self.topic(asker, arn, "Subscribe")?;
        self.forget_what_is_over(arn).await?;
        let (protocol, endpoint) = endpoint(&request)?;
        check_fifo(arn, protocol, &endpoint)?;
        let subscribed = Subscribed { topic: arn, protocol, endpoint: &endpoint };
        let existing = self.subscribers.of(arn).into_iter().find(|one| {
            one.record.protocol == protocol
                && one.record.endpoint == endpoint
                && !one.record.is_deactivated()
        });
        let before = existing.as_ref().map(|one| one.record.settings.clone()).unwrap_or_default();
        let settings = settings(before.clone(), subscribed, &request.attributes)?;
        if let Some(existing) = existing {
            if settings != before {
                let why =
                    "Attributes Reason: Subscription already exists with different attributes";
                return Err(TopicError::parameter(why));
            }
            if let SubscriptionState::Pending(token) = &existing.record.state {
                self.ask(&topic, &existing.record, (Kind::SubscriptionConfirmation, &token.text))
                    .await?;
            }
            return Ok(Arc::clone(&existing.record));
        }
        self.check_room(&topic, protocol, &settings)?;
        let record = self.new_subscription(asker, subscribed, settings);
        let record = self.put_subscription(record).await?;
        if let SubscriptionState::Pending(token) = &record.state {
            self.ask(&topic, &record, (Kind::SubscriptionConfirmation, &token.text)).await?;
        }
        Ok(record)
    }

    /// Whoever owns the queue or the function has said yes by asking; everybody else is asked.
    fn new_subscription(
        &self,
        asker: &Asker<'_>,
        subscribed: Subscribed<'_>,
        settings: SubscriptionSettings,
    ) -> SubscriptionRecord {
        let Subscribed { topic, protocol, endpoint } = subscribed;
        let owner = match protocol {
            Protocol::Sqs => arn::queue(endpoint).map(|(account, _name)| account),
            Protocol::Lambda => arn::function(endpoint),
            Protocol::Http | Protocol::Https => None,
        };
        let (state, confirmation) = if owner.as_ref() == Some(&asker.scope.account) {
            (SubscriptionState::Confirmed(None), Confirmation::Authenticated)
        } else {
            let token = new_token(self.clock.now());
            (SubscriptionState::Pending(token), Confirmation::Anonymous)
        };
        SubscriptionRecord {
            arn: SubscriptionArn { topic: topic.clone(), id: Uuid::new_v4().to_string() },
            owner: owner.unwrap_or_else(|| asker.scope.account.clone()),
            protocol,
            endpoint: endpoint.to_owned(),
            state,
            confirmation,
            settings,
        }
    }

    fn check_room(
        &self,
        topic: &TopicRecord,
        protocol: Protocol,
        settings: &SubscriptionSettings,
    ) -> Result<(), TopicError> {
        let takes_large = takes_large_messages(topic);
        if takes_large && protocol.is_posted() {
            let why = "Protocol Reason: a topic with a MaximumMessageSize above 262144 supports lambda and sqs";
            return Err(TopicError::parameter(why));
        }
        let few = topic.arn.is_fifo() || takes_large;
        let limit = if few { SUBSCRIPTIONS_FEW_MAX } else { SUBSCRIPTIONS_MAX };
        if self.subscribers.count(&topic.arn) >= limit {
            return Err(TopicError::SubscriptionLimit(limit));
        }
        if settings.filter_policy.is_some() {
            self.check_room_for_filter(&topic.arn)?;
        }
        Ok(())
    }

    fn check_room_for_filter(&self, topic: &TopicArn) -> Result<(), TopicError> {
        let (of_topic, of_account) = self.subscribers.filters(topic);
        if of_topic >= FILTER_POLICIES_MAX {
            return Err(TopicError::FilterPolicyLimit(FILTER_POLICIES_MAX));
        }
        if of_account >= FILTER_POLICIES_ACCOUNT_MAX {
            return Err(TopicError::FilterPolicyLimit(FILTER_POLICIES_ACCOUNT_MAX));
        }
        Ok(())
    }

    /// Checks that the subscriptions of a topic can take messages as large as it says.
    pub(super) fn check_large_messages(&self, topic: &TopicRecord) -> Result<(), TopicError> {
        if !takes_large_messages(topic) {
            return Ok(());
        }
        let subscribers = self.subscribers.of(&topic.arn);
        let has_http = subscribers.iter().any(|one| one.record.protocol.is_posted());
        if has_http || subscribers.len() > SUBSCRIPTIONS_FEW_MAX {
            let why = "MaximumMessageSize Reason: the subscriptions of the topic do not take larger messages";
            return Err(TopicError::parameter(why));
        }
        Ok(())
    }

    /// Confirms a subscription, or restores it.
    ///
    /// # Errors
    ///
    /// If the token is not that of a subscription of the topic, or too old.
    pub async fn confirm(
        &self,
        (asker, proof): (&Asker<'_>, Proof),
        request: &Confirm,
    ) -> Result<SubscriptionArn, TopicError> {
        let arn = TopicArn::parse("Topic", &request.topic)
            .map_err(|_no_topic| TopicError::parameter("Topic"))?;
        if arn.scope.region != asker.scope.region {
            return Err(TopicError::parameter("Topic"));
        }
        let is_token = request.token.len() == TOKEN_CHARACTERS
            && request.token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_token {
            return Err(TopicError::InvalidParameter("Invalid token".to_owned()));
        }
        let _writing = self.topics.writing().await;
        let now = self.clock.now();
        let found = self.subscribers.of(&arn).into_iter().find(|one| {
            one.record.token() == Some(request.token.as_str()) && !is_over(&one.record, now)
        });
        let found = found.ok_or_else(|| TopicError::parameter("Token"))?;
        if found.record.is_confirmed() {
            return Ok(found.record.arn.clone());
        }
        let authenticate = request.authenticate_on_unsubscribe.as_deref();
        let is_authenticated = proof == Proof::Signed && authenticate == Some("true");
        let record = SubscriptionRecord {
            state: SubscriptionState::Confirmed(Some(request.token.clone())),
            confirmation: if is_authenticated {
                Confirmation::Authenticated
            } else {
                Confirmation::Anonymous
            },
            ..(*found.record).clone()
        };
        Ok(self.put_subscription(record).await?.arn.clone())
    }

    /// Ends a subscription. That there is none is fine. An endpoint that ends it by following its
    /// link is told how to take that back.
    ///
    /// # Errors
    ///
    /// If the caller may not, or the store failed.
    pub async fn unsubscribe(
        &self,
        (asker, proof): (&Asker<'_>, Proof),
        arn: &SubscriptionArn,
    ) -> Result<(), TopicError> {
        if arn.topic.scope.region != asker.scope.region {
            return Err(TopicError::parameter("SubscriptionArn"));
        }
        let _writing = self.topics.writing().await;
        let Some(record) = self.subscribers.get(arn) else { return Ok(()) };
        if record.is_deactivated() {
            return Ok(());
        }
        match proof {
            Proof::Signed => {
                self.check_owner(asker, &record, "Unsubscribe")?;
                self.forget(arn).await?;
            }
            Proof::Nothing if record.confirmation == Confirmation::Authenticated => {
                return Err(TopicError::Forbidden(format!(
                    "Not authorized to unsubscribe {arn} without a signature"
                )));
            }
            Proof::Nothing => self.deactivate(&record).await?,
        }
        self.count_deleted(&arn.topic).await
    }

    async fn deactivate(&self, record: &SubscriptionRecord) -> Result<(), TopicError> {
        let token = new_token(self.clock.now());
        let text = token.text.clone();
        let state = SubscriptionState::Deactivated(token);
        let record = self.put_subscription(SubscriptionRecord { state, ..record.clone() }).await?;
        let topic = &record.arn.topic;
        let Some(topic) = self.topics.get(&topic.scope, &topic.name) else { return Ok(()) };
        self.ask(&topic, &record, (Kind::UnsubscribeConfirmation, &text)).await
    }

    async fn count_deleted(&self, arn: &TopicArn) -> Result<(), TopicError> {
        let Some(topic) = self.topics.get(&arn.scope, &arn.name) else { return Ok(()) };
        let mut topic = Arc::unwrap_or_clone(topic);
        topic.subscriptions_deleted += 1;
        self.put_topic(topic).await.map(drop)
    }

    /// A page of the subscriptions of an account in a region.
    #[must_use]
    pub fn subscriptions(
        &self,
        asker: &Asker<'_>,
        after: Option<&str>,
    ) -> Page<Arc<SubscriptionRecord>> {
        let mut found = Vec::new();
        let mut after = after.map(str::to_owned);
        while found.len() <= TOPIC_LIST_ITEMS_MAX {
            let page =
                self.subscriptions.page(asker.scope, after.as_deref(), TOPIC_LIST_ITEMS_MAX + 1);
            let Some(last) = page.last() else { break };
            after = Some(last.key());
            found.extend(page.into_iter().filter(|one| !one.is_deactivated()));
        }
        cut(found, TOPIC_LIST_ITEMS_MAX, |record: &Arc<SubscriptionRecord>| record.key())
    }

    /// A page of the subscriptions of a topic.
    ///
    /// # Errors
    ///
    /// If there is no such topic, or the caller may not.
    pub fn subscriptions_of(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        after: Option<&str>,
    ) -> Result<Page<Arc<SubscriptionRecord>>, TopicError> {
        self.topic(asker, arn, "ListSubscriptionsByTopic")?;
        let all = self.subscribers.of(arn).into_iter().map(|one| Arc::clone(&one.record));
        let is_behind = |record: &Arc<SubscriptionRecord>| {
            !record.is_deactivated() && after.is_none_or(|after| record.key().as_str() > after)
        };
        let found = all.filter(is_behind).take(TOPIC_LIST_ITEMS_MAX + 1).collect();
        Ok(cut(found, TOPIC_LIST_ITEMS_MAX, |record: &Arc<SubscriptionRecord>| record.key()))
    }

    /// What is set of a subscription.
    ///
    /// # Errors
    ///
    /// If there is none, or the caller may not.
    pub fn subscription_attributes(
        &self,
        asker: &Asker<'_>,
        arn: &SubscriptionArn,
    ) -> Result<Attributes, TopicError> {
        let record = self.subscription(asker, arn, "GetSubscriptionAttributes")?;
        let SubscriptionRecord { owner, protocol, endpoint, confirmation, settings, .. } = &*record;
        let is_authenticated = *confirmation == Confirmation::Authenticated;
        let always = [
            ("SubscriptionArn", arn.to_string()),
            ("TopicArn", arn.topic.to_string()),
            ("Owner", owner.to_string()),
            ("Protocol", protocol.as_str().to_owned()),
            ("Endpoint", endpoint.clone()),
            ("PendingConfirmation", record.is_pending().to_string()),
            ("ConfirmationWasAuthenticated", is_authenticated.to_string()),
            ("RawMessageDelivery", (settings.delivery == DeliveryForm::Raw).to_string()),
            ("SubscriptionPrincipal", format!("arn:aws:iam::{owner}:root")),
        ];
        let topic = self.topics.get(&arn.topic.scope, &arn.topic.name);
        let own = settings.delivery_policy.as_ref();
        let effective = protocol.is_posted().then(|| {
            let of_topic = topic.as_ref().and_then(|topic| topic.settings.delivery_policy.as_ref());
            effective_of_subscription(of_topic, own)
        });
        let scope = settings.filter_scope.as_str().to_owned();
        let if_set = [
            ("FilterPolicyScope", settings.filter_policy.as_ref().map(|_| scope)),
            ("FilterPolicy", settings.filter_policy.clone()),
            ("RedrivePolicy", settings.redrive.as_ref().map(|redrive| redrive.text.clone())),
            ("DeliveryPolicy", own.map(|policy| policy.shown())),
            ("EffectiveDeliveryPolicy", effective),
        ];
        let if_set = if_set.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(always.into_iter().chain(if_set).map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Sets an attribute of a subscription.
    ///
    /// # Errors
    ///
    /// If there is no such subscription or attribute, the value cannot be, or the caller may not.
    pub async fn set_subscription_attribute(
        &self,
        asker: &Asker<'_>,
        arn: &SubscriptionArn,
        (name, value): (&str, &str),
    ) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        let record = self.subscription(asker, arn, "SetSubscriptionAttributes")?;
        let mut record = Arc::unwrap_or_clone(record);
        let had_filter = record.settings.filter_policy.is_some();
        let (protocol, endpoint) = (record.protocol, record.endpoint.clone());
        let subscribed = Subscribed { topic: &arn.topic, protocol, endpoint: &endpoint };
        let unknown = || "AttributeName".to_owned();
        set_of_subscription(&mut record.settings, subscribed, (name, value), unknown)?;
        check_filter(&record.settings)?;
        if !had_filter && record.settings.filter_policy.is_some() {
            self.check_room_for_filter(&arn.topic)?;
        }
        self.put_subscription(record).await.map(drop)
    }

    /// A subscription, for somebody who wants to do something with it.
    fn subscription(
        &self,
        asker: &Asker<'_>,
        arn: &SubscriptionArn,
        action: &str,
    ) -> Result<Arc<SubscriptionRecord>, TopicError> {
        if arn.topic.scope.region != asker.scope.region {
            return Err(TopicError::parameter("SubscriptionArn"));
        }
        let found = self.subscribers.get(arn).filter(|record| !record.is_deactivated());
        let record = found.ok_or(TopicError::SubscriptionMissing)?;
        self.check_owner(asker, &record, action)?;
        Ok(record)
    }

    fn check_owner(
        &self,
        asker: &Asker<'_>,
        record: &SubscriptionRecord,
        action: &str,
    ) -> Result<(), TopicError> {
        let account: &AccountId = &asker.scope.account;
        if record.owner == *account || record.arn.topic.scope.account == *account {
            return Ok(());
        }
        Err(TopicError::Forbidden(format!(
            "User: arn:aws:iam::{account}:root is not authorized to perform: SNS:{action} on resource: {}",
            record.arn
        )))
    }

    pub(super) async fn forget(&self, arn: &SubscriptionArn) -> Result<(), TopicError> {
        let key = format!("{}:{}", arn.topic.name, arn.id);
        let removed = self.subscriptions.remove(&arn.topic.scope, &key).await;
        removed.map_err(TopicError::Store)?;
        self.subscribers.remove(arn);
        Ok(())
    }

    async fn forget_what_is_over(&self, topic: &TopicArn) -> Result<(), TopicError> {
        let now = self.clock.now();
        for subscriber in self.subscribers.of(topic) {
            if is_over(&subscriber.record, now) {
                self.forget(&subscriber.record.arn).await?;
            }
        }
        Ok(())
    }

    async fn put_subscription(
        &self,
        record: SubscriptionRecord,
    ) -> Result<Arc<SubscriptionRecord>, TopicError> {
        let (scope, key) = (record.arn.topic.scope.clone(), record.key());
        let kept = self.subscriptions.put(&scope, &key, record).await;
        let kept = kept.map_err(TopicError::Store)?;
        self.subscribers.put(Arc::clone(&kept));
        Ok(kept)
    }

    /// Asks an endpoint whether it wants to be subscribed, or tells it that it is not any more.
    async fn ask(
        &self,
        topic: &TopicRecord,
        record: &SubscriptionRecord,
        (kind, token): (Kind, &str),
    ) -> Result<(), TopicError> {
        let now = self.clock.now();
        let (arn, timestamp) = (topic.arn.to_string(), now.iso());
        let (message_id, message) = (Uuid::new_v4().to_string(), question(kind, record));
        let url =
            format!("{}/?Action=ConfirmSubscription&TopicArn={arn}&Token={token}", self.endpoint);
        let signable = Signable {
            kind,
            message_id: &message_id,
            topic: &arn,
            subject: None,
            message: &message,
            timestamp: &timestamp,
            confirm: Some((token, &url)),
        };
        let version = topic.settings.signature_version.unwrap_or_default();
        let signed = self.signed(&signable, version).await?;
        let beside = Beside { signed: Some(&signed), ..Beside::default() };
        let body = match record.protocol {
            Protocol::Sqs | Protocol::Http | Protocol::Https => {
                envelope::object(&signable, &beside)
            }
            Protocol::Lambda => envelope::event(&signable, &beside, &record.arn.to_string()),
        };
        let subscription = record.arn.to_string();
        let lane = subscription.clone();
        let (parcel, patience) = question_parcel(topic, record, &signable);
        let delivery = Delivery {
            origin: Origin::Subscription { topic: arn.clone(), subscription },
            parcel,
            patience,
            dead_letter: None,
            trace: None,
            attempts: 0,
        };
        let puts = vec![delivery.entry((&lane, None), body, now)];
        self.apply(Batch { puts, ..Batch::default() }).await
    }

    /// What ends a subscription when it is followed.
    pub(super) fn unsubscribe_url(&self, arn: &SubscriptionArn) -> String {
        format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}", self.endpoint)
    }
}

fn question(kind: Kind, record: &SubscriptionRecord) -> String {
    match kind {
        Kind::Notification | Kind::SubscriptionConfirmation => format!(
            "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
            record.arn.topic
        ),
        Kind::UnsubscribeConfirmation => format!(
            "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.",
            record.arn
        ),
    }
}

fn question_parcel(
    topic: &TopicRecord,
    record: &SubscriptionRecord,
    signable: &Signable<'_>,
) -> (Parcel, Patience) {
    let patience = delivery_policy::managed();
    let endpoint = record.endpoint.clone();
    match record.protocol {
        Protocol::Lambda => (Parcel::Function { arn: endpoint }, patience),
        Protocol::Sqs => {
            let is_fifo = endpoint.ends_with(arn::FIFO_SUFFIX);
            let id = is_fifo.then(|| signable.message_id.to_owned());
            let message =
                QueueMessage { group: id.clone(), deduplication: id, ..QueueMessage::default() };
            (Parcel::Queue { arn: endpoint, message }, patience)
        }
        Protocol::Http | Protocol::Https => {
            let mut headers = headers(signable, CONTENT_TYPE);
            if signable.kind == Kind::UnsubscribeConfirmation {
                let subscription = record.arn.to_string();
                headers.push(("x-amz-sns-subscription-arn".to_owned(), subscription));
            }
            let own = record.settings.delivery_policy.as_ref();
            let of_topic = topic.settings.delivery_policy.as_ref();
            let (patience, _content_type) = delivery_policy::http(of_topic, own);
            (Parcel::Http { url: endpoint, headers }, patience)
        }
    }
}

/// Whether a subscription can neither be confirmed nor be restored any more.
pub(super) fn is_over(record: &SubscriptionRecord, now: Timestamp) -> bool {
    match &record.state {
        SubscriptionState::Pending(token) | SubscriptionState::Deactivated(token) => {
            now.millis_since(token.made) > CONFIRMATION_MILLIS_MAX
        }
        SubscriptionState::Confirmed(_) => false,
    }
}

fn new_token(made: Timestamp) -> Token {
    let parts = TOKEN_CHARACTERS / 32;
    let text = (0..parts).map(|_| Uuid::new_v4().simple().to_string()).collect();
    Token { text, made }
}

fn takes_large_messages(topic: &TopicRecord) -> bool {
    topic.settings.message_bytes_max.is_some_and(|bytes| bytes > NOTIFICATION_BYTES_DEFAULT)
}

/// The settings with what a request sets in them.
fn settings(
    mut settings: SubscriptionSettings,
    subscribed: Subscribed<'_>,
    attributes: &Attributes,
) -> Result<SubscriptionSettings, TopicError> {
    let of_attributes = |error: TopicError| match error.to_string().split_once(": ") {
        Some(("Invalid parameter", why)) => {
            TopicError::parameter(format!("Attributes Reason: {why}"))
        }
        Some(_) | None => error,
    };
    for (name, value) in attributes {
        let unknown = || format!("Unknown attribute: {name}");
        set_of_subscription(&mut settings, subscribed, (name, value), unknown)
            .map_err(of_attributes)?;
    }
    check_filter(&settings)?;
    Ok(settings)
}

fn endpoint(request: &Subscribe) -> Result<(Protocol, String), TopicError> {
    let endpoint = request.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let given = || endpoint.ok_or_else(|| TopicError::parameter("Endpoint"));
    match request.protocol.as_str() {
        "sqs" => {
            let endpoint = given()?;
            let is_queue = arn::queue(endpoint).is_some();
            let refused = || TopicError::parameter("SQS endpoint ARN");
            is_queue.then(|| (Protocol::Sqs, endpoint.to_owned())).ok_or_else(refused)
        }
        "lambda" => {
            let endpoint = given()?;
            let is_function = arn::function(endpoint).is_some();
            let refused = || TopicError::parameter("Lambda endpoint ARN");
            is_function.then(|| (Protocol::Lambda, endpoint.to_owned())).ok_or_else(refused)
        }
        "http" => Ok((Protocol::Http, url(given()?, "http://")?)),
        "https" => Ok((Protocol::Https, url(given()?, "https://")?)),
        known if NOT_BUILT.contains(&known) => Err(TopicError::parameter(format!(
            "Protocol Reason: Hearth does not deliver over {known} yet; it does over sqs, lambda, http and https"
        ))),
        other => Err(TopicError::parameter(format!(
            "Amazon SNS does not support this protocol string: {other}"
        ))),
    }
}

/// An address that a protocol posts to.
fn url(endpoint: &str, beginning: &str) -> Result<String, TopicError> {
    let is_url = endpoint.len() > beginning.len()
        && endpoint.to_ascii_lowercase().starts_with(beginning)
        && endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    let refused = || TopicError::parameter("Endpoint must match the specified protocol");
    is_url.then(|| endpoint.to_owned()).ok_or_else(refused)
}

fn check_fifo(topic: &TopicArn, protocol: Protocol, endpoint: &str) -> Result<(), TopicError> {
    if topic.is_fifo() && protocol != Protocol::Sqs {
        let word = protocol.as_str();
        return Err(TopicError::parameter(format!("Invalid protocol type: {word}")));
    }
    let is_fifo_queue = protocol == Protocol::Sqs && endpoint.ends_with(arn::FIFO_SUFFIX);
    if is_fifo_queue && !topic.is_fifo() {
        // AWS says it twice.
        let why = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return Err(TopicError::parameter(why));
    }
    Ok(())
}
