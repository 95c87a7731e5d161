"""What schedules, and rules with a schedule, send to their targets, and when."""

import datetime
import json

from support import *

scheduler, events, sqs, logs = client("scheduler"), client("events"), client("sqs"), client("logs")
RUNTIME = sys.argv[2]
HANDLER = "import json\n\ndef handler(event, context):\n    print('got', json.dumps(event))\n"
SECOND = datetime.timedelta(seconds=1)


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def received(url, seconds=30):
    """The next message of a queue."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return message
    raise AssertionError("no message came")


def nothing_more(url, seconds=2):
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=seconds)
    assert not answer.get("Messages"), answer


def soon(seconds=2):
    """A time that comes in a moment, in whole seconds, and as an expression."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    at = now + seconds * SECOND
    return at, f"at({at:%Y-%m-%dT%H:%M:%S})"


def create(name, expression, target, **more):
    return scheduler.create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
        **more,
    )["ScheduleArn"]


def gone(name):
    end = time.monotonic() + 30
    while True:
        try:
            scheduler.get_schedule(Name=name)
        except scheduler.exceptions.ResourceNotFoundException:
            return
        assert time.monotonic() < end, f"{name} stays"
        time.sleep(0.05)


def function_got(name, wanted):
    """The event with which a function ran that has this in it."""
    end = time.monotonic() + 60
    while True:
        lines = []
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
            lines = [line["message"] for line in found["events"]]
        except logs.exceptions.ResourceNotFoundException:
            pass
        for line in lines:
            if line.startswith("got ") and wanted in line:
                return json.loads(line.removeprefix("got "))
        assert time.monotonic() < end, f"the function did not run: {lines}"
        time.sleep(0.1)


def one_time_comes_once_on_time_and_knows_what_it_is():
    url, queue_arn = queue("schedules-once")
    at, expression = soon(3)
    known = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    given = json.dumps({name: f"<aws.scheduler.{name}>" for name in known})
    made = create(
        "once", expression, {"Arn": queue_arn, "Input": given}, ActionAfterCompletion="DELETE"
    )
    message = received(url)
    body = json.loads(message["Body"])
    same(body["schedule-arn"], made)
    same(body["scheduled-time"], f"{at:%Y-%m-%dT%H:%M:%SZ}")
    same((body["attempt-number"], len(body["execution-id"])), ("1", 16))
    late = int(message["Attributes"]["SentTimestamp"]) / 1000 - at.timestamp()
    assert 0 <= late < 1, f"{late} s late"
    gone("once")
    nothing_more(url)


def a_local_time_is_that_of_its_zone():
    url, queue_arn = queue("schedules-zone")
    at, _ = soon(3)
    # Kathmandu is 5:45 ahead, and has no other time in the summer.
    local = at + datetime.timedelta(hours=5, minutes=45)
    expression = f"at({local:%Y-%m-%dT%H:%M:%S})"
    target = {"Arn": queue_arn, "Input": "now"}
    create("zone", expression, target, ScheduleExpressionTimezone="Asia/Kathmandu")
    same(received(url)["Body"], "now")


def a_rate_begins_at_once_and_a_disabled_one_does_not():
    url, queue_arn = queue("schedules-rate")
    fifo, fifo_arn = queue("schedules-rate.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    create("off", "rate(1 minutes)", {"Arn": queue_arn}, State="DISABLED")
    create(
        "rate",
        "rate(1 hours)",
        {"Arn": fifo_arn, "Input": "tick", "SqsParameters": {"MessageGroupId": "g"}},
    )
    message = received(fifo)
    same((message["Body"], message["Attributes"]["MessageGroupId"]), ("tick", "g"))
    nothing_more(url)


def functions_are_called_by_both_kinds_of_targets():
    awslambda.create_function(
        FunctionName="schedules",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="handler.handler",
        Code={"ZipFile": zipped({"handler.py": HANDLER})},
    )
    settle("schedules")
    # Without an input it is told what happened.
    _, expression = soon(2)
    made = create("plain", expression, {"Arn": arn("schedules")})
    event = function_got("schedules", made)
    same((event["source"], event["detail-type"]), ("aws.scheduler", "Scheduled Event"))
    universal = "arn:aws:scheduler:::aws-sdk:lambda:invoke"
    for kind in ("Event", "RequestResponse"):
        payload = json.dumps({"kind": kind, "at": "<aws.scheduler.scheduled-time>"})
        call = {"FunctionName": "schedules", "InvocationType": kind, "Payload": payload}
        at, expression = soon(2)
        create(kind, expression, {"Arn": universal, "Input": json.dumps(call)})
        event = function_got("schedules", f'"kind": "{kind}"')
        same(event, {"kind": kind, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"})


def a_bus_gets_an_event():
    url, queue_arn = queue("schedules-bus")
    events.put_rule(Name="of-schedule", EventPattern=json.dumps({"source": ["my.clock"]}))
    events.put_targets(Rule="of-schedule", Targets=[{"Id": "q", "Arn": queue_arn}])
    _, expression = soon(2)
    target = {
        "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        "Input": json.dumps({"n": 1}),
        "EventBridgeParameters": {"DetailType": "tick", "Source": "my.clock"},
    }
    made = create("bus", expression, target)
    event = json.loads(received(url)["Body"])
    same((event["detail-type"], event["detail"], event["resources"]), ("tick", {"n": 1}, [made]))


def what_is_not_taken_goes_to_the_dead_letter_queue():
    url, dead_arn = queue("schedules-dead")
    _, expression = soon(2)
    missing = f"arn:aws:sqs:{REGION}:{ACCOUNT}:schedules-nobody"
    target = {"Arn": missing, "Input": "lost", "DeadLetterConfig": {"Arn": dead_arn}}
    made = create("dead", expression, target)
    message = received(url)
    told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    same(message["Body"], "lost")
    same((told["SCHEDULE_ARN"], told["TARGET_ARN"]), (made, missing))
    same((told["RETRY_ATTEMPTS"], told["IS_PAYLOAD_TRUNCATED"]), ("0", "false"))
    assert "NonExistentQueue" in told["ERROR_CODE"], told


def a_rule_makes_an_event_each_minute():
    url, queue_arn = queue("schedules-rule")
    rule = events.put_rule(Name="minutes", ScheduleExpression="cron(* * * * ? *)")["RuleArn"]
    target = {"Id": "q", "Arn": queue_arn}
    events.put_targets(Rule="minutes", Targets=[target])
    message = received(url, seconds=90)
    event = json.loads(message["Body"])
    id, at = event.pop("id"), event.pop("time")
    expected = {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [rule],
        "detail": {},
    }
    same(event, expected)
    assert id and at.endswith(":00Z"), (id, at)
    events.remove_targets(Rule="minutes", Ids=["q"])
    events.delete_rule(Name="minutes")


one_time_comes_once_on_time_and_knows_what_it_is()
a_local_time_is_that_of_its_zone()
a_rate_begins_at_once_and_a_disabled_one_does_not()
functions_are_called_by_both_kinds_of_targets()
a_bus_gets_an_event()
what_is_not_taken_goes_to_the_dead_letter_queue()
a_rule_makes_an_event_each_minute()
done()
