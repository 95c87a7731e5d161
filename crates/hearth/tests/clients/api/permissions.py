"""Permissions: resource policies, statement by statement and as whole documents."""

from support import *

NAME, NOWHERE = "permissions", "permissions-nowhere"
ACTION, SERVICE = "lambda:InvokeFunction", "s3.amazonaws.com"
BUCKET = "arn:aws:s3:::bucket"
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"

get = awslambda.get_policy
remove = awslambda.remove_permission
put = awslambda.put_resource_policy
read = awslambda.get_resource_policy
delete = awslambda.delete_resource_policy

MISSING, WRONG = "ResourceNotFoundException", "InvalidParameterValueException"
INVALID, OTHER = "ValidationException", "PreconditionFailedException"
NOT_THERE = "The resource you requested does not exist."
NO_POLICY = "No policy is associated with the given resource."
NO_LATEST = "We currently do not support adding policies for $LATEST."
BAD_PRINCIPAL = "The provided principal was invalid. Please check the principal and try again."
REVISION = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the {} API to retrieve the latest Revision Id"
)


def add(name=NAME, sid="s3", **more):
    """Adds a statement for a service, unless other things are given."""
    given = {"Action": ACTION, "Principal": SERVICE, **more}
    return awslambda.add_permission(FunctionName=name, StatementId=sid, **given)


