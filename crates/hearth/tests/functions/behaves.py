"""Does what its event asks for: `{"do": NAME, ...}`. One function for many tests."""

import ctypes
import errno
import os
import signal
import sys
import time

calls = 0


def handler(event, context):
    global calls
    calls += 1
    return ACTIONS[event.get("do", "echo")](event, context)


def echo(event, context):
    client = context.client_context
    return {
        "event": event,
        "calls": calls,
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "custom": client.custom if client else None,
        "remaining": context.get_remaining_time_in_millis(),
    }


def variables(event, context):
    return dict(os.environ)


def keep(event, context):
    with open("/tmp/kept", "w") as file:
        file.write(event["text"])


def recall(event, context):
    with open("/tmp/kept") as file:
        return {"text": file.read(), "calls": calls}


def version(event, context):
    with open("/var/task/version.txt") as file:
        return file.read()


def slow_version(event, context):
    sleep(event, context)
    return version(event, context)


def sleep(event, context):
    print("begun", flush=True)
    time.sleep(event["seconds"])
    return "slept"


def leave(event, context):
    print("leaving", flush=True)
    os._exit(event["status"])


def send_signal(event, context):
    os.kill(os.getpid(), event["signal"])
    time.sleep(5)


def fail(event, context):
    raise ValueError("no")


def eat(event, context):
    eaten = []
    while True:
        eaten.append(b"x" * (1 << 20))


def large(event, context):
    # Two of the bytes are the quotation marks.
    return "x" * (event["bytes"] - 2)


def write(event, context):
    for number in range(event["lines"]):
        print("line", number)


def flood(event, context):
    end = time.monotonic() + event["seconds"]
    block = ("flood " * 20 + "\n") * 100
    while time.monotonic() < end:
        sys.stdout.write(block)
        sys.stdout.flush()


def fill(event, context):
    block = bytes(1 << 20)
    written, error = 0, None
    try:
        with open("/tmp/filled", "wb", buffering=0) as file:
            while written < event["megabytes"] << 20:
                written += file.write(block)
    except OSError as problem:
        error = errno.errorcode[problem.errno]
    # The runtime needs nothing of it, but the next invocation may.
    if event.get("remove"):
        os.unlink("/tmp/filled")
    return {"megabytes": written >> 20, "error": error}


def fork(event, context):
    """Forks in every child as well, until the kernel refuses."""
    parent, made = os.getpid(), 0
    while True:
        try:
            os.fork()
            made += 1
        except OSError:
            break
    if os.getpid() != parent:
        while True:
            time.sleep(60)
    return made


def deaf(event, context):
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        time.sleep(60)


def close(event, context):
    os.closerange(0, 1024)
    return "closed"


def orphan(event, context):
    """Leaves a process behind that keeps writing."""
    if os.fork() == 0:
        os.setsid()
        while True:
            os.write(1, b"still here\n")
            time.sleep(0.01)
    return "left one behind"


def scribble(event, context):
    """Writes over its own memory."""
    ctypes.memset(1, 0, 64)


ACTIONS = {
    "close": close,
    "deaf": deaf,
    "eat": eat,
    "echo": echo,
    "fail": fail,
    "fill": fill,
    "flood": flood,
    "fork": fork,
    "keep": keep,
    "large": large,
    "leave": leave,
    "orphan": orphan,
    "recall": recall,
    "scribble": scribble,
    "signal": send_signal,
    "sleep": sleep,
    "slow_version": slow_version,
    "variables": variables,
    "version": version,
    "write": write,
}
