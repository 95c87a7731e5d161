"""Functions: creating, reading, changing, listing, deleting; their settings, states and errors.

The server must keep states in between (`transition_ms_min`) for longer than a request takes.
"""

import re
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support import *

PYTHON = next((text for text in sys.argv[2:] if text.startswith("python")), None)
INVALID = "InvalidParameterValueException"
WRONG = "ValidationException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ResourceConflictException"
STALE = "PreconditionFailedException"
TOO_LARGE = "RequestEntityTooLargeException"
LISTED = "515151515151"
RUNTIME = "provided.al2023"
NOBODY = f"Function not found: {arn('nobody')}"
BUSY = "The operation cannot be performed at this time."
CREATING = {
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
}
# Recorded: the reason for an update is worded like the one for a creation.
UPDATING = {
    "State": "Active",
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}
READY = {"State": "Active", "LastUpdateStatus": "Successful"}
MISMATCH = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:letters"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b1c2d3e-4f50-4aaa-8bbb-1234567890ab"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app:1"
NETWORK = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
FILES = {
    "Arn": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0",
    "LocalMountPath": "/mnt/files",
}
NO_CONFIG = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-00000000000000000"

create_function = awslambda.create_function
update_code = awslambda.update_function_code
update_configuration = awslambda.update_function_configuration
get_function = awslambda.get_function
get_configuration = awslambda.get_function_configuration


def least(name, **more):
    """What a function is created with at the least. `None` leaves something out."""
    given = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "bootstrap",
        "Code": {"ZipFile": code()},
        **more,
    }
    return {key: value for key, value in given.items() if value is not None}


def by_image(name, **more):
    """The same for a function that is an image."""
    image = {"PackageType": "Image", "Code": {"ImageUri": IMAGE}}
    return least(name, **{"Runtime": None, "Handler": None, **image, **more})


def digest(archive):
    return b64encode(hashlib.sha256(archive).digest()).decode()


def fresh(found):
    """A configuration without its time, its revision and its runtime, which have the right form."""
    found = shown(found)
    assert TIME.fullmatch(found.pop("LastModified")), found
    assert UUID.fullmatch(found.pop("RevisionId")), found
    runtime = found.pop("RuntimeVersionConfig")
    same(list(runtime), ["RuntimeVersionArn"])
    form = rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}"
    assert re.fullmatch(form, runtime["RuntimeVersionArn"]), runtime
    return found


def expected(name, archive=None, **more):
    """The configuration of a function that was given no settings."""
    archive = archive or code()
    return {
        "FunctionName": name,
        "FunctionArn": arn(name),
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "bootstrap",
        "CodeSize": len(archive),
        "CodeSha256": digest(archive),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
        **more,
    }


def typed(answer, whose="User"):
    same(answer.get("Type"), whose)


def raw(method, path, body):
    """A request that no client would send. Returns the status and the body of the answer."""
    data = json.dumps(body).encode()
    signed = AWSRequest(method, ENDPOINT + path, data=data)
    SigV4Auth(Credentials("test", "test"), "lambda", REGION).add_auth(signed)
    headers = {"Content-Type": "application/json", **dict(signed.headers.items())}
    request = urllib.request.Request(ENDPOINT + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def a_function_is_created_and_read():
    name = "created"
    made = create_function(**least(name))
    same((status(made), fresh(made)), (201, expected(name, **CREATING)))
    pending = get_configuration(FunctionName=name)
    same((status(pending), shown(pending)), (200, shown(made)))
    settled = settle(name)
    same(fresh(settled), expected(name, **READY))
    assert settled["RevisionId"] != made["RevisionId"], "becoming active is a change"
    for key in ("LastModified", "RuntimeVersionConfig"):
        same(settled[key], made[key])

    got = get_function(FunctionName=name)
    location = got["Code"]["Location"]
    whole = {
        "Configuration": shown(settled),
        "Code": {"RepositoryType": "S3", "Location": location},
    }
    same((status(got), shown(got)), (200, whole))
    with urllib.request.urlopen(location) as download:
        same(download.read(), code())
    latest = get_function(FunctionName=name, Qualifier="$LATEST")["Configuration"]
    same(latest, {**shown(settled), "FunctionArn": arn(f"{name}:$LATEST")})

    exists = "Function already exist: created"
    typed(refused(CONFLICT, exists, create_function, **least(name), status=409))
    same(shown(get_configuration(FunctionName=name)), shown(settled))


def what_is_missing_is_named():
    create("lonely")
    for call in (get_function, get_configuration, awslambda.delete_function):
        typed(refused(NOT_FOUND, NOBODY, call, FunctionName="nobody", status=404))
        rows = (("nobody", "7"), ("nobody", "live"), ("nobody", "$LATEST"))
        if call != awslambda.delete_function:
            rows += (("lonely", "7"), ("lonely", "live"))
        for name, qualifier in rows:
            text = f"Function not found: {arn(name)}:{qualifier}"
            refused(NOT_FOUND, text, call, FunctionName=name, Qualifier=qualifier, status=404)
            refused(NOT_FOUND, text, call, FunctionName=f"{name}:{qualifier}", status=404)
    for call, given in ((update_code, {"ZipFile": code()}), (update_configuration, {})):
        typed(refused(NOT_FOUND, NOBODY, call, FunctionName="nobody", **given, status=404))
    qualifier = "at 'qualifier' failed to satisfy constraint: Member must"
    for call in (get_function, get_configuration, awslambda.delete_function):
        for text, wrong in (
            ("have length less than or equal to 128", "q" * 129),
            ("satisfy regular expression pattern: ", "a b"),
        ):
            text = f"{qualifier} {text}"
            refused(WRONG, text, call, FunctionName="lonely", Qualifier=wrong, status=400)
        pattern = "at 'functionName' failed to satisfy constraint: Member must satisfy regular"
        refused(WRONG, pattern, call, FunctionName="not a name", status=400)


def states_can_be_watched():
    name = "watched"
    made = create_function(**least(name))
    same({key: made[key] for key in CREATING}, CREATING)
    assert "LastUpdateStatus" not in made, made
    for call, given in ((update_code, {"ZipFile": code()}), (update_configuration, {})):
        refused(CONFLICT, BUSY, call, FunctionName=name, **given, status=409)
    refused(CONFLICT, f"{BUSY} The function is currently in the following state: Pending",
            awslambda.invoke, FunctionName=name, InvocationType="DryRun", status=409)

    often = {"Delay": 0.05, "MaxAttempts": 600}
    for waiter in ("function_exists", "function_active_v2", "function_active"):
        awslambda.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=often)
    active = shown(get_configuration(FunctionName=name))
    same({key: active.get(key) for key in READY}, READY)

    busy = f"{BUSY} An update is in progress for resource: {arn(name)}"
    changes = (
        (update_configuration, {"MemorySize": 256}),
        (update_code, {"ZipFile": code("changed")}),
    )
    before = active
    for call, given in changes:
        answer = call(FunctionName=name, **given)
        same({key: answer.get(key) for key in UPDATING}, UPDATING)
        for reason in ("StateReason", "StateReasonCode"):
            assert reason not in answer, answer
        same(shown(get_configuration(FunctionName=name)), shown(answer))
        for other, more in changes:
            typed(refused(CONFLICT, busy, other, FunctionName=name, **more, status=409))
        for waiter in ("function_updated_v2", "function_updated"):
            awslambda.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=often)
        after = shown(get_configuration(FunctionName=name))
        same({key: after.get(key) for key in READY}, READY)
        for key in UPDATING:
            assert key in READY or key not in after, after
        revisions = {one["RevisionId"] for one in (before, answer, after)}
        same(len(revisions), 3)
        assert after["LastModified"] > before["LastModified"], after
        before = after

    published = update_code(FunctionName=name, ZipFile=code("published"), Publish=True)
    same({key: published.get(key) for key in CREATING}, CREATING)
    same((status(published), published["FunctionArn"]), (200, arn(f"{name}:1")))
    waiter = awslambda.get_waiter("published_version_active")
    waiter.wait(FunctionName=name, Qualifier="1", WaiterConfig=often)
    first = get_configuration(FunctionName=name, Qualifier="1")
    same((first["State"], first["Version"]), ("Active", "1"))
    same(first["CodeSha256"], digest(code("published")))

    # What is being created can be deleted, and created again.
    create_function(**least("brief"))
    same(status(awslambda.delete_function(FunctionName="brief")), 204)
    create_function(**least("brief", MemorySize=256))
    same(settle("brief")["MemorySize"], 256)


