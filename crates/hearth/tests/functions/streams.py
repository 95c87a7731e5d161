"""Streams its answers by hand, so that each piece is on the line when it says so.

The loop runs while the module is imported, so AWS's own client never gets to its loop. What the
event calls `tag` is waited for on another function, which is how a test says when to go on.
"""

import http.client
import json
import os
import socket
import time
import urllib.parse
import urllib.request

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"
TAGS = os.environ["AWS_ENDPOINT_URL"] + "/2017-03-31/tags/"
# The status that each stream was answered with.
seen = []


def call(method, path, body=None):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, PREFIX + path, body=body)
        answer = connection.getresponse()
        return answer.headers, answer.read()
    finally:
        connection.close()


class Stream:
    def __init__(self, request, mode="streaming"):
        host, port = API.split(":")
        self.connection = socket.create_connection((host, int(port)))
        head = [
            f"POST {PREFIX}invocation/{request}/response HTTP/1.1",
            f"Host: {API}",
            "Connection: close",
            "Transfer-Encoding: chunked",
            f"Lambda-Runtime-Function-Response-Mode: {mode}",
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        ]
        self.connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())

    def send(self, piece):
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self, *trailers):
        """Notes what it was answered with."""
        last = "".join(f"{trailer}\r\n" for trailer in ("0", *trailers, ""))
        self.connection.sendall(last.encode())
        answer = self.connection.makefile("rb").read()
        seen.append(int(answer.split(b" ")[1]))
        self.connection.close()


def wait_for(event):
    url = TAGS + urllib.parse.quote(event["gate"], safe="")
    while True:
        with urllib.request.urlopen(url) as answer:
            if event["tag"] in json.load(answer)["Tags"]:
                return
        time.sleep(0.01)


def stream(request, event):
    what = event["do"]
    if what == "odd":
        return Stream(request, mode="sideways").end()
    out = Stream(request)
    if what == "much":
        left = event["bytes"]
        while left > 0:
            out.send(b"x" * min(left, 65536))
            left -= 65536
        return out.end()
    out.send(b"one")
    if what == "wait":
        wait_for(event)
        out.send(b"two")
        out.end()
    elif what == "fail":
        out.end(
            "Lambda-Runtime-Function-Error-Type: Own.Error",
            # {"errorMessage": "my own"}
            "Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiAibXkgb3duIn0=",
        )
    elif what == "exit":
        wait_for(event)
        os._exit(3)
    elif what == "hang":
        time.sleep(3600)


def one():
    headers, body = call("GET", "invocation/next")
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(body)
    if event["do"] == "seen":
        call("POST", f"invocation/{request}/response", json.dumps(seen))
        seen.clear()
    elif event["do"] == "error":
        error = {"errorType": "Own.Error", "errorMessage": "of my own"}
        call("POST", f"invocation/{request}/error", json.dumps(error))
    else:
        print("streams", event["do"], flush=True)
        stream(request, event)


while True:
    one()
