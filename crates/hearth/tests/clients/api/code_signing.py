"""Code signing configurations, and the functions that are under them."""

import re

from support import *
from support import arn as function_arn

LAST_MODIFIED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
CONFIG_ID = re.compile(r"csc-[a-z0-9]{17}")


def profile(name="release/abcdef0123"):
    return f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/{name}"


def publishers(*arns):
    return {"SigningProfileVersionArns": list(arns or [profile()])}


def policy(word):
    return {"UntrustedArtifactOnDeployment": word}


def config(to=awslambda, **more):
    """A new configuration."""
    more.setdefault("AllowedPublishers", publishers())
    return to.create_code_signing_config(**more)["CodeSigningConfig"]


def get(arn):
    return awslambda.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]


def config_arn(config_id, account=ACCOUNT):
    return f"arn:aws:lambda:{REGION}:{account}:code-signing-config:{config_id}"


MISSING = config_arn("csc-00000000000000000")
# Recorded: which of the two it is depends on whether a function names it.
NOT_FOUND = f"The Lambda code signing configuration {MISSING} can not be found."
NOT_FOUND_BY_FUNCTION = (
    "The code signing configuration cannot be found. "
    f"Check that the provided configuration is not deleted: {MISSING}."
)


def not_found(call, **arguments):
    error = refused("ResourceNotFoundException", NOT_FOUND, call, status=404, **arguments)
    assert "Type" not in error, "recorded: this error has no Type"


def life_of_a_configuration():
    made = awslambda.create_code_signing_config(
        Description="ours",
        AllowedPublishers=publishers(profile("release"), profile("nightly/0123456789")),
        CodeSigningPolicies=policy("Enforce"),
    )
    same(status(made), 201)
    made = shown(made)["CodeSigningConfig"]
    config_id = made["CodeSigningConfigId"]
    assert CONFIG_ID.fullmatch(config_id), config_id
    assert LAST_MODIFIED.fullmatch(made["LastModified"]), made
    arn = config_arn(config_id)
    expected = {
        "CodeSigningConfigId": config_id,
        "CodeSigningConfigArn": arn,
        "Description": "ours",
        "AllowedPublishers": publishers(profile("release"), profile("nightly/0123456789")),
        "CodeSigningPolicies": policy("Enforce"),
        "LastModified": made["LastModified"],
    }
    same(made, expected)
    found = awslambda.get_code_signing_config(CodeSigningConfigArn=arn)
    same(shown(found), {"CodeSigningConfig": expected})

    # An update changes what it names, and nothing else.
    for change in (
        {"CodeSigningPolicies": policy("Warn")},
        {"Description": "theirs"},
        {"AllowedPublishers": publishers(profile("other/1"))},
        {"Description": ""},
        {"CodeSigningPolicies": {}},
        {},
    ):
        answer = awslambda.update_code_signing_config(CodeSigningConfigArn=arn, **change)
        same(status(answer), 200)
        updated = shown(answer)["CodeSigningConfig"]
        expected |= {key: value for key, value in change.items() if value != {}}
        expected["LastModified"] = updated["LastModified"]
        same(updated, expected)
        same(get(arn), expected)

    deleted = awslambda.delete_code_signing_config(CodeSigningConfigArn=arn)
    same((status(deleted), shown(deleted)), (204, {}))
    refused("ResourceNotFoundException", f"{arn} can not be found.", get, arn)


def defaults():
    made = config()
    same((made["Description"], made["CodeSigningPolicies"]), ("", policy("Warn")))
    same(config(CodeSigningPolicies={})["CodeSigningPolicies"], policy("Warn"))


def what_is_missing():
    not_found(awslambda.get_code_signing_config, CodeSigningConfigArn=MISSING)
    not_found(awslambda.update_code_signing_config, CodeSigningConfigArn=MISSING, Description="x")
    not_found(awslambda.update_code_signing_config, CodeSigningConfigArn=MISSING)
    not_found(awslambda.delete_code_signing_config, CodeSigningConfigArn=MISSING)
    not_found(awslambda.list_functions_by_code_signing_config, CodeSigningConfigArn=MISSING)

    # A configuration belongs to its account and its region.
    arn = config()["CodeSigningConfigArn"]
    for elsewhere in (client(region="eu-west-1"), client(account="123456789012")):
        refused(
            "ResourceNotFoundException",
            f"{arn} can not be found.",
            elsewhere.get_code_signing_config,
            CodeSigningConfigArn=arn,
        )

    function = "code-signing-missing"
    create(function)
    nobody = "code-signing-nobody"
    no_function = f"Function not found: {function_arn(nobody)}"
    for name in (function, nobody):  # Recorded: the configuration is looked for first.
        error = refused(
            "CodeSigningConfigNotFoundException",
            NOT_FOUND_BY_FUNCTION,
            awslambda.put_function_code_signing_config,
            FunctionName=name,
            CodeSigningConfigArn=MISSING,
            status=404,
        )
        same(error["Type"], "User")
    refused(
        "ResourceNotFoundException",
        no_function,
        awslambda.put_function_code_signing_config,
        FunctionName=nobody,
        CodeSigningConfigArn=arn,
        status=404,
    )
    for call in (
        awslambda.get_function_code_signing_config,
        awslambda.delete_function_code_signing_config,
    ):
        refused("ResourceNotFoundException", no_function, call, FunctionName=nobody, status=404)


