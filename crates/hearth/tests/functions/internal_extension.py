"""A function that brings an extension along in its own process, as a thread."""

import http.client
import json
import os
import signal
import threading

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
heard = []


def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, "/2020-01-01/extension/" + path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def register(name, *events):
    return call("POST", "register", {"Lambda-Extension-Name": name}, json.dumps({"events": events}))


def listen(identity):
    while True:
        _, _, event = call("GET", "event/next", identity)
        heard.append([event["eventType"], event.get("requestId")])


def end_gently(told):
    """The main thread waits in C, where no handler of Python's runs; but the byte is written."""
    os.read(told, 1)
    print("hears SIGTERM", flush=True)
    os._exit(0)


told_here, tell = os.pipe()
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)
signal.signal(signal.SIGTERM, lambda number, frame: None)
threading.Thread(target=end_gently, args=[told_here], daemon=True).start()

refused = register("inner", "INVOKE", "SHUTDOWN")
_, headers, told = register("inner", "INVOKE")
identity = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
threading.Thread(target=listen, args=[identity], daemon=True).start()


def handler(event, context):
    # The extension may hear of an invocation a moment later than the function.
    late = register("late", "INVOKE")
    return {
        "refused": [refused[0], refused[2]["errorType"]],
        "told": told,
        "late": [late[0], late[2]["errorType"]],
        "heard": heard,
        "requestId": context.aws_request_id,
    }
