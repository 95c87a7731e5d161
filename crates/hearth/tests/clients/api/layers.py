"""Layers: versions, listings, policies, and what a function sees of them in /opt."""

import re
import urllib.request

from support import *

PYTHON = next((text for text in sys.argv[2:] if text.startswith("python")), None)
OTHER_ACCOUNT = "111111111111"
OTHER_REGION = "eu-west-1"
MISSING = "The resource you requested does not exist."
DENIED = "because no resource-based policy allows the lambda:{action} action"
GET = "lambda:GetLayerVersion"

other = client(account=OTHER_ACCOUNT)


def layer_arn(name, region=REGION, account=ACCOUNT):
    return f"arn:aws:lambda:{region}:{account}:layer:{name}"


def publish(name, files, to=None, **more):
    answer = (to or awslambda).publish_layer_version(
        LayerName=name, Content={"ZipFile": zipped(files)}, **more
    )
    same(status(answer), 201)
    return answer


def without_content(version):
    hidden = ("Content", "LayerArn", "ResponseMetadata")
    return {key: value for key, value in version.items() if key not in hidden}


def pages(call, key, **arguments):
    """All pages of one item each, joined."""
    items, more = [], {}
    while True:
        answer = call(MaxItems=1, **arguments, **more)
        assert len(answer[key]) <= 1, answer
        items += answer[key]
        if "NextMarker" not in answer:
            return items
        more = {"Marker": answer["NextMarker"]}