def a_dry_run_invokes_nothing():
    create("dry", Publish=True)
    awslambda.create_alias(FunctionName="dry", Name="live", FunctionVersion="1")
    invoke = awslambda.invoke
    for qualified in ({}, {"Qualifier": "1"}, {"Qualifier": "live"}, {"Qualifier": "$LATEST"}):
        for payload in ({}, {"Payload": b'{"a": 1}'}):
            given = {"FunctionName": "dry", "InvocationType": "DryRun", **qualified, **payload}
            answer = invoke(**given)
            same((status(answer), answer["StatusCode"]), (204, 204))
            same(answer["Payload"].read(), b"")
            for absent in ("FunctionError", "LogResult"):
                assert absent not in answer, answer
    dry = {"FunctionName": "dry", "InvocationType": "DryRun"}
    invocation = "at 'invocationType' failed to satisfy constraint: Member must satisfy enum value"
    log = "at 'logType' failed to satisfy constraint: Member must satisfy enum value set: ["
    qualifier = "at 'qualifier' failed to satisfy constraint: Member must satisfy regular"
    for error, text, given in (
        (NOT_FOUND, NOBODY, {"FunctionName": "nobody"}),
        (NOT_FOUND, f"{NOBODY}:live", {"FunctionName": "nobody", "Qualifier": "live"}),
        (NOT_FOUND, f"Function not found: {arn('dry:7')}", {"Qualifier": "7"}),
        (NOT_FOUND, f"Function not found: {arn('dry:gone')}", {"FunctionName": "dry:gone"}),
        (WRONG, f"Value 'Never' {invocation}", {"InvocationType": "Never"}),
        (WRONG, f"Value 'Head' {log}", {"LogType": "Head"}),
        (WRONG, qualifier, {"Qualifier": "a b"}),
    ):
        answer = refused(error, text, invoke, **{**dry, **given})
        typed(answer, "User" if error == NOT_FOUND else None)


