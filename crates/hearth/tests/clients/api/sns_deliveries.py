"""SNS: what arrives. From topics to queues, functions and HTTP endpoints, filtered, signed, in order."""

import http.server
import queue
import subprocess
import tempfile
import threading
import urllib.request
from base64 import b64decode
from pathlib import Path

from support import *

RUNTIME = sys.argv[2]
sns = client("sns")
sqs = client("sqs")
logs = client("logs")

UNSUBSCRIBE = f"{ENDPOINT}/?Action=Unsubscribe&SubscriptionArn="


def eventually(what, probe, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found is not None:
            return found
        assert time.monotonic() < end, f"not within {seconds} seconds: {what}"
        time.sleep(0.02)


def topic(name, **attributes):
    return sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]


def new_queue(name, **attributes):
    """The URL and the ARN of a queue."""
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, found["Attributes"]["QueueArn"]


def subscribe(topic, protocol, endpoint, **attributes):
    made = sns.subscribe(
        TopicArn=topic,
        Protocol=protocol,
        Endpoint=endpoint,
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return made["SubscriptionArn"]


def received(url, count=1):
    """So many messages of a queue, in the order in which they came; they are deleted."""
    messages = []

    def probe():
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            messages.append(message)
        return messages if len(messages) >= count else None

    found = eventually(f"{count} messages", probe)
    same(len(found), count)
    return found


def text_to_sign(message):
    """As AWS documents it."""
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message)


def check_signature(message):
    digest = {"1": "-sha1", "2": "-sha256"}[message["SignatureVersion"]]
    with urllib.request.urlopen(message["SigningCertURL"]) as answer:
        certificate = answer.read()
    with tempfile.TemporaryDirectory() as place:
        at = {name: Path(place) / name for name in ("cert", "key", "signature", "text")}
        at["cert"].write_bytes(certificate)
        at["signature"].write_bytes(b64decode(message["Signature"]))
        at["text"].write_text(text_to_sign(message), encoding="utf-8", newline="")
        openssl = ["openssl", "x509", "-in", at["cert"], "-pubkey", "-noout"]
        at["key"].write_bytes(subprocess.run(openssl, check=True, capture_output=True).stdout)
        verify = ["openssl", "dgst", digest, "-verify", at["key"], "-signature", at["signature"], at["text"]]
        subprocess.run(verify, check=True, capture_output=True)