def publishing_and_getting():
    files = {"python/a.py": "A = 1\n"}
    size = len(zipped(files))
    before = awslambda.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    made = publish("layers-made", files)
    after = awslambda.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    same(after - before, size)

    created = made["CreatedDate"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", created), created
    location = made["Content"]["Location"]
    digest = b64encode(hashlib.sha256(zipped(files)).digest()).decode()
    same(
        shown(made),
        {
            "Content": {"Location": location, "CodeSha256": digest, "CodeSize": size},
            "LayerArn": layer_arn("layers-made"),
            "LayerVersionArn": layer_arn("layers-made") + ":1",
            "Description": "",
            "CreatedDate": created,
            "Version": 1,
        },
    )
    with urllib.request.urlopen(location) as download:
        same(download.read(), zipped(files))

    described = publish(
        "layers-made",
        files,
        Description="tools",
        LicenseInfo="MIT",
        CompatibleRuntimes=["python3.13", "python3.12"],
        CompatibleArchitectures=["x86_64", "arm64"],
    )
    same(
        without_content(described),
        {
            "LayerVersionArn": layer_arn("layers-made") + ":2",
            "Description": "tools",
            "CreatedDate": described["CreatedDate"],
            "Version": 2,
            "CompatibleRuntimes": ["python3.13", "python3.12"],
            "CompatibleArchitectures": ["x86_64", "arm64"],
            "LicenseInfo": "MIT",
        },
    )
    # By name, by ARN, and by the ARN of the version: all the same.
    for name in ("layers-made", layer_arn("layers-made")):
        got = awslambda.get_layer_version(LayerName=name, VersionNumber=2)
        same((status(got), shown(got)), (200, shown(described)))
    got = awslambda.get_layer_version_by_arn(Arn=described["LayerVersionArn"])
    same((status(got), shown(got)), (200, shown(described)))
    third = publish(layer_arn("layers-made"), files)
    same((third["Version"], third["LayerArn"]), (3, layer_arn("layers-made")))


def refused_publishing():
    publish_version = awslambda.publish_layer_version
    good = {"LayerName": "layers-refused", "Content": {"ZipFile": code()}}
    for wrong in (
        {"LayerName": "no spaces"},
        {"LayerName": "n" * 141},
        {"LayerName": layer_arn("layers-refused") + ":1"},
        {"Content": None},
        {"Description": "d" * 257},
        {"LicenseInfo": "l" * 513},
        {"CompatibleRuntimes": ["cobol"]},
        {"CompatibleRuntimes": ["python3.12"] * 16},
        {"CompatibleArchitectures": ["vax"]},
        {"CompatibleArchitectures": ["x86_64"] * 3},
        {"Content": {"ZipFile": code(), "S3ObjectStorageMode": "MOVE"}},
        {"Content": {"S3Bucket": "b", "S3Key": "key"}},
    ):
        arguments = {key: value for key, value in {**good, **wrong}.items() if value is not None}
        refused(
            "ValidationException", "failed to satisfy", publish_version, **arguments, status=400
        )
    for content, text in (
        ({}, "Please provide a source"),
        ({"S3Bucket": "bucket"}, "S3Bucket and S3Key must be given together"),
        ({"S3Key": "key"}, "S3Bucket and S3Key must be given together"),
        ({"ZipFile": code(), "S3Bucket": "bucket", "S3Key": "key"}, "Please do not provide other"),
        ({"ZipFile": code(), "S3ObjectStorageMode": "REFERENCE"}, "S3ObjectStorageMode"),
        ({"S3Bucket": "layers-no-such-bucket", "S3Key": "key"}, "Error occurred while GetObject."),
        ({"ZipFile": b"not an archive"}, "Could not unzip uploaded file."),
        ({"ZipFile": zipped({})}, "Uploaded file must be a non-empty zip"),
    ):
        arguments = {**good, "Content": content}
        refused("InvalidParameterValueException", text, publish_version, **arguments, status=400)
    elsewhere = {**good, "LayerName": layer_arn("layers-refused", region=OTHER_REGION)}
    text = f"Functions from '{OTHER_REGION}' are not reachable in this region ('{REGION}')"
    refused("ResourceNotFoundException", text, publish_version, **elsewhere, status=404)
    theirs = {**good, "LayerName": layer_arn("layers-refused", account=OTHER_ACCOUNT)}
    refused("AccessDeniedException", "", publish_version, **theirs, status=403)
    # Nothing of that has used a number.
    same(publish("layers-refused", {"a": "a"})["Version"], 1)


def missing():
    get, by_arn = awslambda.get_layer_version, awslambda.get_layer_version_by_arn
    publish("layers-there", {"a": "a"})
    for name, number in (("layers-nowhere", 1), ("layers-there", 2)):
        refused(
            "ResourceNotFoundException",
            MISSING,
            get,
            LayerName=name,
            VersionNumber=number,
            status=404,
        )
        arn = f"{layer_arn(name)}:{number}"
        refused("ResourceNotFoundException", MISSING, by_arn, Arn=arn, status=404)
    own = "arn:aws:lambda:::awslayer:AmazonLinux1803"
    refused("ResourceNotFoundException", MISSING, by_arn, Arn=own, status=404)
    elsewhere = layer_arn("layers-there", region=OTHER_REGION) + ":1"
    refused("ResourceNotFoundException", "are not reachable", by_arn, Arn=elsewhere, status=404)
    bad_arns = (layer_arn("layers-there"), "layers-there", layer_arn("layers-there") + ":one")
    for arn in bad_arns:
        refused("ValidationException", "'arn' failed to satisfy", by_arn, Arn=arn, status=400)
    for number in (0, -1):
        for call in (get, awslambda.delete_layer_version, awslambda.get_layer_version_policy):
            refused(
                "InvalidParameterValueException",
                "Layer Version Cannot be less than 1.",
                call,
                LayerName="layers-there",
                VersionNumber=number,
                status=400,
            )
    refused("ValidationException", "layerName", get, LayerName="no spaces", VersionNumber=1)


def listing():
    python, arm = {"CompatibleRuntimes": ["python3.12"]}, {"CompatibleArchitectures": ["arm64"]}
    made = [
        publish("layers-list-a", {"a": "1"}, **python),
        publish("layers-list-a", {"a": "2"}, **arm),
        publish("layers-list-a", {"a": "3"}, **python, **arm),
        publish("layers-list-b", {"b": "1"}),
    ]
    items = [without_content(version) for version in made]
    versions = awslambda.list_layer_versions

    answer = versions(LayerName="layers-list-a")
    same((status(answer), shown(answer)), (200, {"LayerVersions": [items[2], items[1], items[0]]}))
    by_arn = versions(LayerName=layer_arn("layers-list-a"))
    same(by_arn["LayerVersions"], answer["LayerVersions"])
    same(pages(versions, "LayerVersions", LayerName="layers-list-a"), answer["LayerVersions"])
    same(shown(versions(LayerName="layers-list-none")), {"LayerVersions": []})

    def numbers(name, **filters):
        return [item["Version"] for item in versions(LayerName=name, **filters)["LayerVersions"]]

    by_runtime = {"CompatibleRuntime": "python3.12"}
    by_architecture = {"CompatibleArchitecture": "arm64"}
    same(numbers("layers-list-a", **by_runtime), [3, 1])
    same(numbers("layers-list-a", **by_architecture), [3, 2])
    same(numbers("layers-list-a", **by_runtime, **by_architecture), [3])
    same(numbers("layers-list-b", **by_runtime), [])

    def newest(items):
        """What is listed of the layers of this test."""
        return [item for item in items if item["LayerName"].startswith("layers-list-")]

    def shown_as(name, version):
        return {"LayerName": name, "LayerArn": layer_arn(name), "LatestMatchingVersion": version}

    both = [shown_as("layers-list-a", items[2]), shown_as("layers-list-b", items[3])]
    listed = awslambda.list_layers()
    same((status(listed), newest(listed["Layers"])), (200, both))
    same(newest(pages(awslambda.list_layers, "Layers")), both)
    filtered = awslambda.list_layers(**by_runtime)["Layers"]
    same(newest(filtered), [shown_as("layers-list-a", items[2])])
    same(newest(client(region=OTHER_REGION).list_layers()["Layers"]), [])

    for call, name in ((versions, {"LayerName": "layers-list-a"}), (awslambda.list_layers, {})):
        for wrong in (
            {"MaxItems": 0},
            {"MaxItems": 51},
            {"CompatibleArchitecture": "vax"},
            {"CompatibleRuntime": "cobol"},
        ):
            refused("ValidationException", "failed to satisfy", call, **name, **wrong, status=400)
        refused("InvalidParameterValueException", "", call, **name, Marker="%%%", status=400)


def deleting():
    delete = awslambda.delete_layer_version
    publish("layers-deleted", {"a": "1"})
    publish("layers-deleted", {"a": "2"})
    for number in (1, 2):
        same(status(delete(LayerName="layers-deleted", VersionNumber=number)), 204)
        refused(
            "ResourceNotFoundException",
            MISSING,
            awslambda.get_layer_version,
            LayerName="layers-deleted",
            VersionNumber=number,
        )
    # Again, and what never was.
    for name in ("layers-deleted", "layers-nowhere"):
        same(status(delete(LayerName=name, VersionNumber=1)), 204)
    names = [layer["LayerName"] for layer in awslambda.list_layers()["Layers"]]
    assert "layers-deleted" not in names, names
    # Numbers are not used again.
    same(publish("layers-deleted", {"a": "3"})["Version"], 3)
    theirs = layer_arn("layers-deleted", account=OTHER_ACCOUNT)
    refused("AccessDeniedException", "", delete, LayerName=theirs, VersionNumber=3, status=403)


def statement(sid, name, principal, **more):
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": GET,
        "Resource": layer_arn(name) + ":1",
        **more,
    }


