"""Queues and messages: every operation of SQS, field by field, and each way to be refused."""

import struct
import threading

from support import *

sqs = client("sqs")
other = client("sqs", account="111111111111")
elsewhere = client("sqs", region="eu-west-1")

INVALID = "InvalidParameterValue"
ATTRIBUTE_NAME = "InvalidAttributeName"
ATTRIBUTE_VALUE = "InvalidAttributeValue"
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
SERVICE = "AWS.SimpleQueueService."


def queue(name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def fifo(name, **attributes):
    return queue(f"{name}.fifo", FifoQueue="true", **attributes)


def queue_arn(name):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def md5_of(attributes):
    """The checksum of attributes, by the published algorithm."""
    digest = hashlib.md5()
    for name in sorted(attributes):
        value = attributes[name]
        for part in (name, value["DataType"]):
            digest.update(struct.pack(">I", len(part.encode())) + part.encode())
        if value["DataType"].startswith("Binary"):
            kind, content = b"\x02", value["BinaryValue"]
        else:
            kind, content = b"\x01", value["StringValue"].encode()
        digest.update(kind + struct.pack(">I", len(content)) + content)
    return digest.hexdigest()


def receive(url, **more):
    more = {"MaxNumberOfMessages": 10, **more}
    return sqs.receive_message(QueueUrl=url, **more).get("Messages", [])


def attributes(url, *names):
    names = list(names) or ["All"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names).get("Attributes", {})


def waiting(url):
    return int(attributes(url, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])


def task_handle(source):
    """What could be the handle of a task, if there were one."""
    return b64encode(json.dumps({"taskId": missing_uuid(), "sourceArn": source}).encode()).decode()


def eventually(what, probe):
    end = time.monotonic() + 30
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < end, f"not in time: {what}"


def queues():
    url = queue("sqs-first")
    same(url, f"{ENDPOINT.rstrip('/')}/{ACCOUNT}/sqs-first")
    same(queue("sqs-first"), url)
    same(sqs.get_queue_url(QueueName="sqs-first")["QueueUrl"], url)
    owner = {"QueueName": "sqs-first", "QueueOwnerAWSAccountId": ACCOUNT}
    same(other.get_queue_url(**owner)["QueueUrl"], url)
    refused(NO_QUEUE, "does not exist", other.get_queue_url, QueueName="sqs-first", status=400)
    refused(NO_QUEUE, "does not exist", elsewhere.get_queue_url, QueueName="sqs-first")
    error = refused(NO_QUEUE, "The specified queue does not exist.", sqs.get_queue_url, QueueName="none")
    same(error["Error"]["QueryErrorCode"], "QueueDoesNotExist")
    same(error["Error"]["Type"], "Sender")

    shown = attributes(url)
    for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
        assert abs(int(shown.pop(name)) - time.time()) < 100
    same(
        shown,
        {
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "DelaySeconds": "0",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": queue_arn("sqs-first"),
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true",
            "VisibilityTimeout": "30",
        },
    )
    same(attributes(url, "QueueArn"), {"QueueArn": queue_arn("sqs-first")})
    same(shown_without_names(url), None)
    refused(ATTRIBUTE_NAME, "Unknown Attribute x.", sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["x"])

    for name in ("", "a b", "a.b", "a" * 81, "sqs.fifo"):
        refused(INVALID, "", sqs.create_queue, QueueName=name, status=400)
    differs = {"QueueName": "sqs-first", "Attributes": {"DelaySeconds": "1"}}
    text = "A queue already exists with the same name and a different value for attribute DelaySeconds"
    error = refused("QueueAlreadyExists", text, sqs.create_queue, **differs)
    same(error["Error"]["QueryErrorCode"], "QueueNameExists")
    refused("InvalidAddress", "is not valid for this endpoint.", sqs.purge_queue, QueueUrl="nonsense")
    refused("MissingParameter", "QueueUrl", sqs.purge_queue)

    for name in ("sqs-b", "sqs-c"):
        queue(name)
    urls = sqs.list_queues(QueueNamePrefix="sqs-")["QueueUrls"]
    same([one.rsplit("/", 1)[1] for one in urls], ["sqs-b", "sqs-c", "sqs-first"])
    page = sqs.list_queues(QueueNamePrefix="sqs-", MaxResults=2)
    same(page["QueueUrls"], urls[:2])
    rest = sqs.list_queues(QueueNamePrefix="sqs-", MaxResults=2, NextToken=page["NextToken"])
    same((rest["QueueUrls"], rest.get("NextToken")), (urls[2:], None))
    same(sqs.list_queues(QueueNamePrefix="nothing").get("QueueUrls"), None)
    same(other.list_queues().get("QueueUrls"), None)
    refused(INVALID, "MaxResults", sqs.list_queues, MaxResults=1001)

    for name in ("sqs-b", "sqs-c"):
        same(status(sqs.delete_queue(QueueUrl=f"{ENDPOINT}/{ACCOUNT}/{name}")), 200)
    refused(NO_QUEUE, "", sqs.delete_queue, QueueUrl=f"{ENDPOINT}/{ACCOUNT}/sqs-b")


def shown_without_names(url):
    return sqs.get_queue_attributes(QueueUrl=url).get("Attributes")


def settings():
    url = queue("settings", DelaySeconds="7", VisibilityTimeout="9")
    changes = {
        "DelaySeconds": "3",
        "MaximumMessageSize": "2048",
        "MessageRetentionPeriod": "60",
        "ReceiveMessageWaitTimeSeconds": "20",
        "KmsMasterKeyId": "alias/mine",
        "KmsDataKeyReusePeriodSeconds": "60",
        "RedriveAllowPolicy": '{"redrivePermission":"denyAll"}',
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes=changes)
    found = attributes(url)
    same({name: found[name] for name in changes}, changes)
    same((found["VisibilityTimeout"], found["SqsManagedSseEnabled"]), ("9", "false"))
    both = {"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}
    for attribute, value, code, text in (
        ("DelaySeconds", "901", ATTRIBUTE_VALUE, "Invalid value for the parameter DelaySeconds."),
        ("VisibilityTimeout", "-1", ATTRIBUTE_VALUE, "Invalid value for the parameter VisibilityTimeout."),
        ("Policy", "{}", ATTRIBUTE_VALUE, "Invalid value for the parameter Policy."),
        ("RedriveAllowPolicy", "{}", ATTRIBUTE_VALUE, "unsupported format."),
        ("FifoQueue", "true", ATTRIBUTE_NAME, "Unknown Attribute FifoQueue."),
        ("QueueArn", "x", ATTRIBUTE_NAME, "Unknown Attribute QueueArn."),
        ("RedrivePolicy", "x", ATTRIBUTE_VALUE, "Redrive policy is not a valid JSON map."),
    ):
        wrong = {"QueueUrl": url, "Attributes": {attribute: value}}
        refused(code, text, sqs.set_queue_attributes, **wrong)
    refused(ATTRIBUTE_NAME, "one type of server-side encryption", sqs.set_queue_attributes, QueueUrl=url, Attributes=both)

    sqs.tag_queue(QueueUrl=url, Tags={"team": "one", "empty": ""})
    same(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "one", "empty": ""})
    sqs.untag_queue(QueueUrl=url, TagKeys=["empty", "missing"])
    same(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "one"})
    tagged = sqs.create_queue(QueueName="tagged", tags={"a": "b"})["QueueUrl"]
    same(sqs.list_queue_tags(QueueUrl=tagged)["Tags"], {"a": "b"})
    refused(INVALID, "Tag keys", sqs.tag_queue, QueueUrl=url, Tags={"": "x"})

    permission = {"QueueUrl": url, "Label": "label", "AWSAccountIds": ["111111111111"]}
    sqs.add_permission(**permission, Actions=["SendMessage", "ReceiveMessage"])
    policy = json.loads(attributes(url, "Policy")["Policy"])
    arn = queue_arn("settings")
    same(policy["Id"], f"{arn}/__default_policy_ID")
    statement = {
        "Sid": "label",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": ["SQS:SendMessage", "SQS:ReceiveMessage"],
        "Resource": arn,
    }
    same(policy["Statement"], [statement])
    refused(INVALID, "Already exists.", sqs.add_permission, **permission, Actions=["*"])
    permission["Label"] = "other"
    refused(INVALID, "Only the queue owner", sqs.add_permission, **permission, Actions=["DeleteQueue"])
    sqs.remove_permission(QueueUrl=url, Label="label")
    same(attributes(url, "Policy"), {})
    refused(INVALID, "can't find label.", sqs.remove_permission, QueueUrl=url, Label="label")
    kept = json.dumps({"Version": "2012-10-17", "Statement": statement}, indent=1)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": kept})
    same(attributes(url, "Policy")["Policy"], kept)