def constraints():
    made = config()["CodeSigningConfigArn"]

    def invalid(text, call=awslambda.create_code_signing_config, **arguments):
        if call == awslambda.create_code_signing_config:
            arguments.setdefault("AllowedPublishers", publishers())
        refused("ValidationException", text, call, status=400, **arguments)

    at_list = "at 'allowedPublishers.signingProfileVersionArns' failed to satisfy constraint: "
    refused(
        "ValidationException",
        "Value null at 'allowedPublishers' failed to satisfy constraint: Member must not be null",
        awslambda.create_code_signing_config,
        Description="no publishers",
    )
    invalid("Value null at 'allowedPublishers.signingProfileVersionArns'", AllowedPublishers={})
    invalid(
        f"{at_list}Member must have length greater than or equal to 1",
        AllowedPublishers={"SigningProfileVersionArns": []},
    )
    invalid(
        f"{at_list}Member must have length less than or equal to 20",
        AllowedPublishers=publishers(*[profile(f"p/{number}") for number in range(21)]),
    )
    invalid(
        f"{at_list}Member must satisfy constraint: [",
        AllowedPublishers=publishers("release"),
    )
    invalid(
        "at 'description' failed to satisfy constraint: "
        "Member must have length less than or equal to 256",
        Description="x" * 257,
    )
    at_policy = (
        "at 'codeSigningPolicies.untrustedArtifactOnDeployment' failed to satisfy constraint: "
    )
    invalid(
        f"Value 'Never' {at_policy}Member must satisfy enum value set",
        CodeSigningPolicies=policy("Never"),
    )
    for text, change in (
        (f"Value 'Never' {at_policy}", {"CodeSigningPolicies": policy("Never")}),
        (f"{at_list}Member must", {"AllowedPublishers": {"SigningProfileVersionArns": []}}),
        ("at 'description'", {"Description": "x" * 257}),
    ):
        invalid(text, awslambda.update_code_signing_config, CodeSigningConfigArn=made, **change)

    # The pattern of the ARN.
    at_arn = (
        "at 'codeSigningConfigArn' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern"
    )
    for bad in ("nothing", config_arn("csc-0"), config_arn("csc-0000000000000000A")):
        for call, more in (
            (awslambda.get_code_signing_config, {}),
            (awslambda.update_code_signing_config, {}),
            (awslambda.delete_code_signing_config, {}),
            (awslambda.list_functions_by_code_signing_config, {}),
            (awslambda.put_function_code_signing_config, {"FunctionName": "any"}),
        ):
            invalid(f"Value '{bad}' {at_arn}", call, CodeSigningConfigArn=bad, **more)
    invalid(
        "Value null at 'codeSigningConfigArn'",
        awslambda.put_function_code_signing_config,
        FunctionName="any",
    )

    # Pages.
    for items, text in ((0, "greater than or equal to 1"), (10_001, "less than or equal to 10000")):
        at_items = (
            f"Value '{items}' at 'maxItems' failed to satisfy constraint: "
            f"Member must have value {text}"
        )
        invalid(at_items, awslambda.list_code_signing_configs, MaxItems=items)
        invalid(
            at_items,
            awslambda.list_functions_by_code_signing_config,
            CodeSigningConfigArn=made,
            MaxItems=items,
        )
    for call, arguments in (
        (awslambda.list_code_signing_configs, {}),
        (awslambda.list_functions_by_code_signing_config, {"CodeSigningConfigArn": made}),
    ):
        refused(
            "InvalidParameterValueException",
            "Invalid pagination token.",
            call,
            Marker="%%%",
            **arguments,
        )

    # What the model cannot say.
    refused(
        "InvalidParameterValueException",
        "is not the ARN of a version of an AWS Signer signing profile",
        config,
        AllowedPublishers=publishers(ROLE),
        status=400,
    )
    refused(
        "InvalidParameterValueException",
        "Number of tags exceeds resource tag limit.",
        config,
        Tags={f"key-{number}": "value" for number in range(51)},
    )


def pages():
    # An account of its own, so that there are no other configurations.
    alone = client(account="111122223333")
    for old in alone.list_code_signing_configs()["CodeSigningConfigs"]:
        alone.delete_code_signing_config(CodeSigningConfigArn=old["CodeSigningConfigArn"])
    same(shown(alone.list_code_signing_configs()), {"CodeSigningConfigs": []})
    made = sorted((config(alone) for _ in range(3)), key=lambda one: one["CodeSigningConfigArn"])
    same(shown(alone.list_code_signing_configs()), {"CodeSigningConfigs": made})
    same(walk(alone.list_code_signing_configs, "CodeSigningConfigs"), made)


