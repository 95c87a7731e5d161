"""What the scripts of this directory share: a client, a function to work on, and two assertions.

Each script takes the endpoint as its argument, works on resources with names of its own, prints
`done` and ends with 0. Anything else is a failure.
"""

import hashlib
import io
import json
import sys
import time
import uuid
import zipfile
from base64 import b64encode

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"
ENDPOINT = sys.argv[1]


def client(service="lambda", account="test", region=REGION, **options):
    """A client that neither retries nor checks parameters: what is wrong goes to the server."""
    config = Config(
        retries={"max_attempts": 0},
        parameter_validation=False,
        s3={"addressing_style": "path"},
        **options,
    )
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="test",
        config=config,
    )


awslambda = client()


def zipped(files):
    """An archive of files by name. Those named `bootstrap` can be executed."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o755 if name.endswith("bootstrap") else 0o644) << 16
            out.writestr(entry, text)
    return archive.getvalue()


# A runtime in a shell: answers every event with the text that it was made with.
BOOTSTRAP = """#!/bin/sh
# {says}
exit 1
"""


def code(says="hello"):
    """The code of a function that is not meant to be invoked."""
    return zipped({"bootstrap": BOOTSTRAP.format(says=says)})


def arn(name, region=REGION, account=ACCOUNT):
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def create(name, says="hello", wait=True, to=None, **more):
    """A function that is active."""
    to = to or awslambda
    made = to.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=ROLE,
        Handler="bootstrap",
        Code={"ZipFile": code(says)},
        **more,
    )
    if wait:
        settle(name, to)
    return made


def settle(name, to=None, **which):
    """Waits until a function has finished its last change. Returns its configuration."""
    to = to or awslambda
    end = time.monotonic() + 60
    while True:
        found = to.get_function_configuration(FunctionName=name, **which)
        if found["State"] != "Pending" and found.get("LastUpdateStatus") != "InProgress":
            return found
        assert time.monotonic() < end, f"{name} does not settle: {found}"


def rested(uuid, to=None):
    """An event source mapping, once it is not in between any more."""
    to = to or awslambda
    end = time.monotonic() + 60
    while True:
        found = to.get_event_source_mapping(UUID=uuid)
        if found["State"] in ("Enabled", "Disabled"):
            return found
        assert time.monotonic() < end, f"it does not come to rest: {found}"


def make_queue(source, visibility_seconds=900):
    """The queue with this ARN, if it is one of a queue: what is mapped has to be there."""
    service, region, account, name = (source or "").split(":")[2:6] if source else [""] * 4
    if service != "sqs" or "/" in name:
        return source
    attributes = {"VisibilityTimeout": str(visibility_seconds)}
    if name.endswith(".fifo"):
        attributes["FifoQueue"] = "true"
    to = client("sqs", account=account, region=region)
    to.create_queue(QueueName=name, Attributes=attributes)
    return source


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def shown(answer):
    """An answer without what belongs to the transport."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def same(found, expected):
    assert found == expected, f"\nfound    {found!r}\nexpected {expected!r}"


def refused(code, text, call, *args, status=None, **kwargs):
    """The call is refused with this error code, and a text that contains this one."""
    try:
        answer = call(*args, **kwargs)
    except ClientError as error:
        found = error.response["Error"]
        message = found.get("Message") or ""
        assert found["Code"] == code, f"{found}, expected {code}"
        assert text in message, f"\nfound    {message!r}\nexpected {text!r}"
        if status is not None:
            same(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        return error.response
    raise AssertionError(f"not refused with {code}: {answer}")


def missing_uuid():
    return str(uuid.uuid4())


def done():
    print("done")
