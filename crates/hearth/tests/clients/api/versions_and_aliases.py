"""Versions and aliases: publishing, listing, pointing, sharing, deleting.

The server must keep states in between (`transition_ms_min`) for longer than a request takes.
"""

from support import *

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ResourceConflictException"
STALE = "PreconditionFailedException"
MISMATCH = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
UNQUALIFIED = "This operation is permitted on Lambda functions only."
ELSEWHERE = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
STATES = ("State", "LastUpdateStatus")


def forms(name):
    """The ways to name a function without a qualifier."""
    return (name, f"function:{name}", f"{ACCOUNT}:function:{name}", arn(name))


def publish(name, **more):
    answer = awslambda.publish_version(FunctionName=name, **more)
    same(status(answer), 201)
    return shown(answer)


def change(name, **settings):
    """Changes the configuration of `$LATEST`, and waits for it."""
    awslambda.update_function_configuration(FunctionName=name, **settings)
    return shown(settle(name))


def with_versions(name, count):
    """A function with versions that differ in their memory."""
    create(name)
    for number in range(1, count + 1):
        change(name, MemorySize=128 + number)
        same(publish(name)["Version"], str(number))


def a_version_is_a_copy_that_stays():
    create("copied", Description="latest")
    latest = shown(settle("copied"))
    first = publish("copied")
    ids = {"FunctionArn": arn("copied:1"), "Version": "1", "RevisionId": first["RevisionId"]}
    same(first, {**latest, **ids})
    same((first["State"], first["LastUpdateStatus"]), ("Active", "Successful"))
    assert first["RevisionId"] != latest["RevisionId"]

    changed = change("copied", MemorySize=256, Description="later")
    same(changed["Version"], "$LATEST")
    for qualified in ({"FunctionName": "copied:1"}, {"FunctionName": "copied", "Qualifier": "1"}):
        same(shown(awslambda.get_function_configuration(**qualified)), first)
        same(awslambda.get_function(**qualified)["Configuration"], first)
    second = publish("copied")
    same((second["Version"], second["MemorySize"]), ("2", 256))
    same(second["Description"], "later")
    assert second["RevisionId"] != first["RevisionId"]
    of_latest = awslambda.get_function_configuration(FunctionName="copied", Qualifier="$LATEST")
    same(of_latest["FunctionArn"], arn("copied:$LATEST"))


def what_has_not_changed_is_not_published_again():
    create("unchanged")
    first = publish("unchanged", Description="first")
    same((first["Version"], first["Description"]), ("1", "first"))
    same(settle("unchanged")["Description"], "")
    same(publish("unchanged"), first)
    same(publish("unchanged", Description="second"), first)
    same(shown(awslambda.get_function_configuration(FunctionName="unchanged:1")), first)

    # The description of $LATEST is a part of its configuration.
    change("unchanged", Description="changed")
    second = publish("unchanged", Description="second")
    same((second["Version"], second["Description"]), ("2", "second"))
    same(settle("unchanged")["Description"], "changed")
    same(publish("unchanged"), second)

    # So are the code, and, with the same answer, the same code once more.
    awslambda.update_function_code(FunctionName="unchanged", ZipFile=code("other"))
    settle("unchanged")
    third = publish("unchanged")
    same(third["Version"], "3")
    awslambda.update_function_code(FunctionName="unchanged", ZipFile=code("other"))
    settle("unchanged")
    same(publish("unchanged"), third)


def a_number_is_never_used_again():
    with_versions("numbers", 2)
    for number in ("2", "1"):
        deleted = awslambda.delete_function(FunctionName="numbers", Qualifier=number)
        same(status(deleted), 204)
    refused(
        NOT_FOUND,
        f"Function not found: {arn('numbers:2')}",
        awslambda.get_function,
        FunctionName="numbers:2",
        status=404,
    )
    same(publish("numbers")["Version"], "3")
    same(status(awslambda.delete_function(FunctionName="numbers", Qualifier="99")), 204)
    refused(
        INVALID,
        "$LATEST version cannot be deleted without deleting the function.",
        awslambda.delete_function,
        FunctionName="numbers",
        Qualifier="$LATEST",
    )


