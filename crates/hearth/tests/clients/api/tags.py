"""Tags of functions, event source mappings and code signing configurations."""

from support import *

HERE = f"arn:aws:lambda:{REGION}:{ACCOUNT}"
LIMIT = "Number of tags exceeds resource tag limit."
QUALIFIED = (
    "Tags on function aliases and versions are not supported. Please specify a function ARN."
)


def tags(resource):
    answer = awslambda.list_tags(Resource=resource)
    same(status(answer), 200)
    same(list(shown(answer)), ["Tags"])
    return answer["Tags"]


def tag(resource, **new):
    answer = awslambda.tag_resource(Resource=resource, Tags=new)
    same((status(answer), shown(answer)), (204, {}))


def untag(resource, *keys):
    answer = awslambda.untag_resource(Resource=resource, TagKeys=list(keys))
    same((status(answer), shown(answer)), (204, {}))


def operations(resource):
    """Each operation, with arguments that would be taken if the resource were."""
    return (
        (awslambda.list_tags, {"Resource": resource}),
        (awslambda.tag_resource, {"Resource": resource, "Tags": {"a": "1"}}),
        (awslambda.untag_resource, {"Resource": resource, "TagKeys": ["a"]}),
    )


def life_of_tags(resource):
    """What holds for tags of everything. They are empty before and after."""
    same(tags(resource), {})
    tag(resource, a="1", b="2", c="")
    tag(resource, c="3", d="Zwölf + 12 = x:y/z@_.-")
    all_of_them = {"a": "1", "b": "2", "c": "3", "d": "Zwölf + 12 = x:y/z@_.-"}
    same(tags(resource), all_of_them)
    untag(resource, "nothing")
    same(tags(resource), all_of_them)
    untag(resource, "a", "d", "nothing")
    same(tags(resource), {"b": "2", "c": "3"})

    # What breaks a rule changes nothing.
    refused(
        "InvalidParameterValueException",
        "An error occurred and the request cannot be processed.",
        awslambda.tag_resource,
        Resource=resource,
        Tags={},
        status=400,
    )
    too_many = {f"key-{number}": "value" for number in range(51)}
    for many in (too_many, dict(list(too_many.items())[:49])):  # 51, and 49 beside the 2.
        refused(
            "InvalidParameterValueException",
            LIMIT,
            awslambda.tag_resource,
            Resource=resource,
            Tags=many,
            status=400,
        )
    refused(
        "InvalidParameterValueException",
        "reserved",
        awslambda.tag_resource,
        Resource=resource,
        Tags={"aws:mine": "x"},
    )
    same(tags(resource), {"b": "2", "c": "3"})

    # As many as can be, and the same ones again.
    fifty = dict(list(too_many.items())[:48])
    tag(resource, **fifty)
    tag(resource, **fifty)
    same(len(tags(resource)), 50)
    untag(resource, *fifty, "b", "c")
    same(tags(resource), {})


def tags_of_a_function():
    name = "tags-of-a-function"
    create(name, Tags={"team": "a", "stage": "test"})
    resource = arn(name)
    same(tags(resource), {"team": "a", "stage": "test"})
    found = awslambda.get_function(FunctionName=name)
    same(found["Tags"], {"team": "a", "stage": "test"})

    # Recorded: a change of the tags is a change of the function.
    revisions = [found["Configuration"]["RevisionId"]]
    for change in (
        lambda: tag(resource, team="b"),
        lambda: untag(resource, "team"),
        lambda: untag(resource, "stage"),
    ):
        change()
        revisions.append(awslambda.get_function_configuration(FunctionName=name)["RevisionId"])
    same(len(set(revisions)), 4)

    # Without tags there are none to be seen.
    assert "Tags" not in awslambda.get_function(FunctionName=name)
    life_of_tags(resource)

    # They are those of the function, not of a version.
    awslambda.publish_version(FunctionName=name)
    awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for qualifier in ("$LATEST", "1", "live", "nobody"):
        for call, arguments in operations(arn(f"{name}:{qualifier}")):
            refused("InvalidParameterValueException", QUALIFIED, call, status=400, **arguments)

    # A function that is created again does not inherit them.
    tag(resource, left="over")
    awslambda.delete_function(FunctionName=name)
    for call, arguments in operations(resource):
        refused(
            "ResourceNotFoundException",
            f"Function not found: {resource}",
            call,
            status=404,
            **arguments,
        )
    create(name)
    same(tags(resource), {})

    refused(
        "InvalidParameterValueException",
        LIMIT,
        create,
        "tags-too-many",
        Tags={f"key-{number}": "value" for number in range(51)},
    )


