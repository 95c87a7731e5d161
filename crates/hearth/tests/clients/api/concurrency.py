"""Concurrency: reserved, provisioned, scaling; recursion; the limits of an account.

Works in accounts of its own, so that what others reserve does not count.
"""

import re
from datetime import datetime, timedelta, timezone

from support import *

OWN, EMPTY = "505050505050", "606060606060"
NOWHERE = "nowhere"
INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ResourceConflictException"
VALIDATION = "ValidationException"
DENIED = "AccessDeniedException"
NOT_PROVISIONED = "ProvisionedConcurrencyConfigNotFoundException"
UNQUALIFIED = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support "
    "this operation. Please specify either a function name or an unqualified function ARN."
)
ELSEWHERE = f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')"
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NEITHER = "The function resource provided must be an alias or a published version."
TAKEN = (
    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned "
    "version"
)
POINTED = "Version is pointed by a Provisioned Concurrency alias"
WEIGHTS = "Alias with weights can not be used with Provisioned Concurrency"
NONE = "No Provisioned Concurrency Config found for this function"
NO_PROVIDER = "The function provided by the arn does not contain a capacity provider configuration"

# Asks for an invocation and waits: that is what it takes to be ready.
WAITS = """#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: runtime\\r\\n\\r\\n' >&3
cat <&3
"""
# Is never ready.
HANGS = """#!/bin/bash
exec sleep 600
"""

mine = client(account=OWN)


def own(name, region=REGION):
    return arn(name, region=region, account=OWN)


def forms(name):
    """The ways to name a function without a qualifier."""
    return (name, f"function:{name}", f"{OWN}:function:{name}", own(name))


def function(name, bootstrap=HANGS, to=mine, account=OWN, **more):
    """A function that is active."""
    made = to.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=f"arn:aws:iam::{account}:role/lambda",
        Handler="bootstrap",
        Code={"ZipFile": zipped({"bootstrap": bootstrap})},
        **more,
    )
    settle(name, to)
    return made


def with_versions(name, count, **more):
    """A function with versions that differ in their memory."""
    function(name, **more)
    for number in range(1, count + 1):
        mine.update_function_configuration(FunctionName=name, MemorySize=128 + number)
        settle(name, mine)
        same(mine.publish_version(FunctionName=name)["Version"], str(number))


def untyped(response):
    assert "Type" not in response, response


def typed(response):
    same(response["Type"], "User")


def limits():
    return mine.get_account_settings()["AccountLimit"]


LIMIT = limits()["ConcurrentExecutions"]
MINIMUM = min(100, LIMIT)
# What single functions can claim together.
MOST = LIMIT - MINIMUM
BELOW = f"decreases account's UnreservedConcurrentExecution below its minimum value of [{MINIMUM}]."


def reserved(name):
    return shown(mine.get_function_concurrency(FunctionName=name))


def reserve(name, count, to=mine):
    return to.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=count)


def release(name, to=mine):
    return to.delete_function_concurrency(FunctionName=name)


def a_reservation_is_put_read_and_taken_away():
    function("reserved")
    answer = mine.get_function_concurrency(FunctionName="reserved")
    same((status(answer), shown(answer)), (200, {}))
    answer = release("reserved")
    same((status(answer), shown(answer)), (204, {}))
    for count, name in enumerate(forms("reserved")):
        answer = reserve(name, count)
        same((status(answer), shown(answer)), (200, {"ReservedConcurrentExecutions": count}))
        same(reserved(name), {"ReservedConcurrentExecutions": count})
        found = mine.get_function(FunctionName=name)["Concurrency"]
        same(found, {"ReservedConcurrentExecutions": count})
        same(status(release(name)), 204)
        same(reserved(name), {})
        assert "Concurrency" not in mine.get_function(FunctionName=name)

    # It goes with its function.
    reserve("reserved", 3)
    mine.delete_function(FunctionName="reserved")
    function("reserved")
    same(reserved("reserved"), {})
    mine.delete_function(FunctionName="reserved")


