"""Answers requests of each kind, by the last part of their path: well, or in a form that is none."""

import json
import os
import time

ANSWERS = {
    "good": {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "good"},
    "status-as-text": {"statusCode": "201", "body": "x"},
    "status-no-number": {"statusCode": "fine", "body": "x"},
    "status-null": {"statusCode": None, "body": "x"},
    "status-too-low": {"statusCode": 99, "body": "x"},
    "status-not-final": {"statusCode": 101, "body": "x"},
    "status-too-high": {"statusCode": 600, "body": "x"},
    "status-not-whole": {"statusCode": 200.5, "body": "x"},
    "body-object": {"statusCode": 200, "body": {"an": "object"}},
    "headers-list": {"statusCode": 200, "headers": ["a"], "multiValueHeaders": ["a"], "body": "x"},
    "header-list": {"statusCode": 200, "headers": {"a": ["b"]}, "body": "x"},
    "base64-none": {"statusCode": 200, "isBase64Encoded": True, "body": "?"},
    "base64-odd": {"statusCode": 200, "isBase64Encoded": "yes", "body": "x"},
    "cookies-text": {"statusCode": 200, "cookies": "a=1", "body": "x"},
    "member-unknown": {"statusCode": 200, "data": 1, "body": "x"},
    "header-split": {
        "statusCode": 200,
        "headers": {"x-split": "a\r\nx-evil: 1", "x evil": "1", "transfer-encoding": "chunked", "content-length": "1"},
        "body": "split",
    },
    "list": [1],
    "null": None,
    "text": "a text",
}


def handler(event, context):
    path = event.get("rawPath") or event.get("path")
    which = path.rsplit("/", 1)[1]
    if which == "raises":
        raise ValueError("on purpose")
    if which == "exits":
        os._exit(1)
    if which == "sleeps":
        print("begun", flush=True)
        time.sleep(60)
    if which == "large":
        return {"statusCode": 200, "body": "x" * (6 * 1024 * 1024 + 200)}
    if which == "million":
        # A little less than a load balancer takes.
        return {"statusCode": 200, "body": "x" * 1_000_000}
    if which in ANSWERS:
        return ANSWERS[which]
    # The event itself.
    return {"statusCode": 200, "body": json.dumps(event)}
