"""SNS: every operation that is offered, field by field, and what it refuses. What is delivered is in
`sns_deliveries.py`."""

import urllib.error
import urllib.request

from support import *

sns = client("sns")

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:sns-queue"
FUNCTION = arn("sns-function")
URL = "http://127.0.0.1:9/endpoint"
MISSING = f"arn:aws:sns:{REGION}:{ACCOUNT}:missing"
RETRIES = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
DELIVERY = {
    "http": {
        "defaultHealthyRetryPolicy": RETRIES,
        "disableSubscriptionOverrides": False,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
    }
}
ACTIONS = [
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
]


def topic_arn(name, region=REGION):
    return f"arn:aws:sns:{region}:{ACCOUNT}:{name}"


def topic(name, **more):
    made = sns.create_topic(Name=name, **more)
    same((status(made), shown(made)), (200, {"TopicArn": topic_arn(name)}))
    return made["TopicArn"]


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def attributes(topic):
    return sns.get_topic_attributes(TopicArn=topic)["Attributes"]


def policy(topic):
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ACTIONS,
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


def invalid(text, call, **arguments):
    refused("InvalidParameter", f"Invalid parameter: {text}", call, status=400, **arguments)


def topics():
    made = topic("plain")
    same(topic("plain"), made)
    found = attributes(made)
    same(json.loads(found.pop("Policy")), policy(made))
    same(json.loads(found.pop("EffectiveDeliveryPolicy")), DELIVERY)
    same(
        found,
        {
            "TopicArn": made,
            "Owner": ACCOUNT,
            "DisplayName": "",
            "SubscriptionsConfirmed": "0",
            "SubscriptionsPending": "0",
            "SubscriptionsDeleted": "0",
        },
    )

    fifo = topic("whole.fifo", Attributes={"FifoTopic": "true", "SignatureVersion": "2"})
    found = attributes(fifo)
    same(
        (found["FifoTopic"], found["ContentBasedDeduplication"], found["SignatureVersion"]),
        ("true", "false", "2"),
    )
    same({"TopicArn": made} in sns.list_topics()["Topics"], True)
    same(client("sns", region="eu-west-1").list_topics()["Topics"], [])

    for name in ("", "a b", "a:b", "x" * 257):
        invalid("Topic Name", sns.create_topic, Name=name)
    invalid("Fifo Topic names must end with .fifo", sns.create_topic, Name="x", Attributes={"FifoTopic": "true"})
    invalid(
        "Attributes Reason: Topic already exists with different attributes",
        sns.create_topic,
        Name="plain",
        Attributes={"DisplayName": "other"},
    )
    invalid(
        "Tags Reason: Topic already exists with different tags",
        sns.create_topic,
        Name="plain",
        Tags=tags(a="b"),
    )

    for call in (sns.get_topic_attributes, sns.list_subscriptions_by_topic):
        refused("NotFound", "Topic does not exist", call, TopicArn=MISSING, status=404)
        invalid("TopicArn Reason: An ARN must have at least 6 elements, not 1", call, TopicArn="x")
        elsewhere = topic_arn("plain", "eu-west-1")
        invalid("TopicArn", call, TopicArn=elsewhere)
    refused("ValidationError", "Value null at 'topicArn'", sns.get_topic_attributes, status=400)

    for _ in range(2):
        same(status(sns.delete_topic(TopicArn=fifo)), 200)
    refused("NotFound", "Topic does not exist", sns.get_topic_attributes, TopicArn=fifo)


def pages_of_topics():
    alone = client("sns", account="111122223333")
    made = [alone.create_topic(Name=f"page-{number:03}")["TopicArn"] for number in range(101)]
    first = alone.list_topics()
    same(len(first["Topics"]), 100)
    second = alone.list_topics(NextToken=first["NextToken"])
    same("NextToken" in second, False)
    same([one["TopicArn"] for one in first["Topics"] + second["Topics"]], made)
    invalid("NextToken", alone.list_topics, NextToken="%")