def an_operation_can_publish_what_it_changes():
    made = create("publishing", wait=False, Publish=True)
    same((status(made), made["FunctionArn"]), (201, arn("publishing:1")))
    same((made["Version"], made["State"]), ("1", "Pending"))
    assert "LastUpdateStatus" not in made, made
    settle("publishing")
    first = shown(settle("publishing", Qualifier="1"))
    same((first["State"], first["LastUpdateStatus"]), ("Active", "Successful"))
    same(publish("publishing"), first)

    updated = awslambda.update_function_code(
        FunctionName="publishing", ZipFile=code("more"), Publish=True
    )
    same((status(updated), updated["FunctionArn"]), (200, arn("publishing:2")))
    same((updated["Version"], updated["State"]), ("2", "Pending"))
    settle("publishing")
    settle("publishing", Qualifier="2")
    unchanged = awslambda.update_function_code(
        FunctionName="publishing", ZipFile=code("more"), Publish=True
    )
    same(unchanged["Version"], "2")
    settle("publishing")


def publishing_is_guarded():
    latest = create("guarded", wait=False)
    busy = f"An update is in progress for resource: {arn('guarded')}"
    publish_version = awslambda.publish_version
    refused(CONFLICT, busy, publish_version, FunctionName="guarded", status=409)
    old, latest = latest, settle("guarded")
    for revision in (old["RevisionId"], missing_uuid(), "nonsense"):
        guard = {"FunctionName": "guarded", "RevisionId": revision}
        refused(STALE, MISMATCH, publish_version, status=412, **guard)
    for digest in ("nonsense", ""):
        text = (
            f"CodeSHA256 ({digest}) is different from current CodeSHA256 in $LATEST "
            f"({latest['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST."
        )
        guard = {"FunctionName": "guarded", "CodeSha256": digest}
        refused(INVALID, text, publish_version, status=400, **guard)
    guards = {"RevisionId": latest["RevisionId"], "CodeSha256": latest["CodeSha256"]}
    same(publish("guarded", **guards)["Version"], "1")

    awslambda.update_function_configuration(FunctionName="guarded", MemorySize=256)
    refused(CONFLICT, busy, publish_version, FunctionName="guarded", status=409)
    settle("guarded")
    for name in forms("guarded"):
        same(publish(name)["Version"], "2")

    wrong = "ValidationException"
    long = "at 'description' failed to satisfy constraint: Member must have length less than or"
    to = "at 'publishTo' failed to satisfy constraint: Member must satisfy enum value set"
    pattern = "at 'functionName' failed to satisfy constraint: Member must satisfy regular"
    most = "Member must have length less than or equal to 140"
    rows = (
        (wrong, long, {"Description": "x" * 257}),
        (wrong, to, {"PublishTo": "LATEST"}),
        (INVALID, "PublishTo", {"PublishTo": "LATEST_PUBLISHED"}),
        (wrong, pattern, {"FunctionName": "not a name"}),
        (wrong, most, {"FunctionName": "x" * 141}),
        (INVALID, UNQUALIFIED, {"FunctionName": "guarded:1"}),
        (INVALID, UNQUALIFIED, {"FunctionName": arn("guarded:$LATEST")}),
        (NOT_FOUND, f"Function not found: {arn('nobody')}", {"FunctionName": "nobody"}),
        (NOT_FOUND, ELSEWHERE, {"FunctionName": arn("guarded", region="eu-west-1")}),
    )
    for error, text, arguments in rows:
        refused(error, text, publish_version, **{"FunctionName": "guarded", **arguments})
    same(publish("guarded", Description="x" * 256)["Version"], "2")


