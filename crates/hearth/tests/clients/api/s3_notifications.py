"""Notifications of buckets: who is told of uploads, and events of stores elsewhere.

The server of this script knows a store called `store`, with the token below, whose events invoke the
function `store-told`.
"""

import urllib.error
import urllib.request

from support import *

RUNTIME = sys.argv[2]
TOKEN = "a token of a store elsewhere"
HANDLER = "import json\n\ndef handler(event, context):\n    print('got', json.dumps(event))\n"
OUTCOME = "def handler(event, context):\n    raise ValueError('no')\n"
UNABLE = "Unable to validate the following destination configurations"

s3, sqs, sns, events, logs = (client(name) for name in ("s3", "sqs", "sns", "events", "logs"))


def eventually(what, look, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)


def policy(service, action, resource, bucket):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resource,
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue(name, bucket=None):
    """A queue, to which a bucket may send."""
    resource = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    attributes = {}
    if bucket:
        attributes["Policy"] = policy("s3.amazonaws.com", "sqs:SendMessage", resource, bucket)
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], resource


def topic(name, bucket=None):
    resource = sns.create_topic(Name=name)["TopicArn"]
    if bucket:
        text = policy("s3.amazonaws.com", "sns:Publish", resource, bucket)
        sns.set_topic_attributes(TopicArn=resource, AttributeName="Policy", AttributeValue=text)
    return resource


def function(name, bucket=None, source=HANDLER):
    made = awslambda.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="handler.handler",
        Code={"ZipFile": zipped({"handler.py": source})},
    )
    settle(name)
    if bucket:
        awslambda.add_permission(
            FunctionName=name,
            StatementId="bucket",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{bucket}",
            SourceAccount=ACCOUNT,
        )
    return made["FunctionArn"]


def received(url):
    """The next message of a queue; it is deleted."""

    def look():
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
        return answer.get("Messages")

    [message] = eventually("a message", look)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


def nothing_in(url):
    same(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), None)


def got(name, count=1):
    """What a function was told, when it was told so often."""

    def look():
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        lines = [line["message"] for line in found if line["message"].startswith("got ")]
        told = [json.loads(line.removeprefix("got ")) for line in lines]
        return told if len(told) >= count else None

    return eventually(f"{count} events of {name}", look)


def notify(bucket, skip=None, **configuration):
    more = {"SkipDestinationValidation": skip} if skip is not None else {}
    return s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration, **more
    )


def told(arn_name, arn, *names, **more):
    return {arn_name: arn, "Events": list(names) or ["s3:ObjectCreated:*"], **more}


def named(prefix=None, suffix=None):
    rules = [("prefix", prefix), ("suffix", suffix)]
    rules = [{"Name": name, "Value": value} for name, value in rules if value is not None]
    return {"Key": {"FilterRules": rules}}


def a_function_is_told_of_an_upload():
    bucket = "told-function"
    s3.create_bucket(Bucket=bucket)
    function_arn = function("s3-told", bucket)
    told_of = told("LambdaFunctionArn", function_arn, Id="thumbnails", Filter=named("in/", ".txt"))
    same(status(notify(bucket, LambdaFunctionConfigurations=[told_of])), 200)
    found = shown(s3.get_bucket_notification_configuration(Bucket=bucket))
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".txt"}]
    expected = {**told_of, "Filter": {"Key": {"FilterRules": rules}}}
    same(found, {"LambdaFunctionConfigurations": [expected]})

    s3.put_object(Bucket=bucket, Key="out/a.txt", Body=b"not told")
    answer = s3.put_object(Bucket=bucket, Key="in/a b+ü.txt", Body=b"hello")
    [event] = got("s3-told")
    [record] = event["Records"]
    sent = answer["ResponseMetadata"]
    sequencer = record["s3"]["object"].pop("sequencer")
    assert sequencer and int(sequencer, 16), sequencer
    assert record.pop("eventTime").endswith("Z"), record
    expected = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": sent["RequestId"],
            "x-amz-id-2": sent["HTTPHeaders"]["x-amz-id-2"],
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "thumbnails",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": ACCOUNT},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {
                "key": "in/a+b%2B%C3%BC.txt",
                "size": 5,
                "eTag": hashlib.md5(b"hello").hexdigest(),
            },
        },
    }
    same(record, expected)
    same(status(notify(bucket)), 200)
    same(shown(s3.get_bucket_notification_configuration(Bucket=bucket)), {})


