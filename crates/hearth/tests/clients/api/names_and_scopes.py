"""How functions are named in every operation, whose and where things are, and how errors travel.

Works in accounts of its own where whole listings are compared.
"""

import re
import urllib.error
import urllib.request
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support import *

INVALID = "InvalidParameterValueException"
WRONG = "ValidationException"
NOT_FOUND = "ResourceNotFoundException"
DENIED = "AccessDeniedException"
OTHER_ACCOUNT = "636363636363"
OTHER_REGION = "eu-west-1"
ELSEWHERE = f"Functions from '{OTHER_REGION}' are not reachable in this region ('{REGION}')"
UNQUALIFIED = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support "
    "this operation. Please specify either a function name or an unqualified function ARN."
)
DIFFERS = "The derived qualifier from the function name does not match the specified qualifier."
NAME = "named-in-all-ways"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What is different in two answers to the same.
CHANGING = {
    "CreationTime", "EventSourceMappingArn", "FunctionUrl", "LastModified", "LastModifiedTime",
    "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "Payload",
    "Policy", "RevisionId", "State", "StateReason", "StateReasonCode", "UUID",
}
FUNCTIONS = "/2015-03-31/functions"


def forms(name, qualifier=None):
    """All ways to name a function; a qualifier is a part of the name."""
    name = f"{name}:{qualifier}" if qualifier else name
    return (name, f"function:{name}", f"{ACCOUNT}:function:{name}", arn(name))


def steady(answer):
    """An answer without what changes from call to call."""
    if isinstance(answer, dict):
        kept = {key: steady(value) for key, value in answer.items() if key not in CHANGING}
        return {key: value for key, value in kept.items() if key != "ResponseMetadata"}
    if isinstance(answer, list):
        return [steady(item) for item in answer]
    return answer


def ignoring(call, **arguments):
    """Prepares a row: what is not there need not be taken away."""
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] in (NOT_FOUND, "ResourceConflictException"), error