def versions_are_listed_in_pages():
    create("listed")
    only = awslambda.list_versions_by_function(FunctionName="listed")
    same((status(only), list(shown(only))), (200, ["Versions"]))
    latest = shown(settle("listed"))
    first = publish("listed")
    change("listed", MemorySize=256)
    second = publish("listed")
    latest = {**shown(settle("listed")), "FunctionArn": arn("listed:$LATEST")}
    expected = [
        {key: value for key, value in version.items() if key not in STATES}
        for version in (latest, first, second)
    ]
    for name in forms("listed"):
        whole = awslambda.list_versions_by_function(FunctionName=name)
        same(shown(whole), {"Versions": expected})
    pager = awslambda.get_paginator("list_versions_by_function")
    for size, lengths in ((1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (10_000, [3])):
        pages = list(pager.paginate(FunctionName="listed", PaginationConfig={"PageSize": size}))
        same([len(page["Versions"]) for page in pages], lengths)
        same([version for page in pages for version in page["Versions"]], expected)

    call = awslambda.list_versions_by_function
    size = "at 'maxItems' failed to satisfy constraint: Member must have value"
    rows = (
        ("ValidationException", f"{size} greater than or equal to 1", {"MaxItems": 0}),
        ("ValidationException", f"{size} less than or equal to 10000", {"MaxItems": 10_001}),
        (INVALID, "Invalid pagination token.", {"Marker": "%%%"}),
        (INVALID, UNQUALIFIED, {"FunctionName": "listed:1"}),
        (NOT_FOUND, f"Function not found: {arn('nobody')}", {"FunctionName": "nobody"}),
    )
    for error, text, arguments in rows:
        refused(error, text, call, **{"FunctionName": "listed", **arguments})


def an_alias_is_created_and_read():
    with_versions("named", 2)
    made = awslambda.create_alias(FunctionName="named", Name="live", FunctionVersion="1")
    same(status(made), 201)
    live = {
        "AliasArn": arn("named:live"),
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
        "RevisionId": made["RevisionId"],
    }
    same(shown(made), live)
    made = awslambda.create_alias(
        FunctionName=arn("named"),
        Name="a_Mix-3",
        FunctionVersion="2",
        Description="both",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}},
    )
    both = {
        "AliasArn": arn("named:a_Mix-3"),
        "Name": "a_Mix-3",
        "FunctionVersion": "2",
        "Description": "both",
        "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.25}},
        "RevisionId": made["RevisionId"],
    }
    same((status(made), shown(made)), (201, both))
    made = awslambda.create_alias(
        FunctionName="named", Name="latest", FunctionVersion="$LATEST", RoutingConfig={}
    )
    same(made["FunctionVersion"], "$LATEST")
    assert "RoutingConfig" not in made, made

    for name in forms("named"):
        got = awslambda.get_alias(FunctionName=name, Name="live")
        same((status(got), shown(got)), (200, live))
    same(shown(awslambda.get_alias(FunctionName="named", Name="a_Mix-3")), both)

    # A function by its alias: the ARN is the caller's, the rest is the version's.
    version = shown(awslambda.get_function_configuration(FunctionName="named:1"))
    separate = {"FunctionName": "named", "Qualifier": "live"}
    for qualified in ({"FunctionName": "named:live"}, separate):
        found = shown(awslambda.get_function_configuration(**qualified))
        same(found, {**version, "FunctionArn": arn("named:live")})