def code_is_changed():
    name = "recoded"
    create(name, Description="kept", MemorySize=256)
    before = shown(get_configuration(FunctionName=name))

    def changed(archive):
        return {"CodeSha256": digest(archive), "CodeSize": len(archive)}

    # A dry run is answered as the change would be, and changes nothing.
    dry = update_code(FunctionName=name, ZipFile=code("dry run"), DryRun=True)
    same((status(dry), dry["FunctionArn"]), (200, arn(name)))
    same({key: dry[key] for key in changed(code())}, changed(code("dry run")))
    same(shown(get_configuration(FunctionName=name)), before)
    refused(INVALID, BAD_ZIP, update_code, FunctionName=name, ZipFile=b"no zip", DryRun=True)
    stale = {"RevisionId": missing_uuid()}
    given = {"FunctionName": name, "ZipFile": code("dry run"), "DryRun": True}
    refused(STALE, MISMATCH, update_code, **given, **stale, status=412)

    answer = update_code(FunctionName=name, ZipFile=code("changed and longer"))
    kept = {"Description": "kept", "MemorySize": 256}
    archive = code("changed and longer")
    same((status(answer), fresh(answer)), (200, expected(name, archive, **kept, **UPDATING)))
    same(fresh(settle(name)), expected(name, archive, **kept, **READY))
    with urllib.request.urlopen(get_function(FunctionName=name)["Code"]["Location"]) as download:
        same(download.read(), archive)

    guard = {"RevisionId": get_configuration(FunctionName=name)["RevisionId"]}
    for revision in (before["RevisionId"], answer["RevisionId"], "nonsense"):
        given = {"FunctionName": name, "ZipFile": code(), "RevisionId": revision}
        typed(refused(STALE, MISMATCH, update_code, **given, status=412))
    same(update_code(FunctionName=name, ZipFile=code(), **guard)["CodeSize"], len(code()))
    settle(name)
    here = get_configuration(FunctionName=name)["Architectures"]
    same(update_code(FunctionName=name, ZipFile=code(), Architectures=here)["Architectures"], here)
    settle(name)

    bucket = {"S3Bucket": "functions-no-such-bucket", "S3Key": "key"}
    missing = "Error occurred while GetObject. S3 Error Code: NoSuch"
    at = "failed to satisfy constraint: Member must"
    elsewhere = "arm64" if here == ["x86_64"] else "x86_64"
    for error, text, given in (
        (INVALID, "Please don't provide ImageUri when updating a function with packageType Zip.",
         {"ImageUri": IMAGE}),
        (INVALID, BAD_ZIP, {"ZipFile": b"no zip"}),
        (INVALID, "Uploaded file must be a non-empty zip", {"ZipFile": zipped({})}),
        (INVALID, missing, bucket),
        (INVALID, "", {}),
        (INVALID, "", {"S3Key": "key"}),
        (INVALID, "", {"S3Bucket": "bucket"}),
        (INVALID, "", {**bucket, "ZipFile": code()}),
        (INVALID, "", {**bucket, "ImageUri": IMAGE}),
        (INVALID, f"{elsewhere} is not available",
         {"ZipFile": code(), "Architectures": [elsewhere]}),
        (INVALID, "PublishTo", {"ZipFile": code(), "PublishTo": "LATEST_PUBLISHED"}),
        (INVALID, "S3ObjectStorageMode", {**bucket, "S3ObjectStorageMode": "REFERENCE"}),
        (INVALID, "SourceKMSKeyArn", {"ZipFile": code(), "SourceKMSKeyArn": KEY}),
        (WRONG, f"'x' at 's3Bucket' {at} have length greater", {**bucket, "S3Bucket": "x"}),
        (WRONG, f"at 's3Bucket' {at} satisfy regular", {**bucket, "S3Bucket": "a bucket"}),
        (WRONG, f"at 's3Key' {at} have length less", {**bucket, "S3Key": "k" * 1_025}),
        (WRONG, f"at 's3ObjectVersion' {at} have length", {**bucket, "S3ObjectVersion": ""}),
        (WRONG, f"at 's3ObjectStorageMode' {at} satisfy enum", {"S3ObjectStorageMode": "MOVE"}),
        (WRONG, f"'[]' at 'architectures' {at} have length greater", {"Architectures": []}),
        (WRONG, "at 'architectures' failed to satisfy", {"Architectures": ["vax"]}),
        (WRONG, f"at 'publishTo' {at} satisfy enum value set", {"PublishTo": "LATEST"}),
        (WRONG, f"at 'sourceKMSKeyArn' {at} satisfy regular", {"SourceKMSKeyArn": "a key"}),
        (WRONG, f"at 'functionName' {at} have length less", {"FunctionName": "n" * 141}),
    ):
        given = {"FunctionName": name, **given}
        typed(refused(error, text, update_code, **given, status=400),
              "User" if error == INVALID else None)
    same(get_configuration(FunctionName=name)["LastUpdateStatus"], "Successful")