def permissions():
    name = "layers-policy"
    publish(name, {"a": "a"})
    which = {"LayerName": name, "VersionNumber": 1}
    add, remove, get = (
        awslambda.add_layer_version_permission,
        awslambda.remove_layer_version_permission,
        awslambda.get_layer_version_policy,
    )
    no_policy = "No policy is associated with the given resource."
    refused("ResourceNotFoundException", no_policy, get, **which, status=404)
    refused("ResourceNotFoundException", no_policy, remove, **which, StatementId="s1", status=404)

    first = add(**which, StatementId="s1", Action=GET, Principal="*")
    same(status(first), 201)
    same(set(shown(first)), {"Statement", "RevisionId"})
    same(json.loads(first["Statement"]), statement("s1", name, "*"))
    second = add(
        **{**which, "LayerName": layer_arn(name)},
        StatementId="s2",
        Action=GET,
        Principal=OTHER_ACCOUNT,
        RevisionId=first["RevisionId"],
    )
    root = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    same(json.loads(second["Statement"]), statement("s2", name, root))
    third = add(
        **which, StatementId="s3", Action=GET, Principal="*", OrganizationId="o-0123456789"
    )
    within = {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}}
    same(json.loads(third["Statement"]), statement("s3", name, "*", Condition=within))
    policy = get(**which)
    same((status(policy), policy["RevisionId"]), (200, third["RevisionId"]))
    same(
        json.loads(policy["Policy"]),
        {
            "Version": "2012-10-17",
            "Id": "default",
            "Statement": [json.loads(one["Statement"]) for one in (first, second, third)],
        },
    )
    assert len({one["RevisionId"] for one in (first, second, third)}) == 3

    permission = {"StatementId": "s4", "Action": GET, "Principal": "*"}
    taken = "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement."
    refused(
        "ResourceConflictException", taken, add, **which, **{**permission, "StatementId": "s1"},
        status=409,
    )
    outdated = {"RevisionId": first["RevisionId"]}
    text = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
    refused("PreconditionFailedException", text, add, **which, **permission, **outdated, status=412)
    refused(
        "PreconditionFailedException", text, remove, **which, StatementId="s1", **outdated,
        status=412,
    )
    absent = "Statement s9 is not found in resource policy."
    refused("ResourceNotFoundException", absent, remove, **which, StatementId="s9", status=404)
    for wrong in (
        {"StatementId": "no spaces"},
        {"StatementId": "s" * 101},
        {"Action": "lambda:InvokeFunction"},
        {"Principal": "s3.amazonaws.com"},
        {"Principal": "123"},
        {"OrganizationId": "o-1"},
        {"LayerName": "no spaces"},
    ):
        arguments = {**which, **permission, **wrong}
        refused("ValidationException", "failed to satisfy", add, **arguments, status=400)
    for nowhere in ({"LayerName": "layers-nowhere"}, {"VersionNumber": 7}):
        asked = {**which, **nowhere}
        arn = f"{layer_arn(asked['LayerName'])}:{asked['VersionNumber']}"
        text = f"Layer version {arn} does not exist."
        refused("ResourceNotFoundException", text, add, **asked, **permission, status=404)
        refused("ResourceNotFoundException", text, get, **asked, status=404)
        refused("ResourceNotFoundException", text, remove, **asked, StatementId="s1", status=404)

    for sid in ("s1", "s2"):
        same(status(remove(**which, StatementId=sid)), 204)
    latest = get(**which)["RevisionId"]
    same(status(remove(**which, StatementId="s3", RevisionId=latest)), 204)
    refused("ResourceNotFoundException", no_policy, get, **which, status=404)