def a_new_alias_follows_the_rules():
    with_versions("ruled", 2)
    change("ruled", Role=f"{ROLE}-2")
    same(publish("ruled")["Version"], "3")
    letters = {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"}
    change("ruled", Role=ROLE, DeadLetterConfig=letters)
    same(publish("ruled")["Version"], "4")
    awslambda.create_alias(FunctionName="ruled", Name="taken", FunctionVersion="1")

    def routing(**weights):
        shares = {version.removeprefix("v"): weight for version, weight in weights.items()}
        return {"RoutingConfig": {"AdditionalVersionWeights": shares}}

    wrong = "ValidationException"
    at = "failed to satisfy constraint:"
    name = f"at 'name' {at} Member must"
    of_version = f"at 'functionVersion' {at} Member must"
    weights = f"at 'routingConfig.additionalVersionWeights' {at} Map"
    twice = (
        "Invalid function version 1. "
        "Function version 1 is already included in routing configuration."
    )
    unpublished = "$LATEST is not supported for an alias pointing to more than 1 version"
    number = "Number of items in AdditionalVersionWeights cannot be greater than 1"
    role = "Specified versions must be associated with the same execution role"
    missing = f"Function not found: {arn('ruled')}"
    rows = (
        (CONFLICT, f"Alias already exists: {arn('ruled:taken')}", {"Name": "taken"}),
        (NOT_FOUND, f"{missing}:9", {"FunctionVersion": "9"}),
        (NOT_FOUND, f"{missing}:0", {"FunctionVersion": "0"}),
        (NOT_FOUND, f"{missing}:$LATEST.PUBLISHED", {"FunctionVersion": "$LATEST.PUBLISHED"}),
        (NOT_FOUND, f"Function not found: {arn('nobody')}", {"FunctionName": "nobody"}),
        (NOT_FOUND, ELSEWHERE, {"FunctionName": arn("ruled", region="eu-west-1")}),
        (INVALID, UNQUALIFIED, {"FunctionName": "ruled:1"}),
        (NOT_FOUND, f"{missing}:9", routing(v9=0.5)),
        (NOT_FOUND, f"{missing}:0", routing(v0=0.5)),
        (INVALID, number, routing(v2=0.1, v3=0.1)),
        (INVALID, twice, routing(v1=0.5)),
        (INVALID, unpublished, {"FunctionVersion": "$LATEST", **routing(v1=0.5)}),
        (INVALID, role, routing(v3=0.5)),
        (INVALID, "Specified versions must be associated with the same dead", routing(v4=0.5)),
        (wrong, f"{name} satisfy regular expression pattern", {"Name": "123"}),
        (wrong, f"{name} satisfy regular expression pattern", {"Name": "a b"}),
        (wrong, f"{name} satisfy regular expression pattern", {"Name": "$LATEST"}),
        (wrong, f"{name} have length less than or equal to 128", {"Name": "x" * 129}),
        (wrong, f"{name} have length greater than or equal to 1", {"Name": ""}),
        (wrong, f"{of_version} satisfy regular expression", {"FunctionVersion": "taken"}),
        (wrong, "at 'description'", {"Description": "x" * 257}),
        (wrong, f"Value '{{2=1.5}}' {weights} value must", routing(v2=1.5)),
        (wrong, f"Value '{{2=-0.5}}' {weights} value must", routing(v2=-0.5)),
        (wrong, f"Value '{{x=0.5}}' {weights} keys must", routing(x=0.5)),
    )
    for error, text, arguments in rows:
        given = {"FunctionName": "ruled", "Name": "new", "FunctionVersion": "1", **arguments}
        answer = refused(error, text, awslambda.create_alias, **given)
        # This is one of the few refusals that do not say whose fault it was.
        if error in (INVALID, CONFLICT, NOT_FOUND):
            same(answer.get("Type"), None if text == unpublished else "User")
    for argument in ("Name", "FunctionVersion"):
        given = {"FunctionName": "ruled", "Name": "new", "FunctionVersion": "1"}
        del given[argument]
        member = argument[0].lower() + argument[1:]
        text = f"Value null at '{member}' {at} Member must not be null"
        refused(wrong, text, awslambda.create_alias, **given)
    kept = awslambda.list_aliases(FunctionName="ruled")["Aliases"]
    same([alias["Name"] for alias in kept], ["taken"])

    # At the edges of what is allowed.
    for name, weight in (("none", 0.0), ("all", 1.0)):
        made = awslambda.create_alias(
            FunctionName="ruled", Name=name, FunctionVersion="1", **routing(v2=weight)
        )
        same(made["RoutingConfig"], {"AdditionalVersionWeights": {"2": weight}})
    made = awslambda.create_alias(
        FunctionName="ruled", Name="x" * 128, FunctionVersion="1", Description="y" * 256
    )
    same((made["Name"], made["Description"]), ("x" * 128, "y" * 256))


def an_alias_is_updated_in_parts():
    with_versions("moved", 3)
    made = awslambda.create_alias(
        FunctionName="moved",
        Name="live",
        FunctionVersion="1",
        Description="old",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    before = shown(made)
    nothing = {"RoutingConfig": {}}
    empty = {"RoutingConfig": {"AdditionalVersionWeights": {}}}
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.125}}}
    rows = (
        ({}, {}),
        ({"Description": "new"}, {"Description": "new"}),
        ({"FunctionVersion": "3"}, {"FunctionVersion": "3"}),
        (weights, weights),
        ({"Description": ""}, {"Description": ""}),
        (nothing, None),
        (weights, weights),
        (empty, None),
        ({"FunctionVersion": "$LATEST"}, {"FunctionVersion": "$LATEST"}),
        ({"FunctionVersion": "2"}, {"FunctionVersion": "2"}),
    )
    for given, changed in rows:
        answer = awslambda.update_alias(FunctionName="moved", Name="live", **given)
        expected = {**before, **(changed or {}), "RevisionId": answer["RevisionId"]}
        if changed is None:
            del expected["RoutingConfig"]
        same((status(answer), shown(answer)), (200, expected))
        assert answer["RevisionId"] != before["RevisionId"], "an update changes the revision"
        same(shown(awslambda.get_alias(FunctionName="moved", Name="live")), expected)
        before = expected

    stale = {"RevisionId": missing_uuid()}
    shares = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}}
    meets = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}}
    included = "is already included in routing configuration."
    unpublished = {"FunctionVersion": "$LATEST", **meets}
    call = awslambda.update_alias
    rows = (
        (NOT_FOUND, f"Alias not found: {arn('moved:none')}", {"Name": "none"}),
        (NOT_FOUND, f"Alias not found: {arn('moved:none')}", {"Name": "none", **stale}),
        (NOT_FOUND, f"Function not found: {arn('nobody')}", {"FunctionName": "nobody"}),
        (NOT_FOUND, f"Function not found: {arn('moved:9')}", {"FunctionVersion": "9"}),
        (INVALID, included, shares),
        (INVALID, included, meets),
        (INVALID, "$LATEST is not supported for an alias pointing to", unpublished),
        (INVALID, UNQUALIFIED, {"FunctionName": "moved:live"}),
        (STALE, MISMATCH, stale),
        (STALE, MISMATCH, {"RevisionId": made["RevisionId"]}),
        ("ValidationException", "at 'name'", {"Name": "123"}),
        ("ValidationException", "at 'functionVersion'", {"FunctionVersion": "live"}),
        ("ValidationException", "at 'description'", {"Description": "x" * 257}),
    )
    for error, text, arguments in rows:
        refused(error, text, call, **{"FunctionName": "moved", "Name": "live", **arguments})
    same(shown(awslambda.get_alias(FunctionName="moved", Name="live")), before)
    guard = {"RevisionId": before["RevisionId"], "Description": "guarded"}
    same(call(FunctionName=arn("moved"), Name="live", **guard)["Description"], "guarded")