# What is given, and what is shown of it. An empty answer means that the member is absent.
def settings():
    """Rows of settings in the order in which they are applied to one function."""
    log_group = "/aws/lambda/configured"
    text = {"LogFormat": "Text", "LogGroup": log_group}
    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    less = {"ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"}
    network = {**NETWORK, "VpcId": "", "Ipv6AllowedForDualStack": False}
    nothing = {"SubnetIds": [], "SecurityGroupIds": []}
    variables = {"ONE": "1", "UMLAUT": "\u00e4\u20ac", "EMPTY": ""}
    return (
        ({}, {}),
        ({"Environment": {}}, {"Environment": {"Variables": {}}}),
        ({"Environment": {"Variables": variables}}, {"Environment": {"Variables": variables}}),
        ({"Environment": {"Variables": {"BE": "2"}}}, {"Environment": {"Variables": {"BE": "2"}}}),
        ({"Environment": {"Variables": {}}}, {"Environment": {"Variables": {}}}),
        ({"VpcConfig": NETWORK}, {"VpcConfig": network}),
        ({"VpcConfig": {**NETWORK, "Ipv6AllowedForDualStack": True}},
         {"VpcConfig": {**network, "Ipv6AllowedForDualStack": True}}),
        ({"FileSystemConfigs": [FILES]}, {"FileSystemConfigs": [FILES]}),
        ({"FileSystemConfigs": []}, {"FileSystemConfigs": None}),
        ({"VpcConfig": nothing}, {"VpcConfig": {**network, **nothing}}),
        ({"DeadLetterConfig": {"TargetArn": QUEUE}}, {"DeadLetterConfig": {"TargetArn": QUEUE}}),
        ({"DeadLetterConfig": {"TargetArn": TOPIC}}, {"DeadLetterConfig": {"TargetArn": TOPIC}}),
        ({"DeadLetterConfig": {"TargetArn": ""}}, {"DeadLetterConfig": None}),
        ({"DeadLetterConfig": {"TargetArn": QUEUE}}, {"DeadLetterConfig": {"TargetArn": QUEUE}}),
        ({"DeadLetterConfig": {}}, {"DeadLetterConfig": None}),
        ({"KMSKeyArn": KEY}, {"KMSKeyArn": KEY}),
        ({"KMSKeyArn": ""}, {"KMSKeyArn": None}),
        ({"TracingConfig": {"Mode": "Active"}}, {"TracingConfig": {"Mode": "Active"}}),
        ({"TracingConfig": {"Mode": "PassThrough"}}, {"TracingConfig": {"Mode": "PassThrough"}}),
        ({"SnapStart": {"ApplyOn": "None"}},
         {"SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}}),
        ({"LoggingConfig": {"LogFormat": "JSON"}},
         {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": log_group, **levels}}),
        ({"LoggingConfig": {"LogFormat": "JSON", **less}},
         {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": log_group, **less}}),
        ({"LoggingConfig": {"LogFormat": "Text"}}, {"LoggingConfig": text}),
        ({"LoggingConfig": {"LogGroup": "own/group#1"}},
         {"LoggingConfig": {"LogFormat": "Text", "LogGroup": "own/group#1"}}),
        ({"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "TRACE"}},
         {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "own/group#1", **levels}
          | {"ApplicationLogLevel": "TRACE"}}),
        ({"LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group}},
         {"LoggingConfig": text}),
        ({"EphemeralStorage": {"Size": 10_240}}, {"EphemeralStorage": {"Size": 10_240}}),
        ({"EphemeralStorage": {"Size": 512}}, {"EphemeralStorage": {"Size": 512}}),
        ({"MemorySize": 10_240, "Timeout": 900}, {"MemorySize": 10_240, "Timeout": 900}),
        ({"MemorySize": 128, "Timeout": 1}, {"MemorySize": 128, "Timeout": 1}),
        ({"Description": "d" * 256}, {"Description": "d" * 256}),
        ({"Description": ""}, {"Description": ""}),
        ({"Handler": "h" * 128, "Role": f"{ROLE}-2"}, {"Handler": "h" * 128, "Role": f"{ROLE}-2"}),
        ({"Runtime": "provided.al2"}, {"Runtime": "provided.al2"}),
    )


def applied(before, change):
    """A configuration after a change. What is `None` is not there any more."""
    after = {**before, **change}
    return {key: value for key, value in after.items() if value is not None}


def settings_are_changed_and_cleared():
    name = "configured"
    create(name)
    configuration = expected(name)
    arns = set()
    for given, change in settings():
        configuration = applied(configuration, change)
        answer = update_configuration(FunctionName=name, **given)
        same((status(answer), fresh(answer)), (200, {**configuration, **UPDATING}))
        arns.add(answer["RuntimeVersionConfig"]["RuntimeVersionArn"])
        same(fresh(settle(name)), {**configuration, **READY})
    same(len(arns), 2)  # Another runtime has another version.

    revision = get_configuration(FunctionName=name)["RevisionId"]
    for stale in (missing_uuid(), "nonsense"):
        given = {"FunctionName": name, "MemorySize": 512, "RevisionId": stale}
        typed(refused(STALE, MISMATCH, update_configuration, **given, status=412))
    given["RevisionId"] = revision
    same(update_configuration(**given)["MemorySize"], 512)
    settle(name)


def a_function_is_created_with_its_settings():
    name = "equipped"
    layers = [
        awslambda.publish_layer_version(
            LayerName=layer, Content={"ZipFile": zipped({layer: text})}
        )
        for layer, text in (("functions-one", "one"), ("functions-two", "two and more"))
    ]
    arns = [layer["LayerVersionArn"] for layer in layers]
    here = expected(name)["Architectures"]
    plain = {
        "Description": "all of it",
        "Timeout": 900,
        "MemorySize": 10_240,
        "Environment": {"Variables": {"KEY": "value", "OTHER_2": "\u2713"}},
        "DeadLetterConfig": {"TargetArn": QUEUE},
        "KMSKeyArn": KEY,
        "TracingConfig": {"Mode": "Active"},
        "FileSystemConfigs": [FILES],
        "Architectures": here,
        "EphemeralStorage": {"Size": 10_240},
        "PackageType": "Zip",
    }
    logging = {"LogFormat": "JSON", "SystemLogLevel": "DEBUG", "LogGroup": "elsewhere"}
    made = create_function(
        **least(name),
        **plain,
        VpcConfig=NETWORK,
        Layers=arns,
        SnapStart={"ApplyOn": "None"},
        LoggingConfig=logging,
        Tags={"team": "red", "empty": ""},
    )
    configuration = expected(
        name,
        **plain | {
            "VpcConfig": {**NETWORK, "VpcId": "", "Ipv6AllowedForDualStack": False},
            "LoggingConfig": {**logging, "ApplicationLogLevel": "INFO"},
            "Layers": [
                {"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]}
                for layer in layers
            ],
        },
    )
    same((status(made), fresh(made)), (201, {**configuration, **CREATING}))
    same(fresh(settle(name)), {**configuration, **READY})
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    got = get_function(FunctionName=name)
    same(sorted(shown(got)), ["Code", "Concurrency", "Configuration", "Tags"])
    same(got["Tags"], {"team": "red", "empty": ""})
    same(got["Concurrency"], {"ReservedConcurrentExecutions": 7})
    same(awslambda.list_tags(Resource=arn(name))["Tags"], got["Tags"])

    one = {"Layers": [configuration["Layers"][1]]}
    answer = update_configuration(FunctionName=name, Layers=arns[1:])
    same(fresh(answer), {**configuration, **one, **UPDATING})
    settle(name)
    answer = update_configuration(FunctionName=name, Layers=[])
    same(fresh(answer), applied(configuration, {"Layers": None, **UPDATING}))
    settle(name)

    # Given and empty is not the same as not given.
    made = create("empty", Environment={}, VpcConfig={}, DeadLetterConfig={}, Layers=[], Tags={},
                  FileSystemConfigs=[], KMSKeyArn="", LoggingConfig={}, TracingConfig={})
    same(made["Environment"], {"Variables": {}})
    same(made["LoggingConfig"], {"LogFormat": "Text", "LogGroup": "/aws/lambda/empty"})
    for absent in ("DeadLetterConfig", "Layers", "FileSystemConfigs", "KMSKeyArn"):
        assert absent not in made, made
    assert "Tags" not in get_function(FunctionName="empty")


def code_is_signed_or_not():
    allowed = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/release/abcdef0123"
    arns = {}
    for word in ("Warn", "Enforce"):
        made = awslambda.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [allowed]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": word},
        )
        arns[word] = made["CodeSigningConfig"]["CodeSigningConfigArn"]
    made = create("signed", CodeSigningConfigArn=arns["Warn"])
    assert "CodeSigningConfigArn" not in made, made
    found = awslambda.get_function_code_signing_config(FunctionName="signed")
    same(shown(found), {"CodeSigningConfigArn": arns["Warn"], "FunctionName": "signed"})

    given = least("unsigned", CodeSigningConfigArn=arns["Enforce"])
    refused("CodeVerificationFailedException", "", create_function, **given, status=400)
    given["CodeSigningConfigArn"] = NO_CONFIG
    text = (
        "The code signing configuration cannot be found. "
        f"Check that the provided configuration is not deleted: {NO_CONFIG}."
    )
    refused("CodeSigningConfigNotFoundException", text, create_function, **given, status=404)
    refused(NOT_FOUND, "Function not found", get_function, FunctionName="unsigned")


def images_are_kept_and_fail():
    name = "pictured"
    config = {"EntryPoint": ["/run"], "Command": ["a", "b"], "WorkingDirectory": "/work"}
    made = create_function(**by_image(name, ImageConfig=config))
    same((status(made), made["PackageType"], made["State"]), (201, "Image", "Pending"))
    same(made["ImageConfigResponse"], {"ImageConfig": config})
    for absent in ("Runtime", "Handler", "Layers", "RuntimeVersionConfig"):
        assert absent not in made, made
    found = settle(name)
    same((found["State"], found["StateReasonCode"]), ("Failed", "InvalidImage"))
    assert found["StateReason"], found
    got = get_function(FunctionName=name)
    same((got["Code"]["RepositoryType"], got["Code"]["ImageUri"]), ("ECR", IMAGE))
    assert "Location" not in got["Code"], got
    refused(CONFLICT, f"{BUSY} The function is currently in the following state: Failed",
            awslambda.invoke, FunctionName=name, InvocationType="DryRun", status=409)

    for given, seen in (
        ({"ImageConfig": {"Command": ["c"]}}, {"ImageConfig": {"Command": ["c"]}}),
        ({"MemorySize": 256}, {"ImageConfig": {"Command": ["c"]}}),
        ({"ImageConfig": {}}, None),
    ):
        answer = update_configuration(FunctionName=name, **given)
        same((status(answer), answer.get("ImageConfigResponse")), (200, seen))
        settle(name)
    other = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app:2"
    update_code(FunctionName=name, ImageUri=other)
    settle(name)
    same(get_function(FunctionName=name)["Code"]["ImageUri"], other)
    failed = get_configuration(FunctionName=name)
    same(failed["LastUpdateStatus"], "Failed")
    same(failed["LastUpdateStatusReasonCode"], "InvalidImage")

    provide = "Please provide ImageUri when updating a function with packageType Image."
    at = "failed to satisfy constraint: Member must have length less than or equal to"
    paths = ["p"] * 1_501
    layer = awslambda.publish_layer_version(
        LayerName="functions-pictured", Content={"ZipFile": code()}
    )
    for error, text, given in (
        (INVALID, "Layers", {"Layers": [layer["LayerVersionArn"]]}),
        (INVALID, "", {"Runtime": RUNTIME}),
        (INVALID, "", {"Handler": "bootstrap"}),
        (WRONG, f"at 'imageConfig.entryPoint' {at} 1500", {"ImageConfig": {"EntryPoint": paths}}),
        (WRONG, f"at 'imageConfig.command' {at} 1500", {"ImageConfig": {"Command": paths}}),
        (WRONG, f"at 'imageConfig.workingDirectory' {at} 1000",
         {"ImageConfig": {"WorkingDirectory": "w" * 1_001}}),
    ):
        refused(error, text, update_configuration, FunctionName=name, **given, status=400)
    refused(INVALID, provide, update_code, FunctionName=name, ZipFile=code(), status=400)

    for given in (
        by_image("unpictured", Code={"ZipFile": code()}),
        by_image("unpictured", Runtime=RUNTIME),
        by_image("unpictured", Handler="bootstrap"),
        by_image("unpictured", PackageType="Zip"),
        by_image("unpictured", PackageType=None),
        by_image("unpictured", Code={"ImageUri": IMAGE, "ZipFile": code()}),
        least("unpictured", PackageType="Image"),
        least("unpictured", ImageConfig={"Command": ["c"]}),
    ):
        refused(INVALID, "", create_function, **given, status=400)
    refused(INVALID, "", update_configuration, FunctionName="created",
            ImageConfig={"Command": ["c"]}, status=400)


def the_model_is_enforced():
    name = "wrong"
    at = "failed to satisfy constraint: Member must"
    long = "have length less than or equal to"
    short = "have length greater than or equal to"
    most, fewest = "have value less than or equal to", "have value greater than or equal to"
    enum, pattern = "satisfy enum value set: [", "satisfy regular expression pattern: "
    elements = "failed to satisfy constraint: Member must satisfy constraint: ["
    vpc = "at 'vpcConfig"
    files = "at 'fileSystemConfigs"
    log = "at 'loggingConfig"
    instances = "lambdaManagedInstancesCapacityProviderConfig"
    # Members that only creation has, and those that both have.
    only_create = (
        (f"Value null at 'role' {at} not be null", {"Role": None}),
        (f"Value null at 'code' {at} not be null", {"Code": None}),
        (f"Value 'Tar' at 'packageType' {at} {enum}", {"PackageType": "Tar"}),
        (f"Value '[]' at 'architectures' {at} {short} 1", {"Architectures": []}),
        (f"at 'architectures' {at} {long} 1", {"Architectures": ["arm64", "x86_64"]}),
        (f"Value '[vax]' at 'architectures' {elements}", {"Architectures": ["vax"]}),
        (f"at 'codeSigningConfigArn' {at} {pattern}", {"CodeSigningConfigArn": "config"}),
        (f"Value 'ab' at 'code.s3Bucket' {at} {short} 3", {"Code": {"S3Bucket": "ab"}}),
        (f"at 'code.s3Bucket' {at} {long} 63", {"Code": {"S3Bucket": "b" * 64}}),
        (f"Value 'a b c' at 'code.s3Bucket' {at} {pattern}", {"Code": {"S3Bucket": "a b c"}}),
        (f"at 'code.s3Key' {at} {long} 1024", {"Code": {"S3Key": "k" * 1_025}}),
        (f"at 'code.s3ObjectVersion' {at} {short} 1", {"Code": {"S3ObjectVersion": ""}}),
        (f"at 'code.s3ObjectStorageMode' {at} {enum}", {"Code": {"S3ObjectStorageMode": "MOVE"}}),
        (f"at 'code.sourceKMSKeyArn' {at} {pattern}", {"Code": {"SourceKMSKeyArn": "key"}}),
        (f"Value 'ALL' at 'publishTo' {at} {enum}LATEST_PUBLISHED]", {"PublishTo": "ALL"}),
        (f"at 'tenancyConfig.tenantIsolationMode' {at} {enum}PER_TENANT]",
         {"TenancyConfig": {"TenantIsolationMode": "NONE"}}),
    )
    both = (
        (f"Value 'nobody' at 'role' {at} {pattern}arn:(aws[a-zA-Z-]*)?:iam::\\d{{12}}:role/?"
         "[a-zA-Z_0-9+=,.@\\-_/]+", {"Role": "nobody"}),
        (f"at 'handler' {at} {long} 128", {"Handler": "h" * 129}),
        (f"Value 'a b' at 'handler' {at} {pattern}[^\\s]+", {"Handler": "a b"}),
        (f"at 'description' {at} {long} 256", {"Description": "d" * 257}),
        (f"Value '0' at 'timeout' {at} {fewest} 1", {"Timeout": 0}),
        (f"Value '5401' at 'timeout' {at} {most} 5400", {"Timeout": 5_401}),
        (f"Value '127' at 'memorySize' {at} {fewest} 128", {"MemorySize": 127}),
        (f"Value '32769' at 'memorySize' {at} {most} 32768", {"MemorySize": 32_769}),
        (f"{vpc}.subnetIds' {at} {long} 16", {"VpcConfig": {"SubnetIds": ["subnet-1"] * 17}}),
        (f"Value '[net]' {vpc}.subnetIds' {elements}", {"VpcConfig": {"SubnetIds": ["net"]}}),
        (f"{vpc}.securityGroupIds' {at} {long} 5",
         {"VpcConfig": {"SecurityGroupIds": ["sg-1"] * 6}}),
        (f"{vpc}.securityGroupIds' {elements}", {"VpcConfig": {"SecurityGroupIds": ["group"]}}),
        (f"Value 'queue' at 'deadLetterConfig.targetArn' {at} {pattern}",
         {"DeadLetterConfig": {"TargetArn": "queue"}}),
        ("Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
         "constraint: [", {"Environment": {"Variables": {"1ST": "x"}}}),
        ("Value at 'environment.variables' failed", {"Environment": {"Variables": {"A-B": "x"}}}),
        (f"Value 'key' at 'kMSKeyArn' {at} {pattern}", {"KMSKeyArn": "key"}),
        (f"Value 'Off' at 'tracingConfig.mode' {at} {enum}", {"TracingConfig": {"Mode": "Off"}}),
        (f"Value '[layer]' at 'layers' {elements}", {"Layers": ["layer"]}),
        (f"{files}' {at} {long} 1", {"FileSystemConfigs": [FILES, FILES]}),
        (f"Value 'files' {files}.1.member.arn' {at} {pattern}",
         {"FileSystemConfigs": [{**FILES, "Arn": "files"}]}),
        (f"Value '/tmp' {files}.1.member.localMountPath' {at} {pattern}",
         {"FileSystemConfigs": [{**FILES, "LocalMountPath": "/tmp"}]}),
        (f"Value null {files}.1.member.localMountPath' {at} not be null",
         {"FileSystemConfigs": [{"Arn": FILES["Arn"]}]}),
        (f"at 'imageConfig.workingDirectory' {at} {long} 1000",
         {"ImageConfig": {"WorkingDirectory": "w" * 1_001}}),
        (f"Value '511' at 'ephemeralStorage.size' {at} {fewest} 512",
         {"EphemeralStorage": {"Size": 511}}),
        (f"Value '32769' at 'ephemeralStorage.size' {at} {most} 32768",
         {"EphemeralStorage": {"Size": 32_769}}),
        (f"Value null at 'ephemeralStorage.size' {at} not be null", {"EphemeralStorage": {}}),
        (f"Value 'All' at 'snapStart.applyOn' {at} {enum}", {"SnapStart": {"ApplyOn": "All"}}),
        (f"Value 'XML' {log}.logFormat' {at} {enum}", {"LoggingConfig": {"LogFormat": "XML"}}),
        (f"Value 'LOUD' {log}.applicationLogLevel' {at} {enum}",
         {"LoggingConfig": {"ApplicationLogLevel": "LOUD"}}),
        (f"Value 'ERROR' {log}.systemLogLevel' {at} {enum}",
         {"LoggingConfig": {"SystemLogLevel": "ERROR"}}),
        (f"Value 'a group' {log}.logGroup' {at} {pattern}[\\.\\-_/#A-Za-z0-9]+",
         {"LoggingConfig": {"LogGroup": "a group"}}),
        (f"{log}.logGroup' {at} {long} 512", {"LoggingConfig": {"LogGroup": "g" * 513}}),
        (f"Value null at 'capacityProviderConfig.{instances}' {at} not be null",
         {"CapacityProviderConfig": {}}),
        (f"Value '0' at 'durableConfig.executionTimeout' {at} {fewest} 1",
         {"DurableConfig": {"ExecutionTimeout": 0}}),
    )
    create(name)
    for text, given in only_create + both:
        error = refused(WRONG, text, create_function, **least("unmade", **given), status=400)
        typed(error, None)
        assert error["Error"]["Message"].startswith("1 validation error"), error
    for text, given in both:
        given = {"FunctionName": name, **given}
        error = refused(WRONG, text, update_configuration, **given, status=400)
        assert error["Error"]["Message"].startswith("1 validation error detected: "), error

    several = {"MemorySize": 1, "Timeout": 0, "Description": "d" * 257, "Handler": "a b"}
    for call, given in (
        (create_function, least("unmade", **several)),
        (update_configuration, {"FunctionName": name, **several}),
    ):
        message = refused(WRONG, "", call, **given, status=400)["Error"]["Message"]
        head, rest = message.split(": ", 1)
        same(head, "4 validation errors detected")
        broken = (
            f"Value '0' at 'timeout' {at} {fewest} 1",
            f"Value '1' at 'memorySize' {at} {fewest} 128",
            f"Value 'a b' at 'handler' {at} {pattern}[^\\s]+",
            f"Value '{'d' * 257}' at 'description' {at} {long} 256",
        )
        same(sorted(rest.split("; ")), sorted(broken))
    refused(NOT_FOUND, "Function not found", get_function, FunctionName="unmade")


def a_name_has_an_end():
    constraint = "at 'functionName' failed to satisfy constraint: Member must"
    longest = "n" * 64
    same(create(longest)["FunctionName"], longest)
    too_long = "n" * 65
    text = (
        f"1 validation error detected: Value '{too_long}' {constraint} "
        "have length less than or equal to 64"
    )
    typed(refused(INVALID, text, create_function, **least(too_long), status=400))
    most = f"{constraint} have length less than or equal to 140"
    refused(WRONG, most, create_function, **least("n" * 141), status=400)
    overlong = "n" * (141 - len(arn("")))
    refused(WRONG, most, create_function, **least(arn(overlong)), status=400)
    for wrong in ("", "not a name", "a.b", "a/b", "a:b:c"):
        refused(WRONG, constraint, create_function, **least(wrong), status=400)
    refused(WRONG, f"Value null {constraint} not be null", create_function,
            **least(None), status=400)


def rules_go_beyond_the_model():
    name = "regulated"
    create(name)
    retired = (
        "The runtime parameter of {} is no longer supported for creating or updating AWS Lambda "
        "functions. We recommend you use a supported runtime while creating or updating functions."
    )
    reserved = (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided contains reserved keys that are currently not supported for "
        "modification. Reserved keys used in this request: "
    )
    too_long = (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided exceeded the 4KB limit. String measured: "
    )
    unknown = "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum"
    big = {"BIG": "v" * 4_090}
    measured = json.dumps(big, separators=(",", ":"))
    levels = {"ApplicationLogLevel": "INFO"}
    rows = [
        (f"{unknown} value set: [", {"Runtime": "cobol85"}),
        ("] or be a valid ARN", {"Runtime": "cobol85"}),
        ("between 128 and 10240", {"MemorySize": 10_241}),
        ("between 1 and 900", {"Timeout": 901}),
        ("between 512 and 10240", {"EphemeralStorage": {"Size": 10_241}}),
        (f"{reserved}AWS_REGION", {"Environment": {"Variables": {"AWS_REGION": "x"}}}),
        (reserved, {"Environment": {"Variables": {"LAMBDA_TASK_ROOT": "x", "AWS_REGION": "y"}}}),
        (too_long + measured, {"Environment": {"Variables": big}}),
        ("dead letter target", {"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::bucket"}}),
        ("dead letter target", {"DeadLetterConfig": {"TargetArn": f"{QUEUE}.fifo"}}),
        ("must coexist", {"VpcConfig": {"SubnetIds": ["subnet-1"]}}),
        ("must coexist", {"VpcConfig": {"SecurityGroupIds": ["sg-1"]}}),
        (f"execute in a VPC to reference access point {FILES['Arn']}",
         {"FileSystemConfigs": [FILES]}),
        (f"{RUNTIME} is not supported for SnapStart enabled functions",
         {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
        ("JSON", {"LoggingConfig": levels}),
        ("JSON", {"LoggingConfig": {"LogFormat": "Text", **levels}}),
        ("", {"ImageConfig": {"Command": ["c"]}}),
    ]
    for runtime in ("java8", "go1.x", "provided", "python3.7", "ruby2.7", "nodejs12.x",
                    "nodejs14.x", "dotnetcore3.1"):
        rows.append((retired.format(runtime), {"Runtime": runtime}))
    # Hearth has not built these; it says so by their names.
    provider = f"arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:provider"
    managed = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider}}
    runtime = f"arn:aws:lambda:{REGION}:{ACCOUNT}:runtime/own-runtime"
    rows += [
        ("DurableConfig", {"DurableConfig": {"RetentionPeriodInDays": 7}}),
        ("CapacityProviderConfig", {"CapacityProviderConfig": managed}),
        ("AcceleratorConfig", {"AcceleratorConfig": {"AcceleratorMemorySize": 16}}),
        ("RuntimeConfig", {"RuntimeConfig": {"RuntimeArn": runtime, "RuntimeAlias": "latest"}}),
        ("S3FilesConfig", {"VpcConfig": NETWORK} | {
            "FileSystemConfigs": [{**FILES, "S3FilesConfig": {"DirectS3Read": "AUTO"}}]}),
    ]
    before = shown(get_configuration(FunctionName=name))
    for text, given in rows:
        typed(refused(INVALID, text, create_function, **least("unmade", **given), status=400))
        given = {"FunctionName": name, **given}
        typed(refused(INVALID, text, update_configuration, **given, status=400))
    same(shown(get_configuration(FunctionName=name)), before)

    # As much as there may be.
    most = {"BIG": "v" * (4_096 - len('{"BIG":""}'))}
    answer = update_configuration(FunctionName=name, Environment={"Variables": most})
    same(answer["Environment"], {"Variables": most})
    settle(name)

    tags = {f"tag-{number}": "x" for number in range(51)}
    bucket = {"S3Bucket": "functions-no-such-bucket", "S3Key": "key"}
    missing = "Error occurred while GetObject. S3 Error Code: NoSuch"
    elsewhere = "arm64" if before["Architectures"] == ["x86_64"] else "x86_64"
    for text, given in (
        ("Runtime", {"Runtime": None}),
        ("Handler", {"Handler": None}),
        (BAD_ZIP, {"Code": {"ZipFile": b"no zip"}}),
        ("Uploaded file must be a non-empty zip", {"Code": {"ZipFile": b""}}),
        ("Uploaded file must be a non-empty zip", {"Code": {"ZipFile": zipped({})}}),
        ("", {"Code": {}}),
        ("", {"Code": {"S3Bucket": "bucket"}}),
        ("", {"Code": {"S3Key": "key"}}),
        ("", {"Code": {**bucket, "ZipFile": code()}}),
        ("", {"Code": {**bucket, "ImageUri": IMAGE}}),
        (missing, {"Code": bucket}),
        (missing, {"Code": {**bucket, "S3ObjectVersion": "1"}}),
        ("S3ObjectStorageMode", {"Code": {**bucket, "S3ObjectStorageMode": "REFERENCE"}}),
        ("SourceKMSKeyArn", {"Code": {"ZipFile": code(), "SourceKMSKeyArn": KEY}}),
        ("PublishTo", {"PublishTo": "LATEST_PUBLISHED"}),
        ("TenancyConfig", {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}),
        ("Number of tags exceeds resource tag limit.", {"Tags": tags}),
        ("aws:", {"Tags": {"aws:mine": "x"}}),
        (f"{elsewhere} is not available", {"Architectures": [elsewhere]}),
    ):
        typed(refused(INVALID, text, create_function, **least("unmade", **given), status=400))
    refused(NOT_FOUND, "Function not found", get_function, FunctionName="unmade")


def what_is_unknown_is_left_alone():
    name = "extended"
    body = {
        **least(name, Code={"ZipFile": b64encode(code()).decode(), "Signature": "none"}),
        "Inventions": {"Of": ["a", "later", "model"]},
        "Environment": {"Variables": {"AN": "1"}, "Secrets": {}},
    }
    answered, made = raw("POST", "/2015-03-31/functions", body)
    same(answered, 201)
    same(fresh(made), expected(name, Environment={"Variables": {"AN": "1"}}, **CREATING))
    settle(name)
    path = f"/2015-03-31/functions/{name}/configuration"
    answered, changed = raw("PUT", path, {"MemorySize": 256, "Invention": 1})
    same((answered, changed["MemorySize"]), (200, 256))
    settle(name)
    # What is null was not given.
    answered, changed = raw("PUT", path, {"MemorySize": None, "Environment": None})
    same((answered, changed["MemorySize"]), (200, 256))
    same(changed["Environment"], {"Variables": {"AN": "1"}})
    settle(name)
    for body in ({"MemorySize": "much"}, {"Layers": "layer"}, {"Environment": []}):
        answered, error = raw("PUT", path, body)
        same(answered, 400)
    same(settle(name)["MemorySize"], 256)


def functions_are_listed_in_pages():
    theirs = client(account=LISTED)
    listing = theirs.list_functions
    none = listing()
    same((status(none), shown(none)), (200, {"Functions": []}))
    for name in ("b", "a", "c_1", "C"):
        create(name, to=theirs, MemorySize=128 + ord(name[0]), Publish=name == "b")
    theirs.update_function_configuration(FunctionName="b", Description="newer")
    settle("b", to=theirs)
    theirs.publish_version(FunctionName="b")

    states = {"State", "LastUpdateStatus"}

    def seen(name, qualifier=None):
        which = {"Qualifier": qualifier} if qualifier else {}
        found = shown(theirs.get_function_configuration(FunctionName=name, **which))
        return {key: value for key, value in found.items() if key not in states}

    latest = [seen(name) for name in ("C", "a", "b", "c_1")]
    versions = [seen("C", "$LATEST"), seen("a", "$LATEST"), seen("b", "$LATEST"), seen("b", "1"),
                seen("b", "2"), seen("c_1", "$LATEST")]
    same(versions[3]["FunctionArn"], arn("b:1", account=LISTED))
    for given, items in (({}, latest), ({"FunctionVersion": "ALL"}, versions)):
        whole = listing(**given)
        same((status(whole), shown(whole)), (200, {"Functions": items}))
        for size in (1, 2, 3, 5, 10_000):
            pager = theirs.get_paginator("list_functions")
            pages = list(pager.paginate(**given, PaginationConfig={"PageSize": size}))
            same([item for page in pages for item in page["Functions"]], items)
            same(len(pages), -(-len(items) // min(size, 50)))
            assert all("NextMarker" in page for page in pages[:-1]), pages
            assert "NextMarker" not in pages[-1], pages[-1]

    # A page does not shift when something in front of it goes.
    first = listing(MaxItems=2)
    theirs.delete_function(FunctionName="a")
    rest = listing(MaxItems=10, Marker=first["NextMarker"])
    same(rest["Functions"], latest[2:])
    same(shown(listing(Marker="")), {"Functions": latest[:1] + latest[2:]})

    size = "at 'maxItems' failed to satisfy constraint: Member must have value"
    enum = "at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set"
    region = "at 'masterRegion' failed to satisfy constraint: Member must satisfy regular"
    for error, text, given in (
        (WRONG, f"Value '0' {size} greater than or equal to 1", {"MaxItems": 0}),
        (WRONG, f"Value '10001' {size} less than or equal to 10000", {"MaxItems": 10_001}),
        (WRONG, f"Value '1' {enum}: [ALL]", {"FunctionVersion": "1"}),
        (WRONG, f"Value 'nowhere' {region}", {"MasterRegion": "nowhere"}),
        (INVALID, "", {"Marker": "%%%"}),
        (INVALID, "", {"Marker": "YWJj"}),
    ):
        refused(error, text, listing, **given, status=400)

    # Never more than fifty, whatever is asked for.
    for number in range(48):
        create(f"many-{number:02}", to=theirs, wait=False)
    for given in ({}, {"MaxItems": 51}, {"MaxItems": 10_000}):
        page = listing(**given)
        same((len(page["Functions"]), "NextMarker" in page), (50, True))
        rest = listing(Marker=page["NextMarker"])
        same((len(rest["Functions"]), "NextMarker" in rest), (1, False))
    names = [item["FunctionName"] for item in page["Functions"] + rest["Functions"]]
    same(names, sorted(["C", "b", "c_1"] + [f"many-{number:02}" for number in range(48)]))


def functions_are_deleted():
    name = "deleted"
    create(name, Publish=True, Tags={"a": "b"})
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    delete = awslambda.delete_function
    for qualifier, text in (
        ("$LATEST", "$LATEST version cannot be deleted without deleting the function."),
        ("live", "Deletion of aliases is not currently supported."),
    ):
        typed(refused(INVALID, text, delete, FunctionName=name, Qualifier=qualifier, status=400))
        refused(INVALID, text, delete, FunctionName=f"{name}:{qualifier}", status=400)
    location = get_function(FunctionName=name)["Code"]["Location"]
    answer = delete(FunctionName=name)
    same((status(answer), shown(answer)), (204, {"StatusCode": 204}))
    gone = f"Function not found: {arn(name)}"
    refused(NOT_FOUND, gone, delete, FunctionName=name, status=404)
    for which in ({}, {"Qualifier": "1"}, {"Qualifier": "live"}):
        refused(NOT_FOUND, gone, get_function, FunctionName=name, **which, status=404)
    names = [one["FunctionName"] for one in awslambda.list_functions()["Functions"]]
    assert name not in names, names
    assert location.startswith("http"), location

    # A new one with its name has nothing of it.
    made = create(name, Publish=True)
    same(made["Version"], "1")
    got = get_function(FunctionName=name)
    assert "Tags" not in got, got
    same(awslambda.list_aliases(FunctionName=name)["Aliases"], [])


def a_runtime_has_a_version(runtime):
    """A managed runtime, and what can be changed to it."""
    create("managed-runtime")
    answer = update_configuration(FunctionName="managed-runtime", Runtime=runtime, Handler="a.b")
    same((answer["Runtime"], answer["Handler"]), (runtime, "a.b"))
    found = settle("managed-runtime")
    version = found["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert version != settle("created")["RuntimeVersionConfig"]["RuntimeVersionArn"], version


def archives_have_an_end():
    """The limits are those of AWS: on the archive, and on the whole request."""
    create("large")
    zip_limit = "Zipped size must be smaller than 52428800 bytes"
    archive = b"\0" * 52_428_801
    given = least("too-large", Code={"ZipFile": archive})
    refused(TOO_LARGE, zip_limit, create_function, **given, status=413)
    request_limit = "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    given = least("too-large", Code={"ZipFile": b"\0" * 52_700_000})
    refused(TOO_LARGE, request_limit, create_function, **given, status=413)
    refused(NOT_FOUND, "Function not found", get_function, FunctionName="too-large")


a_function_is_created_and_read()
what_is_missing_is_named()
states_can_be_watched()
a_dry_run_invokes_nothing()
code_is_changed()
settings_are_changed_and_cleared()
a_function_is_created_with_its_settings()
code_is_signed_or_not()
images_are_kept_and_fail()
the_model_is_enforced()
a_name_has_an_end()
rules_go_beyond_the_model()
what_is_unknown_is_left_alone()
functions_are_listed_in_pages()
functions_are_deleted()
if PYTHON:
    a_runtime_has_a_version(PYTHON)
archives_have_an_end()
done()
