"""Asynchronous invocation: accepted, retried, and in the end accounted for.

The server of this script waits for milliseconds where AWS waits for minutes.
"""

import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from support import *

SOURCE = Path(__file__).parents[2] / "functions" / "attempts.py"
MIB = 1024 * 1024
sqs, logs = client("sqs"), client("logs")


def function(name, **more):
    awslambda.create_function(
        FunctionName=name,
        Runtime=sys.argv[2],
        Handler="handler.handler",
        Role=ROLE,
        Code={"ZipFile": zipped({"handler.py": SOURCE.read_text()})},
        MemorySize=256,
        Timeout=30,
        **more,
    )
    settle(name)


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def submit(name, do, **more):
    """Submits an event. Returns its request id."""
    payload = json.dumps({"do": do, **more.pop("event", {})})
    answer = awslambda.invoke(FunctionName=name, InvocationType="Event", Payload=payload, **more)
    same((status(answer), answer["StatusCode"]), (202, 202))
    same(answer["Payload"].read(), b"")
    assert "ExecutedVersion" not in answer and "FunctionError" not in answer, answer
    return answer["ResponseMetadata"]["RequestId"]


def eventually(what, look, wanted=bool, seconds=60):
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"not in time: {what}; seen: {seen!r}"
        time.sleep(0.05)


def lines(name):
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except ClientError as error:
        same(error.response["Error"]["Code"], "ResourceNotFoundException")
        return []
    return [event["message"] for event in found]


def attempts(name, request):
    return sum(request in line and line.startswith("attempt ") for line in lines(name))


