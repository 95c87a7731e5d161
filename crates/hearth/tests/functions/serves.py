"""Answers requests, by their path. What it has no other answer for it answers with its event."""

import time

ANSWERS = {
    "/text": "Hello, world!",
    "/response": {
        "statusCode": 201,
        "headers": {
            "Content-Type": "text/html",
            "X-Own": "1",
            "Access-Control-Allow-Origin": "https://evil.example",
            "Connection": "close",
        },
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "<p>",
    },
    "/binary": {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "isBase64Encoded": True,
        "body": "iVBORw==",
    },
    "/empty": {"statusCode": 204},
    "/status": {"statusCode": "418", "body": "short and stout"},
    "/shape": {"statusCode": "fine"},
    "/object": {"statusCode": 200, "body": {"an": "object"}},
    "/null": None,
}


def handler(event, context):
    path = event["rawPath"]
    if path == "/error":
        raise ValueError("on purpose")
    if path == "/sleep":
        print("begun", flush=True)
        time.sleep(float(event["queryStringParameters"]["seconds"]))
        return "slept"
    if path == "/arn":
        return context.invoked_function_arn
    return ANSWERS.get(path, event)
