"""Streams its answers to requests by hand, by their path.

The loop runs while the module is imported, so AWS's own client never gets to its loop.
"""

import http.client
import json
import os

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/invocation/"
WITH_PRELUDE = "application/vnd.awslambda.http-integration-response"
PRELUDE = b'{"statusCode":201,"headers":{"X-Own":"1","Content-Type":"text/html"},"cookies":["a=1","b=2"]}'
# What each path is answered with: a type, and pieces.
STREAMS = {
    "/prelude": (WITH_PRELUDE, [PRELUDE, b"\0" * 5, b"\0" * 3 + b"one", b"two"]),
    "/at-once": (WITH_PRELUDE, [PRELUDE + b"\0" * 8 + b"onetwo"]),
    "/bare": (WITH_PRELUDE, [b"{}" + b"\0" * 8]),
    "/plain": ("text/plain", [b"one", b"two"]),
    "/odd": (WITH_PRELUDE, [b"nothing" + b"\0" * 8]),
    "/no-status": (WITH_PRELUDE, [b'{"statusCode":"fine"}' + b"\0" * 8]),
    "/no-end": (WITH_PRELUDE, [PRELUDE]),
    "/endless": (WITH_PRELUDE, [b" " * 1024] * 64),
}


def call(method, path, body=None, headers={}, chunked=False):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, PREFIX + path, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.headers, answer.read()
    finally:
        connection.close()


def answer(request, path):
    if path not in STREAMS:
        whole = json.dumps({"statusCode": 201, "body": path})
        call("POST", f"{request}/response", whole)
        return
    kind, pieces = STREAMS[path]
    headers = {
        "Content-Type": kind,
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
    }
    call("POST", f"{request}/response", iter(pieces), headers, chunked=True)


while True:
    said, body = call("GET", "next")
    answer(said["Lambda-Runtime-Aws-Request-Id"], json.loads(body)["rawPath"])
