"""IAM and STS: every operation that is offered, and what it refuses."""

from support import *

iam = client("iam")
sts = client("sts")

PATH = "/tests/"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
POWER = "arn:aws:iam::aws:policy/PowerUserAccess"
NULL = "failed to satisfy constraint: Member must not be null"
NAME = "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"


def trust(service="lambda.amazonaws.com"):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action="logs:*", resource="*"):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


TRUST = json.dumps(trust())
POLICY = json.dumps(allow(), indent=4)


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def without(found, *varying):
    """An object without what is new each time, which has to be there."""
    for name in varying:
        assert name in found, f"{name} is not in {found}"
    return {key: value for key, value in found.items() if key not in varying}


def pages(operation, result, size=1, **arguments):
    """All items of a listing, page by page; no page is larger than asked for."""
    found = []
    pagination = {"PageSize": size}
    for page in iam.get_paginator(operation).paginate(PaginationConfig=pagination, **arguments):
        assert len(page[result]) <= size, page
        found += page[result]
    return found


def roles():
    made = iam.create_role(
        RoleName="whole",
        Path=PATH,
        AssumeRolePolicyDocument=TRUST,
        Description="for tests",
        MaxSessionDuration=7200,
        PermissionsBoundary=POWER,
        Tags=tags(team="a", stage=""),
    )
    same(status(made), 200)
    role = made["Role"]
    same(
        without(role, "RoleId", "CreateDate"),
        {
            "Path": PATH,
            "RoleName": "whole",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role{PATH}whole",
            "AssumeRolePolicyDocument": trust(),
            "Description": "for tests",
            "MaxSessionDuration": 7200,
            "PermissionsBoundary": {
                "PermissionsBoundaryType": "Policy",
                "PermissionsBoundaryArn": POWER,
            },
            "Tags": tags(team="a", stage=""),
        },
    )
    assert role["RoleId"].startswith("AROA") and len(role["RoleId"]) == 21, role
    same(role["CreateDate"].microsecond, 0)
    iam.get_waiter("role_exists").wait(RoleName="whole")
    same(iam.get_role(RoleName="whole")["Role"], role)

    plain = iam.create_role(RoleName="plain", AssumeRolePolicyDocument=TRUST)["Role"]
    same(
        without(plain, "RoleId", "CreateDate"),
        {
            "Path": "/",
            "RoleName": "plain",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/plain",
            "AssumeRolePolicyDocument": trust(),
            "MaxSessionDuration": 3600,
        },
    )

    iam.create_role(RoleName="another", Path=PATH, AssumeRolePolicyDocument=TRUST)
    listed = pages("list_roles", "Roles", PathPrefix=PATH)
    same([one["RoleName"] for one in listed], ["another", "whole"])
    # A list does not show everything.
    same(listed[1], without(role, "Tags", "PermissionsBoundary"))
    listed = iam.list_roles(PathPrefix=PATH)
    same((len(listed["Roles"]), listed["IsTruncated"], "Marker" in listed), (2, False, False))
    # Another account has its own.
    same(client("iam", account="123456789012").list_roles()["Roles"], [])

    update = iam.update_role(RoleName="plain", Description="new", MaxSessionDuration=43200)
    same(shown(update), {})
    found = iam.get_role(RoleName="plain")["Role"]
    same((found["Description"], found["MaxSessionDuration"]), ("new", 43200))
    found = iam.update_role_description(RoleName="plain", Description="")["Role"]
    same((found["RoleName"], found["Description"]), ("plain", ""))
    iam.update_role(RoleName="plain", MaxSessionDuration=3600)
    same(iam.get_role(RoleName="plain")["Role"]["Description"], "")

    edge = trust("edgelambda.amazonaws.com")
    iam.update_assume_role_policy(RoleName="plain", PolicyDocument=json.dumps(edge))
    same(iam.get_role(RoleName="plain")["Role"]["AssumeRolePolicyDocument"], edge)

    iam.put_role_permissions_boundary(RoleName="plain", PermissionsBoundary=POWER)
    found = iam.get_role(RoleName="plain")["Role"]["PermissionsBoundary"]
    same(found["PermissionsBoundaryArn"], POWER)
    iam.delete_role_permissions_boundary(RoleName="plain")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="plain")["Role"]

    iam.tag_role(RoleName="plain", Tags=tags(a="1", b="2", c="3"))
    iam.tag_role(RoleName="plain", Tags=tags(B="ü +=@"))
    iam.untag_role(RoleName="plain", TagKeys=["a", "nobody"])
    same(pages("list_role_tags", "Tags", RoleName="plain"), tags(B="ü +=@", c="3"))
    same(iam.get_role(RoleName="plain")["Role"]["Tags"], tags(B="ü +=@", c="3"))
    iam.tag_role(RoleName="plain", Tags=[])
    same(len(iam.list_role_tags(RoleName="plain")["Tags"]), 2)

    listed = iam.list_instance_profiles_for_role(RoleName="plain")
    same(shown(listed), {"InstanceProfiles": [], "IsTruncated": False})