def raw(method, path, body=None, account="test", region=REGION):
    """A request as it is written here. Returns status, headers, and the body as JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    signed = AWSRequest(method, ENDPOINT + path, data=data)
    SigV4Auth(Credentials(account, "test"), "lambda", region).add_auth(signed)
    request = urllib.request.Request(ENDPOINT + path, data, dict(signed.headers.items()),
                                     method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def signing_config(to=awslambda):
    profile = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/release/abcdef0123"
    made = to.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profile]}
    )
    return made["CodeSigningConfig"]["CodeSigningConfigArn"]


create(NAME, Publish=True)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
CONFIG = signing_config()
PERMISSION = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": ACCOUNT}
L = awslambda


def with_settings():
    settle(NAME)


def with_alias():
    ignoring(L.create_alias, FunctionName=NAME, Name="fresh", FunctionVersion="1")


def without_alias():
    L.delete_alias(FunctionName=NAME, Name="fresh")


def with_signing():
    L.put_function_code_signing_config(FunctionName=NAME, CodeSigningConfigArn=CONFIG)


# Operations on functions as a whole: the call, what else it is given, and what goes before.
WHOLE = (
    (L.update_function_configuration, {"Description": "same"}, with_settings),
    (L.update_function_code, {"ZipFile": code()}, with_settings),
    (L.publish_version, {}, with_settings),
    (L.list_versions_by_function, {}, None),
    (L.create_alias, {"Name": "fresh", "FunctionVersion": "1"}, without_alias),
    (L.get_alias, {"Name": "live"}, None),
    (L.update_alias, {"Name": "live", "Description": "same"}, None),
    (L.delete_alias, {"Name": "fresh"}, with_alias),
    (L.list_aliases, {}, None),
    (L.put_function_concurrency, {"ReservedConcurrentExecutions": 5}, None),
    (L.get_function_concurrency, {}, None),
    (L.delete_function_concurrency, {}, None),
    (L.put_function_recursion_config, {"RecursiveLoop": "Allow"}, None),
    (L.get_function_recursion_config, {}, None),
    (L.put_function_code_signing_config, {"CodeSigningConfigArn": CONFIG}, None),
    (L.get_function_code_signing_config, {}, None),
    (L.delete_function_code_signing_config, {}, with_signing),
    (L.list_provisioned_concurrency_configs, {}, None),
)
# Those that list what belongs to a function; a qualifier in its name does not matter.
LISTS = (
    (L.list_function_event_invoke_configs, {}, None),
    (L.list_function_url_configs, {}, None),
)


def of(qualifier):
    return {"Qualifier": qualifier} if qualifier else {}


def with_permission(qualifier):
    ignoring(L.add_permission, FunctionName=NAME, **PERMISSION, **of(qualifier))


def without_permission(qualifier):
    ignoring(L.remove_permission, FunctionName=NAME, StatementId="s", **of(qualifier))


def with_invoke_config(qualifier):
    L.put_function_event_invoke_config(
        FunctionName=NAME, MaximumRetryAttempts=1, **of(qualifier)
    )


def with_url(qualifier):
    ignoring(L.create_function_url_config, FunctionName=NAME, AuthType="NONE", **of(qualifier))


def without_url(qualifier):
    ignoring(L.delete_function_url_config, FunctionName=NAME, **of(qualifier))


ANY = (None, "$LATEST", "1", "live")
VERSIONS = (None, "$LATEST", "1")
PUBLISHED = (None, "1", "live")
ALIASES = (None, "live")
# Operations with a qualifier: which ones they take, the call, its arguments, what goes before.
QUALIFIED = (
    (ANY, L.get_function, {}, None),
    (ANY, L.get_function_configuration, {}, None),
    (ANY, L.invoke, {"InvocationType": "DryRun"}, None),
    (PUBLISHED, L.add_permission, PERMISSION, without_permission),
    (PUBLISHED, L.get_policy, {}, with_permission),
    (PUBLISHED, L.remove_permission, {"StatementId": "s"}, with_permission),
    (ANY, L.put_function_event_invoke_config, {"MaximumRetryAttempts": 1}, None),
    (ANY, L.update_function_event_invoke_config, {"MaximumRetryAttempts": 2}, with_invoke_config),
    (ANY, L.get_function_event_invoke_config, {}, with_invoke_config),
    (ANY, L.delete_function_event_invoke_config, {}, with_invoke_config),
    (VERSIONS, L.put_runtime_management_config, {"UpdateRuntimeOn": "Auto"}, None),
    (VERSIONS, L.get_runtime_management_config, {}, None),
    (ALIASES, L.create_function_url_config, {"AuthType": "NONE"}, without_url),
    (ALIASES, L.get_function_url_config, {}, with_url),
    (ALIASES, L.update_function_url_config, {"AuthType": "AWS_IAM"}, with_url),
    (ALIASES, L.delete_function_url_config, {}, with_url),
)
# Those that must be given a qualifier beside the name.
PROVISIONED = (
    (L.put_provisioned_concurrency_config, {"ProvisionedConcurrentExecutions": 1}),
    (L.get_provisioned_concurrency_config, {}),
    (L.delete_provisioned_concurrency_config, {}),
)


def operations_on_functions_as_a_whole():
    for call, given, before in WHOLE + LISTS:
        answers = []
        for name in forms(NAME):
            if before:
                before()
            answer = call(FunctionName=name, **given)
            answers.append((status(answer), steady(answer)))
        for answer in answers[1:]:
            same(answer, answers[0])
    settle(NAME)
    pattern = "at 'functionName' failed to satisfy constraint: Member must satisfy regular"
    unqualified = (L.put_function_recursion_config, L.get_function_recursion_config)
    for qualifier in ("1", "live", "$LATEST"):
        for name in forms(NAME, qualifier):
            for call, given, _ in WHOLE:
                # The model has no qualifier in these names.
                error, text = (WRONG, pattern) if call in unqualified else (INVALID, UNQUALIFIED)
                refused(error, text, call, FunctionName=name, **given, status=400)
            for call, given, _ in LISTS:
                if call == L.list_function_url_configs and qualifier != "live":
                    refused(WRONG, pattern, call, FunctionName=name, **given, status=400)
                    continue
                same(steady(call(FunctionName=name)), steady(call(FunctionName=NAME)))


def operations_with_a_qualifier():
    for qualifiers, call, given, before in QUALIFIED:
        for qualifier in qualifiers:
            ways = [{"FunctionName": name, **of(qualifier)} for name in forms(NAME)]
            if qualifier:
                ways += [{"FunctionName": name} for name in forms(NAME, qualifier)]
                ways += [
                    {"FunctionName": name, **of(qualifier)} for name in forms(NAME, qualifier)
                ]
            answers = []
            for way in ways:
                if before:
                    before(qualifier)
                answer = call(**way, **given)
                answers.append((status(answer), steady(answer)))
            for answer in answers[1:]:
                same(answer, answers[0])
            for other in ("$LATEST", "1", "2", "live") if qualifier else ():
                if other == qualifier or other not in ANY + ("2",):
                    continue
                if other != "live" and qualifiers == ALIASES:
                    continue
                for name in forms(NAME, qualifier):
                    way = {"FunctionName": name, "Qualifier": other}
                    refused(INVALID, DIFFERS, call, **way, **given, status=400)

    for qualifier in ("1", "live"):
        for name in (*forms(NAME), *forms(NAME, qualifier)):
            way = {"FunctionName": name, "Qualifier": qualifier}
            for (call, given), expected in zip(PROVISIONED, (202, 200, 204)):
                same(status(call(**way, **given)), expected)
        for call, given in PROVISIONED:
            way = {"FunctionName": f"{NAME}:{qualifier}", "Qualifier": "2"}
            refused(INVALID, DIFFERS, call, **way, **given, status=400)
            text = "Value null at 'qualifier' failed to satisfy constraint: Member must not be null"
            refused(WRONG, text, call, FunctionName=f"{NAME}:{qualifier}", **given, status=400)


    # The model has no qualifier in these names, and only a version in the other place.
    for name in forms(NAME):
        for call in (L.get_function_scaling_config, L.put_function_scaling_config):
            no_provider = "does not contain a capacity provider configuration"
            refused(DENIED, no_provider, call, FunctionName=name, Qualifier="1", status=403)
            pattern = "failed to satisfy constraint: Member must satisfy regular expression"
            for wrong, member in (({"FunctionName": f"{name}:1"}, "functionName"),
                                  ({"Qualifier": "live"}, "qualifier")):
                way = {"FunctionName": name, "Qualifier": "1", **wrong}
                refused(WRONG, f"at '{member}' {pattern}", call, **way, status=400)


def creating_and_deleting():
    name = "named-briefly"
    for form in forms(name):
        made = create(form, wait=False)
        same((made["FunctionName"], made["FunctionArn"]), (name, arn(name)))
        same(status(awslambda.delete_function(FunctionName=form)), 204)
    create(name)
    for number, form in enumerate(forms(name), start=1):
        awslambda.update_function_code(FunctionName=name, ZipFile=code(str(number)))
        settle(name)
        version = awslambda.publish_version(FunctionName=name)["Version"]
        same(version, str(number))
        same(status(awslambda.delete_function(FunctionName=f"{form}:{version}")), 204)
        refused(NOT_FOUND, f"Function not found: {arn(name)}:{version}",
                awslambda.get_function, FunctionName=f"{form}:{version}", status=404)


def mappings():
    """Their function may be a version or an alias, which the ARN then says."""
    uuids = []
    for qualifier in ANY:
        for number, name in enumerate(forms(NAME, qualifier)):
            suffix = (qualifier or "none").strip("$")
            queue = make_queue(f"arn:aws:sqs:{REGION}:{ACCOUNT}:names-{suffix}-{number}")
            made = awslambda.create_event_source_mapping(EventSourceArn=queue, FunctionName=name)
            expected = arn(f"{NAME}:{qualifier}" if qualifier else NAME)
            same((status(made), made["FunctionArn"]), (202, expected))
            uuids.append(made["UUID"])
        whole = [
            [one["UUID"] for one in awslambda.list_event_source_mappings(FunctionName=name)[
                "EventSourceMappings"]]
            for name in forms(NAME, qualifier)
        ]
        assert set(uuids[-4:]) <= set(whole[0]), whole
        for listed in whole[1:]:
            same(listed, whole[0])
    rested(uuids[0])
    for qualifier in ANY:
        for name in forms(NAME, qualifier):
            changed = awslambda.update_event_source_mapping(UUID=uuids[0], FunctionName=name)
            expected = arn(f"{NAME}:{qualifier}" if qualifier else NAME)
            same((status(changed), changed["FunctionArn"]), (202, expected))
            rested(uuids[0])
    for uuid_ in uuids:
        rested(uuid_)
        awslambda.delete_event_source_mapping(UUID=uuid_)


def names_of_elsewhere():
    """A function in another region or of another account, in every operation."""
    there = arn(NAME, region=OTHER_REGION)
    theirs = arn(NAME, account=OTHER_ACCOUNT)
    queue = {"EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:names"}
    source = {"Runtime": "provided.al2023", "Role": ROLE, "Handler": "bootstrap"}
    rows = [(call, given) for call, given, _ in WHOLE + LISTS]
    rows += [(call, given) for _, call, given, _ in QUALIFIED]
    rows += [(call, {"Qualifier": "live", **given}) for call, given in PROVISIONED]
    rows += [
        (awslambda.create_function, {**source, "Code": {"ZipFile": code()}}),
        (awslambda.delete_function, {}),
        (awslambda.create_event_source_mapping, queue),
    ]
    for call, given in rows:
        answer = refused(NOT_FOUND, ELSEWHERE, call, FunctionName=there, **given, status=404)
        same(answer.get("Type"), "User")
        for name in (theirs, f"{OTHER_ACCOUNT}:function:{NAME}"):
            answer = refused(DENIED, "", call, FunctionName=name, **given, status=403)
            assert not answer["Error"].get("Message"), answer
    for method, path in (("GET", ""), ("POST", "/invocations"), ("GET", "/policy")):
        for name in (theirs, quote(theirs, safe="")):
            answered, headers, body = raw(method, f"{FUNCTIONS}/{name}{path}")
            same((answered, headers["x-amzn-errortype"]), (403, DENIED))
            same(list(body.values()), [None])


def no_mapping_is_in_between():
    """Waits until those that were deleted are gone, so that two listings show the same."""
    end = time.monotonic() + 60
    while True:
        listed = awslambda.list_event_source_mappings()["EventSourceMappings"]
        if all(found["State"] in ("Enabled", "Disabled") for found in listed):
            return
        assert time.monotonic() < end, f"they do not come to rest: {listed}"


def paths():
    """Names in the path, percent-encoded or not; slashes at the end."""
    no_mapping_is_in_between()
    for name in forms(NAME, "$LATEST"):
        whole = quote(name, safe="")
        small = re.sub("%..", lambda found: found.group().lower(), whole)
        for encoded in (name, whole, small, quote(name, safe=":")):
            answered, _, body = raw("GET", f"{FUNCTIONS}/{encoded}/configuration")
            same((answered, body["FunctionArn"]), (200, arn(f"{NAME}:$LATEST")))
    for path in (
        FUNCTIONS,
        f"{FUNCTIONS}/{NAME}",
        f"{FUNCTIONS}/{NAME}/configuration",
        f"{FUNCTIONS}/{NAME}/versions",
        f"{FUNCTIONS}/{NAME}/aliases",
        f"{FUNCTIONS}/{NAME}/aliases/live",
        "/2015-03-31/event-source-mappings",
        f"/2019-09-25/functions/{NAME}/event-invoke-config/list",
        f"/2019-09-30/functions/{NAME}/provisioned-concurrency?List=ALL",
        f"/2021-10-31/functions/{NAME}/urls",
        "/2016-08-19/account-settings",
        "/2018-10-31/layers",
        "/2018-10-31/layers/nothing/versions",
        "/2020-04-22/code-signing-configs",
        f"/2017-03-31/tags/{arn(NAME)}",
    ):
        bare, question, query = path.partition("?")
        answered, _, body = raw("GET", path)
        same(answered, 200)
        answered, _, with_slash = raw("GET", f"{bare}/{question}{query}")
        same((answered, with_slash), (200, body))
    # Old clients create with a slash at the end as well.
    made = {
        "FunctionName": "slashed",
        "Runtime": "provided.al2023",
        "Role": ROLE,
        "Handler": "bootstrap",
        "Code": {"ZipFile": b64encode(code()).decode()},
    }
    answered, _, body = raw("POST", f"{FUNCTIONS}/", made)
    same((answered, body["FunctionArn"]), (201, arn("slashed")))
    settle("slashed")
    mapping = {"EventSourceArn": make_queue(f"arn:aws:sqs:{REGION}:{ACCOUNT}:slashed")}
    mapping["FunctionName"] = "slashed"
    answered, _, body = raw("POST", "/2015-03-31/event-source-mappings/", mapping)
    same((answered, body["FunctionArn"]), (202, arn("slashed")))
    # Event source mappings do not go with their function.
    rested(body["UUID"])
    awslambda.delete_event_source_mapping(UUID=body["UUID"])
    same(raw("DELETE", f"{FUNCTIONS}/slashed/")[0], 204)
    for method, path in (("GET", "/2015-03-31/nothing"), ("PATCH", FUNCTIONS),
                         ("GET", f"{FUNCTIONS}//{NAME}"), ("GET", f"{FUNCTIONS}//")):
        answered, headers, _ = raw(method, path)
        same((answered, headers["x-amzn-errortype"]), (404, "UnknownOperationException"))


def scopes_stand_side_by_side():
    """Each account has its own in each region."""
    scopes = [(account, region) for account in ("616161616161", "626262626262")
              for region in (REGION, OTHER_REGION)]
    clients = {scope: client(account=scope[0], region=scope[1]) for scope in scopes}
    made = {}
    for (account, region), to in clients.items():
        note = f"{account} in {region}"
        here = create("twin", note, to=to, Description=note, Tags={"of": account})
        same(here["FunctionArn"], arn("twin", region=region, account=account))
        group = f":{region}:"
        assert group in here["RuntimeVersionConfig"]["RuntimeVersionArn"], here
        to.publish_version(FunctionName="twin")
        to.create_alias(FunctionName="twin", Name="live", FunctionVersion="1", Description=note)
        layer = to.publish_layer_version(
            LayerName="twin", Description=note, Content={"ZipFile": code(note)}
        )
        same(layer["LayerArn"], f"arn:aws:lambda:{region}:{account}:layer:twin")
        queue = make_queue(f"arn:aws:sqs:{region}:{account}:twin")
        mapping = to.create_event_source_mapping(EventSourceArn=queue, FunctionName="twin")
        config = signing_config(to)
        assert config.startswith(f"arn:aws:lambda:{region}:{account}:code-signing-config:"), config
        made[account, region] = {"mapping": mapping["UUID"], "config": config}

    for (account, region), to in clients.items():
        note = f"{account} in {region}"
        mine = made[account, region]
        found = arn("twin", region=region, account=account)
        listed = to.list_functions()["Functions"]
        same([(one["FunctionArn"], one["Description"]) for one in listed], [(found, note)])
        for name in ("twin", f"{account}:function:twin", found):
            got = to.get_function(FunctionName=name)
            same((got["Configuration"]["Description"], got["Tags"]), (note, {"of": account}))
            with urllib.request.urlopen(got["Code"]["Location"]) as download:
                same(download.read(), code(note))
        aliases = to.list_aliases(FunctionName="twin")["Aliases"]
        same([(one["AliasArn"], one["Description"]) for one in aliases], [(f"{found}:live", note)])
        layers = to.list_layers()["Layers"]
        same([one["LatestMatchingVersion"]["Description"] for one in layers], [note])
        mappings = to.list_event_source_mappings()["EventSourceMappings"]
        same([(one["UUID"], one["FunctionArn"]) for one in mappings], [(mine["mapping"], found)])
        configs = to.list_code_signing_configs()["CodeSigningConfigs"]
        same([one["CodeSigningConfigArn"] for one in configs], [mine["config"]])
        usage = to.get_account_settings()["AccountUsage"]
        # The function, its version, and the layer.
        same(usage, {"FunctionCount": 1, "TotalCodeSize": 3 * len(code(note))})
        for other, others in made.items():
            if other == (account, region):
                continue
            refused(NOT_FOUND, "The resource you requested does not exist.",
                    to.get_event_source_mapping, UUID=others["mapping"], status=404)
            there = arn("twin", region=other[1], account=other[0])
            text, error = (ELSEWHERE[:9], NOT_FOUND) if other[1] != region else ("", DENIED)
            refused(error, text, to.get_function, FunctionName=there)

    # What happens to one does not happen to the others.
    first = clients[scopes[0]]
    first.update_function_configuration(FunctionName="twin", Description="changed")
    settle("twin", to=first)
    first.delete_alias(FunctionName="twin", Name="live")
    first.delete_layer_version(LayerName="twin", VersionNumber=1)
    first.delete_function(FunctionName="twin")
    same(first.list_functions()["Functions"], [])
    same(first.list_layers()["Layers"], [])
    for scope in scopes[1:]:
        to = clients[scope]
        found = to.get_function_configuration(FunctionName="twin:live")
        same(found["Description"], f"{scope[0]} in {scope[1]}")
        same(len(to.list_layers()["Layers"]), 1)

    # A key that is not an account is the account of the server.
    for key in ("test", "AKIAIOSFODNN7EXAMPLE", "12345678901", ACCOUNT):
        found = client(account=key).get_function_configuration(FunctionName=NAME)
        same(found["FunctionArn"], arn(NAME))
    refused(NOT_FOUND, f"Function not found: {arn(NAME, account=OTHER_ACCOUNT)}",
            client(account=OTHER_ACCOUNT).get_function, FunctionName=NAME)


def answers_carry_ids():
    ids = set()
    for path in (FUNCTIONS, f"{FUNCTIONS}/{NAME}", f"{FUNCTIONS}/nobody", "/nothing"):
        answered, headers, _ = raw("GET", path)
        request_id = headers["x-amzn-requestid"]
        assert UUID.fullmatch(request_id), request_id
        ids.add(request_id)
        assert ("x-amzn-errortype" in headers) == (answered >= 400), headers.items()
        same(headers["content-type"], "application/json")
    same(len(ids), 4)
    found = awslambda.get_function(FunctionName=NAME)["ResponseMetadata"]
    same(found["RequestId"], found["HTTPHeaders"]["x-amzn-requestid"])


def errors_have_bodies():
    """Recorded: under which key the text is, and which errors say whose fault it was."""
    path = f"{FUNCTIONS}/{NAME}"
    stale = {"RevisionId": missing_uuid()}
    alias = {"Name": "live", "FunctionVersion": "1"}
    on_latest = {
        "Name": "wrong",
        "FunctionVersion": "$LATEST",
        "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}},
    }
    provisioned = f"/2019-09-30/functions/{NAME}/provisioned-concurrency?Qualifier=live"
    concurrency = f"/2017-10-31/functions/{NAME}/concurrency"
    signing = f"/2020-06-30/functions/{NAME}/code-signing-config"
    missing = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-{'0' * 17}"
    upper, lower = {"Message", "Type"}, {"message", "Type"}
    rows = (
        (404, NOT_FOUND, upper, "GET", f"{FUNCTIONS}/nobody", None),
        (404, NOT_FOUND, upper, "GET", f"{path}/aliases/nothing", None),
        (404, NOT_FOUND, upper, "GET", f"{FUNCTIONS}/{arn(NAME, region=OTHER_REGION)}", None),
        (404, "CodeSigningConfigNotFoundException", upper, "PUT", signing,
         {"CodeSigningConfigArn": missing}),
        (404, "ProvisionedConcurrencyConfigNotFoundException", lower, "GET", provisioned, None),
        (400, INVALID, lower, "DELETE", f"{path}?Qualifier=live", None),
        (400, INVALID, lower, "PUT", f"{path}/configuration", {"Timeout": 901}),
        (409, "ResourceConflictException", lower, "POST", f"{path}/aliases", alias),
        (412, "PreconditionFailedException", lower, "PUT", f"{path}/configuration", stale),
        (400, "InvalidRequestContentException", lower, "POST", f"{path}/invocations", b"{nothing"),
        (400, INVALID, {"message"}, "PUT", concurrency, {"ReservedConcurrentExecutions": 950}),
        (400, INVALID, {"message"}, "POST", f"{path}/aliases", on_latest),
        (404, NOT_FOUND, {"Message"}, "GET", f"/2020-04-22/code-signing-configs/{missing}", None),
        (400, WRONG, {"message"}, "PUT", f"{path}/configuration", {"Timeout": 0}),
    )
    for expected, name, keys, method, where, given in rows:
        answered, headers, body = raw(method, where, given)
        same((answered, headers["x-amzn-errortype"], set(body)), (expected, name, keys))
        same(body.get("Type", "User"), "User")
        assert body.get("Message") or body.get("message"), body

    awslambda.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
    answered, headers, body = raw("POST", f"{path}/invocations", b"{}")
    same((answered, headers["x-amzn-errortype"]), (429, "TooManyRequestsException"))
    same(
        body,
        {
            "message": "Rate Exceeded.",
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
            "Type": "User",
        },
    )
    awslambda.delete_function_concurrency(FunctionName=NAME)


def what_is_not_offered_says_so():
    execution = arn(f"{NAME}:1/durable-execution/run/0001")
    named = {"CapacityProviderName": "provider"}
    network = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    token = {"DurableExecutionArn": execution, "CheckpointToken": "dG9rZW4="}
    durable = {"DurableExecutionArn": execution}
    callback = {"CallbackId": "Y2FsbGJhY2s="}
    rows = (
        ("CheckpointDurableExecution", token),
        ("CreateCapacityProvider", {**named, "VpcConfig": network} | {
            "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE}}),
        ("DeleteCapacityProvider", named),
        ("DeleteDurableExecution", durable),
        ("GetCapacityProvider", named),
        ("GetDurableExecution", durable),
        ("GetDurableExecutionHistory", durable),
        ("GetDurableExecutionState", token),
        ("ListCapacityProviders", {}),
        ("ListDurableExecutionsByFunction", {"FunctionName": NAME}),
        ("ListFunctionVersionsByCapacityProvider", named),
        ("PauseDurableExecution", durable),
        ("ResumeDurableExecution", durable),
        ("SendDurableExecutionCallbackFailure", callback),
        ("SendDurableExecutionCallbackHeartbeat", callback),
        ("SendDurableExecutionCallbackSuccess", callback),
        ("StopDurableExecution", durable),
        ("UpdateCapacityProvider", named),
    )
    methods = awslambda.meta.method_to_api_mapping
    there = {name for name in methods.values() if "Durable" in name or "CapacityProvider" in name}
    # A client may be older than these operations, but not newer.
    assert there <= {name for name, _ in rows}, there
    for name, given in rows:
        if name not in there:
            continue
        method = next(method for method, operation in methods.items() if operation == name)
        call = getattr(awslambda, method)
        text = f"Hearth does not implement Lambda {name} yet."
        answer = refused("UnsupportedOperationException", text, call, **given, status=501)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        same(headers["x-amzn-errortype"], "UnsupportedOperationException")


def what_is_well_formed_and_unknown_is_not_found():
    """What the model allows and nobody can have is missing, not wrong."""
    calls = (awslambda.get_function, awslambda.get_function_configuration, awslambda.invoke)
    for qualifier in ("99", "nothing", "9" * 18, "0", "$LATEST.PUBLISHED", "9" * 30):
        text = f"Function not found: {arn(NAME)}:{qualifier}"
        for call in calls:
            for way in ({"FunctionName": NAME, "Qualifier": qualifier},
                        {"FunctionName": f"{NAME}:{qualifier}"}):
                refused(NOT_FOUND, text, call, **way, status=404)
    for call in (*calls, awslambda.delete_function):
        for name in forms("with.dots"):
            text = f"Function not found: {arn('with.dots')}"
            refused(NOT_FOUND, text, call, FunctionName=name, status=404)


operations_on_functions_as_a_whole()
operations_with_a_qualifier()
creating_and_deleting()
mappings()
names_of_elsewhere()
paths()
scopes_stand_side_by_side()
answers_carry_ids()
errors_have_bodies()
what_is_not_offered_says_so()
what_is_well_formed_and_unknown_is_not_found()
done()
