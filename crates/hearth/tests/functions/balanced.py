"""Answers a load balancer, by the path of the request."""

import base64
import json
import time


def handler(event, context):
    path = event["path"]
    if path == "/health":
        return {"statusCode": 204}
    if path == "/fail":
        raise ValueError("no")
    if path == "/slow":
        time.sleep(3)
    if path == "/odd":
        return {"statusCode": "200", "body": "a status that is a text"}
    if path == "/large":
        return {"statusCode": 200, "body": "x" * (1 << 20)}
    if path == "/binary":
        body = base64.b64encode(bytes(range(256))).decode()
        headers = {"Content-Type": "image/x-test"}
        return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}
    if path == "/cookies":
        headers = {"set-cookie": ["a=1", "b=2"], "content-type": ["text/plain"]}
        return {"statusCode": 201, "multiValueHeaders": headers, "body": "two"}
    headers = {"content-type": "application/json"}
    answer = {"statusCode": 200, "statusDescription": "200 OK", "body": json.dumps(event)}
    if "multiValueHeaders" in event:
        return {**answer, "multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {**answer, "headers": headers}