def refused_roles():
    exists = "Role with name plain already exists."
    create = {"RoleName": "plain", "AssumeRolePolicyDocument": TRUST}
    refused("EntityAlreadyExists", exists, iam.create_role, **create, status=409)
    other_case = {**create, "RoleName": "PLAIN"}
    refused("EntityAlreadyExists", "name PLAIN", iam.create_role, **other_case, status=409)

    for call in [
        iam.get_role,
        iam.delete_role,
        iam.update_role,
        iam.list_role_policies,
        iam.list_attached_role_policies,
        iam.list_role_tags,
        iam.list_instance_profiles_for_role,
        iam.delete_role_permissions_boundary,
    ]:
        missing = "The role with name nobody cannot be found."
        refused("NoSuchEntity", missing, call, RoleName="nobody", status=404)
        refused("ValidationError", NAME, call, RoleName="no body", status=400)
        refused("ValidationError", f"Value null at 'roleName' {NULL}", call, status=400)

    nothing = refused("ValidationError", "2 validation errors detected", iam.create_role)
    assert f"Value null at 'assumeRolePolicyDocument' {NULL}" in nothing["Error"]["Message"]
    long = "x" * 65
    constraint = "Member must have length less than or equal to 64"
    text = f"Value '{long}' at 'roleName' failed to satisfy constraint: {constraint}"
    refused("ValidationError", text, iam.get_role, RoleName=long)
    for change, text in [
        ({"Path": "tests"}, "The specified value for path is invalid."),
        ({"MaxSessionDuration": 3599}, "'maxSessionDuration' failed to satisfy constraint"),
        ({"MaxSessionDuration": 43201}, "less than or equal to 43200"),
        ({"Description": "x" * 1001}, "'description' failed to satisfy constraint"),
        ({"PermissionsBoundary": "x" * 20}, f"ARN {'x' * 20} is not valid."),
        ({"Tags": [{"Key": "", "Value": ""}]}, "'tags.1.member.key' failed to satisfy"),
        ({"Tags": [{"Key": "a"}]}, f"Value null at 'tags.1.member.value' {NULL}"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "at 'tags' failed"),
    ]:
        arguments = {**create, "RoleName": "odd", **change}
        refused("ValidationError", text, iam.create_role, **arguments, status=400)
    twice = {**create, "RoleName": "odd", "Tags": tags(a="", A="")}
    refused("InvalidInput", "Duplicate tag keys found.", iam.create_role, **twice, status=400)
    number = {**create, "RoleName": "odd", "MaxSessionDuration": "long"}
    refused("MalformedInput", "MaxSessionDuration", iam.create_role, **number, status=400)
    for document, text in [
        ("no JSON", "This policy contains invalid Json"),
        (" " + TRUST, "JSON strings must not have leading spaces"),
        (POLICY, "Has prohibited field Resource"),
        (TRUST.replace("sts:", "s3:"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ]:
        arguments = {"RoleName": "odd", "AssumeRolePolicyDocument": document}
        refused("MalformedPolicyDocument", text, iam.create_role, **arguments, status=400)
        arguments = {"RoleName": "plain", "PolicyDocument": document}
        refused("MalformedPolicyDocument", text, iam.update_assume_role_policy, **arguments)
    long = json.dumps(trust("x" * 2048))
    arguments = {"RoleName": "odd", "AssumeRolePolicyDocument": long}
    quota = "Cannot exceed quota for ACLSizePerRole: 2048"
    refused("LimitExceeded", quota, iam.create_role, **arguments, status=409)
    refused("ValidationError", "'maxItems' failed", iam.list_roles, MaxItems=1001)
    refused("ValidationError", "Invalid Marker.", iam.list_roles, Marker="%%%")
    refused("ValidationError", "pathPrefix is invalid", iam.list_roles, PathPrefix="x")
    more = [{"Key": f"k{n}", "Value": ""} for n in range(49)]
    text = "The number of tags has reached the maximum limit."
    refused("LimitExceeded", text, iam.tag_role, RoleName="plain", Tags=more, status=409)


def inline_policies():
    for name in ["two", "one"]:
        iam.put_role_policy(RoleName="plain", PolicyName=name, PolicyDocument=POLICY)
    newer = allow("s3:GetObject", "arn:aws:s3:::bucket/*")
    document = json.dumps(newer)
    put = iam.put_role_policy(RoleName="plain", PolicyName="two", PolicyDocument=document)
    same((status(put), shown(put)), (200, {}))
    same(pages("list_role_policies", "PolicyNames", RoleName="plain"), ["one", "two"])
    found = iam.get_role_policy(RoleName="plain", PolicyName="two")
    expected = {"RoleName": "plain", "PolicyName": "two", "PolicyDocument": newer}
    same(shown(found), expected)

    text = "Cannot delete entity, must delete policies first."
    refused("DeleteConflict", text, iam.delete_role, RoleName="plain", status=409)
    for document, text in [
        ("no JSON", "Syntax errors in policy."),
        (TRUST, "Policy document should not specify a principal."),
        (json.dumps(allow("Everything")), "Actions/Conditions must be prefaced by a vendor"),
        (json.dumps(allow(resource="bucket")), 'Resource bucket must be in ARN format or "*".'),
    ]:
        arguments = {"RoleName": "plain", "PolicyName": "odd", "PolicyDocument": document}
        refused("MalformedPolicyDocument", text, iam.put_role_policy, **arguments, status=400)
    long = json.dumps(allow(resource="arn:aws:s3:::" + "x" * 10240))
    arguments = {"RoleName": "plain", "PolicyName": "long", "PolicyDocument": long}
    text = "Maximum policy size of 10240 bytes exceeded for role plain"
    refused("LimitExceeded", text, iam.put_role_policy, **arguments, status=409)
    for call in [iam.get_role_policy, iam.delete_role_policy]:
        text = "The role policy with name nothing cannot be found."
        refused("NoSuchEntity", text, call, RoleName="plain", PolicyName="nothing", status=404)
        text = "The role with name nobody cannot be found."
        refused("NoSuchEntity", text, call, RoleName="nobody", PolicyName="one", status=404)
        refused("ValidationError", "'policyName'", call, RoleName="plain")
    for name in ["one", "two"]:
        iam.delete_role_policy(RoleName="plain", PolicyName=name)
    same(iam.list_role_policies(RoleName="plain")["PolicyNames"], [])


def policies():
    made = iam.create_policy(
        PolicyName="own",
        Path=PATH,
        PolicyDocument=POLICY,
        Description="for tests",
        Tags=tags(a="1"),
    )["Policy"]
    arn = f"arn:aws:iam::{ACCOUNT}:policy{PATH}own"
    same(
        without(made, "PolicyId", "CreateDate", "UpdateDate"),
        {
            "PolicyName": "own",
            "Arn": arn,
            "Path": PATH,
            "DefaultVersionId": "v1",
            "AttachmentCount": 0,
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": True,
            "Description": "for tests",
            "Tags": tags(a="1"),
        },
    )
    assert made["PolicyId"].startswith("ANPA") and len(made["PolicyId"]) == 21, made
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)
    same(iam.get_policy(PolicyArn=arn)["Policy"], made)

    attach = iam.attach_role_policy(RoleName="plain", PolicyArn=arn)
    same((status(attach), shown(attach)), (200, {}))
    iam.attach_role_policy(RoleName="plain", PolicyArn=BASIC)
    iam.attach_role_policy(RoleName="plain", PolicyArn=BASIC)
    own = {"PolicyName": "own", "PolicyArn": arn}
    basic = {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    attached = pages("list_attached_role_policies", "AttachedPolicies", RoleName="plain")
    same(attached, [own, basic])
    some = iam.list_attached_role_policies(RoleName="plain", PathPrefix=PATH)
    same(shown(some), {"AttachedPolicies": [own], "IsTruncated": False})
    iam.put_role_permissions_boundary(RoleName="another", PermissionsBoundary=arn)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    same((found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]), (1, 1))

    role_id = {
        name: iam.get_role(RoleName=name)["Role"]["RoleId"] for name in ["plain", "another"]
    }
    entities = shown(iam.list_entities_for_policy(PolicyArn=arn))
    by_name = [{"RoleName": name, "RoleId": role_id[name]} for name in ["another", "plain"]]
    nobody = {"PolicyGroups": [], "PolicyUsers": [], "IsTruncated": False}
    same(entities, {**nobody, "PolicyRoles": by_name})
    for arguments, names in [
        ({"PolicyUsageFilter": "PermissionsPolicy"}, ["plain"]),
        ({"PolicyUsageFilter": "PermissionsBoundary"}, ["another"]),
        ({"EntityFilter": "Role"}, ["another", "plain"]),
        ({"EntityFilter": "User"}, []),
        ({"PathPrefix": PATH}, ["another"]),
    ]:
        found = iam.list_entities_for_policy(PolicyArn=arn, **arguments)["PolicyRoles"]
        same([one["RoleName"] for one in found], names)

    def names(**arguments):
        found = pages("list_policies", "Policies", size=7, **arguments)
        return [one["PolicyName"] for one in found]

    same(names(Scope="Local", PathPrefix=PATH), ["own"])
    same(names(Scope="AWS", OnlyAttached=True), ["AWSLambdaBasicExecutionRole", "PowerUserAccess"])
    same(names(PolicyUsageFilter="PermissionsBoundary"), ["own", "PowerUserAccess"])
    every = names()
    assert len(every) == len(set(every)) > 40 and every[0] == "own", every
    listed = iam.list_policies(Scope="Local", PathPrefix=PATH)["Policies"][0]
    without_detail = without(made, "Description", "Tags", "UpdateDate")
    counts = {"AttachmentCount": 1, "PermissionsBoundaryUsageCount": 1}
    same(without(listed, "UpdateDate"), {**without_detail, **counts})

    iam.tag_policy(PolicyArn=arn, Tags=tags(b="2", A="3"))
    iam.untag_policy(PolicyArn=arn, TagKeys=["B"])
    same(pages("list_policy_tags", "Tags", PolicyArn=arn), tags(A="3"))
    return arn


def versions(arn):
    newer = allow("s3:GetObject")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(newer))
    expected = {"VersionId": "v2", "IsDefaultVersion": False}
    same(without(made["PolicyVersion"], "CreateDate"), expected)
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    same(without(found, "CreateDate"), {**expected, "Document": newer})
    same(iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"], allow())
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    expected = {"VersionId": "v3", "IsDefaultVersion": True}
    same(without(made["PolicyVersion"], "CreateDate"), expected)
    same(iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"], "v3")
    listed = pages("list_policy_versions", "Versions", PolicyArn=arn)
    shape = [(one["VersionId"], one["IsDefaultVersion"], "Document" in one) for one in listed]
    same(shape, [("v3", True, False), ("v2", False, False), ("v1", False, False)])
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    same(iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"], "v1")
    for _ in range(2):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY)
    full = {"PolicyArn": arn, "PolicyDocument": POLICY}
    text = "A managed policy can have up to 5 versions."
    refused("LimitExceeded", text, iam.create_policy_version, **full, status=409)
    default = {"PolicyArn": arn, "VersionId": "v1"}
    text = "Cannot delete the default version of a policy."
    refused("DeleteConflict", text, iam.delete_policy_version, **default, status=409)
    for call in [
        iam.get_policy_version,
        iam.delete_policy_version,
        iam.set_default_policy_version,
    ]:
        text = f"Policy {arn} version v9 does not exist or is not attachable."
        refused("NoSuchEntity", text, call, PolicyArn=arn, VersionId="v9", status=404)
        refused("ValidationError", "'versionId' failed", call, PolicyArn=arn, VersionId="9")
        refused("ValidationError", f"Value null at 'versionId' {NULL}", call, PolicyArn=arn)


def refused_policies(arn):
    create = {"PolicyName": "own", "PolicyDocument": POLICY}
    text = "A policy called own already exists. Duplicate names are not allowed."
    refused("EntityAlreadyExists", text, iam.create_policy, **create, status=409)
    refused("ValidationError", "2 validation errors", iam.create_policy, status=400)
    for change, code, text in [
        ({"PolicyName": "a b"}, "ValidationError", "policyName is invalid"),
        ({"Path": "/a!/"}, "ValidationError", "path is invalid"),
        ({"Description": "x" * 1001}, "ValidationError", "'description' failed"),
        ({"PolicyDocument": "[]"}, "MalformedPolicyDocument", "Syntax errors in policy."),
        (
            {"PolicyDocument": POLICY.replace("2012", "2008")},
            "MalformedPolicyDocument",
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            {"PolicyDocument": json.dumps(allow(resource="arn:aws:s3:::" + "x" * 6144))},
            "LimitExceeded",
            "Cannot exceed quota for PolicySize: 6144",
        ),
    ]:
        refused(code, text, iam.create_policy, **{**create, "PolicyName": "odd", **change})

    missing = f"arn:aws:iam::{ACCOUNT}:policy/nothing"
    others = "arn:aws:iam::123456789012:policy/tests/own"
    for absent in [missing, others, "arn:aws:iam::aws:policy/NoSuchPolicy"]:
        for call in [iam.get_policy, iam.list_entities_for_policy, iam.list_policy_tags]:
            text = f"Policy {absent} was not found."
            refused("NoSuchEntity", text, call, PolicyArn=absent, status=404)
        text = f"Policy {absent} does not exist or is not attachable."
        for call in [iam.delete_policy, iam.list_policy_versions]:
            refused("NoSuchEntity", text, call, PolicyArn=absent, status=404)
        attach = {"RoleName": "plain", "PolicyArn": absent}
        refused("NoSuchEntity", text, iam.attach_role_policy, **attach, status=404)
        text = f"Policy {absent} was not found."
        refused("NoSuchEntity", text, iam.detach_role_policy, **attach, status=404)
    refused("ValidationError", "'policyArn' failed", iam.get_policy, PolicyArn="short")
    odd = "AWSLambdaBasicExecutionRole"
    refused("ValidationError", f"ARN {odd} is not valid.", iam.get_policy, PolicyArn=odd)
    text = "Value 'Mine' at 'scope' failed to satisfy constraint: Member must satisfy enum value set:"
    refused("ValidationError", text, iam.list_policies, Scope="Mine", status=400)

    # What AWS has made cannot be changed.
    for call, arguments in [
        (iam.delete_policy, {}),
        (iam.create_policy_version, {"PolicyDocument": POLICY}),
        (iam.tag_policy, {"Tags": tags(a="1")}),
    ]:
        refused("AccessDenied", BASIC, call, PolicyArn=BASIC, **arguments, status=403)
    found = iam.get_policy(PolicyArn=BASIC)["Policy"]
    same((found["Path"], found["DefaultVersionId"]), ("/service-role/", "v1"))
    document = iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"]["Document"]
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    same(document["Statement"][0]["Action"], actions)

    used = "Cannot delete a policy attached to entities."
    refused("DeleteConflict", used, iam.delete_policy, PolicyArn=arn, status=409)


def users():
    user = iam.get_user()["User"]
    same(user, {"UserId": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"})
    text = "The user with name me cannot be found."
    refused("NoSuchEntity", text, iam.get_user, UserName="me", status=404)
    text = "Hearth does not implement IAM CreateUser yet."
    refused("UnsupportedOperationException", text, iam.create_user, UserName="me", status=501)


def within(credentials, service="sts"):
    """A client that uses a session."""
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(retries={"max_attempts": 0}),
    )


def sessions():
    root = f"arn:aws:iam::{ACCOUNT}:root"
    found = sts.get_caller_identity()
    same(shown(found), {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": root})
    found = client("sts", account="123456789012").get_caller_identity()
    same((found["Account"], found["Arn"]), ("123456789012", "arn:aws:iam::123456789012:root"))

    role = iam.get_role(RoleName="whole")["Role"]
    arguments = {"RoleArn": role["Arn"], "RoleSessionName": "me@home"}
    assumed = sts.assume_role(**arguments, SourceIdentity="me", Policy=POLICY, Tags=tags(a="1"))
    user = {
        "AssumedRoleId": f"{role['RoleId']}:me@home",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/whole/me@home",
    }
    expected = {"AssumedRoleUser": user, "SourceIdentity": "me"}
    same(without(shown(assumed), "Credentials"), expected)
    credentials = assumed["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA"), credentials
    assert len(credentials["AccessKeyId"]) == 20, credentials
    assert len(credentials["SecretAccessKey"]) == 40, credentials
    inside = within(credentials)
    expected = {"UserId": user["AssumedRoleId"], "Account": ACCOUNT, "Arn": user["Arn"]}
    same(shown(inside.get_caller_identity()), expected)
    text = "Must specify userName when calling with non-User credentials"
    refused("ValidationError", text, within(credentials, "iam").get_user, status=400)
    text = "Cannot call GetSessionToken with session credentials"
    refused("AccessDenied", text, inside.get_session_token, status=403)
    text = "1 hour session limit for roles assumed by role chaining"
    refused("ValidationError", text, inside.assume_role, **arguments, DurationSeconds=7200)
    two_hours = sts.assume_role(**arguments, DurationSeconds=7200)["Credentials"]["Expiration"]
    assert 3500 < (two_hours - credentials["Expiration"]).total_seconds() < 3700, two_hours

    # The role of another account: its key names the account.
    other = client("iam", account="123456789012")
    far = other.create_role(RoleName="far", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    credentials = sts.assume_role(RoleArn=far, RoleSessionName="guest")["Credentials"]
    found = within(credentials).get_caller_identity()
    same(found["Account"], "123456789012")
    same(found["Arn"], "arn:aws:sts::123456789012:assumed-role/far/guest")

    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    denied = f"User: {root} is not authorized to perform: sts:AssumeRole on resource: {nobody}"
    missing = {**arguments, "RoleArn": nobody}
    refused("AccessDenied", denied, sts.assume_role, **missing, status=403)
    for change, code, text in [
        ({"RoleArn": "whole"}, "ValidationError", "'roleArn' failed"),
        ({"RoleArn": BASIC}, "ValidationError", f"{BASIC} is invalid"),
        ({"RoleSessionName": "x"}, "ValidationError", "'roleSessionName' failed"),
        ({"RoleSessionName": "a b"}, "ValidationError", "'roleSessionName' failed"),
        ({"DurationSeconds": 899}, "ValidationError", "'durationSeconds' failed"),
        ({"DurationSeconds": 7201}, "ValidationError", "MaxSessionDuration set for this role"),
        ({"Policy": "{"}, "MalformedPolicyDocument", "Syntax errors in policy."),
        ({"SerialNumber": "x" * 9, "TokenCode": "123456"}, "AccessDenied", "MultiFactor"),
    ]:
        refused(code, text, sts.assume_role, **{**arguments, **change})
    text = f"Value null at 'roleArn' {NULL}; Value null at 'roleSessionName' {NULL}"
    refused("ValidationError", text, sts.assume_role, status=400)

    own = sts.get_session_token(DurationSeconds=900)["Credentials"]
    same(within(own).get_caller_identity()["Arn"], root)
    refused("ValidationError", "'durationSeconds'", sts.get_session_token, DurationSeconds=1)
    text = "Hearth does not implement STS GetFederationToken yet."
    refused("UnsupportedOperationException", text, sts.get_federation_token, Name="me", status=501)


def deletion(arn):
    text = "Cannot delete entity, must detach all policies first."
    refused("DeleteConflict", text, iam.delete_role, RoleName="plain", status=409)
    for attached in [arn, BASIC]:
        iam.detach_role_policy(RoleName="plain", PolicyArn=attached)
    iam.delete_role_permissions_boundary(RoleName="another")
    text = "This policy has more than one version."
    refused("DeleteConflict", text, iam.delete_policy, PolicyArn=arn, status=409)
    for version in ["v2", "v3", "v4", "v5"]:
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    deleted = iam.delete_policy(PolicyArn=arn)
    same((status(deleted), shown(deleted)), (200, {}))
    refused("NoSuchEntity", "was not found.", iam.get_policy, PolicyArn=arn, status=404)
    for name in ["plain", "another", "whole"]:
        iam.delete_role(RoleName=name)
        refused("NoSuchEntity", "cannot be found.", iam.get_role, RoleName=name, status=404)
    same(iam.list_roles(PathPrefix=PATH)["Roles"], [])
    client("iam", account="123456789012").delete_role(RoleName="far")


roles()
refused_roles()
inline_policies()
own_arn = policies()
versions(own_arn)
refused_policies(own_arn)
users()
sessions()
deletion(own_arn)
done()