def messages():
    url = queue("messages")
    own = {
        "text": {"DataType": "String", "StringValue": "hällo"},
        "number": {"DataType": "Number.int", "StringValue": "-12"},
        "some.binary": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}}
    body = "grüße\t\U0001f600"
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=own, MessageSystemAttributes=trace)
    same(sent["MD5OfMessageBody"], md5(body))
    same(sent["MD5OfMessageAttributes"], md5_of(own))
    same(sent["MD5OfMessageSystemAttributes"], md5_of(trace))
    same(sent.get("SequenceNumber"), None)

    [found] = receive(url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], VisibilityTimeout=0)
    same((found["MessageId"], found["Body"], found["MD5OfBody"]), (sent["MessageId"], body, md5(body)))
    same((found["MessageAttributes"], found["MD5OfMessageAttributes"]), (own, md5_of(own)))
    system = found["Attributes"]
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert abs(int(system.pop(name)) / 1000 - time.time()) < 100
    same(system, {"SenderId": ACCOUNT, "ApproximateReceiveCount": "1", "AWSTraceHeader": "Root=1-2-3"})

    [found] = receive(url, MessageAttributeNames=["some.*", "none"], AttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=0)
    binary = {"some.binary": own["some.binary"]}
    same((found["MessageAttributes"], found["MD5OfMessageAttributes"]), (binary, md5_of(binary)))
    same(found["Attributes"], {"ApproximateReceiveCount": "2"})
    # Its time is over, and nobody else has it.
    late = {"QueueUrl": url, "ReceiptHandle": found["ReceiptHandle"]}
    same(status(sqs.change_message_visibility(**late, VisibilityTimeout=100)), 200)
    same(receive(url), [])
    sqs.change_message_visibility(**late, VisibilityTimeout=0)
    [found] = receive(url)
    same(set(found), {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"})
    same(receive(url), [])
    same(attributes(url, "ApproximateNumberOfMessagesNotVisible")["ApproximateNumberOfMessagesNotVisible"], "1")

    change = {"QueueUrl": url, "ReceiptHandle": found["ReceiptHandle"]}
    same(status(sqs.change_message_visibility(**change, VisibilityTimeout=100)), 200)
    refused(INVALID, "VisibilityTimeout", sqs.change_message_visibility, **change, VisibilityTimeout=43201)
    sqs.change_message_visibility(**change, VisibilityTimeout=0)
    refused(SERVICE + "MessageNotInflight", "", sqs.change_message_visibility, **change, VisibilityTimeout=5)
    [again] = receive(url)
    same(again["MessageId"], sent["MessageId"])
    delete = {"QueueUrl": url, "ReceiptHandle": again["ReceiptHandle"]}
    for _time in range(2):
        same(status(sqs.delete_message(**delete)), 200)
    change["ReceiptHandle"] = again["ReceiptHandle"]
    refused(INVALID, "Message does not exist", sqs.change_message_visibility, **change, VisibilityTimeout=5)
    text = 'The input receipt handle "garbage" is not a valid receipt handle.'
    refused("ReceiptHandleIsInvalid", text, sqs.delete_message, QueueUrl=url, ReceiptHandle="garbage", status=400)
    refused("ReceiptHandleIsInvalid", "", sqs.delete_message, QueueUrl=queue("another"), ReceiptHandle=again["ReceiptHandle"])

    for code, text, more in (
        ("MissingParameter", "MessageBody", {}),
        ("MissingParameter", "MessageBody", {"MessageBody": ""}),
        ("InvalidMessageContents", "Invalid characters", {"MessageBody": "\x00"}),
        ("SerializationException", "", {"MessageBody": {}}),
        (INVALID, "DelaySeconds must be >= 0 and <= 900.", {"MessageBody": "x", "DelaySeconds": 901}),
        (INVALID, "Message must be shorter than 1048576 bytes.", {"MessageBody": "x" * 1048577}),
        (INVALID, "MessageDeduplicationId", {"MessageBody": "x", "MessageDeduplicationId": "d"}),
        (INVALID, "list values", {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "StringList", "StringListValues": ["x"]}}}),
        (INVALID, "to a number.", {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "x"}}}),
        (INVALID, "'a' must contain a non-empty", {"MessageBody": "x", "MessageAttributes": {"a": {}}}),
    ):
        refused(code, text, sqs.send_message, QueueUrl=url, **more, status=400)
    for code, text, more in (
        (INVALID, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", {"MaxNumberOfMessages": 11}),
        (INVALID, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", {"WaitTimeSeconds": 21}),
        (INVALID, "Must be >= 0 and <= 43200", {"VisibilityTimeout": 43201}),
        (ATTRIBUTE_NAME, "Unknown Attribute x.", {"AttributeNames": ["x"]}),
    ):
        refused(code, text, sqs.receive_message, QueueUrl=url, **more)
    sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)
    same(attributes(url, "ApproximateNumberOfMessagesDelayed")["ApproximateNumberOfMessagesDelayed"], "1")
    sqs.send_message(QueueUrl=url, MessageBody="with a group", MessageGroupId="tenant")
    [found] = receive(url, AttributeNames=["MessageGroupId"])
    same(found["Attributes"], {"MessageGroupId": "tenant"})
    sqs.purge_queue(QueueUrl=url)
    counts = attributes(url)
    same([counts[f"ApproximateNumberOfMessages{which}"] for which in ("", "Delayed", "NotVisible")], ["0"] * 3)
    text = "Only one PurgeQueue operation on messages is allowed every 60 seconds."
    refused(SERVICE + "PurgeQueueInProgress", text, sqs.purge_queue, QueueUrl=url)


def batches():
    url = queue("batches")
    entries = [{"Id": str(number), "MessageBody": f"m{number}"} for number in range(9)]
    entries.append({"Id": "late", "MessageBody": "x", "DelaySeconds": 901})
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    same([one["Id"] for one in sent["Successful"]], [str(number) for number in range(9)])
    same(sent["Successful"][3]["MD5OfMessageBody"], md5("m3"))
    [failed] = sent["Failed"]
    same((failed["Id"], failed["Code"], failed["SenderFault"]), ("late", INVALID, True))
    received = receive(url)
    same({one["MessageId"] for one in received}, {one["MessageId"] for one in sent["Successful"]})

    handles = [{"Id": one["Body"], "ReceiptHandle": one["ReceiptHandle"]} for one in received]
    wrong = {"Id": "wrong", "ReceiptHandle": "garbage"}
    changed = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{**handles[0], "VisibilityTimeout": 0}, {**wrong, "VisibilityTimeout": 5}],
    )
    same([one["Id"] for one in changed["Successful"]], [handles[0]["Id"]])
    same([one["Code"] for one in changed["Failed"]], ["ReceiptHandleIsInvalid"])
    [back] = receive(url)
    handles[0]["ReceiptHandle"] = back["ReceiptHandle"]
    deleted = sqs.delete_message_batch(QueueUrl=url, Entries=handles + [wrong])
    same([one["Id"] for one in deleted["Successful"]], [one["Id"] for one in handles])
    same([one["Id"] for one in deleted["Failed"]], ["wrong"])
    same(attributes(url, "ApproximateNumberOfMessagesNotVisible")["ApproximateNumberOfMessagesNotVisible"], "0")

    one = {"Id": "a", "MessageBody": "x"}
    for code, text, entries in (
        ("EmptyBatchRequest", "at least one SendMessageBatchRequestEntry", []),
        ("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11.", [one] * 11),
        ("BatchEntryIdsNotDistinct", "Id a repeated.", [one, one]),
        ("InvalidBatchEntryId", "A batch entry id can only contain", [{**one, "Id": "a:b"}]),
        ("BatchRequestTooLong", "You have sent 1048577 bytes.", [one, {"Id": "b", "MessageBody": "x" * 1048576}]),
    ):
        refused(SERVICE + code, text, sqs.send_message_batch, QueueUrl=url, Entries=entries, status=400)
    refused("MissingParameter", "SendMessageBatchRequestEntry.2.Id", sqs.send_message_batch, QueueUrl=url, Entries=[one, {"MessageBody": "x"}])
    text = "There should be at least one DeleteMessageBatchRequestEntry in the request."
    refused(SERVICE + "EmptyBatchRequest", text, sqs.delete_message_batch, QueueUrl=url, Entries=[])
    refused(NO_QUEUE, "", sqs.delete_message_batch, QueueUrl=f"{ENDPOINT}/{ACCOUNT}/none", Entries=[])