def what_cannot_be_reserved_is_refused():
    function("refusing", Publish=True)
    mine.create_alias(FunctionName="refusing", Name="live", FunctionVersion="1")
    for qualifier in ("$LATEST", "1", "live", "gone"):
        for name in (f"refusing:{qualifier}", own(f"refusing:{qualifier}")):
            for call in (reserve, release, reserved):
                more = [1] if call is reserve else []
                typed(refused(INVALID, UNQUALIFIED, call, name, *more, status=400))

    missing = f"Function not found: {own(NOWHERE)}"
    typed(refused(NOT_FOUND, f"{missing}:$LATEST", reserve, NOWHERE, 1, status=404))
    for call in (release, reserved):
        typed(refused(NOT_FOUND, missing, call, NOWHERE, status=404))
    for call in (release, reserved):
        refused(NOT_FOUND, ELSEWHERE, call, own("refusing", "eu-west-1"), status=404)
        refused(DENIED, "", call, arn("refusing"), status=403)
    refused(NOT_FOUND, ELSEWHERE, reserve, own("refusing", "eu-west-1"), 1, status=404)
    refused(DENIED, "", reserve, arn("refusing"), 1, status=403)

    where = "at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must"
    text = f"1 validation error detected: Value '-1' {where} have value greater than or equal to 0"
    refused(VALIDATION, text, reserve, "refusing", -1, status=400)
    call = mine.put_function_concurrency
    refused(VALIDATION, f"Value null {where} not be null", call, FunctionName="refusing")
    for call in (release, reserved):
        refused(VALIDATION, "Member must satisfy regular expression pattern", call, "no name")
        refused(VALIDATION, "Member must have length less than or equal to 140", call, "n" * 141)
    same(reserved("refusing"), {})
    mine.delete_function(FunctionName="refusing")


def a_part_of_the_account_stays_for_all():
    function("one")
    function("other")
    same(limits()["UnreservedConcurrentExecutions"], LIMIT)
    text = f"Specified ReservedConcurrentExecutions for function {BELOW}"
    for count in (MOST + 1, LIMIT, LIMIT + 1, 2**31 - 1):
        untyped(refused(INVALID, text, reserve, "one", count, status=400))
    same(reserved("one"), {})
    reserve("one", MOST)
    same(limits()["UnreservedConcurrentExecutions"], MINIMUM)
    same(limits()["ConcurrentExecutions"], LIMIT)
    untyped(refused(INVALID, text, reserve, "other", 1, status=400))
    reserve("other", 0)
    reserve("one", MOST)
    reserve("one", MOST - 1)
    reserve("other", 1)
    refused(INVALID, text, reserve, "one", MOST)
    same(reserved("one"), {"ReservedConcurrentExecutions": MOST - 1})

    # Another region and another account have pools of their own.
    for there in (client(account=OWN, region="eu-west-1"), client(account=EMPTY)):
        unreserved = there.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
        same(unreserved, LIMIT)
    there = client(account=OWN, region="eu-west-1")
    function("one", to=there)
    reserve("one", MOST, to=there)
    there.delete_function(FunctionName="one")

    # What was reserved for a function is free when it is gone.
    mine.delete_function(FunctionName="one")
    same(limits()["UnreservedConcurrentExecutions"], LIMIT - 1)
    release("other")
    same(limits()["UnreservedConcurrentExecutions"], LIMIT)
    mine.delete_function(FunctionName="other")


