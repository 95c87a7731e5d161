"""Runtime management: when a version of a function takes a new version of its runtime."""

from support import *

NAME = "managed"
INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
WRONG = "ValidationException"

put = awslambda.put_runtime_management_config
get = awslambda.get_runtime_management_config


def mode(**which):
    return get(FunctionName=NAME, **which)["UpdateRuntimeOn"]


def the_default_is_auto():
    answer = get(FunctionName=NAME)
    same(status(answer), 200)
    same(shown(answer), {"UpdateRuntimeOn": "Auto", "FunctionArn": arn(NAME)})


def each_mode_is_kept_and_shown(installed):
    for asked in (
        {"UpdateRuntimeOn": "FunctionUpdate"},
        {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": installed},
        {"UpdateRuntimeOn": "Auto"},
    ):
        answer = put(FunctionName=NAME, **asked)
        expected = {**asked, "FunctionArn": arn(NAME)}
        same((status(answer), shown(answer)), (200, expected))
        same(shown(get(FunctionName=NAME)), expected)


def each_version_has_its_own():
    put(FunctionName=NAME, UpdateRuntimeOn="FunctionUpdate")
    same(mode(Qualifier="1"), "Auto")
    answer = put(FunctionName=NAME, Qualifier="$LATEST", UpdateRuntimeOn="Auto")
    same(answer["FunctionArn"], arn(f"{NAME}:$LATEST"))
    same((mode(), mode(Qualifier="$LATEST")), ("Auto", "Auto"))
    answer = put(FunctionName=f"{NAME}:1", UpdateRuntimeOn="FunctionUpdate")
    same(shown(answer), {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn(f"{NAME}:1")})
    same((mode(), mode(Qualifier="1")), ("Auto", "FunctionUpdate"))
    for name in (f"function:{NAME}:1", f"{ACCOUNT}:function:{NAME}:1", arn(f"{NAME}:1")):
        same(shown(get(FunctionName=name)), shown(answer))
        same(shown(get(FunctionName=name, Qualifier="1")), shown(answer))


def what_cannot_be_kept_says_why(installed):
    other = f"arn:aws:lambda:{REGION}::runtime:{'0' * 64}"
    at = "failed to satisfy constraint: Member must"
    required = "RuntimeVersionArn is required when UpdateRuntimeOn is Manual."
    superfluous = "RuntimeVersionArn can only be specified when UpdateRuntimeOn is Manual."
    manual, version = {"UpdateRuntimeOn": "Manual"}, {"RuntimeVersionArn": installed}
    short = f"at 'runtimeVersionArn' {at} have length greater than or equal to 26"
    pattern = f"at 'runtimeVersionArn' {at} satisfy regular expression pattern"
    rows = (
        (INVALID, required, manual),
        (INVALID, installed, {**manual, "RuntimeVersionArn": other}),
        (INVALID, superfluous, {"UpdateRuntimeOn": "Auto", **version}),
        (INVALID, superfluous, {"UpdateRuntimeOn": "FunctionUpdate", **version}),
        (WRONG, f"at 'updateRuntimeOn' {at} satisfy enum value set", {"UpdateRuntimeOn": "auto"}),
        (WRONG, f"Value null at 'updateRuntimeOn' {at} not be null", {}),
        (WRONG, short, {**manual, "RuntimeVersionArn": "arn:aws:lambda"}),
        (WRONG, pattern, {**manual, "RuntimeVersionArn": "x" * 30}),
    )
    before = shown(get(FunctionName=NAME))
    for error, text, arguments in rows:
        refused(error, text, put, FunctionName=NAME, status=400, **arguments)
    same(shown(get(FunctionName=NAME)), before)


def what_is_not_there_is_named():
    aliases = "Aliases do not support this operation."
    differ = "The derived qualifier from the function name does not match the specified qualifier."
    elsewhere = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    nobody = f"Function not found: {arn('nobody')}"
    rows = (
        (NOT_FOUND, nobody, {"FunctionName": "nobody"}),
        (NOT_FOUND, f"{nobody}:1", {"FunctionName": "nobody", "Qualifier": "1"}),
        (NOT_FOUND, f"Function not found: {arn(NAME)}:9", {"FunctionName": NAME, "Qualifier": "9"}),
        (NOT_FOUND, elsewhere, {"FunctionName": arn(NAME, region="eu-west-1")}),
        (INVALID, aliases, {"FunctionName": NAME, "Qualifier": "live"}),
        (INVALID, aliases, {"FunctionName": f"{NAME}:live"}),
        (INVALID, differ, {"FunctionName": f"{NAME}:1", "Qualifier": "$LATEST"}),
        (WRONG, "at 'qualifier'", {"FunctionName": NAME, "Qualifier": "a b"}),
        (WRONG, "at 'qualifier'", {"FunctionName": NAME, "Qualifier": "x" * 129}),
        (WRONG, "at 'functionName'", {"FunctionName": "not a name"}),
    )
    for error, text, which in rows:
        code = 404 if error == NOT_FOUND else 400
        refused(error, text, get, status=code, **which)
        refused(error, text, put, status=code, UpdateRuntimeOn="Auto", **which)


def settings_go_with_their_function():
    put(FunctionName=NAME, UpdateRuntimeOn="FunctionUpdate")
    awslambda.delete_function(FunctionName=NAME)
    create(NAME)
    same(mode(), "Auto")


create(NAME)
awslambda.publish_version(FunctionName=NAME)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
runtime = settle(NAME)["RuntimeVersionConfig"]["RuntimeVersionArn"]
the_default_is_auto()
each_mode_is_kept_and_shown(runtime)
each_version_has_its_own()
what_cannot_be_kept_says_why(runtime)
what_is_not_there_is_named()
settings_go_with_their_function()
done()