def to_a_queue():
    made = topic("to-queue")
    url, queue_arn = new_queue("from-topic")
    subscription = subscribe(made, "sqs", queue_arn)
    attributes = {
        "number": {"DataType": "Number", "StringValue": "99.12"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"},
    }
    sent = sns.publish(TopicArn=made, Message="hällo \"there\"\n", Subject="s", MessageAttributes=attributes)
    [message] = received(url)
    body = json.loads(message["Body"])
    check_signature(body)
    for name in ("Timestamp", "Signature", "SigningCertURL"):
        body.pop(name)
    same(
        body,
        {
            "Type": "Notification",
            "MessageId": sent["MessageId"],
            "TopicArn": made,
            "Subject": "s",
            "Message": "hällo \"there\"\n",
            "SignatureVersion": "1",
            "UnsubscribeURL": UNSUBSCRIBE + subscription,
            "MessageAttributes": {
                "number": {"Type": "Number", "Value": "99.12"},
                "bytes": {"Type": "Binary", "Value": "AgME"},
            },
        },
    )
    same("MessageAttributes" in message, False)

    sns.set_topic_attributes(TopicArn=made, AttributeName="SignatureVersion", AttributeValue="2")
    sns.publish(TopicArn=made, Message="again")
    body = json.loads(received(url)[0]["Body"])
    same((body["SignatureVersion"], "Subject" in body), ("2", False))
    check_signature(body)

    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.publish(TopicArn=made, Message="raw", MessageAttributes=attributes)
    [message] = received(url)
    same(message["Body"], "raw")
    same(message["MessageAttributes"], attributes)


def only_what_is_wanted():
    made = topic("filtered")
    urls = {}
    for name, attributes in {
        "all": {},
        "attributes": {"FilterPolicy": json.dumps({"colour": ["red", {"prefix": "bl"}]})},
        "body": {"FilterPolicy": json.dumps({"a": {"b": [{"numeric": [">", 1]}]}}), "FilterPolicyScope": "MessageBody"},
    }.items():
        urls[name], queue_arn = new_queue(f"filtered-{name}")
        subscribe(made, "sqs", queue_arn, RawMessageDelivery="true", **attributes)

    def publish(text, colour):
        attribute = {"colour": {"DataType": "String", "StringValue": colour}}
        sns.publish(TopicArn=made, Message=text, MessageAttributes=attribute)

    wanted, last = '{"a": {"b": 2}}', '{"a": {"b": 3}}'
    for text, colour in (("1", "red"), ("2", "blue"), ("3", "green"), (wanted, "grey")):
        publish(text, colour)
    same({message["Body"] for message in received(urls["all"], 4)}, {"1", "2", "3", wanted})
    # Everybody wants it: what is not there with it was kept back, and is not only late.
    publish(last, "red")
    for name, expected in (("all", {last}), ("attributes", {"1", "2", last}), ("body", {wanted, last})):
        found = {message["Body"] for message in received(urls[name], len(expected))}
        same((name, found), (name, expected))


def to_a_function():
    made = topic("to-function")
    source = "import json\ndef handler(event, context):\n    print('EVENT ' + json.dumps(event))\n"
    awslambda.create_function(
        FunctionName="told",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": source})},
    )
    settle("told")
    subscription = subscribe(made, "lambda", arn("told"))
    sent = sns.publish(TopicArn=made, Message="hello")

    def probe():
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/told", filterPattern="EVENT")
        except ClientError:
            return None
        return found["events"] or None

    [event] = eventually("the function has run", probe)
    event = json.loads(event["message"].split("EVENT ", 1)[1])
    [record] = event["Records"]
    told = record.pop("Sns")
    same(record, {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription})
    signed = {name: value for name, value in told.items() if value is not None}
    check_signature({**signed, "SigningCertURL": told["SigningCertUrl"]})
    for name in ("Timestamp", "Signature", "SigningCertUrl"):
        told.pop(name)
    same(
        told,
        {
            "Type": "Notification",
            "MessageId": sent["MessageId"],
            "TopicArn": made,
            "Subject": None,
            "Message": "hello",
            "SignatureVersion": "1",
            "UnsubscribeUrl": UNSUBSCRIBE + subscription,
            "MessageAttributes": {},
        },
    )


class Endpoint:
    """An HTTP endpoint that takes everything and tells what it got."""

    def __init__(self):
        arrived = self.arrived = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                arrived.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/sns"

    def next(self, kind):
        headers, body = self.arrived.get(timeout=60)
        same(headers["x-amz-sns-message-type"], kind)
        return headers, body


def get(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def to_an_http_endpoint():
    made = topic("to-http")
    endpoint = Endpoint()
    same(sns.subscribe(TopicArn=made, Protocol="http", Endpoint=endpoint.url)["SubscriptionArn"], "pending confirmation")
    headers, body = endpoint.next("SubscriptionConfirmation")
    question = json.loads(body)
    check_signature(question)
    same(headers["content-type"], "text/plain; charset=UTF-8")
    same(headers["user-agent"], "Amazon Simple Notification Service Agent")
    same((headers["x-amz-sns-message-id"], headers["x-amz-sns-topic-arn"]), (question["MessageId"], made))
    same("x-amz-sns-subscription-arn" in headers, False)
    same(question["SubscribeURL"], f"{ENDPOINT}/?Action=ConfirmSubscription&TopicArn={made}&Token={question['Token']}")
    assert question["Message"].startswith(f"You have chosen to subscribe to the topic {made}.\n"), question

    # Following the link is what endpoints do.
    answer = get(question["SubscribeURL"])
    subscription = answer.split("<SubscriptionArn>")[1].split("<")[0]
    [listed] = sns.list_subscriptions_by_topic(TopicArn=made)["Subscriptions"]
    same(listed["SubscriptionArn"], subscription)

    sent = sns.publish(TopicArn=made, Message="hello", Subject="s")
    headers, body = endpoint.next("Notification")
    told = json.loads(body)
    check_signature(told)
    same((told["MessageId"], told["Message"], told["Subject"]), (sent["MessageId"], "hello", "s"))
    same(headers["x-amz-sns-subscription-arn"], subscription)
    same("x-amz-sns-rawdelivery" in headers, False)

    for name, value in (
        ("RawMessageDelivery", "true"),
        ("DeliveryPolicy", json.dumps({"requestPolicy": {"headerContentType": "text/csv"}})),
    ):
        sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)
    sns.publish(TopicArn=made, Message="a,b")
    headers, body = endpoint.next("Notification")
    same((body, headers["x-amz-sns-rawdelivery"], headers["content-type"]), ("a,b", "true", "text/csv"))

    get(UNSUBSCRIBE + subscription)
    _, body = endpoint.next("UnsubscribeConfirmation")
    farewell = json.loads(body)
    check_signature(farewell)
    same(sns.list_subscriptions_by_topic(TopicArn=made)["Subscriptions"], [])
    get(farewell["SubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=made)["Subscriptions"]
    same(listed["SubscriptionArn"], subscription)


def in_order():
    made = topic("ordered.fifo", FifoTopic="true", ContentBasedDeduplication="true")
    url, queue_arn = new_queue("ordered.fifo", FifoQueue="true")
    subscribe(made, "sqs", queue_arn)
    # A standard queue would take the same message twice.
    standard, standard_arn = new_queue("unordered")
    subscribe(made, "sqs", standard_arn, RawMessageDelivery="true")
    sent = [sns.publish(TopicArn=made, Message=str(number), MessageGroupId="g") for number in range(5)]
    again = sns.publish(TopicArn=made, Message="0", MessageGroupId="g")
    same(again["MessageId"], sent[0]["MessageId"])
    sent.append(sns.publish(TopicArn=made, Message="5", MessageGroupId="g"))
    texts = [str(number) for number in range(6)]
    same(sorted(message["Body"] for message in received(standard, 6)), texts)
    messages = received(url, 6)
    bodies = [json.loads(message["Body"]) for message in messages]
    same([body["Message"] for body in bodies], texts)
    same([body["SequenceNumber"] for body in bodies], [one["SequenceNumber"] for one in sent])
    same("Signature" in bodies[0], False)
    system = messages[0]["Attributes"]
    same(system["MessageGroupId"], "g")
    same(system["MessageDeduplicationId"], hashlib.sha256(b"0").hexdigest())


def to_a_dead_letter_queue():
    made = topic("dead-letters")
    letters, letters_arn = new_queue("topic-letters")
    gone, gone_arn = new_queue("topic-gone")
    subscribe(made, "sqs", gone_arn, RedrivePolicy=json.dumps({"deadLetterTargetArn": letters_arn}))
    sqs.delete_queue(QueueUrl=gone)
    sent = sns.publish(TopicArn=made, Message="lost")
    body = json.loads(received(letters)[0]["Body"])
    same((body["MessageId"], body["Message"]), (sent["MessageId"], "lost"))


to_a_queue()
only_what_is_wanted()
to_a_function()
to_an_http_endpoint()
in_order()
to_a_dead_letter_queue()
done()
