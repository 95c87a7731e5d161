"""Answers that are streamed: InvokeWithResponseStream, and Invoke of a function that streams."""

from base64 import b64decode
from pathlib import Path

from support import *

NAME, GATE = "streams", "gate"
SOURCE = Path(__file__).parents[2] / "functions" / "streams.py"
MIB = 1024 * 1024
invoke = awslambda.invoke
stream = awslambda.invoke_with_response_stream


def event(do, **more):
    return json.dumps({"do": do, **more})


def gated(do, tag):
    """An event of a function that waits for a tag."""
    return event(do, gate=arn(GATE), tag=tag)


def open_gate(tag):
    awslambda.tag_resource(Resource=arn(GATE), Tags={tag: "go"})


def begin(payload, **more):
    answer = stream(FunctionName=NAME, Payload=payload, **more)
    same((status(answer), answer["StatusCode"], answer["ExecutedVersion"]), (200, 200, "$LATEST"))
    same(answer["ResponseStreamContentType"], "application/vnd.amazon.eventstream")
    return answer["EventStream"]


def payload_of(events):
    """The payload of a stream, and its last event."""
    *chunks, last = events
    return b"".join(chunk["PayloadChunk"]["Payload"] for chunk in chunks), last["InvokeComplete"]


def whole(payload, **more):
    return payload_of(begin(payload, **more))


def chunk(payload):
    return {"PayloadChunk": {"Payload": payload}}


awslambda.create_function(
    FunctionName=NAME,
    Runtime=sys.argv[2],
    Handler="handler.handler",
    Role=ROLE,
    Code={"ZipFile": zipped({"handler.py": SOURCE.read_text()})},
    MemorySize=512,
    Timeout=30,
)
settle(NAME)
create(GATE)
# One at a time: what one invocation has noted, the next one can tell.
awslambda.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=1)

# The beginning is there before the end is made.
events = iter(begin(gated("wait", "first"), LogType="Tail"))
same(next(events), chunk(b"one"))
open_gate("first")
same(next(events), chunk(b"two"))
complete = next(events)["InvokeComplete"]
same(sorted(complete), ["LogResult"])
log = b64decode(complete["LogResult"]).decode()
assert "streams wait\n" in log and "REPORT RequestId: " in log, log
same(list(events), [])
same(json.load(invoke(FunctionName=NAME, Payload=event("seen"), LogType="Tail")["Payload"]), [202])

# While it streams it is running; a caller that goes away does not keep it from its end.
gone = begin(gated("wait", "gone"), LogType="Tail")
same(next(iter(gone)), chunk(b"one"))
refused("TooManyRequestsException", "Rate", invoke, FunctionName=NAME, Payload=event("seen"))
gone.close()
open_gate("gone")
end = time.monotonic() + 60
while True:
    try:
        answer = invoke(FunctionName=NAME, Payload=event("seen"), LogType="Tail")
        break
    except ClientError as error:
        same(error.response["Error"]["Code"], "TooManyRequestsException")
        assert time.monotonic() < end, "it does not end"
same(json.load(answer["Payload"]), [202])

# What is streamed in one go comes in one go, and Invoke gets it whole.
payload, complete = whole(event("much", bytes=7 * MIB), LogType="Tail")
same((len(payload), sorted(complete)), (7 * MIB, ["LogResult"]))
answer = invoke(FunctionName=NAME, Payload=event("much", bytes=5 * MIB), LogType="Tail")
assert "FunctionError" not in answer, answer["Payload"].read()
same(len(answer["Payload"].read()), 5 * MIB)
answer = invoke(FunctionName=NAME, Payload=event("much", bytes=7 * MIB), LogType="Tail")
same(answer["FunctionError"], "Unhandled")
same(json.load(answer["Payload"])["errorType"], "Function.ResponseSizeTooLarge")
same(
    json.load(invoke(FunctionName=NAME, Payload=event("seen"), LogType="Tail")["Payload"]),
    [202, 202, 413],
)

# A function that does not stream has one chunk; one that fails has none.
same(whole(event("seen"), LogType="None"), (b"[]", {}))
failed = {"errorType": "Own.Error", "errorMessage": "of my own"}
payload, complete = whole(event("error"))
same((payload, complete["ErrorCode"]), (b"", "Unhandled"))
same(json.loads(complete["ErrorDetails"]), failed)

# Errors in the middle.
payload, complete = whole(event("fail"))
own = {"ErrorCode": "Own.Error", "ErrorDetails": '{"errorMessage": "my own"}'}
same((payload, complete), (b"one", own))
answer = invoke(FunctionName=NAME, Payload=event("fail"), LogType="Tail")
same(answer["FunctionError"], "Unhandled")
same(json.load(answer["Payload"]), {"errorMessage": "my own"})
payload, complete = whole(event("odd"))
same(json.loads(complete["ErrorDetails"])["errorType"], "Runtime.InvalidResponseModeHeader")

events = iter(begin(gated("exit", "exit")))
same(next(events), chunk(b"one"))
open_gate("exit")
payload, complete = payload_of(events)
same((payload, complete["ErrorCode"]), (b"", "Runtime.TruncatedResponse"))

awslambda.update_function_configuration(FunctionName=NAME, Timeout=3)
settle(NAME)
payload, complete = whole(event("hang"), LogType="Tail")
same((payload, complete["ErrorCode"]), (b"one", "Sandbox.Timedout"))
assert complete["ErrorDetails"].endswith(" Error: Task timed out after 3.00 seconds"), complete
assert "Status: timeout" in b64decode(complete["LogResult"]).decode(), complete
same(whole(event("seen"))[1], {})

# Whatever is refused before the stream begins is refused as by Invoke.
dry = stream(FunctionName=NAME, InvocationType="DryRun")
same((status(dry), "ExecutedVersion" in dry), (204, False))
bad, missing = "InvalidRequestContentException", "ResourceNotFoundException"
refused(bad, "Could not parse request body into json", stream, FunctionName=NAME, Payload="{no")
refused(missing, arn("nobody"), stream, FunctionName="nobody", status=404)
refused(missing, f"{arn(NAME)}:7", stream, FunctionName=NAME, Qualifier="7", status=404)
parameter = "InvalidParameterValueException"
refused(parameter, "does not match", stream, FunctionName=f"{NAME}:1", Qualifier="2", status=400)
refused(parameter, "Client context", stream, FunctionName=NAME, ClientContext="***", status=400)
refused(parameter, "x-amz-tenant-id", stream, FunctionName=NAME, TenantId="tenant", status=400)
large = b" " * (6 * MIB + 1)
refused("RequestTooLargeException", "6291456", stream, FunctionName=NAME, Payload=large, status=413)
odd = [({"InvocationType": "Event"}, "'invocationType'"), ({"LogType": "All"}, "'logType'")]
for which, text in odd:
    refused("ValidationException", text, stream, FunctionName=NAME, **which, status=400)

awslambda.delete_function(FunctionName=NAME)
awslambda.delete_function(FunctionName=GATE)
done()