def a_queue_is_told_of_each_change_in_order_of_their_sequencers():
    bucket = "told-queue"
    s3.create_bucket(Bucket=bucket)
    url, queue_arn = queue("s3-told", bucket)
    names = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    made = notify(bucket, QueueConfigurations=[told("QueueArn", queue_arn, *names)])
    test = received(url)
    same(test.pop("Time").endswith("Z"), True)
    same(test.pop("HostId"), made["ResponseMetadata"]["HTTPHeaders"]["x-amz-id-2"])
    same(test.pop("RequestId"), made["ResponseMetadata"]["RequestId"])
    same(test, {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket})
    [kept] = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert kept["Id"], "a notification without a name gets one"

    s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.delete_object(Bucket=bucket, Key="copy")
    versioning = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [{"Key": "k", "VersionId": second}, {"Key": "parts"}]},
    )
    records = [received(url)["Records"][0] for _ in range(8)]
    records.sort(key=lambda record: record["s3"]["object"]["sequencer"])
    found = [
        (record["eventName"], record["s3"]["object"]["key"], record["s3"]["object"].get("versionId"))
        for record in records
    ]
    last = found.pop()
    expected = [
        ("ObjectCreated:Put", "k", None),
        ("ObjectCreated:Copy", "copy", None),
        ("ObjectCreated:CompleteMultipartUpload", "parts", None),
        ("ObjectRemoved:Delete", "copy", None),
        ("ObjectCreated:Put", "k", second),
        ("ObjectRemoved:DeleteMarkerCreated", "k", marker),
        ("ObjectRemoved:Delete", "k", second),
    ]
    same(found, expected)
    same(last[:2], ("ObjectRemoved:DeleteMarkerCreated", "parts"))
    for record in records:
        removed = record["eventName"].startswith("ObjectRemoved")
        same("size" in record["s3"]["object"], not removed)
        same("eTag" in record["s3"]["object"], not removed)
    same(records[2]["s3"]["object"]["size"], 4)
    nothing_in(url)


def a_topic_is_told_and_tells_its_subscribers():
    bucket = "told-topic"
    s3.create_bucket(Bucket=bucket)
    topic_arn = topic("s3-told", bucket)
    url, queue_arn = queue("s3-told-by-topic")
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    notify(bucket, TopicConfigurations=[told("TopicArn", topic_arn)])
    test = received(url)
    same(test["Subject"], "Amazon S3 Notification")
    same(json.loads(test["Message"])["Event"], "s3:TestEvent")
    s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    notification = received(url)
    same(notification["Subject"], "Amazon S3 Notification")
    [record] = json.loads(notification["Message"])["Records"]
    same((record["eventName"], record["s3"]["object"]["key"]), ("ObjectCreated:Put", "k"))