def tags_of_a_code_signing_config():
    publishers = {
        "SigningProfileVersionArns": [f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/a/b"]
    }
    made = awslambda.create_code_signing_config(AllowedPublishers=publishers, Tags={"team": "a"})
    resource = made["CodeSigningConfig"]["CodeSigningConfigArn"]
    same(tags(resource), {"team": "a"})
    untag(resource, "team")
    life_of_tags(resource)

    # They are not a part of the configuration, and a change of it leaves them alone.
    tag(resource, kept="yes")
    answer = awslambda.get_code_signing_config(CodeSigningConfigArn=resource)
    same(shown(answer), {"CodeSigningConfig": made["CodeSigningConfig"]})
    awslambda.update_code_signing_config(CodeSigningConfigArn=resource, Description="changed")
    same(tags(resource), {"kept": "yes"})

    awslambda.delete_code_signing_config(CodeSigningConfigArn=resource)
    for call, arguments in operations(resource):
        text = f"The Lambda code signing configuration {resource} can not be found."
        refused("ResourceNotFoundException", text, call, status=404, **arguments)


def tags_of_an_event_source_mapping():
    name = "tags-of-a-mapping"
    create(name)
    made = awslambda.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=make_queue(f"arn:aws:sqs:{REGION}:{ACCOUNT}:tags-of-a-mapping"),
        Enabled=False,
        Tags={"team": "a"},
    )
    resource = f"{HERE}:event-source-mapping:{made['UUID']}"
    same(made["EventSourceMappingArn"], resource)
    same(tags(resource), {"team": "a"})
    untag(resource, "team")
    life_of_tags(resource)

    # A UUID in capitals is the same one.
    tag(resource, team="b")
    same(tags(f"{HERE}:event-source-mapping:{made['UUID'].upper()}"), {"team": "b"})
    rested(made["UUID"])
    awslambda.delete_event_source_mapping(UUID=made["UUID"])

    missing = f"{HERE}:event-source-mapping:{missing_uuid()}"
    for call, arguments in operations(missing):
        text = f"Event source mapping not found: {missing}"
        refused("ResourceNotFoundException", text, call, status=404, **arguments)


def what_has_no_tags():
    # The model knows these kinds of resources, and Hearth has none of them.
    for kind, text in (
        ("capacity-provider", "Hearth has no capacity providers"),
        ("network-connector", "Hearth has no network connectors"),
    ):
        for call, arguments in operations(f"{HERE}:{kind}:mine"):
            refused("ResourceNotFoundException", text, call, status=404, **arguments)

    # Of another region, and of another account.
    elsewhere = "arn:aws:lambda:eu-west-1:{}:{}"
    for rest in (
        "function:hello",
        "code-signing-config:csc-00000000000000000",
        f"event-source-mapping:{missing_uuid()}",
    ):
        for call, arguments in operations(elsewhere.format(ACCOUNT, rest)):
            text = f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')"
            refused("ResourceNotFoundException", text, call, status=404, **arguments)
        for call, arguments in operations(f"arn:aws:lambda:{REGION}:123456789012:{rest}"):
            refused("AccessDeniedException", "", call, status=403, **arguments)

    # What is no ARN of something that has tags.
    pattern = (
        "at 'resource' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern"
    )
    for resource in (
        "arn:aws:something",
        "hello",
        f"{HERE}:layer:hello",
        f"{HERE}:function:",
        f"{HERE}:function:hello:1:2",
        f"{HERE}:event-source-mapping:hello",
        f"{HERE}:code-signing-config:csc-0",
    ):
        for call, arguments in operations(resource):
            refused(
                "ValidationException",
                f"Value '{resource}' {pattern}",
                call,
                status=400,
                **arguments,
            )


def constraints():
    name = "tags-constraints"
    create(name)
    resource = arn(name)

    def invalid(text, **arguments):
        refused("ValidationException", text, status=400, **arguments)

    set_tags = {"call": awslambda.tag_resource, "Resource": resource}
    keys = "at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: ["
    values = "at 'tags' failed to satisfy constraint: Map value must satisfy constraint: ["
    null = "Value null at 'tags' failed to satisfy constraint: Member must not be null"
    invalid(null, **set_tags)
    for key in ("", "k" * 129, "a|b"):
        invalid(keys, Tags={key: "x"}, **set_tags)
    for value in ("v" * 257, "a|b"):
        invalid(values, Tags={"x": value}, **set_tags)
    tag(resource, **{"k" * 128: "v" * 256})
    same(tags(resource), {"k" * 128: "v" * 256})

    # Recorded: a list without keys cannot be told from none.
    for none in ({}, {"TagKeys": []}):
        invalid(
            "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: "
            "Member must not be null",
            call=awslambda.untag_resource,
            Resource=resource,
            **none,
        )
    invalid(
        "at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [",
        call=awslambda.untag_resource,
        Resource=resource,
        TagKeys=["a|b"],
    )
    same(len(tags(resource)), 1)


tags_of_a_function()
tags_of_a_code_signing_config()
tags_of_an_event_source_mapping()
what_has_no_tags()
constraints()
done()