def walk(call, key, **arguments):
    """All items, one on a page."""
    items, marker = [], {}
    while True:
        page = call(MaxItems=1, **marker, **arguments)
        same(len(page[key]), 1)
        items += page[key]
        if "NextMarker" not in page:
            return items
        marker = {"Marker": page["NextMarker"]}


def functions_under_a_configuration():
    first, second = config()["CodeSigningConfigArn"], config()["CodeSigningConfigArn"]
    names = [f"code-signing-{letter}" for letter in "abc"]
    for name in names:
        create(name)
        # Recorded: nothing at all. Tools ask this of every function.
        none = awslambda.get_function_code_signing_config(FunctionName=name)
        same((status(none), shown(none)), (200, {}))
    listing = awslambda.list_functions_by_code_signing_config
    same(shown(listing(CodeSigningConfigArn=first)), {"FunctionArns": []})

    # Each way to name a function.
    forms = (names[0], f"{ACCOUNT}:function:{names[1]}", function_arn(names[2]))
    for name, named in zip(names, forms):
        answer = awslambda.put_function_code_signing_config(
            FunctionName=named, CodeSigningConfigArn=first
        )
        same(status(answer), 200)
        same(shown(answer), {"CodeSigningConfigArn": first, "FunctionName": name})
        answer = awslambda.get_function_code_signing_config(FunctionName=named)
        same(shown(answer), {"CodeSigningConfigArn": first, "FunctionName": name})
    qualified = f"{names[0]}:$LATEST"
    for call, arguments in (
        (awslambda.put_function_code_signing_config, {"CodeSigningConfigArn": first}),
        (awslambda.get_function_code_signing_config, {}),
        (awslambda.delete_function_code_signing_config, {}),
    ):
        refused(
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only.",
            call,
            FunctionName=qualified,
            **arguments,
        )

    arns = [function_arn(name) for name in names]
    same(shown(listing(CodeSigningConfigArn=first)), {"FunctionArns": arns})
    same(walk(listing, "FunctionArns", CodeSigningConfigArn=first), arns)

    # Another configuration takes the place of the first.
    awslambda.put_function_code_signing_config(FunctionName=names[0], CodeSigningConfigArn=second)
    same(listing(CodeSigningConfigArn=first)["FunctionArns"], arns[1:])
    same(listing(CodeSigningConfigArn=second)["FunctionArns"], arns[:1])

    # A configuration stays for as long as a function needs it.
    delete = awslambda.delete_code_signing_config
    refused("ResourceConflictException", second, delete, CodeSigningConfigArn=second, status=409)
    for _ in range(2):
        answer = awslambda.delete_function_code_signing_config(FunctionName=names[0])
        same((status(answer), shown(answer)), (204, {}))
    same(shown(awslambda.get_function_code_signing_config(FunctionName=names[0])), {})
    delete(CodeSigningConfigArn=second)
    awslambda.delete_function(FunctionName=names[1])
    same(listing(CodeSigningConfigArn=first)["FunctionArns"], arns[2:])
    awslambda.delete_function(FunctionName=names[2])
    delete(CodeSigningConfigArn=first)


def unsigned_code():
    warns = config()["CodeSigningConfigArn"]
    enforces = config(CodeSigningPolicies=policy("Enforce"))["CodeSigningConfigArn"]
    name = "code-signing-unsigned"

    # Code of a new function.
    refused(
        "CodeSigningConfigNotFoundException",
        NOT_FOUND_BY_FUNCTION,
        create,
        name,
        CodeSigningConfigArn=MISSING,
        status=404,
    )
    untrusted = (
        "Lambda cannot deploy the function. "
        "The function or layer might be signed using a signature that the client "
        f"is not configured to accept. Check the provided signature for {name}."
    )
    verification_failed = "CodeVerificationFailedException"
    refused(verification_failed, untrusted, create, name, CodeSigningConfigArn=enforces, status=400)
    refused(
        "ResourceNotFoundException",
        "Function not found",
        awslambda.get_function,
        FunctionName=name,
    )
    create(name, CodeSigningConfigArn=warns)
    same(
        shown(awslambda.get_function_code_signing_config(FunctionName=name)),
        {"CodeSigningConfigArn": warns, "FunctionName": name},
    )

    # New code of a function. What it has already stays.
    update = awslambda.update_function_code
    update(FunctionName=name, ZipFile=code("warned"))
    before = settle(name)["CodeSha256"]
    awslambda.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=enforces)
    new = {"FunctionName": name, "ZipFile": code("refused")}
    refused(verification_failed, untrusted, update, status=400, **new)
    same(settle(name)["CodeSha256"], before)

    # Its configuration is no code.
    awslambda.update_function_configuration(FunctionName=name, Description="still ours")
    settle(name)

    # The policy counts that the configuration has now.
    awslambda.update_code_signing_config(
        CodeSigningConfigArn=enforces, CodeSigningPolicies=policy("Warn")
    )
    update(FunctionName=name, ZipFile=code("taken"))
    assert settle(name)["CodeSha256"] != before


life_of_a_configuration()
defaults()
what_is_missing()
constraints()
pages()
functions_under_a_configuration()
unsigned_code()
done()