def what_is_set_of_a_topic():
    made = topic("set")

    def put(name, value):
        same(status(sns.set_topic_attributes(TopicArn=made, AttributeName=name, AttributeValue=value)), 200)
        return attributes(made).get(name)

    own = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": made}]}
    for name, value in (
        ("DisplayName", "shown"),
        ("Policy", json.dumps(own)),
        ("KmsMasterKeyId", "alias/aws/sns"),
        ("TracingConfig", "Active"),
        ("SignatureVersion", "2"),
        ("MaximumMessageSize", "1048576"),
    ):
        same(put(name, value), value)
    retries = {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1}
    said = {"http": {"defaultHealthyRetryPolicy": retries, "disableSubscriptionOverrides": False}}
    same(json.loads(put("DeliveryPolicy", json.dumps(said))), said)
    effective = json.loads(attributes(made)["EffectiveDeliveryPolicy"])
    same(effective["http"]["defaultHealthyRetryPolicy"], {**RETRIES, **retries})
    same(put("DeliveryPolicy", ""), None)

    for name, value, text in (
        ("FifoTopic", "false", "AttributeName"),
        ("Colour", "red", "AttributeName"),
        ("SignatureVersion", "3", "SignatureVersion"),
        ("MaximumMessageSize", "1023", "MaximumMessageSize"),
        ("Policy", "{nope", "Policy Error: "),
        ("ContentBasedDeduplication", "true", "Content-based deduplication can only be set for FIFO topics"),
        ("ArchivePolicy", "{}", "ArchivePolicy Reason: Hearth does not support it yet"),
        ("DeliveryPolicy", '{"http":{"defaultHealthyRetryPolicy":{}}}', "DeliveryPolicy: http.defaultHealthyRetryPolicy.minDelayTarget must be specified"),
    ):
        invalid(text, sns.set_topic_attributes, TopicArn=made, AttributeName=name, AttributeValue=value)


def permissions():
    made = topic("shared")
    stranger = client("sns", account="123456789012")
    denied = {"TopicArn": made, "Message": "m"}
    refused("AuthorizationError", "SNS:Publish", stranger.publish, status=403, **denied)
    grant = {"TopicArn": made, "Label": "l", "AWSAccountId": ["123456789012"], "ActionName": ["Publish"]}
    same(status(sns.add_permission(**grant)), 200)
    same(status(stranger.publish(**denied)), 200)
    statement = json.loads(attributes(made)["Policy"])["Statement"][1]
    same(
        statement,
        {
            "Sid": "l",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "SNS:Publish",
            "Resource": made,
        },
    )
    invalid("Statement already exists", sns.add_permission, **grant)
    odd = {**grant, "Label": "m", "ActionName": ["Fly"]}
    invalid("Policy statement action out of service scope!", sns.add_permission, **odd)
    same(status(sns.remove_permission(TopicArn=made, Label="l")), 200)
    refused("AuthorizationError", "SNS:Publish", stranger.publish, **denied)


def tags_of_topics():
    made = topic("tagged", Tags=tags(k1="v1", k2="v2"))
    same(shown(sns.list_tags_for_resource(ResourceArn=made)), {"Tags": tags(k1="v1", k2="v2")})
    same(shown(sns.untag_resource(ResourceArn=made, TagKeys=["k1"])), {})
    same(shown(sns.tag_resource(ResourceArn=made, Tags=tags(k2="v2b"))), {})
    same(sns.list_tags_for_resource(ResourceArn=made)["Tags"], tags(k2="v2b"))
    twice = tags(a="1") + tags(a="2")
    invalid("Duplicated keys are not allowed.", sns.tag_resource, ResourceArn=made, Tags=twice)
    many = tags(**{f"k{number}": "v" for number in range(51)})
    refused("TagLimitExceeded", "quota", sns.tag_resource, ResourceArn=made, Tags=many)
    refused("ResourceNotFound", "Resource does not exist", sns.list_tags_for_resource, ResourceArn=MISSING, status=404)


