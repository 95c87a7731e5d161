"""Event buses, their policies, rules, targets and tags, and what putting events answers."""

import datetime
import json

from support import *

events = client("events")
other = client("events", account="111111111111")
INVALID = "ValidationException"
NOT_FOUND = "ResourceNotFoundException"
PATTERN = json.dumps({"source": ["shop"]})
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:events-nobody"
FUNCTION = arn("events-nobody")


def bus_arn(name, account=ACCOUNT):
    return f"arn:aws:events:{REGION}:{account}:event-bus/{name}"


def rule_arn(name, bus=None):
    return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{bus + '/' if bus else ''}{name}"


def buses():
    made = events.create_event_bus(
        Name="orders", Description="of the shop", Tags=[{"Key": "team", "Value": "a"}]
    )
    same(shown(made), {"EventBusArn": bus_arn("orders"), "Description": "of the shop"})
    exists = "Event bus orders already exists."
    taken = "ResourceAlreadyExistsException"
    refused(taken, exists, events.create_event_bus, Name="orders", status=400)
    refused(taken, "default already exists", events.create_event_bus, Name="default", status=400)
    refused(INVALID, "must not contain '/'", events.create_event_bus, Name="a/b", status=400)
    refused(INVALID, "'name' failed to satisfy", events.create_event_bus, Name="a b", status=400)
    kept = {"Name": "x", "KmsKeyIdentifier": "k"}
    refused(INVALID, "KmsKeyIdentifier", events.create_event_bus, **kept, status=400)

    for name in ("orders", bus_arn("orders")):
        found = shown(events.describe_event_bus(Name=name))
        same((found["Name"], found["Arn"]), ("orders", bus_arn("orders")))
        same(found["Description"], "of the shop")
        assert isinstance(found["CreationTime"], datetime.datetime), found
        same(found["CreationTime"], found["LastModifiedTime"])
        assert "Policy" not in found, found
    same(events.describe_event_bus()["Arn"], bus_arn("default"))
    missing = "Event bus nobody does not exist."
    refused(NOT_FOUND, missing, events.describe_event_bus, Name="nobody", status=400)
    refused(NOT_FOUND, "orders does not exist", other.describe_event_bus, Name="orders", status=400)

    for name in ("page-1", "page-2", "page-3"):
        events.create_event_bus(Name=name)
    names = [bus["Name"] for bus in events.list_event_buses()["EventBuses"]]
    same(names, ["default", "orders", "page-1", "page-2", "page-3"])
    page = events.list_event_buses(NamePrefix="page", Limit=2)
    rest = events.list_event_buses(NamePrefix="page", Limit=2, NextToken=page["NextToken"])
    found = [bus["Name"] for bus in page["EventBuses"] + rest["EventBuses"]]
    same(found, ["page-1", "page-2", "page-3"])
    assert "NextToken" not in rest, rest
    refused(INVALID, "NextToken", events.list_event_buses, NextToken="%", status=400)

    for name in ("page-1", "page-2", "page-3", "page-3"):
        same(shown(events.delete_event_bus(Name=name)), {})
    refused(INVALID, "Cannot delete event bus default.", events.delete_event_bus, Name="default")


def permissions():
    give = {"EventBusName": "orders", "Action": "events:PutEvents"}
    events.put_permission(**give, Principal="111111111111", StatementId="one")
    organisation = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}
    events.put_permission(**give, Principal="*", StatementId="all", Condition=organisation)
    statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus_arn("orders")}
    one = {"Sid": "one", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, **statement}
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    everybody = {"Sid": "all", "Principal": "*", **statement, "Condition": condition}

    def policy():
        return json.loads(events.describe_event_bus(Name="orders")["Policy"])

    same(policy(), {"Version": "2012-10-17", "Statement": [one, everybody]})
    same(json.loads(events.list_event_buses(NamePrefix="orders")["EventBuses"][0]["Policy"]), policy())
    events.remove_permission(EventBusName="orders", StatementId="one")
    same(policy()["Statement"], [everybody])
    missing = "Statement with the provided id does not exist."
    gone = {"EventBusName": "orders", "StatementId": "one"}
    refused(NOT_FOUND, missing, events.remove_permission, **gone, status=400)
    whole = {"Version": "2012-10-17", "Statement": [{**one, "Sid": "whole"}]}
    events.put_permission(EventBusName="orders", Policy=json.dumps(whole))
    same(policy(), whole)
    events.remove_permission(EventBusName="orders", RemoveAllPermissions=True)
    assert "Policy" not in events.describe_event_bus(Name="orders")
    wrong = {**give, "Action": "events:PutRule", "Principal": "*", "StatementId": "x"}
    refused(INVALID, "parameter 'action'", events.put_permission, **wrong, status=400)
    nobody = {**wrong, "Action": "events:PutEvents", "EventBusName": "nobody"}
    refused(NOT_FOUND, "nobody does not exist", events.put_permission, **nobody, status=400)
    refused(INVALID, "Policy", events.put_permission, EventBusName="orders", status=400)