def other_accounts():
    name = "layers-shared"
    theirs = publish(name, {"a": "theirs"}, to=other)
    arn = layer_arn(name, account=OTHER_ACCOUNT)
    same(theirs["LayerVersionArn"], arn + ":1")
    denied = DENIED.format(action="GetLayerVersion")
    which = {"LayerName": arn, "VersionNumber": 1}
    function = {"wait": False, "Layers": [arn + ":1"]}

    def is_denied():
        refused("AccessDeniedException", denied, awslambda.get_layer_version, **which, status=403)
        refused(
            "AccessDeniedException",
            denied,
            awslambda.get_layer_version_by_arn,
            Arn=arn + ":1",
            status=403,
        )
        refused("AccessDeniedException", denied, create, "layers-denied", **function, status=403)

    is_denied()
    mine = {"LayerName": name, "VersionNumber": 1, "Action": GET}
    within = {"Principal": "*", "OrganizationId": "o-0123456789"}
    other.add_layer_version_permission(**mine, StatementId="within", **within)
    is_denied()
    other.add_layer_version_permission(**mine, StatementId="them", Principal=ACCOUNT)
    same(awslambda.get_layer_version(**which)["LayerVersionArn"], arn + ":1")
    create("layers-theirs", **function)
    other.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="them")
    is_denied()
    # Nor does anybody learn what is not there, or see the list.
    refused(
        "AccessDeniedException",
        denied,
        awslambda.get_layer_version,
        LayerName=arn,
        VersionNumber=2,
        status=403,
    )
    refused(
        "AccessDeniedException",
        DENIED.format(action="ListLayerVersions"),
        awslambda.list_layer_versions,
        LayerName=arn,
        status=403,
    )
    same(awslambda.list_layer_versions(LayerName=name)["LayerVersions"], [])
    settle("layers-theirs")
    awslambda.delete_function(FunctionName="layers-theirs")