def an_account_shows_its_limits_and_what_it_uses():
    empty = client(account=EMPTY)
    answer = empty.get_account_settings()
    same(status(answer), 200)
    expected = {
        "TotalCodeSize": 322122547200,
        "CodeSizeUnzipped": 262144000,
        "CodeSizeZipped": 52428800,
        "ConcurrentExecutions": LIMIT,
        "UnreservedConcurrentExecutions": LIMIT,
    }
    same(shown(answer)["AccountLimit"], expected)
    same(shown(answer)["AccountUsage"], {"TotalCodeSize": 0, "FunctionCount": 0})
    same(set(shown(answer)), {"AccountLimit", "AccountUsage"})

    def usage():
        return empty.get_account_settings()["AccountUsage"]

    function("counted", to=empty, account=EMPTY)
    size = empty.get_function_configuration(FunctionName="counted")["CodeSize"]
    same(usage(), {"TotalCodeSize": size, "FunctionCount": 1})
    layer = zipped({"more": "code"})
    published = empty.publish_layer_version(LayerName="counted", Content={"ZipFile": layer})
    same(published["Content"]["CodeSize"], len(layer))
    same(usage(), {"TotalCodeSize": size + len(layer), "FunctionCount": 1})
    empty.delete_layer_version(LayerName="counted", VersionNumber=1)
    empty.delete_function(FunctionName="counted")
    same(usage(), {"TotalCodeSize": 0, "FunctionCount": 0})


def provision(name, qualifier, count):
    return mine.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def provisioned(name, qualifier):
    return mine.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def end(name, qualifier):
    return mine.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def listed(name, **more):
    return mine.list_provisioned_concurrency_configs(FunctionName=name, **more)


def qualifiers(name):
    """What is provisioned for a function: how many, by qualifier."""
    counts = {}
    for one in listed(name)["ProvisionedConcurrencyConfigs"]:
        before, qualifier = one["FunctionArn"].rsplit(":", 1)
        same(before, own(name))
        counts[qualifier] = one["RequestedProvisionedConcurrentExecutions"]
    return counts


