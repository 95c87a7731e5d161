"""EventBridge Scheduler's schedules, groups and tags, and rules with a schedule."""

import datetime
import json

from support import *

scheduler, events = client("scheduler"), client("events")
INVALID = "ValidationException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ConflictException"
BUILT = "UnsupportedOperationException"
FUNCTION = arn("scheduler-nobody")
OFF = {"Mode": "OFF"}
TARGET = {"Arn": FUNCTION, "RoleArn": ROLE}
DEFAULTS = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


def schedule_arn(name, group="default"):
    return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{group}/{name}"


def group_arn(name):
    return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{name}"


def create(name, expression="cron(0 10 * * ? *)", **more):
    given = {"FlexibleTimeWindow": OFF, "Target": TARGET, **more}
    return scheduler.create_schedule(Name=name, ScheduleExpression=expression, **given)


def schedules():
    made = create("s")
    same(shown(made), {"ScheduleArn": schedule_arn("s")})
    found = shown(scheduler.get_schedule(Name="s"))
    created = found.pop("CreationDate")
    assert isinstance(created, datetime.datetime), created
    same(found.pop("LastModificationDate"), created)
    expected = {
        "Arn": schedule_arn("s"),
        "Name": "s",
        "GroupName": "default",
        "ScheduleExpression": "cron(0 10 * * ? *)",
        "ScheduleExpressionTimezone": "UTC",
        "State": "ENABLED",
        "FlexibleTimeWindow": OFF,
        "Target": {**TARGET, "RetryPolicy": DEFAULTS},
        "ActionAfterCompletion": "NONE",
    }
    same(found, expected)
    refused(CONFLICT, "Schedule s already exists.", create, "s", status=409)

    # An update replaces everything.
    start = datetime.datetime(2090, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    given = {
        "ScheduleExpression": "rate(5 minutes)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "StartDate": start,
        "EndDate": start + datetime.timedelta(days=1),
        "Description": "all of it",
        "State": "DISABLED",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q.fifo",
            "RoleArn": ROLE,
            "Input": "plain",
            "SqsParameters": {"MessageGroupId": "g"},
            "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
            "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        },
    }
    same(shown(scheduler.update_schedule(Name="s", **given)), {"ScheduleArn": schedule_arn("s")})
    found = shown(scheduler.get_schedule(Name="s", GroupName="default"))
    same(found.pop("CreationDate"), created)
    assert found.pop("LastModificationDate") >= created
    same(found, {"Arn": schedule_arn("s"), "Name": "s", "GroupName": "default", **given})
    scheduler.update_schedule(
        Name="s", ScheduleExpression="cron(0 10 * * ? *)", FlexibleTimeWindow=OFF, Target=TARGET
    )
    found = shown(scheduler.get_schedule(Name="s"))
    same({key: found[key] for key in expected}, expected)
    assert "Description" not in found and "StartDate" not in found, found

    missing = "Schedule nobody does not exist."
    refused(NOT_FOUND, missing, scheduler.get_schedule, Name="nobody", status=404)
    refused(NOT_FOUND, missing, scheduler.delete_schedule, Name="nobody", status=404)
    same(shown(scheduler.delete_schedule(Name="s")), {})
    refused(NOT_FOUND, "Schedule s", scheduler.get_schedule, Name="s", status=404)

    # What is repeated with its token changes nothing.
    token = {"ClientToken": "token-1"}
    same(shown(create("t", **token)), shown(create("t", **token)))
    refused(CONFLICT, "already exists", create, "t", "rate(1 days)", status=409, **token)
    for _ in range(2):
        scheduler.delete_schedule(Name="t", ClientToken="token-2")


def refusals():
    for expression in (
        "cron(0 1 * * * *)",
        "cron(7 20 * * NOT *)",
        "cron(INVALID)",
        "cron(71 8 1 * ? *)",
        "cron()",
        "rate(10 seconds)",
        "rate()",
        "rate(10 minutess)",
        "rate( 10 minutes )",
        " rate(10 minutes)",
        "at(2021-12-31T23:59:59Z)",
        "at(2021-12-31)",
        "at(2031-02-31T00:00:00)",
    ):
        text = f"Invalid Schedule Expression {expression}."
        refused(INVALID, text, create, "x", expression, status=400)
    zone = {"ScheduleExpressionTimezone": "Mars/Phobos"}
    refused(INVALID, "Timezone", create, "x", status=400, **zone)
    refused(INVALID, "'name' failed to satisfy", create, "a b", status=400)
    refused(INVALID, "roleArn", create, "x", Target={**TARGET, "RoleArn": "r"}, status=400)
    window = {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}
    refused(INVALID, "MaximumWindowInMinutes must be provided", create, "x", status=400, **window)
    window = {"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}
    refused(INVALID, "must not be provided", create, "x", status=400, **window)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    refused(INVALID, "earlier than 5 minutes ago", create, "x", StartDate=past, status=400)

    def target(target_arn, **more):
        return {"Target": {"Arn": target_arn, "RoleArn": ROLE, **more}}

    universal = "arn:aws:scheduler:::aws-sdk:"
    refused(BUILT, "sqs:sendMessage", create, "x", status=501, **target(universal + "sqs:sendMessage"))
    states = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"
    refused(BUILT, "states", create, "x", status=501, **target(states))
    refused(INVALID, "Provided Arn", create, "x", status=400, **target("arn:aws:s3:::b"))
    refused(INVALID, "well-formed JSON", create, "x", status=400, **target(FUNCTION, Input="{"))
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    refused(INVALID, "EventBridgeParameters", create, "x", status=400, **target(bus))
    invoke = universal + "lambda:invoke"
    refused(INVALID, "FunctionName", create, "x", status=400, **target(invoke, Input="{}"))


def groups():
    tags = [{"Key": "team", "Value": "a"}]
    made = scheduler.create_schedule_group(Name="g", Tags=tags)
    same(shown(made), {"ScheduleGroupArn": group_arn("g")})
    found = shown(scheduler.get_schedule_group(Name="g"))
    assert isinstance(found.pop("CreationDate"), datetime.datetime)
    assert isinstance(found.pop("LastModificationDate"), datetime.datetime)
    same(found, {"Arn": group_arn("g"), "Name": "g", "State": "ACTIVE"})
    same(scheduler.get_schedule_group(Name="default")["State"], "ACTIVE")
    exists = "Schedule group g already exists."
    refused(CONFLICT, exists, scheduler.create_schedule_group, Name="g", status=409)
    default = "This operation cannot be performed on schedule group default."
    refused(INVALID, default, scheduler.create_schedule_group, Name="default", status=400)
    refused(INVALID, default, scheduler.delete_schedule_group, Name="default", status=400)
    missing = "Schedule group nobody does not exist."
    refused(NOT_FOUND, missing, scheduler.get_schedule_group, Name="nobody", status=404)
    refused(NOT_FOUND, missing, create, "x", GroupName="nobody", status=404)
    refused(NOT_FOUND, missing, scheduler.list_schedules, GroupName="nobody", status=404)

    same(scheduler.list_tags_for_resource(ResourceArn=group_arn("g"))["Tags"], tags)
    more = [{"Key": "stage", "Value": "test"}]
    same(shown(scheduler.tag_resource(ResourceArn=group_arn("g"), Tags=more)), {})
    scheduler.untag_resource(ResourceArn=group_arn("g"), TagKeys=["team"])
    same(scheduler.list_tags_for_resource(ResourceArn=group_arn("g"))["Tags"], more)
    nowhere = group_arn("nobody")
    refused(NOT_FOUND, "nobody", scheduler.list_tags_for_resource, ResourceArn=nowhere, status=404)

    for name, group in (("a", "default"), ("ab", "default"), ("a", "g"), ("ab", "g"), ("abc", "g")):
        create(name, GroupName=group, State="DISABLED" if name == "a" else "ENABLED")

    def listed(**wanted):
        found = []
        for page in scheduler.get_paginator("list_schedules").paginate(**wanted):
            found += [f"{one['GroupName']}/{one['Name']}" for one in page["Schedules"]]
        return found

    every = ["default/a", "default/ab", "g/a", "g/ab", "g/abc"]
    same(listed(), every)
    same(listed(PaginationConfig={"PageSize": 2}), every)
    same(listed(GroupName="g", NamePrefix="ab"), ["g/ab", "g/abc"])
    same(listed(State="DISABLED"), ["default/a", "g/a"])
    [one] = scheduler.list_schedules(GroupName="g", NamePrefix="abc")["Schedules"]
    del one["CreationDate"], one["LastModificationDate"]
    expected = {"Arn": schedule_arn("abc", "g"), "Name": "abc", "GroupName": "g"}
    same(one, {**expected, "State": "ENABLED", "Target": {"Arn": FUNCTION}})
    refused(INVALID, "NextToken", scheduler.list_schedules, NextToken="%", status=400)
    names = [one["Name"] for one in scheduler.list_schedule_groups()["ScheduleGroups"]]
    same(names, ["default", "g"])

    same(shown(scheduler.delete_schedule_group(Name="g")), {})
    end = time.monotonic() + 30
    while len(scheduler.list_schedule_groups()["ScheduleGroups"]) > 1:
        assert time.monotonic() < end, "the group stays"
        time.sleep(0.05)
    same(listed(), ["default/a", "default/ab"])


def rules():
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/tick"
    put = events.put_rule(Name="tick", ScheduleExpression="rate(5 minutes)")
    same(put["RuleArn"], rule)
    found = shown(events.describe_rule(Name="tick"))
    same(found["ScheduleExpression"], "rate(5 minutes)")
    assert "EventPattern" not in found, found
    [listed] = events.list_rules(NamePrefix="tick")["Rules"]
    same(listed["ScheduleExpression"], "rate(5 minutes)")
    for expression in ("rate(5 minute)", "rate(1 minutes)", "cron(0 10 * * * *)", "at(2031-01-01T00:00:00)"):
        text = "Parameter ScheduleExpression is not valid."
        refused(INVALID, text, events.put_rule, Name="t", ScheduleExpression=expression, status=400)
    # Both at once, and the schedule taken away again.
    both = {"Name": "tick", "EventPattern": json.dumps({"source": ["x"]})}
    events.put_rule(ScheduleExpression="cron(0 12 * * ? *)", **both)
    same(events.describe_rule(Name="tick")["ScheduleExpression"], "cron(0 12 * * ? *)")
    events.put_rule(**both)
    assert "ScheduleExpression" not in events.describe_rule(Name="tick")
    events.delete_rule(Name="tick")


schedules()
refusals()
groups()
rules()
done()