def bad_input():
    """Whatever is refused, nothing is lost and nothing is stuck."""
    url = queue("bad-input")
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    [kept] = receive(url)
    handle = kept["ReceiptHandle"]
    other_letter = "B" if handle[40] == "A" else "A"
    for wrong in (handle[:40] + other_letter + handle[41:], handle[:-4], handle + "AAAA", "x" * 2000):
        invalid = {"QueueUrl": url, "ReceiptHandle": wrong}
        text = f'The input receipt handle "{wrong}" is not a valid receipt handle.'
        refused("ReceiptHandleIsInvalid", text, sqs.delete_message, **invalid)
        refused("ReceiptHandleIsInvalid", text, sqs.change_message_visibility, **invalid, VisibilityTimeout=5)

    sqs.send_message(QueueUrl=url, MessageBody="deleted")
    [deleted] = receive(url)
    deleted = {"Id": "deleted", "ReceiptHandle": deleted["ReceiptHandle"]}
    for _time in range(2):
        answer = sqs.delete_message_batch(QueueUrl=url, Entries=[deleted])
        same(([one["Id"] for one in answer["Successful"]], answer.get("Failed", [])), (["deleted"], []))
    kept = {"Id": "kept", "ReceiptHandle": handle}
    both = [{**kept, "VisibilityTimeout": 600}, {**deleted, "VisibilityTimeout": 5}]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=both)
    same([one["Id"] for one in answer["Successful"]], ["kept"])
    [failed] = answer["Failed"]
    same((failed["Id"], failed["Code"], failed["SenderFault"]), ("deleted", INVALID, True))
    assert "Message does not exist" in failed["Message"], failed

    eleven = [{**kept, "Id": str(number)} for number in range(11)]
    text = "Maximum number of entries per request are 10. You have sent 11."
    refused(SERVICE + "TooManyEntriesInBatchRequest", text, sqs.delete_message_batch, QueueUrl=url, Entries=eleven)
    eleven = [{**one, "VisibilityTimeout": 0} for one in eleven]
    refused(SERVICE + "TooManyEntriesInBatchRequest", text, sqs.change_message_visibility_batch, QueueUrl=url, Entries=eleven)
    # Names, types and values of attributes count as well.
    large = {"Id": "a", "MessageBody": "x" * 1048570, "MessageAttributes": {"name": {"DataType": "String", "StringValue": "value"}}}
    refused(SERVICE + "BatchRequestTooLong", "You have sent 1048585 bytes.", sqs.send_message_batch, QueueUrl=url, Entries=[large])

    text = {"DataType": "String", "StringValue": "x"}
    for reason, more in (
        ("Message system attribute name 'Hello' is invalid.", {"MessageSystemAttributes": {"Hello": text}}),
        ("supported type prefixes: Binary, Number, String.", {"MessageAttributes": {"a": {**text, "DataType": "Other"}}}),
        ("exceeds the allowed maximum [10].", {"MessageAttributes": {f"a{number}": text for number in range(11)}}),
        ("reserved for internal use.", {"MessageAttributes": {"AWS.a": text}}),
    ):
        refused(INVALID, reason, sqs.send_message, QueueUrl=url, MessageBody="x", **more)
    unknown = "Unknown Attribute Nothing."
    refused(ATTRIBUTE_NAME, unknown, sqs.create_queue, QueueName="never", Attributes={"Nothing": "1"})
    refused(NO_QUEUE, "", sqs.get_queue_url, QueueName="never")
    refused(ATTRIBUTE_NAME, unknown, sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "5", "Nothing": "1"})
    same(attributes(url, "DelaySeconds"), {"DelaySeconds": "0"})
    refused(ATTRIBUTE_NAME, unknown, sqs.receive_message, QueueUrl=url, MessageSystemAttributeNames=["Nothing"])
    refused(INVALID, "next token", sqs.list_queues, MaxResults=1, NextToken="%")

    same((receive(url), waiting(url)), ([], 0))
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    [again] = receive(url)
    same(again["Body"], "kept")
    sqs.purge_queue(QueueUrl=url)
    purged = {"QueueUrl": url, "ReceiptHandle": again["ReceiptHandle"]}
    same(status(sqs.delete_message(**purged)), 200)
    refused(INVALID, "Message does not exist", sqs.change_message_visibility, **purged, VisibilityTimeout=5)
    sqs.send_message(QueueUrl=url, MessageBody="after all")
    [last] = receive(url)
    same(last["Body"], "after all")
    sqs.delete_queue(QueueUrl=url)
    last = {"QueueUrl": url, "ReceiptHandle": last["ReceiptHandle"]}
    refused(NO_QUEUE, "", sqs.delete_message, **last)
    same(queue("bad-input"), url)
    refused("ReceiptHandleIsInvalid", "", sqs.delete_message, **last)
    same(receive(url), [])