def the_bus_is_told_and_its_rules_decide():
    bucket = "told-bus"
    s3.create_bucket(Bucket=bucket)
    function_arn = function("s3-told-by-rule")
    url, queue_arn = queue("s3-told-by-rule")
    detail = {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "in dir/"}]}}
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    events.put_rule(Name="uploads", EventPattern=json.dumps(pattern))
    targets = [{"Id": "function", "Arn": function_arn}, {"Id": "queue", "Arn": queue_arn}]
    events.put_targets(Rule="uploads", Targets=targets)
    notify(bucket, EventBridgeConfiguration={})
    found = shown(s3.get_bucket_notification_configuration(Bucket=bucket))
    same(found, {"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=bucket, Key="out", Body=b"not told")
    answer = s3.put_object(Bucket=bucket, Key="in dir/k", Body=b"one")
    event = received(url)
    assert event.pop("id") and event.pop("time").endswith("Z"), event
    assert event["detail"]["object"].pop("sequencer"), event
    expected = {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": "in dir/k",
                "size": 3,
                "etag": hashlib.md5(b"one").hexdigest(),
            },
            "request-id": answer["ResponseMetadata"]["RequestId"],
            "requester": ACCOUNT,
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }
    same(event, expected)
    [event] = got("s3-told-by-rule")
    same(event["detail"]["object"]["key"], "in dir/k")
    nothing_in(url)


def refused_notification(code, text, bucket, **configuration):
    call = s3.put_bucket_notification_configuration
    answer = refused(
        code, text, call, Bucket=bucket, NotificationConfiguration=configuration, status=400
    )
    return answer["Error"]


def destinations_have_to_be_there_and_to_permit_it():
    bucket, other = "told-nobody", "told-others"
    for name in (bucket, other):
        s3.create_bucket(Bucket=name)
    missing_queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:missing"
    missing_topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:missing"
    _, silent = queue("s3-no-policy")
    _, for_others = queue("s3-for-others", other)
    closed = topic("s3-no-policy")
    create("s3-no-permission")
    create("s3-for-others")
    awslambda.add_permission(
        FunctionName="s3-for-others",
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{other}",
    )
    rows = (
        ("QueueConfigurations", "QueueArn", missing_queue, "The destination queue does not exist"),
        ("QueueConfigurations", "QueueArn", silent, "Permissions on the destination queue"),
        ("QueueConfigurations", "QueueArn", for_others, "Permissions on the destination queue"),
        ("TopicConfigurations", "TopicArn", missing_topic, "The destination topic does not exist"),
        ("TopicConfigurations", "TopicArn", closed, "Permissions on the destination topic"),
        (
            "LambdaFunctionConfigurations",
            "LambdaFunctionArn",
            arn("missing"),
            "The destination Lambda does not exist",
        ),
        (
            "LambdaFunctionConfigurations",
            "LambdaFunctionArn",
            arn("s3-no-permission"),
            "Not authorized to invoke function",
        ),
        (
            "LambdaFunctionConfigurations",
            "LambdaFunctionArn",
            arn("s3-for-others"),
            "Not authorized to invoke function",
        ),
    )
    for kind, place, destination, why in rows:
        found = refused_notification(
            "InvalidArgument", UNABLE, bucket, **{kind: [told(place, destination)]}
        )
        same(found["ArgumentName"], destination)
        assert found["ArgumentValue"].startswith(why), found
    same(shown(s3.get_bucket_notification_configuration(Bucket=bucket)), {})
    # Whoever says so is believed.
    notify(bucket, skip=True, QueueConfigurations=[told("QueueArn", missing_queue)])
    [kept] = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    same(kept["QueueArn"], missing_queue)
    s3.put_object(Bucket=bucket, Key="k", Body=b"goes nowhere")
    notify(bucket)


def configurations_follow_rules():
    bucket = "told-rules"
    s3.create_bucket(Bucket=bucket)
    _, one = queue("s3-rules-one", bucket)
    _, two = queue("s3-rules-two", bucket)
    far = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:far"
    fifo = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo"
    twice = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}] * 2}}
    odd = {"Key": {"FilterRules": [{"Name": "infix", "Value": "a"}]}}

    def pair(first, second):
        return [told("QueueArn", one, Filter=first), told("QueueArn", two, Filter=second)]

    ambiguous = "Configuration is ambiguously defined. Cannot have overlapping suffixes"
    rows = (
        ([told("QueueArn", one), told("QueueArn", two, "s3:ObjectCreated:Put")], ambiguous),
        (pair(named("a"), named("ab")), ambiguous),
        (pair(named(suffix="pg"), named(suffix="jpg")), ambiguous),
        (pair(named("a"), named(suffix="b")), ambiguous),
        ([told("QueueArn", one, "s3:Nothing")], "The event 's3:Nothing' is not supported"),
        ([told("QueueArn", one, Filter=twice)], "Cannot specify more than one prefix rule"),
        ([told("QueueArn", one, Filter=odd)], "must be either prefix or suffix"),
        ([told("QueueArn", "q")], "The ARN is not well formed"),
        ([told("QueueArn", far)], "The notification destination service region is not valid"),
        ([told("QueueArn", fifo)], UNABLE),
        (
            [told("QueueArn", one, Id="x"), told("QueueArn", two, "s3:ObjectRemoved:*", Id="x")],
            "Same ID used for multiple configurations",
        ),
    )
    for configurations, text in rows:
        refused_notification("InvalidArgument", text, bucket, QueueConfigurations=configurations)
    allowed = pair(named("a", ".jpg"), named("a", ".png"))
    same(status(notify(bucket, QueueConfigurations=allowed)), 200)
    refused(
        "NoSuchBucket",
        "does not exist",
        s3.put_bucket_notification_configuration,
        Bucket="told-missing",
        NotificationConfiguration={},
        status=404,
    )
    refused(
        "NoSuchBucket",
        "does not exist",
        s3.get_bucket_notification_configuration,
        Bucket="told-missing",
        status=404,
    )