def an_alias_is_missing_or_deleted():
    with_versions("emptied", 2)
    get, delete = awslambda.get_alias, awslambda.delete_alias
    nobody = {"FunctionName": "nobody", "Name": "live"}
    absent = f"Cannot find alias arn: {arn('emptied:live')}"
    refused(NOT_FOUND, absent, get, FunctionName="emptied", Name="live", status=404)
    refused(NOT_FOUND, f"Function not found: {arn('nobody')}", get, **nobody)
    refused(NOT_FOUND, f"Function not found: {arn('nobody')}", delete, status=404, **nobody)
    refused(INVALID, UNQUALIFIED, get, FunctionName="emptied:1", Name="live")
    refused(INVALID, UNQUALIFIED, delete, FunctionName="emptied:1", Name="live")
    for call in (get, delete):
        refused("ValidationException", "at 'name'", call, FunctionName="emptied", Name="123")

    routing = {"AdditionalVersionWeights": {"2": 0.5}}
    create_alias, drop = awslambda.create_alias, awslambda.delete_function
    create_alias(FunctionName="emptied", Name="live", FunctionVersion="1", RoutingConfig=routing)
    create_alias(FunctionName="emptied", Name="also", FunctionVersion="2")
    awslambda.add_permission(
        FunctionName="emptied",
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal=ACCOUNT,
    )
    text = "Unable to delete version because the following aliases reference it:"
    for number, using in (("1", "[live]"), ("2", "[also, live]")):
        qualified = {"FunctionName": "emptied", "Qualifier": number}
        refused(CONFLICT, f"{text} {using}", drop, status=409, **qualified)
    for name in forms("emptied"):  # All but the first find nothing, and that is fine.
        answer = delete(FunctionName=name, Name="live")
        same((status(answer), shown(answer)), (204, {}))
    refused(NOT_FOUND, absent, get, FunctionName="emptied", Name="live")
    refused(
        NOT_FOUND,
        f"Function not found: {arn('emptied:live')}",
        awslambda.get_function,
        FunctionName="emptied:live",
    )
    same(status(drop(FunctionName="emptied", Qualifier="1")), 204)

    # What belonged to the alias has gone with it.
    create_alias(FunctionName="emptied", Name="live", FunctionVersion="2")
    policy = awslambda.get_policy
    refused(NOT_FOUND, "The resource you requested", policy, FunctionName="emptied:live")
    refused(
        INVALID,
        "Deletion of aliases is not currently supported.",
        drop,
        FunctionName="emptied",
        Qualifier="live",
    )