def rules():
    on_bus = {"EventBusName": "orders"}
    made = events.put_rule(Name="r", EventPattern=PATTERN, **on_bus)
    same(shown(made), {"RuleArn": rule_arn("r", "orders")})
    same(events.put_rule(Name="r", EventPattern=PATTERN)["RuleArn"], rule_arn("r"))
    expected = {
        "Name": "r",
        "Arn": rule_arn("r", "orders"),
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "EventBusName": "orders",
    }
    same(shown(events.describe_rule(Name="r", **on_bus)), {**expected, "CreatedBy": ACCOUNT})
    same(shown(events.list_rules(**on_bus)), {"Rules": [expected]})
    same(shown(events.list_rules(EventBusName=bus_arn("orders"))), {"Rules": [expected]})

    # A rule that is put again is what was said last; its targets stay.
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": QUEUE}], **on_bus)
    described = {"Description": "all", "RoleArn": ROLE, "State": "DISABLED"}
    events.put_rule(Name="r", EventPattern='{"source": ["x"]}', **described, **on_bus)
    changed = {**expected, **described, "EventPattern": '{"source": ["x"]}'}
    same(shown(events.list_rules(**on_bus)), {"Rules": [changed]})
    same(len(events.list_targets_by_rule(Rule="r", **on_bus)["Targets"]), 1)
    events.put_rule(Name="r", EventPattern=PATTERN, **on_bus)
    same(shown(events.list_rules(**on_bus)), {"Rules": [expected]})
    for change, state in ((events.disable_rule, "DISABLED"), (events.enable_rule, "ENABLED")):
        same(shown(change(Name="r", **on_bus)), {})
        same(events.describe_rule(Name="r", **on_bus)["State"], state)

    missing = "Rule nobody does not exist on EventBus default."
    for call in (events.describe_rule, events.disable_rule, events.enable_rule):
        refused(NOT_FOUND, missing, call, Name="nobody", status=400)
    refused(NOT_FOUND, missing, events.list_targets_by_rule, Rule="nobody", status=400)
    nowhere = {"Name": "r", "EventBusName": "nobody"}
    missing = "Event bus nobody does not exist."
    for call in (events.describe_rule, events.disable_rule, events.enable_rule, events.delete_rule):
        refused(NOT_FOUND, missing, call, **nowhere, status=400)
    refused(NOT_FOUND, missing, events.put_rule, **nowhere, EventPattern=PATTERN, status=400)
    refused(NOT_FOUND, missing, events.list_rules, EventBusName="nobody", status=400)
    nothing = "Parameter(s) EventPattern or ScheduleExpression must be specified."
    refused(INVALID, nothing, events.put_rule, Name="r", status=400)
    scheduled = {"Name": "s", "ScheduleExpression": "rate(1 minute)"}
    default_only = "ScheduleExpression is supported only on the default event bus."
    refused(INVALID, default_only, events.put_rule, **scheduled, **on_bus, status=400)

    for number in range(3):
        events.put_rule(Name=f"page-{number}", EventPattern=PATTERN, **on_bus)
    page = events.list_rules(NamePrefix="page", Limit=2, **on_bus)
    rest = events.list_rules(NamePrefix="page", Limit=2, NextToken=page["NextToken"], **on_bus)
    same([rule["Name"] for rule in page["Rules"] + rest["Rules"]], ["page-0", "page-1", "page-2"])
    for number in range(3):
        events.delete_rule(Name=f"page-{number}", **on_bus)
        events.delete_rule(Name=f"page-{number}", **on_bus)

    has_targets = "Rule can't be deleted since it has targets."
    refused(INVALID, has_targets, events.delete_rule, Name="r", **on_bus, status=400)
    refused(INVALID, "since it has rules", events.delete_event_bus, Name="orders", status=400)