def a_bucket_with_versions_takes_records_of_failures_and_notifies_of_them():
    bucket = "told-failures"
    s3.create_bucket(Bucket=bucket)
    versioning = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    url, queue_arn = queue("s3-told-failures", bucket)
    notify(bucket, QueueConfigurations=[told("QueueArn", queue_arn)])
    same(received(url)["Event"], "s3:TestEvent")
    function("s3-fails", source=OUTCOME)
    awslambda.put_function_event_invoke_config(
        FunctionName="s3-fails",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    awslambda.invoke(FunctionName="s3-fails", InvocationType="Event", Payload="{}")
    [record] = received(url)["Records"]
    found = record["s3"]["object"]
    answer = s3.get_object(Bucket=bucket, Key=found["key"], VersionId=found["versionId"])
    same(json.loads(answer["Body"].read())["requestContext"]["condition"], "RetriesExhausted")
    same(record["requestParameters"]["sourceIPAddress"], "lambda.amazonaws.com")


def post(path, data, token=None, method="POST"):
    headers = {"Authorization": token} if token else {}
    url = f"{ENDPOINT.rstrip('/')}/_hearth/s3-events/{path}"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def a_store_elsewhere_posts_its_events():
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "there"}, "object": {"key": "k"}},
    }
    event = {"EventName": "s3:ObjectCreated:Put", "Key": "there/k", "Records": [record]}
    data = json.dumps(event).encode()
    bearer = f"Bearer {TOKEN}"
    # The function is not there yet: the store is told, and posts again.
    same(post("store", data, bearer), 404)
    function("store-told")
    large = json.dumps({**event, "more": "x" * 1024 * 1024}).encode()
    rows = (
        ("no token", "store", data, None, 401),
        ("another token", "store", data, "Bearer another", 401),
        ("a part of it", "store", data, f"Bearer {TOKEN[:-1]}", 401),
        ("another store", "other", data, bearer, 401),
        ("no JSON", "store", b"{", bearer, 400),
        ("no records", "store", b'{"Records":[]}', bearer, 400),
        ("odd records", "store", b'{"Records":[{"eventSource":"x"}]}', bearer, 400),
        ("too large", "store", large, bearer, 413),
        ("a right one", "store", data, bearer, 200),
        ("without a scheme", "store", data, TOKEN, 200),
    )
    for what, name, body, token, expected in rows:
        found = post(name, body, token)
        assert found == expected, f"{what}: {found}"
    same(post("store", None, bearer, method="HEAD"), 200)
    same(got("store-told", 2), [event, event])


a_function_is_told_of_an_upload()
a_queue_is_told_of_each_change_in_order_of_their_sequencers()
a_topic_is_told_and_tells_its_subscribers()
the_bus_is_told_and_its_rules_decide()
destinations_have_to_be_there_and_to_permit_it()
configurations_follow_rules()
a_bucket_with_versions_takes_records_of_failures_and_notifies_of_them()
a_store_elsewhere_posts_its_events()
done()