def groups():
    """Several of a group come together, and the rest of it waits for all of them."""
    url = fifo("groups", ContentBasedDeduplication="true")
    for group, body in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    first, second = receive(url, MaxNumberOfMessages=2)
    same((first["Body"], second["Body"]), ("a1", "a2"))
    same([one["Body"] for one in receive(url)], ["b1"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    same(receive(url), [])
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    same([one["Body"] for one in receive(url)], ["a2", "a3"])


def first_in_first_out():
    url = fifo("order", ContentBasedDeduplication="true")
    same(attributes(url, "FifoQueue", "DeduplicationScope", "FifoThroughputLimit"), {"FifoQueue": "true", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"})
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
        for group, body in (("a", "a1"), ("a", "a2"), ("b", "b1"))
    ]
    numbers = [one["SequenceNumber"] for one in sent]
    same((sorted(numbers), {len(number) for number in numbers}), (numbers, {20}))
    same(sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="b")["MessageId"], sent[0]["MessageId"])
    [first] = receive(url, MaxNumberOfMessages=1, AttributeNames=["All"], ReceiveRequestAttemptId="try")
    shown = first["Attributes"]
    same((first["Body"], shown["MessageGroupId"], shown["SequenceNumber"]), ("a1", "a", numbers[0]))
    same(shown["MessageDeduplicationId"], hashlib.sha256(b"a1").hexdigest())
    [again] = receive(url, MaxNumberOfMessages=1, ReceiveRequestAttemptId="try")
    same(again["ReceiptHandle"], first["ReceiptHandle"])
    same([one["Body"] for one in receive(url)], ["b1"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    [second] = receive(url, VisibilityTimeout=0)
    same(second["Body"], "a2")
    refused(INVALID, "The receipt handle has expired.", sqs.delete_message, QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])

    plain = fifo("plain")
    text = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    for code, text, more in (
        ("MissingParameter", "The request must contain the parameter MessageGroupId.", {}),
        (INVALID, text, {"MessageGroupId": "g"}),
        (INVALID, "DelaySeconds", {"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2}),
        (INVALID, "1 to 128 in length.", {"MessageGroupId": "g" * 129, "MessageDeduplicationId": "d"}),
    ):
        refused(code, text, sqs.send_message, QueueUrl=plain, MessageBody="x", **more)
    same(status(sqs.send_message(QueueUrl=plain, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="d")), 200)
    refused(ATTRIBUTE_VALUE, "Modifying queue type", sqs.set_queue_attributes, QueueUrl=plain, Attributes={"FifoQueue": "false"})


def dead_letters():
    dead, dead_arn = queue("dead"), queue_arn("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1"})
    live = queue("live", RedrivePolicy=redrive, VisibilityTimeout="0")
    same(json.loads(attributes(live, "RedrivePolicy")["RedrivePolicy"])["maxReceiveCount"], 1)
    same(sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [live])
    missing = json.dumps({"deadLetterTargetArn": queue_arn("none"), "maxReceiveCount": 1})
    text = f"Value {missing} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
    refused(INVALID, text, sqs.create_queue, QueueName="x", Attributes={"RedrivePolicy": missing})

    sent = {sqs.send_message(QueueUrl=live, MessageBody=f"m{number}")["MessageId"] for number in range(3)}
    same({one["MessageId"] for one in receive(live)}, sent)
    same(receive(live), [])
    letters = receive(dead, AttributeNames=["All"], VisibilityTimeout=0)
    same({one["MessageId"] for one in letters}, sent)
    same({one["Attributes"]["DeadLetterQueueSourceArn"] for one in letters}, {queue_arn("live")})

    start = sqs.start_message_move_task
    refused(INVALID, "must be configured as a Dead Letter Queue.", start, SourceArn=queue_arn("live"))
    gone = "The resource that you specified for the SourceArn parameter doesn't exist."
    refused("ResourceNotFoundException", gone, start, SourceArn=queue_arn("none"))
    gone = "The resource that you specified for the DestinationArn parameter doesn't exist."
    refused("ResourceNotFoundException", gone, start, SourceArn=dead_arn, DestinationArn=queue_arn("none"))
    refused(INVALID, "MaxNumberOfMessagesPerSecond", start, SourceArn=dead_arn, MaxNumberOfMessagesPerSecond=501)

    handle = start(SourceArn=dead_arn, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    [task] = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    same((task["Status"], task["TaskHandle"]), ("RUNNING", handle))
    same((task["SourceArn"], task["MaxNumberOfMessagesPerSecond"]), (dead_arn, 1))
    assert task["ApproximateNumberOfMessagesToMove"] == 3 and "DestinationArn" not in task, task
    refused(INVALID, "There is already a task running.", start, SourceArn=dead_arn)
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    [task] = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    same((task["Status"], "TaskHandle" in task), ("CANCELLED", False))

    def is_where_it_was_moved():
        [task] = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
        told = task["ApproximateNumberOfMessagesMoved"]
        assert told >= moved, (told, moved)
        return [waiting(live), waiting(dead)] == [told, 3 - told]

    eventually("what was moved is where it was moved", is_where_it_was_moved)
    for told, code, text in (
        ("x", INVALID, "Value for parameter TaskHandle is invalid."),
        (handle, INVALID, "Only active message move tasks can be cancelled."),
        (task_handle(dead_arn), "ResourceNotFoundException", "Task does not exist."),
        (task_handle(queue_arn("none")), "ResourceNotFoundException", "for the SourceArn parameter doesn't exist."),
    ):
        refused(code, text, sqs.cancel_message_move_task, TaskHandle=told)

    sqs.set_queue_attributes(QueueUrl=live, Attributes={"VisibilityTimeout": "30"})
    start(SourceArn=dead_arn)

    def ended():
        [task] = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
        return task if task["Status"] != "RUNNING" else None

    same(eventually("the move has ended", ended)["Status"], "COMPLETED")
    back = []

    def all_back():
        back.extend(receive(live, WaitTimeSeconds=1))
        return len(back) == 3

    eventually("every letter is back", all_back)
    same(len(sqs.list_message_move_tasks(SourceArn=dead_arn, MaxResults=10)["Results"]), 2)
    same({one["Body"] for one in back}, {"m0", "m1", "m2"})
    assert not sent & {one["MessageId"] for one in back}, "they are new messages"


def long_polling():
    url = queue("polling")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(receive(url, WaitTimeSeconds=20)))
    begin = time.monotonic()
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="at last")
    waiting.join()
    same([one["Body"] for one in answers[0]], ["at last"])
    assert time.monotonic() - begin < 15, "a message ends the wait"
    begin = time.monotonic()
    same(receive(url, WaitTimeSeconds=1), [])
    assert time.monotonic() - begin >= 1, "without one it lasts as long as it was asked for"


queues()
settings()
messages()
batches()
bad_input()
groups()
first_in_first_out()
dead_letters()
long_polling()
done()
