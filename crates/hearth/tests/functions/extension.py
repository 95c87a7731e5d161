"""An extension that does what EXTENSION_DOES says, and prints what it hears of.

The first line, which names the interpreter, is put before this by the tests.
"""

import http.client
import http.server
import json
import os
import socketserver
import sys
import threading
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
NAME = os.path.basename(sys.argv[0])
DOES = os.environ.get("EXTENSION_DOES", "listen")
HIDDEN = ["AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "LAMBDA_TASK_ROOT", "_HANDLER"]
PORT = 8080


def say(text):
    print(NAME, text, flush=True)


def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def register():
    body = json.dumps({"events": ["INVOKE", "SHUTDOWN"]})
    headers = {"Lambda-Extension-Name": NAME, "Lambda-Extension-Accept-Feature": "accountId"}
    status, headers, body = call("POST", "/2020-01-01/extension/register", headers, body)
    assert status == 200, body
    say("is told " + json.dumps(json.loads(body), sort_keys=True))
    return {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            record = event["record"]
            detail = record if isinstance(record, str) else json.dumps(record, sort_keys=True)
            say("is sent " + event["type"] + " " + detail.rstrip("\n"))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def subscribe(identity):
    # The one before may have been ended only just now.
    socketserver.TCPServer.allow_reuse_address = True
    server = socketserver.TCPServer(("0.0.0.0", PORT), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Not what extensions write, because this one writes about everything that it is sent.
    asked = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{PORT}"},
    }
    status, _, body = call("PUT", "/2022-07-01/telemetry", identity, json.dumps(asked))
    say(f"subscribes: {status} {body.decode()}")


def main():
    if DOES == "hang":
        time.sleep(3600)
    shown = [name for name in HIDDEN if name in os.environ]
    say(f"finds {len(shown)} hidden variables")
    identity = register()
    if DOES == "subscribe":
        subscribe(identity)
    while True:
        status, headers, body = call("GET", "/2020-01-01/extension/event/next", identity)
        assert status == 200, body
        event = json.loads(body)
        if event["eventType"] == "SHUTDOWN":
            say("hears SHUTDOWN " + event["shutdownReason"])
            return
        say("hears INVOKE " + event["requestId"])
        if DOES == "crash":
            sys.exit(7)
        if DOES == "stall":
            time.sleep(3600)


main()