def config(answer):
    """A configuration without its time, which is a moment ago and in whole seconds."""
    found = shown(answer)
    modified = found.pop("LastModified")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", modified), modified
    age = datetime.now(timezone.utc) - datetime.strptime(modified, "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(minutes=-1) < age < timedelta(minutes=10), age
    return found


def counts(requested, ready=0, state="IN_PROGRESS"):
    return {
        "RequestedProvisionedConcurrentExecutions": requested,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "AvailableProvisionedConcurrentExecutions": ready,
        "Status": state,
    }


def what_is_provisioned_is_put_read_listed_and_taken_away():
    with_versions("kept", 2)
    mine.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
    answer = listed("kept")
    same((status(answer), shown(answer)), (200, {"ProvisionedConcurrencyConfigs": []}))
    for qualifier in ("1", "2", "live"):
        typed(refused(NOT_PROVISIONED, NONE, provisioned, "kept", qualifier, status=404))
        answer = end("kept", qualifier)
        same((status(answer), shown(answer)), (204, {}))

    for name in forms("kept") + ("kept:live", own("kept:live")):
        answer = provision(name, "live", 1)
        same((status(answer), config(answer)), (202, counts(1)))
        answer = provisioned(name, "live")
        same((status(answer), config(answer)), (200, counts(1)))
        same(qualifiers("kept"), {"live": 1})
        same(status(end(name, "live")), 204)
        refused(NOT_PROVISIONED, NONE, provisioned, name, "live")
        same(qualifiers("kept"), {})

    # A put replaces what was asked for.
    provision("kept", "live", 2)
    same(config(provision("kept", "live", 1)), counts(1))
    provision("kept", "2", 1)
    same(qualifiers("kept"), {"2": 1, "live": 1})
    for name in forms("kept"):
        found = shown(listed(name))
        same(len(found["ProvisionedConcurrencyConfigs"]), 2)
        for one, qualifier in zip(found["ProvisionedConcurrencyConfigs"], ("2", "live")):
            same(config(one), {"FunctionArn": own(f"kept:{qualifier}"), **counts(1)})

    first = shown(listed("kept", MaxItems=1))
    same(len(first["ProvisionedConcurrencyConfigs"]), 1)
    second = shown(listed("kept", MaxItems=1, Marker=first["NextMarker"]))
    same(len(second["ProvisionedConcurrencyConfigs"]), 1)
    assert "NextMarker" not in second, second
    both = first["ProvisionedConcurrencyConfigs"] + second["ProvisionedConcurrencyConfigs"]
    same([one["FunctionArn"] for one in both], [own("kept:2"), own("kept:live")])
    mine.delete_function(FunctionName="kept")
    refused(NOT_FOUND, f"Function not found: {own('kept')}", listed, "kept", status=404)


def what_cannot_be_provisioned_is_refused():
    with_versions("strict", 3)
    for name, to in (("live", "1"), ("also", "1"), ("head", "$LATEST")):
        mine.create_alias(FunctionName="strict", Name=name, FunctionVersion=to)
    weights = {"AdditionalVersionWeights": {"3": 0.5}}
    mine.create_alias(
        FunctionName="strict", Name="both", FunctionVersion="2", RoutingConfig=weights
    )

    for name in ("strict", NOWHERE):
        typed(refused(INVALID, UNPUBLISHED, provision, name, "$LATEST", 1, status=400))
        for call in (provisioned, end):
            typed(refused(INVALID, NEITHER, call, name, "$LATEST", status=400))
        alias = f"Cannot find alias arn: {own(name)}:gone"
        version = f"Function not found: {own(name)}:9"
        for qualifier, text in (("gone", alias), ("9", version)):
            typed(refused(NOT_FOUND, text, provision, name, qualifier, 1, status=404))
            for call in (provisioned, end):
                typed(refused(NOT_FOUND, text, call, name, qualifier, status=404))
    typed(refused(INVALID, UNPUBLISHED, provision, "strict", "head", 1, status=400))
    typed(refused(INVALID, WEIGHTS, provision, "strict", "both", 1, status=400))
    for call in (provisioned, end):
        refused(INVALID, MISMATCH, call, "strict:live", "1", status=400)
        refused(NOT_FOUND, ELSEWHERE, call, own("strict", "eu-west-1"), "1", status=404)
        refused(DENIED, "", call, arn("strict"), "1", status=403)
    refused(INVALID, MISMATCH, provision, "strict:live", "1", 1, status=400)
    refused(INVALID, UNQUALIFIED, listed, "strict:live", status=400)
    refused(NOT_FOUND, f"Function not found: {own(NOWHERE)}", listed, NOWHERE, status=404)

    # A version is provisioned under one name.
    provision("strict", "live", 1)
    typed(refused(CONFLICT, POINTED, provision, "strict", "1", 1, status=409))
    typed(refused(CONFLICT, TAKEN, provision, "strict", "also", 1, status=409))
    end("strict", "live")
    provision("strict", "1", 1)
    typed(refused(CONFLICT, TAKEN, provision, "strict", "live", 1, status=409))
    end("strict", "1")

    where = "at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must"
    positive = f"{where} have value greater than or equal to 1"
    for count in (0, -1):
        text = f"1 validation error detected: Value '{count}' {positive}"
        refused(VALIDATION, text, provision, "strict", "1", count, status=400)
    call = mine.put_provisioned_concurrency_config
    text = f"Value null {where} not be null"
    refused(VALIDATION, text, call, FunctionName="strict", Qualifier="1")
    text = "Value null at 'qualifier' failed to satisfy constraint: Member must not be null"
    refused(VALIDATION, text, call, FunctionName="strict", ProvisionedConcurrentExecutions=1)
    for call in (provisioned, end):
        refused(VALIDATION, "at 'qualifier' failed to satisfy", call, "strict", "no alias")
        refused(VALIDATION, "length less than or equal to 128", call, "strict", "a" * 129)
        refused(VALIDATION, "at 'functionName' failed to satisfy", call, "no name", "1")
    for count, bound in ((0, "greater than or equal to 1"), (51, "less than or equal to 50")):
        text = f"Value '{count}' at 'maxItems' failed to satisfy constraint: Member must have value"
        refused(VALIDATION, f"{text} {bound}", listed, "strict", MaxItems=count)
    refused(INVALID, "Invalid pagination token.", listed, "strict", Marker="%", status=400)
    same(qualifiers("strict"), {})
    mine.delete_function(FunctionName="strict")


def what_is_provisioned_fits_its_function_and_its_account():
    with_versions("fits", 2)
    function("other")
    reserve("fits", 2)
    more = (
        "Requested Provisioned Concurrency should not be greater than the "
        "reservedConcurrentExecution for function"
    )
    typed(refused(INVALID, more, provision, "fits", "1", 3, status=400))
    provision("fits", "1", 1)
    typed(refused(INVALID, more, provision, "fits", "2", 2, status=400))
    provision("fits", "2", 1)
    less = "should not be lower than function's total provisioned concurrency [2]."
    text = f" ReservedConcurrentExecutions  1 {less}"
    untyped(refused(INVALID, text, reserve, "fits", 1, status=400))
    same(reserved("fits"), {"ReservedConcurrentExecutions": 2})
    release("fits")
    end("fits", "2")

    # Without a reservation it comes out of the account, of which one is taken already.
    same(limits()["UnreservedConcurrentExecutions"], LIMIT)
    text = f"Specified ReservedConcurrentExecutions for function {BELOW}"
    untyped(refused(INVALID, text, reserve, "other", MOST, status=400))
    reserve("other", MOST - 1)
    text = f"Specified ConcurrentExecutions for function {BELOW}"
    untyped(refused(INVALID, text, provision, "fits", "1", 2, status=400))
    untyped(refused(INVALID, text, provision, "fits", "2", 1, status=400))
    text = "Specified ConcurrentExecutions for function is greater than account's unreserved"
    left = MINIMUM + 1
    text = f"{text} concurrency [{left}]."
    untyped(refused(INVALID, text, provision, "fits", "1", left + 1, status=400))
    provision("fits", "1", 1)
    same(qualifiers("fits"), {"1": 1})
    for name in ("fits", "other"):
        mine.delete_function(FunctionName=name)


def what_is_provisioned_follows_its_alias():
    with_versions("moving", 3)
    mine.create_alias(FunctionName="moving", Name="live", FunctionVersion="1")
    provision("moving", "live", 1)
    mine.update_alias(FunctionName="moving", Name="live", FunctionVersion="2")
    same(qualifiers("moving"), {"live": 1})
    typed(refused(CONFLICT, POINTED, provision, "moving", "2", 1, status=409))
    provision("moving", "1", 1)
    same(qualifiers("moving"), {"1": 1, "live": 1})
    move = dict(FunctionName="moving", Name="live")
    refused(CONFLICT, TAKEN, mine.update_alias, FunctionVersion="1", status=409, **move)
    refused(INVALID, UNPUBLISHED, mine.update_alias, FunctionVersion="$LATEST", **move)

    # It goes with its version or its alias.
    mine.delete_function(FunctionName="moving", Qualifier="1")
    same(qualifiers("moving"), {"live": 1})
    mine.delete_alias(FunctionName="moving", Name="live")
    same(qualifiers("moving"), {})
    text = f"Cannot find alias arn: {own('moving')}:live"
    refused(NOT_FOUND, text, provisioned, "moving", "live", status=404)
    mine.create_alias(FunctionName="moving", Name="live", FunctionVersion="2")
    refused(NOT_PROVISIONED, NONE, provisioned, "moving", "live", status=404)
    mine.delete_function(FunctionName="moving")


def ready(name, qualifier, count):
    """Waits until all of the environments are ready."""
    deadline = time.monotonic() + 60
    while True:
        found = config(provisioned(name, qualifier))
        if found["Status"] == "READY":
            return same(found, counts(count, count, "READY"))
        same(found["Status"], "IN_PROGRESS")
        assert time.monotonic() < deadline, f"{name}:{qualifier} is not ready: {found}"


def environments_become_ready_and_move_with_their_alias():
    with_versions("warm", 2, bootstrap=WAITS)
    mine.create_alias(FunctionName="warm", Name="live", FunctionVersion="1")
    same(config(provision("warm", "live", 2)), counts(2))
    ready("warm", "live", 2)
    same(config(listed("warm")["ProvisionedConcurrencyConfigs"][0])["Status"], "READY")
    # What there is already is there in the answer as well.
    same(config(provision("warm", "live", 1)), counts(1, 1))
    ready("warm", "live", 1)
    mine.update_alias(FunctionName="warm", Name="live", FunctionVersion="2")
    ready("warm", "live", 1)
    end("warm", "live")
    refused(NOT_PROVISIONED, NONE, provisioned, "warm", "live", status=404)
    mine.delete_function(FunctionName="warm")


def versions_without_a_capacity_provider_do_not_scale():
    function("plain", Publish=True)

    def put(name, qualifier, **settings):
        settings = settings or {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2}
        return mine.put_function_scaling_config(
            FunctionName=name, Qualifier=qualifier, FunctionScalingConfig=settings
        )

    def get(name, qualifier):
        return mine.get_function_scaling_config(FunctionName=name, Qualifier=qualifier)

    for call in (put, get):
        for name in forms("plain"):
            refused(DENIED, NO_PROVIDER, call, name, "1", status=403)
            for qualifier in ("9", "$LATEST.PUBLISHED"):
                text = f"Function not found: {own('plain')}:{qualifier}"
                typed(refused(NOT_FOUND, text, call, name, qualifier, status=404))
        text = f"Function not found: {own(NOWHERE)}:1"
        refused(NOT_FOUND, text, call, NOWHERE, "1", status=404)
        for qualifier in ("live", "$LATEST"):
            text = f"Value '{qualifier}' at 'qualifier' failed to satisfy constraint"
            refused(VALIDATION, text, call, "plain", qualifier, status=400)
        refused(VALIDATION, "at 'functionName' failed to satisfy", call, "plain:1", "1")
    for end_of_range in ("min", "max"):
        member = f"{end_of_range}ExecutionEnvironments"
        where = f"at 'functionScalingConfig.{member}' failed to satisfy constraint"
        settings = {member[0].upper() + member[1:]: 15001}
        text = f"Value '15001' {where}: Member must have value less than or equal to 15000"
        refused(VALIDATION, text, put, "plain", "1", **settings)
    mine.delete_function(FunctionName="plain")


def a_recursive_function_is_stopped_unless_it_may_go_on():
    function("recursive")

    def put(name, word):
        return mine.put_function_recursion_config(FunctionName=name, RecursiveLoop=word)

    def get(name):
        return mine.get_function_recursion_config(FunctionName=name)

    answer = get("recursive")
    same((status(answer), shown(answer)), (200, {"RecursiveLoop": "Terminate"}))
    for name in forms("recursive"):
        for word in ("Allow", "Allow", "Terminate"):
            answer = put(name, word)
            same((status(answer), shown(answer)), (200, {"RecursiveLoop": word}))
            same(shown(get(name)), {"RecursiveLoop": word})

    text = f"Function not found: {own(NOWHERE)}"
    typed(refused(NOT_FOUND, text, put, NOWHERE, "Allow", status=404))
    typed(refused(NOT_FOUND, text, get, NOWHERE, status=404))
    refused(NOT_FOUND, ELSEWHERE, get, own("recursive", "eu-west-1"), status=404)
    refused(DENIED, "", get, arn("recursive"), status=403)
    text = "Value 'allow' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum"
    refused(VALIDATION, text, put, "recursive", "allow", status=400)
    call = mine.put_function_recursion_config
    text = "Value null at 'recursiveLoop' failed to satisfy constraint: Member must not be null"
    refused(VALIDATION, text, call, FunctionName="recursive", status=400)
    # The model has no place for a qualifier here.
    refused(VALIDATION, "at 'functionName' failed to satisfy", get, "recursive:1", status=400)
    refused(VALIDATION, "at 'functionName' failed to satisfy", put, "recursive:1", "Allow")
    mine.delete_function(FunctionName="recursive")


a_reservation_is_put_read_and_taken_away()
what_cannot_be_reserved_is_refused()
a_part_of_the_account_stays_for_all()
an_account_shows_its_limits_and_what_it_uses()
what_is_provisioned_is_put_read_listed_and_taken_away()
what_cannot_be_provisioned_is_refused()
what_is_provisioned_fits_its_function_and_its_account()
what_is_provisioned_follows_its_alias()
environments_become_ready_and_move_with_their_alias()
versions_without_a_capacity_provider_do_not_scale()
a_recursive_function_is_stopped_unless_it_may_go_on()
done()
