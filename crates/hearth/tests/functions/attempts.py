"""Does what its event asks for: `{"do": NAME, ...}`, and says each time that it was tried."""

import json
import os
import time

import boto3


def handler(event, context):
    print("attempt", event.get("do", json.dumps(event)), context.aws_request_id, flush=True)
    return ACTIONS[event.get("do", "fine")](event, context)


def fine(event, context):
    return {"fine": event, "context": context.client_context is not None}


def fail(event, context):
    raise ValueError("as told")


def sleep(event, context):
    time.sleep(event["seconds"])


def trace(event, context):
    return os.environ["_X_AMZN_TRACE_ID"]


def again(event, context):
    """Invokes itself, so many times or without end."""
    left = event.get("left")
    if left == 0:
        return "the end"
    event = {**event, "left": left - 1} if left else event
    boto3.client("lambda").invoke(
        FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(event)
    )


ACTIONS = {"again": again, "fail": fail, "fine": fine, "sleep": sleep, "trace": trace}
