"""Speaks the Runtime API by hand, and not always well.

The loop runs while the module is imported, so AWS's own client never gets to its loop.
"""

import http.client
import json
import os
import socket
import uuid

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"
# The status and the error type of every call that a test wants to know about.
seen = []


def call(method, path, body=None):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, PREFIX + path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def note(answered):
    status, _, body = answered
    try:
        kind = json.loads(body)["errorType"]
    except (ValueError, KeyError):
        kind = None
    seen.append([status, kind])


def answer(request, value, error=False):
    path = f"invocation/{request}/{'error' if error else 'response'}"
    return call("POST", path, json.dumps(value))


def cut(request):
    """Promises more bytes than it sends."""
    host, port = API.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {PREFIX}invocation/{request}/response HTTP/1.1\r\nhost: {API}\r\n"
        connection.sendall((head + "content-length: 100\r\n\r\n{").encode())


def one():
    _, headers, body = call("GET", "invocation/next")
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    what = json.loads(body)["do"]
    if what == "seen":
        answer(request, seen)
        seen.clear()
    elif what == "twice":
        answer(request, "first")
        note(answer(request, "second"))
    elif what == "other":
        note(answer(uuid.uuid4(), "not mine"))
        note(answer("nonsense", "not mine"))
        answer(request, "mine")
    elif what == "early":
        note(call("GET", "invocation/next"))
        answer(request, "late")
    elif what == "init error":
        note(call("POST", "init/error", "{}"))
        answer(request, "loaded long ago")
    elif what == "unknown":
        note(call("GET", "no/such/thing"))
        answer(request, "nothing there")
    elif what == "error":
        answer(request, {"errorType": "Own.Error", "errorMessage": "of my own"}, error=True)
    elif what == "cut":
        cut(request)


while True:
    one()