def aliases_are_listed_in_pages():
    with_versions("paged", 2)
    none = awslambda.list_aliases(FunctionName="paged")
    same((status(none), shown(none)), (200, {"Aliases": []}))
    for name, version in (("c", "1"), ("a", "2"), ("B", "1"), ("d", "$LATEST")):
        awslambda.create_alias(FunctionName="paged", Name=name, FunctionVersion=version)
    expected = [
        shown(awslambda.get_alias(FunctionName="paged", Name=name)) for name in ("B", "a", "c", "d")
    ]
    for name in forms("paged"):
        same(shown(awslambda.list_aliases(FunctionName=name)), {"Aliases": expected})
    pager = awslambda.get_paginator("list_aliases")
    for size, lengths in ((1, [1, 1, 1, 1]), (3, [3, 1]), (4, [4]), (10_000, [4])):
        pages = list(pager.paginate(FunctionName="paged", PaginationConfig={"PageSize": size}))
        same([len(page["Aliases"]) for page in pages], lengths)
        same([alias for page in pages for alias in page["Aliases"]], expected)

    for version, names in (("1", ["B", "c"]), ("2", ["a"]), ("$LATEST", ["d"]), ("9", [])):
        found = awslambda.list_aliases(FunctionName="paged", FunctionVersion=version)
        same([alias["Name"] for alias in found["Aliases"]], names)
    first = awslambda.list_aliases(FunctionName="paged", FunctionVersion="1", MaxItems=1)
    rest = awslambda.list_aliases(
        FunctionName="paged", FunctionVersion="1", MaxItems=1, Marker=first["NextMarker"]
    )
    same([alias["Name"] for alias in first["Aliases"] + rest["Aliases"]], ["B", "c"])
    assert "NextMarker" not in rest, rest

    call = awslambda.list_aliases
    size = "at 'maxItems' failed to satisfy constraint: Member must have value"
    rows = (
        ("ValidationException", f"{size} greater than or equal to 1", {"MaxItems": 0}),
        ("ValidationException", f"{size} less than or equal to 10000", {"MaxItems": 10_001}),
        ("ValidationException", "at 'functionVersion'", {"FunctionVersion": "live"}),
        (INVALID, "Invalid pagination token.", {"Marker": "%%%"}),
        (INVALID, UNQUALIFIED, {"FunctionName": "paged:1"}),
        (NOT_FOUND, f"Function not found: {arn('nobody')}", {"FunctionName": "nobody"}),
    )
    for error, text, arguments in rows:
        refused(error, text, call, **{"FunctionName": "paged", **arguments})


a_version_is_a_copy_that_stays()
what_has_not_changed_is_not_published_again()
a_number_is_never_used_again()
an_operation_can_publish_what_it_changes()
publishing_is_guarded()
versions_are_listed_in_pages()
an_alias_is_created_and_read()
a_new_alias_follows_the_rules()
an_alias_is_updated_in_parts()
an_alias_is_missing_or_deleted()
aliases_are_listed_in_pages()
done()