def received(url):
    """The next message of a queue, which is deleted."""

    def receive():
        options = {"WaitTimeSeconds": 1, "MessageAttributeNames": ["All"]}
        return sqs.receive_message(QueueUrl=url, **options).get("Messages")

    message = eventually(f"a message in {url}", receive)[0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message


def own(path, method="GET", body=None):
    """What Hearth itself says of events."""
    body = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ENDPOINT}/_hearth/events{path}", body, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def traced(name, trace):
    """Invokes a function with a header of its own. Returns status and answer."""
    path = f"/2015-03-31/functions/{name}/invocations"
    headers = {"x-amzn-trace-id": trace}
    request = urllib.request.Request(ENDPOINT + path, b'{"do":"trace"}', headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


dead_url, dead_arn = queue("async-dead")
told_url, told_arn = queue("async-told")
configure = awslambda.put_function_event_invoke_config

# An event is accepted, and runs under the id that its sender got. Its client context is not kept.
NAME = "async"
function(NAME, DeadLetterConfig={"TargetArn": dead_arn}, Publish=True)
context = b64encode(b'{"custom":{}}').decode()
request = submit(NAME, "fine", ClientContext=context)
eventually("it runs", lambda: attempts(NAME, request) == 1)
nothing = {"waiting": 0, "delayed": 0, "running": 0, "failed": 0}
eventually("it is done", lambda: own(f"/{NAME}")["counts"] == nothing)

# The largest event, and one that is larger.
awslambda.invoke(FunctionName=NAME, InvocationType="Event", Payload=b" " * (MIB - 2) + b"{}")
text = f"{MIB + 1} byte payload is too large for the Event invocation type (limit {MIB} bytes)"
large = {"FunctionName": NAME, "InvocationType": "Event", "Payload": b" " * (MIB - 1) + b"{}"}
refused("RequestEntityTooLargeException", text, awslambda.invoke, **large, status=413)

# One that fails is tried three times; both the queue and the destination are told.
configure(FunctionName=NAME, DestinationConfig={"OnFailure": {"Destination": told_arn}})
request = submit(NAME, "fail")
message = received(dead_url)
same(json.loads(message["Body"]), {"do": "fail"})
given = {key: (one["DataType"], one["StringValue"]) for key, one in message["MessageAttributes"].items()}
expected = {
    "RequestID": ("String", request),
    "ErrorCode": ("Number", "200"),
    "ErrorMessage": ("String", "as told"),
}
same(given, expected)
record = json.loads(received(told_url)["Body"])
same(
    list(record),
    ["version", "timestamp", "requestContext", "requestPayload", "responseContext", "responsePayload"],
)
expected = {
    "requestId": request,
    "functionArn": f"{arn(NAME)}:$LATEST",
    "condition": "RetriesExhausted",
    "approximateInvokeCount": 3,
}
same((record["version"], record["requestContext"]), ("1.0", expected))
same(record["requestPayload"], {"do": "fail"})
expected = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
same(record["responseContext"], expected)
same(record["responsePayload"]["errorMessage"], "as told")
eventually("it was tried", lambda: attempts(NAME, request) == 3)

# It is kept to be looked at, and can be replayed.
page = own(f"/{NAME}?state=failed")
same(page["counts"]["failed"], 1)
[failed] = page["events"]
same((failed["requestId"], failed["attempts"], failed["state"]), (request, 3, "failed"))
same(failed["lastError"], "as told")
same(own(f"/{NAME}/{failed['id']}/payload?state=failed"), {"do": "fail"})
assert any(one["name"] == NAME for one in own("")["functions"])
same(own(f"/{NAME}/replay", "POST", {"ids": [failed["id"] + 1000]}), {"replayed": 0})
same(own(f"/{NAME}/replay", "POST", {"ids": [failed["id"]]}), {"replayed": 1})
eventually("it was tried again", lambda: attempts(NAME, request) == 6)
same(json.loads(received(told_url)["Body"])["requestContext"]["requestId"], request)
received(dead_url)
eventually("it failed again", lambda: own(f"/{NAME}")["counts"]["failed"] == 1)
same(own(f"/{NAME}?state=failed", "DELETE"), {"purged": 1})
same(own(f"/{quote(arn(NAME))}")["counts"]["failed"], 0)

# A version and an alias have configurations of their own.
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
given = {"OnFailure": {"Destination": told_arn}}
configure(FunctionName=NAME, Qualifier="live", MaximumRetryAttempts=0, DestinationConfig=given)
request = submit(NAME, "fail", Qualifier="live")
record = json.loads(received(told_url)["Body"])
expected = (request, f"{arn(NAME)}:live", 1)
context = record["requestContext"]
found = (context["requestId"], context["functionArn"], context["approximateInvokeCount"])
same(found, expected)
same(record["responseContext"]["executedVersion"], "1")
received(dead_url)

# Failures can be told to a bucket.
BUCKET = "async-told"
s3 = client("s3")
s3.create_bucket(Bucket=BUCKET)
given = {"OnFailure": {"Destination": f"arn:aws:s3:::{BUCKET}"}}
configure(FunctionName=NAME, MaximumRetryAttempts=0, DestinationConfig=given)
request = submit(NAME, "fail")
objects = lambda: s3.list_objects_v2(Bucket=BUCKET).get("Contents")
[found] = eventually("an object", objects)
key = found["Key"]
second = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d"
assert re.fullmatch(f"aws/lambda/async/{NAME}/{second}-{request}", key), key
record = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
same(record["requestContext"]["requestId"], request)
same(record["responsePayload"]["errorMessage"], "as told")
received(dead_url)
s3.delete_object(Bucket=BUCKET, Key=key)
s3.delete_bucket(Bucket=BUCKET)

# Success is told as well, to a function for example.
function("async-next")
given = {"OnSuccess": {"Destination": arn("async-next")}}
configure(FunctionName=NAME, DestinationConfig=given)
request = submit(NAME, "fine")
told = eventually(
    "the next function is told",
    lambda: [line for line in lines("async-next") if request in line and "Success" in line],
)
record = json.loads(told[0][len("attempt ") :].rsplit(" ", 1)[0])
same(record["requestContext"]["condition"], "Success")
same(record["responsePayload"]["fine"], {"do": "fine"})

# A function that is off gives up at once; one that is limited only takes longer.
given = {"OnFailure": {"Destination": told_arn}}
configure(FunctionName=NAME, DestinationConfig=given)
limit = awslambda.put_function_concurrency
limit(FunctionName=NAME, ReservedConcurrentExecutions=0)
request = submit(NAME, "fine")
context = json.loads(received(told_url)["Body"])["requestContext"]
found = (context["requestId"], context["condition"], context["approximateInvokeCount"])
same(found, (request, "ZeroReservedConcurrency", 0))
received(dead_url)
same(attempts(NAME, request), 0)
limit(FunctionName=NAME, ReservedConcurrentExecutions=1)
requests = [submit(NAME, "sleep", event={"seconds": 0.2}) for _ in range(8)]
for request in requests:
    eventually("each runs", lambda: attempts(NAME, request) == 1)
awslambda.delete_function_concurrency(FunctionName=NAME)

# A function that invokes itself without end is stopped after sixteen times.
LOOP = "async-loop"
function(LOOP, DeadLetterConfig={"TargetArn": dead_arn})
submit(LOOP, "again")
message = received(dead_url)
same(json.loads(message["Body"]), {"do": "again"})
assert "recursive loop" in message["MessageAttributes"]["ErrorMessage"]["StringValue"], message
same(sum(line.startswith("attempt ") for line in lines(LOOP)), 16)
# Unless it may.
awslambda.put_function_recursion_config(FunctionName=LOOP, RecursiveLoop="Allow")
submit(LOOP, "again", event={"left": 20})
eventually(
    "it goes on",
    lambda: sum(line.startswith("attempt ") for line in lines(LOOP)),
    lambda count: count == 16 + 21,
)
awslambda.put_function_recursion_config(FunctionName=LOOP, RecursiveLoop="Terminate")
code, trace = traced(LOOP, "Root=1-5759e988-bd862e3fe1be46a994272793")
same(code, 200)
root, lineage = trace.split(";Lineage=")
assert root.startswith("Root=1-5759e988"), trace
own_hash, count = lineage.split(":")
same((len(own_hash), count), (8, "0"))
same(traced(LOOP, f"{root};Lineage={own_hash}:14"), (200, f"{root};Lineage={own_hash}:15"))
code, error = traced(LOOP, f"{root};Lineage={own_hash}:15")
same((code, error["Type"]), (400, "User"))
assert "recursive loop" in error["Message"], error

# The old operation does the same.
answer = awslambda.invoke_async(FunctionName=NAME, InvokeArgs=b'{"do":"fine"}')
same((status(answer), answer["Status"]), (202, 202))
request = answer["ResponseMetadata"]["RequestId"]
eventually("it runs", lambda: attempts(NAME, request) == 1)

# Nobody's events.
refused(
    "ResourceNotFoundException",
    f"Function not found: {arn('nobody')}",
    awslambda.invoke,
    FunctionName="nobody",
    InvocationType="Event",
    status=404,
)
for name in [NAME, LOOP, "async-next"]:
    awslambda.delete_function(FunctionName=name)
done()