def statement(sid, resource, **more):
    """What `add` is expected to add."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": SERVICE},
        "Action": ACTION,
        "Resource": resource,
        **more,
    }


def added(answer):
    same(status(answer), 201)
    same(list(shown(answer)), ["Statement"])
    return json.loads(answer["Statement"])


def policy(answer):
    """The statements of a policy that has grown by single statements."""
    same(status(answer), 200)
    same(sorted(shown(answer)), ["Policy", "RevisionId"])
    document = json.loads(answer["Policy"])
    statements = document.pop("Statement")
    same(document, {"Version": "2012-10-17", "Id": "default"})
    return statements


def revision(name=NAME, **which):
    return awslambda.get_function_configuration(FunctionName=name, **which)["RevisionId"]


create(NAME, Publish=True)
settle(NAME, Qualifier="1")
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")

# Nothing is there yet.
refused(MISSING, NOT_THERE, get, FunctionName=NAME, status=404)
refused(MISSING, NOT_THERE, get, FunctionName=NOWHERE, status=404)
for which in ["1", "77", "live", "gone", "$LATEST", "with-$-inside"]:
    refused(MISSING, NOT_THERE, get, FunctionName=NAME, Qualifier=which, status=404)
for which in [{}, {"Qualifier": "1"}, {"Qualifier": "live"}, {"Qualifier": "$LATEST"}]:
    refused(MISSING, NO_POLICY, remove, FunctionName=NAME, StatementId="s", **which, status=404)
refused(
    MISSING,
    f"No policy found for: {arn(NOWHERE)}",
    remove,
    FunctionName=NOWHERE,
    StatementId="s",
    status=404,
)
refused(MISSING, f"Function not found: {arn(NOWHERE)}", add, NOWHERE, status=404)
MISSING_QUALIFIERS = [
    ("77", f"Function not found: {arn(NAME)}:77"),
    ("gone", f"Cannot find alias arn: {arn(NAME)}:gone"),
    ("with-$-inside", f"Cannot find alias arn: {arn(NAME)}:with-$-inside"),
]
for which, text in MISSING_QUALIFIERS:
    refused(MISSING, text, add, Qualifier=which, status=404)
    gone = {"FunctionName": NAME, "StatementId": "s", "Qualifier": which}
    refused(MISSING, text, remove, **gone, status=404)
refused(MISSING, f"Cannot find alias arn: {arn(NAME)}:gone", add, f"{NAME}:gone", status=404)
for which in [{"Qualifier": "$LATEST"}, {"name": f"{NAME}:$LATEST"}]:
    refused(WRONG, NO_LATEST, add, **which, status=400)
refused(
    WRONG,
    "The derived qualifier from the function name does not match the specified qualifier.",
    add,
    f"{NAME}:live",
    Qualifier="1",
    status=400,
)
refused(
    MISSING,
    f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')",
    add,
    arn(NAME, region="eu-west-1"),
    status=404,
)
refused("AccessDeniedException", "", add, arn(NAME, account="111122223333"), status=403)

# Statements come in the order in which they were added.
source = {"Condition": {"ArnLike": {"AWS:SourceArn": BUCKET}}}
same(added(add(SourceArn=BUCKET)), statement("s3", arn(NAME), **source))
same(policy(get(FunctionName=NAME)), [statement("s3", arn(NAME), **source)])
same(added(add(sid="a_second-one")), statement("a_second-one", arn(NAME)))
same([one["Sid"] for one in policy(get(FunctionName=NAME))], ["s3", "a_second-one"])
refused(
    "ResourceConflictException",
    "The statement id (s3) provided already exists. "
    "Please provide a new statement id, or remove the existing statement.",
    add,
    status=409,
)

# A version and an alias have policies of their own, however they are named.
for which in ["1", "live"]:
    refused(MISSING, NOT_THERE, get, FunctionName=NAME, Qualifier=which, status=404)
    resource = f"{arn(NAME)}:{which}"
    same(added(add(Qualifier=which)), statement("s3", resource))
    same(added(add(f"{NAME}:{which}", "b", Qualifier=which)), statement("b", resource))
    same(added(add(resource, "c")), statement("c", resource))
    same(added(add(f"{ACCOUNT}:function:{NAME}:{which}", "d")), statement("d", resource))
    expected = [statement(sid, resource) for sid in "s3 b c d".split()]
    for name in [f"{NAME}:{which}", resource, f"function:{NAME}:{which}"]:
        same(policy(get(FunctionName=name)), expected)
    same(policy(get(FunctionName=NAME, Qualifier=which)), expected)
    for name, sid in [(resource, "b"), (f"{NAME}:{which}", "c")]:
        same(status(remove(FunctionName=name, StatementId=sid)), 204)
    removed = remove(FunctionName=f"function:{NAME}", StatementId="d", Qualifier=which)
    same(status(removed), 204)
    same(policy(get(FunctionName=NAME, Qualifier=which)), [statement("s3", resource)])
for name in [NAME, arn(NAME), f"function:{NAME}", f"{ACCOUNT}:function:{NAME}"]:
    same(len(policy(get(FunctionName=name))), 2)

# Statements go, and the policy with the last one.
refused(
    MISSING,
    "Statement other is not found in resource policy.",
    remove,
    FunctionName=NAME,
    StatementId="other",
    status=404,
)
same(shown(remove(FunctionName=NAME, StatementId="s3")), {})
same(policy(get(FunctionName=NAME)), [statement("a_second-one", arn(NAME))])
same(status(remove(FunctionName=arn(NAME), StatementId="a_second-one")), 204)
refused(MISSING, NOT_THERE, get, FunctionName=NAME, status=404)
refused(MISSING, NO_POLICY, remove, FunctionName=NAME, StatementId="s3", status=404)

# Principals.
PRINCIPALS = [
    ("*", "*"),
    ("lambda.amazonaws.com", {"Service": "lambda.amazonaws.com"}),
    ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
    (ACCOUNT, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
    (USER, {"AWS": USER}),
]
for number, (principal, expected) in enumerate(PRINCIPALS):
    found = added(add(sid=f"p{number}", Principal=principal))
    same(found, {**statement(f"p{number}", arn(NAME)), "Principal": expected})
for principal in ["invalid.nonaws.com", "12345", BUCKET, "arn:aws:iam::1:root"]:
    refused(WRONG, BAD_PRINCIPAL, add, sid="bad", Principal=principal, status=400)

# Conditions.
URL = {"Action": "lambda:InvokeFunctionUrl", "Principal": "*"}
CONDITIONS = [
    ({"SourceAccount": ACCOUNT}, {"StringEquals": {"AWS:SourceAccount": ACCOUNT}}),
    ({"EventSourceToken": "amzn1.ask"}, {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask"}}),
    ({"PrincipalOrgID": "o-1234567890"}, {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}),
    ({"InvokedViaFunctionUrl": True}, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
    (
        {
            **URL,
            "SourceArn": BUCKET,
            "SourceAccount": ACCOUNT,
            "PrincipalOrgID": "o-1234567890",
            "FunctionUrlAuthType": "NONE",
        },
        {
            "StringEquals": {
                "lambda:FunctionUrlAuthType": "NONE",
                "aws:PrincipalOrgID": "o-1234567890",
                "AWS:SourceAccount": ACCOUNT,
            },
            "ArnLike": {"AWS:SourceArn": BUCKET},
        },
    ),
]
for number, (given, expected) in enumerate(CONDITIONS):
    found = added(add(sid=f"c{number}", **given))
    same(found["Condition"], expected)
    same(found["Action"], given.get("Action", ACTION))
refused(
    WRONG,
    "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
    add,
    sid="url",
    FunctionUrlAuthType="NONE",
    status=400,
)

# The constraints of the model.
CONSTRAINTS = [
    ({"name": "a b"}, "functionName"),
    ({"sid": "example.com"}, "([a-zA-Z0-9-_]+)"),
    ({"sid": "x" * 101}, "Member must have length less than or equal to 100"),
    ({"sid": None}, "Value null at 'statementId'"),
    ({"Action": None}, "Value null at 'action'"),
    ({"Action": "s3:GetObject"}, "(lambda:[*]|lambda:[a-zA-Z]+|[*])"),
    ({"Principal": None}, "Value null at 'principal'"),
    ({"Principal": "a b"}, "'principal'"),
    ({"SourceArn": "bucket"}, "'sourceArn'"),
    ({"SourceAccount": "12"}, "'sourceAccount'"),
    ({"EventSourceToken": "a b"}, "'eventSourceToken'"),
    ({"PrincipalOrgID": "o-1"}, "'principalOrgID'"),
    ({"FunctionUrlAuthType": "SOME"}, "Member must satisfy enum value set"),
    ({"Qualifier": "with-?"}, "'qualifier'"),
]
for wrong, text in CONSTRAINTS:
    refused(INVALID, text, add, **{"sid": "wrong", **wrong}, status=400)
for call in [get, remove]:
    more = {"StatementId": "s"} if call == remove else {}
    which = {"FunctionName": NAME, **more}
    refused(INVALID, "'qualifier'", call, **which, Qualifier="with-?", status=400)
refused(INVALID, "'statementId'", remove, FunctionName=NAME, StatementId="a b", status=400)

# A policy has the revision of what it belongs to.
RESOURCES = [{}, {"Qualifier": "1"}, {"Qualifier": "live"}]


def revision_of(which):
    if which.get("Qualifier") == "live":
        return awslambda.get_alias(FunctionName=NAME, Name="live")["RevisionId"]
    return revision(**which)


for which in RESOURCES:
    before = revision_of(which)
    same(get(FunctionName=NAME, **which)["RevisionId"], before)
    text = REVISION.format("GetPolicy")
    refused(OTHER, text, add, **which, sid="r", RevisionId="wrong", status=412)
    added(add(sid="r", **which, RevisionId=before))
    after = get(FunctionName=NAME, **which)["RevisionId"]
    assert after != before
    same(revision_of(which), after)
    refused(OTHER, text, add, **which, sid="q", RevisionId=before, status=412)
    last = {"FunctionName": NAME, "StatementId": "r", **which}
    text = REVISION.format("GetFunction/GetAlias")
    refused(OTHER, text, remove, **last, RevisionId=before, status=412)
    remove(**last, RevisionId=after)
    assert revision_of(which) != after

# 20,480 bytes are enough for everybody.
LONG = f"{BUCKET}{'x' * 9_000}"
for number in range(2):
    added(add(sid=f"long{number}", Qualifier="1", SourceArn=LONG))
refused(
    "PolicyLengthExceededException",
    "is bigger than the limit (20480).",
    add,
    sid="long2",
    Qualifier="1",
    SourceArn=LONG,
    status=400,
)
same(len(policy(get(FunctionName=NAME, Qualifier="1"))), 3)


# Whole documents.
def document(resource=None, **more):
    one = {
        "Effect": "Allow",
        "Principal": {"Service": [SERVICE, "sns.amazonaws.com"]},
        "Action": [ACTION],
        "Resource": resource or arn(NAME),
        **more,
    }
    return {"Version": "2012-10-17", "Statement": [one]}


def written(answer):
    same(status(answer), 200)
    same(sorted(shown(answer)), ["Policy", "RevisionId"])
    return json.loads(answer["Policy"])


# It takes the place of the statements, and is what they are added to.
before = revision()
first = document(Sid="first", Condition={"Bool": {"aws:SecureTransport": "true"}})
answer = put(ResourceArn=arn(NAME), Policy=json.dumps(first), RevisionId=before)
same(written(answer), first)
same(shown(read(ResourceArn=arn(NAME))), shown(answer))
same(shown(get(FunctionName=NAME)), shown(answer))
same(revision(), answer["RevisionId"])
added(add())
first["Statement"].append(statement("s3", arn(NAME)))
same(written(read(ResourceArn=arn(NAME))), first)
same(status(remove(FunctionName=NAME, StatementId="first")), 204)
del first["Statement"][0]
same(written(read(ResourceArn=arn(NAME))), first)

# Nothing of it is lost.
deny = document(f"{arn(NAME)}:*", Effect="Deny", NotAction="lambda:Get*")
deny["Id"] = "mine"
deny["Statement"][0]["NotPrincipal"] = {"AWS": [USER, ACCOUNT]}
del deny["Statement"][0]["Action"], deny["Statement"][0]["Principal"]
same(written(put(ResourceArn=arn(NAME), Policy=json.dumps(deny, indent=4))), deny)
same(written(read(ResourceArn=arn(NAME))), deny)
single = {"Statement": deny["Statement"][0]}
put(ResourceArn=arn(NAME), Policy=json.dumps(single))
same(written(read(ResourceArn=arn(NAME))), {"Statement": deny["Statement"]})

# Versions and aliases have theirs.
for which in ["1", "live"]:
    resource = f"{arn(NAME)}:{which}"
    mine, others = json.dumps(document(resource)), json.dumps(document())
    text = f"is not {resource}"
    refused(WRONG, text, put, ResourceArn=resource, Policy=others, status=400)
    same(written(put(ResourceArn=resource, Policy=mine)), document(resource))
    same(written(read(ResourceArn=resource)), document(resource))
    same(written(get(FunctionName=NAME, Qualifier=which)), document(resource))
    same(status(delete(ResourceArn=resource)), 204)
    refused(MISSING, NOT_THERE, read, ResourceArn=resource, status=404)
    refused(MISSING, NOT_THERE, delete, ResourceArn=resource, status=404)

# Revisions.
text = REVISION.format("GetResourcePolicy")
mine = {"ResourceArn": arn(NAME), "Policy": json.dumps(document())}
refused(OTHER, text, put, **mine, RevisionId=missing_uuid(), status=412)
refused(OTHER, text, delete, ResourceArn=arn(NAME), RevisionId=missing_uuid(), status=412)
same(written(read(ResourceArn=arn(NAME))), {"Statement": deny["Statement"]})
latest = put(**mine, RevisionId=read(ResourceArn=arn(NAME))["RevisionId"])["RevisionId"]
gone = delete(ResourceArn=arn(NAME), RevisionId=latest)
same((status(gone), shown(gone)), (204, {}))
assert revision() != latest

# What is missing.
refused(MISSING, NOT_THERE, get, FunctionName=NAME, status=404)
refused(MISSING, NOT_THERE, read, ResourceArn=arn(NAME), status=404)
refused(MISSING, NOT_THERE, delete, ResourceArn=arn(NAME), status=404)
for call in [read, delete]:
    for resource in [arn(NOWHERE), f"{arn(NAME)}:77", f"{arn(NAME)}:gone", f"{arn(NAME)}:$LATEST"]:
        refused(MISSING, NOT_THERE, call, ResourceArn=resource, status=404)
good = json.dumps(document())
MISSING_RESOURCES = [
    (arn(NOWHERE), f"Function not found: {arn(NOWHERE)}"),
    (f"{arn(NAME)}:77", f"Function not found: {arn(NAME)}:77"),
    (f"{arn(NAME)}:gone", f"Cannot find alias arn: {arn(NAME)}:gone"),
    (arn(NAME, region="eu-west-1"), "are not reachable in this region"),
]
for resource, text in MISSING_RESOURCES:
    refused(MISSING, text, put, ResourceArn=resource, Policy=good, status=404)
refused(WRONG, NO_LATEST, put, ResourceArn=f"{arn(NAME)}:$LATEST", Policy=good, status=400)
other = arn(NAME, account="111122223333")
refused("AccessDeniedException", "", put, ResourceArn=other, Policy=good, status=403)
runtime = f"arn:aws:lambda:{REGION}:{ACCOUNT}:runtime/mine"
for call, more in [(put, {"Policy": good}), (read, {}), (delete, {})]:
    which = {"ResourceArn": runtime, **more}
    refused(MISSING, "Only functions have policies here", call, **which, status=404)

# What is no policy.
DOCUMENTS = [
    ("no", "The resource policy is not valid"),
    ("[]", "the document is not an object"),
    ("{}", "missing field `Statement`"),
    (json.dumps({"Statement": []}), "it has no statement"),
    (json.dumps({**document(), "Version": "2"}), "Version must be one of"),
    (json.dumps(document(Effect="Perhaps")), "Effect must be Allow or Deny"),
    (json.dumps(document(Principal=ACCOUNT)), BAD_PRINCIPAL),
    (json.dumps(document(Principal={"Service": "example.com"})), BAD_PRINCIPAL),
    (json.dumps(document(Principal=None)), "a statement has no Principal"),
    (json.dumps(document(NotPrincipal="*")), "both Principal and NotPrincipal"),
    (json.dumps(document(Action="s3:GetObject")), "is not an action of Lambda"),
    (json.dumps(document(Action=[])), "Action is neither a text nor a list of texts"),
    (json.dumps(document(arn(NOWHERE))), f"is not {arn(NAME)}"),
    (json.dumps(document(Condition="x")), "Condition is not an object"),
    (json.dumps(document(Extra="x")), "unknown field `Extra`"),
    (json.dumps({"Statement": document(Sid="a")["Statement"] * 2}), "two statements have the Sid"),
]
for policy_text, text in DOCUMENTS:
    refused(WRONG, text, put, ResourceArn=arn(NAME), Policy=policy_text, status=400)
refused(
    "PolicyLengthExceededException",
    "is bigger than the limit (20480).",
    put,
    ResourceArn=arn(NAME),
    Policy=json.dumps(document(Sid="é" * 12_000), ensure_ascii=False),
    status=400,
)
refused(MISSING, NOT_THERE, read, ResourceArn=arn(NAME), status=404)

# The constraints of the model.
for call, more in [(put, {"Policy": good}), (read, {}), (delete, {})]:
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l"
    for resource in [NAME, layer]:
        refused(INVALID, "'resourceArn'", call, ResourceArn=resource, **more, status=400)
for text in [None, "", "x" * 20_481]:
    refused(INVALID, "'policy'", put, ResourceArn=arn(NAME), Policy=text, status=400)
for call, more in [(put, {"Policy": good}), (delete, {})]:
    which = {"ResourceArn": arn(NAME), **more}
    refused(INVALID, "'revisionId'", call, **which, RevisionId="wrong", status=400)

# Policies go with what they belong to.
put(ResourceArn=f"{arn(NAME)}:live", Policy=json.dumps(document(f"{arn(NAME)}:live")))
awslambda.delete_alias(FunctionName=NAME, Name="live")
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
refused(MISSING, NOT_THERE, get, FunctionName=NAME, Qualifier="live", status=404)
added(add())
awslambda.delete_function(FunctionName=NAME)
refused(MISSING, NOT_THERE, get, FunctionName=NAME, status=404)

done()