def subscriptions():
    made = topic("subscribed")
    subscribe = {"TopicArn": made, "Protocol": "sqs", "Endpoint": QUEUE}
    raw = {"Attributes": {"RawMessageDelivery": "true"}}
    subscription = sns.subscribe(**subscribe, **raw)["SubscriptionArn"]
    same(subscription.rsplit(":", 1)[0], made)
    for again in ({}, raw, {"Attributes": {}}):
        same(sns.subscribe(**subscribe, **again)["SubscriptionArn"], subscription)
    different = {"Attributes": {"RawMessageDelivery": "false"}}
    invalid("Attributes Reason: Subscription already exists with different attributes", sns.subscribe, **subscribe, **different)
    same(
        sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"],
        {
            "SubscriptionArn": subscription,
            "TopicArn": made,
            "Owner": ACCOUNT,
            "Protocol": "sqs",
            "Endpoint": QUEUE,
            "PendingConfirmation": "false",
            "ConfirmationWasAuthenticated": "true",
            "RawMessageDelivery": "true",
            "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root",
        },
    )
    same(attributes(made)["SubscriptionsConfirmed"], "1")
    listed = {
        "SubscriptionArn": subscription,
        "Owner": ACCOUNT,
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "TopicArn": made,
    }
    same(shown(sns.list_subscriptions_by_topic(TopicArn=made)), {"Subscriptions": [listed]})
    same(listed in sns.list_subscriptions()["Subscriptions"], True)

    for _ in range(2):
        same(status(sns.unsubscribe(SubscriptionArn=subscription)), 200)
    missing = "Subscription does not exist"
    refused("NotFound", missing, sns.get_subscription_attributes, SubscriptionArn=subscription, status=404)
    same(sns.list_subscriptions_by_topic(TopicArn=made)["Subscriptions"], [])
    same(attributes(made)["SubscriptionsDeleted"], "1")
    for bad, text in (
        ("x", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        (made, "SubscriptionId"),
        ("", "SubscriptionArn Reason: no value for required parameter"),
    ):
        invalid(text, sns.unsubscribe, SubscriptionArn=bad)


def refused_subscriptions():
    made = topic("refusing")
    fifo = topic("refusing.fifo", Attributes={"FifoTopic": "true"})
    for at, protocol, endpoint, set, text in (
        (made, "pigeon", "x", {}, "Amazon SNS does not support this protocol string: pigeon"),
        (made, "email", "a@example.com", {}, "Protocol Reason: Hearth does not deliver over email yet"),
        (made, "sqs", "http://x/q", {}, "SQS endpoint ARN"),
        (made, "http", "https://x", {}, "Endpoint must match the specified protocol"),
        (made, "sqs", f"{QUEUE}.fifo", {}, "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"),
        (fifo, "lambda", FUNCTION, {}, "Invalid protocol type: lambda"),
        (made, "sqs", QUEUE, {"RawMessageDelivery": "x"}, "Attributes Reason: RawMessageDelivery: Invalid value [x]. Must be true or false."),
        (made, "sqs", QUEUE, {"FilterPolicy": '{"key":[["value"]]}'}, "Attributes Reason: FilterPolicy: Match value must be String, number, true, false, or null\n at [Source: "),
        (made, "sqs", QUEUE, {"FilterPolicy": json.dumps({"key": [str(number) for number in range(151)]})}, "Attributes Reason: FilterPolicy: Filter policy is too complex"),
    ):
        invalid(text, sns.subscribe, TopicArn=at, Protocol=protocol, Endpoint=endpoint, Attributes=set)
    refused("NotFound", "Topic does not exist", sns.subscribe, TopicArn=MISSING, Protocol="sqs", Endpoint=QUEUE)


def what_is_set_of_a_subscription():
    made = topic("set-subscription")
    subscription = sns.subscribe(TopicArn=made, Protocol="http", Endpoint=URL, ReturnSubscriptionArn=True)["SubscriptionArn"]
    same(sns.subscribe(TopicArn=made, Protocol="http", Endpoint=URL)["SubscriptionArn"], "pending confirmation")
    same(sns.list_subscriptions_by_topic(TopicArn=made)["Subscriptions"][0]["SubscriptionArn"], "PendingConfirmation")
    same(attributes(made)["SubscriptionsPending"], "1")

    def put(name, value):
        sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)
        found = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        same(found["PendingConfirmation"], "true")
        return found

    letters = json.dumps({"deadLetterTargetArn": QUEUE})
    same(put("RedrivePolicy", letters)["RedrivePolicy"], letters)
    same("RedrivePolicy" in put("RedrivePolicy", ""), False)
    same("FilterPolicyScope" in put("FilterPolicyScope", "MessageBody"), False)
    filter_policy = json.dumps({"object": {"key": [{"prefix": "auto-"}]}})
    found = put("FilterPolicy", filter_policy)
    same((found["FilterPolicy"], found["FilterPolicyScope"]), (filter_policy, "MessageBody"))
    found = put("DeliveryPolicy", json.dumps({"requestPolicy": {"headerContentType": "text/csv"}}))
    same(
        json.loads(found["DeliveryPolicy"]),
        {
            "healthyRetryPolicy": None,
            "sicklyRetryPolicy": None,
            "throttlePolicy": None,
            "requestPolicy": {"headerContentType": "text/csv"},
            "guaranteed": False,
        },
    )
    same(json.loads(found["EffectiveDeliveryPolicy"])["healthyRetryPolicy"], RETRIES)
    for name, value, text in (
        ("Colour", "red", "AttributeName"),
        ("FilterPolicyScope", "MessageAttributes", "Filter policy scope MessageAttributes does not support nested filter policy"),
        ("FilterPolicyScope", "Random", "FilterPolicyScope: Invalid value [Random]. Please use either MessageBody or MessageAttributes"),
        ("FilterPolicy", "{invalidjson}", "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name"),
        ("RedrivePolicy", '{"deadLetterTargetArn":"x"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    ):
        invalid(text, sns.set_subscription_attributes, SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)

    token = "a" * 128
    invalid("Token", sns.confirm_subscription, TopicArn=made, Token=token)
    refused("InvalidParameter", "Invalid token", sns.confirm_subscription, TopicArn=made, Token="x")


def publishing():
    made = topic("published")
    answer = sns.publish(TopicArn=made, Message="m", Subject="s")
    same(set(shown(answer)), {"MessageId"})
    uuid.UUID(answer["MessageId"])
    same(set(shown(sns.publish(TargetArn=made, Message="m"))), {"MessageId"})
    refused("NotFound", "Topic does not exist", sns.publish, TopicArn=MISSING, Message="m", status=404)
    default = "Message Structure - No default entry in JSON message body"
    for more, text in (
        ({"Message": ""}, "Empty message"),
        ({"Subject": ""}, "Subject"),
        ({"Message": "x" * 262145}, "Message too long"),
        ({"MessageStructure": "json", "Message": "{nope"}, "Message Structure - JSON message body failed to parse"),
        ({"MessageStructure": "json", "Message": '{"sqs": "x"}'}, default),
        ({"MessageDeduplicationId": "d"}, "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"),
    ):
        invalid(text, sns.publish, **{"TopicArn": made, "Message": "m", **more})
    invalid("TopicArn Reason: An ARN must have at least 6 elements, not 1", sns.publish, TopicArn="x", Message="m")
    invalid("TopicArn or TargetArn Reason: no value for required parameter", sns.publish, Message="m")
    invalid("PhoneNumber Reason: ", sns.publish, PhoneNumber="+15551234567", Message="m")
    for attribute, text in (
        ({"DataType": "String", "StringValue": ""}, "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."),
        ({"DataType": "Binary", "StringValue": "x"}, "The message attribute 'a' with type 'Binary' must use field 'Binary'."),
        ({"DataType": "Text", "StringValue": "x"}, "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."),
    ):
        refused("ParameterValueInvalid", text, sns.publish, TopicArn=made, Message="m", MessageAttributes={"a": attribute})
    refused(
        "ValidationError",
        "1 validation error detected: Value null at 'messageAttributes.a.member.dataType' failed to satisfy constraint: Member must not be null",
        sns.publish,
        TopicArn=made,
        Message="m",
        MessageAttributes={"a": {"StringValue": "x"}},
    )


def batches():
    made = topic("batches")
    entries = [{"Id": "1", "Message": "a"}, {"Id": "2", "Message": "b"}]
    answer = sns.publish_batch(TopicArn=made, PublishBatchRequestEntries=entries)
    same(answer["Failed"], [])
    same([(one["Id"], set(one)) for one in answer["Successful"]], [(name, {"Id", "MessageId"}) for name in "12"])
    for entries, code, text in (
        ([], "EmptyBatchRequest", "The batch request doesn't contain any entries."),
        ([{"Id": str(number), "Message": "m"} for number in range(11)], "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."),
        ([{"Id": "1", "Message": "m"}] * 2, "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."),
        ([{"Id": "a b", "Message": "m"}], "InvalidBatchEntryId", "The Id of a batch entry"),
        ([{"Id": name, "Message": "x" * 200_000} for name in "12"], "BatchRequestTooLong", "The length of all the messages put together is more than the limit."),
        ([{"Id": "1"}], "ValidationError", "Value null at 'publishBatchRequestEntries.1.member.message'"),
    ):
        refused(code, text, sns.publish_batch, TopicArn=made, PublishBatchRequestEntries=entries, status=400)

    fifo = topic("batches.fifo", Attributes={"FifoTopic": "true"})
    entry = {"Id": "1", "Message": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    first = sns.publish_batch(TopicArn=fifo, PublishBatchRequestEntries=[entry])["Successful"][0]
    same((set(first), len(first["SequenceNumber"])), ({"Id", "MessageId", "SequenceNumber"}, 20))
    again = sns.publish(TopicArn=fifo, Message="other", MessageGroupId="g", MessageDeduplicationId="d")
    same((again["MessageId"], again["SequenceNumber"]), (first["MessageId"], first["SequenceNumber"]))
    later = sns.publish(TopicArn=fifo, Message="m", MessageGroupId="g", MessageDeduplicationId="e")
    assert int(later["SequenceNumber"]) > int(first["SequenceNumber"]), later
    invalid("The MessageGroupId parameter is required for FIFO topics", sns.publish, TopicArn=fifo, Message="m")
    invalid("The topic should either have ContentBasedDeduplication enabled", sns.publish, TopicArn=fifo, Message="m", MessageGroupId="g")


def links():
    """What messages link to is answered without a signature."""

    def followed(query):
        try:
            with urllib.request.urlopen(f"{ENDPOINT}/?{query}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    made = topic("linked")
    found = followed(f"Action=ConfirmSubscription&TopicArn={made}&Token={'a' * 128}")
    same((found[0], "<Code>InvalidParameter</Code><Message>Invalid parameter: Token</Message>" in found[1]), (400, True))
    same(followed("Action=ConfirmSubscription&TopicArn=x&Token=y")[0], 400)
    subscription = sns.subscribe(TopicArn=made, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    found = followed(f"Action=Unsubscribe&SubscriptionArn={subscription}")
    same((found[0], "AuthorizationError" in found[1]), (403, True))
    # Everything else takes a form.
    same(followed(f"Action=DeleteTopic&TopicArn={made}")[0], 400)
    same(followed("Action=GetCallerIdentity&Version=2011-06-15")[0], 400)
    same(status(sns.get_topic_attributes(TopicArn=made)), 200)


def what_is_not_built():
    refused("UnsupportedOperationException", "SNS CreatePlatformApplication", sns.create_platform_application, Name="x", Platform="GCM", Attributes={}, status=501)


topics()
pages_of_topics()
what_is_set_of_a_topic()
permissions()
tags_of_topics()
subscriptions()
refused_subscriptions()
what_is_set_of_a_subscription()
publishing()
batches()
links()
what_is_not_built()
done()
