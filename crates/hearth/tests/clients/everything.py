"""Drives a server with boto3 as an ordinary program would, from creation to deletion."""

import base64
import io
import json
import sys
import urllib.request
import zipfile

import boto3
from botocore.exceptions import ClientError

ENDPOINT, RUNTIME = sys.argv[1:]
ROLE = "arn:aws:iam::000000000000:role/tests"
NAME = "from-boto3"
SOURCE = """
import os

def handler(event, context):
    print("called with", event)
    return {"event": event, "stage": os.environ.get("STAGE"), "edition": %d}
"""


def package(edition):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # Left to itself, `writestr` makes a file that only its owner may read, as on AWS.
        entry = zipfile.ZipInfo("code.py")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, SOURCE % edition)
    return packed.getvalue()


def equal(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
        return error.response
    raise AssertionError(f"{code} was expected")


client = boto3.client("lambda", endpoint_url=ENDPOINT, region_name="us-east-1")


def create():
    made = client.create_function(
        FunctionName=NAME,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="code.handler",
        Code={"ZipFile": package(1)},
        Environment={"Variables": {"STAGE": "one"}},
        Tags={"owner": "tests"},
    )
    equal(made["ResponseMetadata"]["HTTPStatusCode"], 201)
    equal((made["State"], made["StateReasonCode"]), ("Pending", "Creating"))
    assert "LastUpdateStatus" not in made, made
    equal((made["MemorySize"], made["Timeout"], made["EphemeralStorage"]), (128, 3, {"Size": 512}))
    client.get_waiter("function_active_v2").wait(FunctionName=NAME)
    got = client.get_function(FunctionName=NAME)
    equal(got["Configuration"]["State"], "Active")
    equal(got["Tags"], {"owner": "tests"})
    assert got["Configuration"]["RevisionId"] != made["RevisionId"]
    with urllib.request.urlopen(got["Code"]["Location"]) as download:
        equal(download.read(), package(1))
    refused(
        "ResourceConflictException",
        client.create_function,
        FunctionName=NAME,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="code.handler",
        Code={"ZipFile": package(1)},
    )


def invoke(edition, stage):
    event = {"letters": "äöü", "number": 7}
    context = base64.b64encode(b'{"custom": {}}').decode()
    answer = client.invoke(
        FunctionName=NAME, Payload=json.dumps(event), LogType="Tail", ClientContext=context
    )
    equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
    assert "FunctionError" not in answer, answer["Payload"].read()
    payload = json.load(answer["Payload"])
    equal(payload, {"event": event, "stage": stage, "edition": edition})
    log = base64.b64decode(answer["LogResult"]).decode()
    request = answer["ResponseMetadata"]["RequestId"]
    for line in (f"START RequestId: {request}", "called with", f"REPORT RequestId: {request}"):
        assert line in log, log


def list_all():
    names = [f"listed-{number:02}" for number in range(3)]
    for name in names:
        client.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="code.handler",
            Code={"ZipFile": package(1)},
        )
    pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    pages = [[function["FunctionName"] for function in page["Functions"]] for page in pages]
    equal(pages, [[NAME, names[0]], names[1:]])
    for name in names:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        client.delete_function(FunctionName=name)


def update():
    updated = client.update_function_code(FunctionName=NAME, ZipFile=package(2))
    equal((updated["State"], updated["LastUpdateStatus"]), ("Active", "InProgress"))
    client.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    invoke(2, "one")
    client.update_function_configuration(
        FunctionName=NAME, Environment={"Variables": {"STAGE": "two"}}, Timeout=10
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    equal(client.get_function_configuration(FunctionName=NAME)["Timeout"], 10)
    invoke(2, "two")
    refused(
        "PreconditionFailedException",
        client.update_function_configuration,
        FunctionName=NAME,
        Timeout=11,
        RevisionId="00000000-0000-4000-8000-000000000000",
    )


def tags():
    arn = client.get_function(FunctionName=NAME)["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={"more": "yes"})
    equal(client.list_tags(Resource=arn)["Tags"], {"owner": "tests", "more": "yes"})
    client.untag_resource(Resource=arn, TagKeys=["owner"])
    equal(client.list_tags(Resource=arn)["Tags"], {"more": "yes"})


def errors():
    failed = refused("ResourceNotFoundException", client.get_function, FunctionName="nobody")
    assert failed["Message"].endswith(":function:nobody"), failed
    failed = refused(
        "InvalidRequestContentException", client.invoke, FunctionName=NAME, Payload=b"{nope"
    )
    equal(failed["Type"], "User")
    limits = client.get_account_settings()
    equal(len(limits["AccountLimit"]), 5)
    equal(limits["AccountUsage"]["FunctionCount"], 1)


def logs():
    reader = boto3.client("logs", endpoint_url=ENDPOINT, region_name="us-east-1")
    group = f"/aws/lambda/{NAME}"
    groups = reader.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    equal([found["logGroupName"] for found in groups], [group])
    streams = reader.describe_log_streams(logGroupName=group)["logStreams"]
    assert streams, "there is a stream for every environment"
    stream = streams[0]["logStreamName"]
    events = reader.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    assert events["events"][0]["message"].startswith("INIT_START "), events["events"][0]
    found = reader.filter_log_events(logGroupName=group, filterPattern="REPORT")["events"]
    assert found and all(event["message"].startswith("REPORT ") for event in found), found


def delete():
    equal(client.delete_function(FunctionName=NAME)["ResponseMetadata"]["HTTPStatusCode"], 204)
    refused("ResourceNotFoundException", client.get_function, FunctionName=NAME)
    refused("ResourceNotFoundException", client.delete_function, FunctionName=NAME)
    equal(client.list_functions()["Functions"], [])


create()
invoke(1, "one")
list_all()
update()
tags()
errors()
logs()
delete()
print("done")