def functions():
    one = publish("layers-one", {"one": "1"})
    two = publish("layers-two", {"two": "2"})
    newer = publish("layers-one", {"one": "3"})
    arns = [layer["LayerVersionArn"] for layer in (two, one)]

    def refused_layers(text, *layers):
        refused(
            "InvalidParameterValueException", text, create, "layers-refused", wait=False,
            Layers=list(layers), status=400,
        )

    refused_layers("Cannot reference more than 5 layers.", *[arns[0]] * 6)
    missing = layer_arn("layers-one") + ":99"
    refused_layers(f"Layer version {missing} does not exist.", missing)
    versions = "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {}"
    refused_layers(
        versions.format(arns[1], newer["LayerVersionArn"]), arns[1], newer["LayerVersionArn"]
    )
    refused_layers(versions.format(arns[0], arns[0]), arns[0], arns[0])
    elsewhere = layer_arn("layers-one", region=OTHER_REGION) + ":1"
    region = f"Layers are expected to be in region {REGION}."
    refused_layers(f"Layers are not in the same region as the function. {region}", elsewhere)
    refused(
        "ValidationException", "layers", create, "layers-refused", wait=False,
        Layers=[layer_arn("layers-one")], status=400,
    )

    shown_layers = [
        {"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]}
        for layer in (two, one)
    ]
    update = awslambda.update_function_configuration
    made = create("layers-used", Layers=arns)
    same(made["Layers"], shown_layers)
    same(awslambda.get_function_configuration(FunctionName="layers-used")["Layers"], shown_layers)

    awslambda.delete_layer_version(LayerName="layers-one", VersionNumber=1)
    # Who has it keeps it: through a change of something else, and in another order.
    same(update(FunctionName="layers-used", Description="other")["Layers"], shown_layers)
    settle("layers-used")
    turned = update(FunctionName="layers-used", Layers=arns[::-1])
    same(turned["Layers"], shown_layers[::-1])
    settle("layers-used")
    # Nobody else gets it, nor does who has let it go.
    refused_layers(f"Layer version {arns[1]} does not exist.", arns[1])
    assert "Layers" not in update(FunctionName="layers-used", Layers=[])
    settle("layers-used")
    refused(
        "InvalidParameterValueException",
        f"Layer version {arns[1]} does not exist.",
        update,
        FunctionName="layers-used",
        Layers=[arns[1]],
        status=400,
    )
    assert "Layers" not in settle("layers-used")
    awslambda.delete_function(FunctionName="layers-used")


SOURCE = """
import os

import shared


def handler(event, context):
    found = {}
    for directory, _, names in os.walk("/opt"):
        for name in names:
            path = os.path.join(directory, name)
            with open(path) as file:
                found[path] = file.read()
    mode = os.stat("/opt/bin/bootstrap").st_mode & 0o777
    return {"shared": shared.SAYS, "found": found, "mode": mode}
"""


def in_opt():
    """What the code of a function finds."""
    name = "layers-opt"
    low = {"python/shared.py": "SAYS = 'low'\n", "low.txt": "low", "bin/bootstrap": "low"}
    high = {"python/shared.py": "SAYS = 'high'\n", "data/high.txt": "high"}
    low_arn = publish("layers-low", low)["LayerVersionArn"]
    high_arn = publish("layers-high", high)["LayerVersionArn"]
    awslambda.create_function(
        FunctionName=name,
        Runtime=PYTHON,
        Role=ROLE,
        Handler="main.handler",
        Code={"ZipFile": zipped({"main.py": SOURCE})},
        Layers=[low_arn, high_arn],
        Timeout=30,
    )
    settle(name)

    def finds(says, *layers):
        answer = awslambda.invoke(FunctionName=name)
        text = answer["Payload"].read()
        assert "FunctionError" not in answer, text
        found = {}
        for layer in layers:
            found.update({f"/opt/{path}": content for path, content in layer.items()})
        same(json.loads(text), {"shared": says, "found": found, "mode": 0o755})

    def update(**change):
        awslambda.update_function_configuration(FunctionName=name, **change)
        settle(name)

    finds("high", low, high)
    update(Layers=[high_arn, low_arn])
    finds("low", high, low)
    update(Layers=[low_arn])
    finds("low", low)
    # Deleted layers go on to work: where they are, and after a change of something else.
    update(Layers=[low_arn, high_arn])
    for layer in ("layers-low", "layers-high"):
        awslambda.delete_layer_version(LayerName=layer, VersionNumber=1)
    finds("high", low, high)
    update(Description="other")
    finds("high", low, high)
    awslambda.delete_function(FunctionName=name)


publishing_and_getting()
refused_publishing()
missing()
listing()
deleting()
permissions()
other_accounts()
functions()
if PYTHON:
    in_opt()
done()