def targets():
    of_rule = {"Rule": "r", "EventBusName": "orders"}
    events.remove_targets(Ids=["t"], **of_rule)
    transformer = {
        "InputPathsMap": {"n": "$.detail.n", "first": "$.detail.list[0]"},
        "InputTemplate": '{"n": <n>, "rule": "<aws.events.rule-name>", "first": <first>}',
    }
    given = [
        {"Id": "plain", "Arn": QUEUE},
        {"Id": "constant", "Arn": FUNCTION, "Input": '{"a": 1}'},
        {"Id": "path", "Arn": FUNCTION, "InputPath": "$.detail", "RoleArn": ROLE},
        {
            "Id": "whole",
            "Arn": f"{QUEUE}.fifo",
            "InputTransformer": transformer,
            "SqsParameters": {"MessageGroupId": "g"},
            "DeadLetterConfig": {"Arn": QUEUE},
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        },
    ]
    taken = {"FailedEntryCount": 0, "FailedEntries": []}
    same(shown(events.put_targets(Targets=given, **of_rule)), taken)
    same(shown(events.list_targets_by_rule(**of_rule)), {"Targets": given})
    same(events.list_rule_names_by_target(TargetArn=QUEUE, EventBusName="orders")["RuleNames"], ["r"])
    same(events.list_rule_names_by_target(TargetArn=QUEUE)["RuleNames"], [])
    page = events.list_targets_by_rule(Limit=3, **of_rule)
    rest = events.list_targets_by_rule(Limit=3, NextToken=page["NextToken"], **of_rule)
    same(page["Targets"] + rest["Targets"], given)

    # One with an id that is there takes its place.
    events.put_targets(Targets=[{"Id": "constant", "Arn": QUEUE}], **of_rule)
    same(events.list_targets_by_rule(**of_rule)["Targets"][1], {"Id": "constant", "Arn": QUEUE})
    more = [{"Id": f"more-{number}", "Arn": QUEUE} for number in range(2)]
    too_many = "The requested resource exceeds the maximum number allowed."
    refused("LimitExceededException", too_many, events.put_targets, Targets=more, **of_rule)
    same(len(events.list_targets_by_rule(**of_rule)["Targets"]), 4)

    both = "Only one of Input, InputPath, or InputTransformer must be provided for target t."
    wrong_arn = "Reason: Provided Arn is not in correct format."
    placeholder = "InputTemplate for target t contains invalid placeholder nobody."
    whole_event = "aws.events.event.json valid only for JSON template."
    for target, text in (
        ({"Input": "1", "InputPath": "$"}, both),
        ({"Input": "nope"}, "JSON syntax error in input for target t."),
        ({"InputPath": "detail"}, "InputPath for target t is invalid."),
        ({"InputPath": "$.detail['a']"}, "InputPath for target t is invalid."),
        ({"InputTransformer": {"InputTemplate": '"<nobody>"'}}, placeholder),
        ({"InputTransformer": {"InputTemplate": '"<aws.events.event.json>"'}}, whole_event),
        ({"Arn": "not-an-arn"}, wrong_arn),
        ({"Arn": "arn:aws:s3:::bucket"}, "s3 is not a supported service for a target."),
        ({"Arn": f"{QUEUE}.fifo"}, "Parameter(s) SqsParameters must be specified for target: t."),
        ({"EcsParameters": {"TaskDefinitionArn": "x"}}, "EcsParameters not supported for target: t."),
        ({"DeadLetterConfig": {"Arn": FUNCTION}}, "lambda is not supported as a dead letter"),
        ({"DeadLetterConfig": {"Arn": f"{QUEUE}.fifo"}}, "SQS FIFO is not supported"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "less than or equal to 185"),
        ({"RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "greater than or equal to 60"),
    ):
        target = {"Id": "t", "Arn": QUEUE, **target}
        refused(INVALID, text, events.put_targets, Targets=[target], **of_rule, status=400)
    state_machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:s"
    not_built = {"Targets": [{"Id": "t", "Arn": state_machine}], **of_rule}
    refused("UnsupportedOperationException", "states", events.put_targets, **not_built, status=501)
    nowhere = {"Rule": "nobody", "Targets": [{"Id": "t", "Arn": QUEUE}]}
    refused(NOT_FOUND, "Rule nobody does not exist", events.put_targets, **nowhere, status=400)

    ids = ["plain", "constant", "path", "whole", "nobody"]
    same(shown(events.remove_targets(Ids=ids, **of_rule)), taken)
    same(shown(events.list_targets_by_rule(**of_rule)), {"Targets": []})


def tags():
    events.put_rule(
        Name="tagged", EventPattern=PATTERN, Tags=[{"Key": "tag1", "Value": "value1"}]
    )
    for resource, before in (
        (bus_arn("default"), []),
        (bus_arn("orders"), [{"Key": "team", "Value": "a"}]),
        (rule_arn("tagged"), [{"Key": "tag1", "Value": "value1"}]),
        (rule_arn("r", "orders"), []),
    ):
        same(events.list_tags_for_resource(ResourceARN=resource)["Tags"], before)
        add = [{"Key": "z", "Value": "1"}, {"Key": "zz", "Value": ""}]
        same(shown(events.tag_resource(ResourceARN=resource, Tags=add)), {})
        same(events.list_tags_for_resource(ResourceARN=resource)["Tags"], before + add)
        same(shown(events.untag_resource(ResourceARN=resource, TagKeys=["z", "zz", "no"])), {})
        same(events.list_tags_for_resource(ResourceARN=resource)["Tags"], before)
    # Tags are for a rule that is new.
    events.put_rule(Name="tagged", EventPattern=PATTERN, Tags=[{"Key": "late", "Value": ""}])
    found = events.list_tags_for_resource(ResourceARN=rule_arn("tagged"))["Tags"]
    same([tag["Key"] for tag in found], ["tag1"])
    events.delete_rule(Name="tagged")
    for resource, text in (
        (rule_arn("tagged"), "Rule tagged does not exist on EventBus default."),
        (bus_arn("nobody"), "Event bus nobody does not exist."),
    ):
        refused(NOT_FOUND, text, events.list_tags_for_resource, ResourceARN=resource, status=400)
    refused(INVALID, "not in correct format", events.list_tags_for_resource, ResourceARN="x")


def putting():
    def entry(**more):
        return {"Source": "shop", "DetailType": "t", "Detail": "{}", **more}

    def without(name):
        return {key: value for key, value in entry().items() if key != name}

    argument = "InvalidArgument"
    required = "Parameter {0} is not valid. Reason: {0} is a required argument."
    rows = (
        (entry(), None),
        (without("Source"), (argument, required.format("Source"))),
        (without("DetailType"), (argument, required.format("DetailType"))),
        (without("Detail"), (argument, required.format("Detail"))),
        (entry(Detail="text"), ("MalformedDetail", "Detail is malformed.")),
        (entry(Detail="[1]"), ("MalformedDetail", "Detail is malformed.")),
        (
            entry(Source="aws.ec2"),
            ("NotAuthorizedForSourceException", "Not authorized for the source."),
        ),
        # An event for a bus that is not there is taken and goes nowhere.
        (entry(EventBusName="nobody"), None),
        (entry(EventBusName=bus_arn("orders"), Time=1_700_000_000, Resources=["a"]), None),
    )
    answer = events.put_events(Entries=[given for given, _ in rows])
    same(answer["FailedEntryCount"], 6)
    for found, (_, expected) in zip(answer["Entries"], rows, strict=True):
        if expected:
            same((found["ErrorCode"], found["ErrorMessage"]), expected)
            assert "EventId" not in found, found
        else:
            same(list(found), ["EventId"])
            uuid.UUID(found["EventId"])
    many = [entry()] * 11
    refused(INVALID, "less than or equal to 10", events.put_events, Entries=many, status=400)
    large = [entry(Detail=json.dumps({"x": "x" * 500_000}))] * 3
    total = "Total size of the entries in the request is over the limit."
    refused(INVALID, total, events.put_events, Entries=large, status=400)
    same(events.put_events(Entries=large[:2])["FailedEntryCount"], 0)


def what_is_not_built():
    built = "UnsupportedOperationException"
    missing = "Hearth does not implement EventBridge ListArchives yet."
    refused(built, missing, events.list_archives, status=501)


buses()
permissions()
rules()
targets()
tags()
putting()
what_is_not_built()
events.delete_rule(Name="r", EventBusName="orders")
events.delete_event_bus(Name="orders")
done()
