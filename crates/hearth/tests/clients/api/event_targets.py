"""What rules send to their targets: queues, functions, other buses, and dead-letter queues."""

import json

from support import *

events, sqs, logs = client("events"), client("sqs"), client("logs")
RUNTIME = sys.argv[2]
HANDLER = "import json\n\ndef handler(event, context):\n    print('got', json.dumps(event))\n"


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def received(url, count=1, seconds=30):
    """So many messages, in the order in which they came."""
    found, end = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} messages came: {found}"
        answer = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
    same(len(found), count)
    return found


def rule(name, pattern, *targets, **more):
    events.put_rule(Name=name, EventPattern=json.dumps(pattern), **more)
    events.put_targets(Rule=name, Targets=list(targets), **more)


def put(source, detail, **more):
    entry = {"Source": source, "DetailType": "created", "Detail": json.dumps(detail), **more}
    answer = events.put_events(Entries=[entry])
    same(answer["FailedEntryCount"], 0)
    return answer["Entries"][0]["EventId"]


def a_queue_gets_the_event_or_what_a_transformer_makes_of_it():
    url, queue_arn = queue("events-plain")
    fifo, fifo_arn = queue("events-plain.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    template = '{"n": <n>, "who": <who>, "said": "<who> has <n>", "rule": "<aws.events.rule-name>"}'
    paths = {"n": "$.detail.n", "who": "$.detail.who"}
    rule(
        "to-queue",
        {"source": ["shop.queue"], "detail": {"n": [{"numeric": [">", 1]}]}},
        {"Id": "whole", "Arn": queue_arn},
        {
            "Id": "ordered",
            "Arn": fifo_arn,
            "SqsParameters": {"MessageGroupId": "g"},
            "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template},
        },
    )
    put("shop.queue", {"n": 1})
    event_id = put(
        "shop.queue", {"n": 2, "who": "Ada"}, Time=1_700_000_000, Resources=["arn:aws:a"]
    )
    expected = {
        "version": "0",
        "id": event_id,
        "detail-type": "created",
        "source": "shop.queue",
        "account": ACCOUNT,
        "time": "2023-11-14T22:13:20Z",
        "region": REGION,
        "resources": ["arn:aws:a"],
        "detail": {"n": 2, "who": "Ada"},
    }
    [message] = received(url)
    same(json.loads(message["Body"]), expected)
    same(list(json.loads(message["Body"])), list(expected))
    [message] = received(fifo)
    made = {"n": 2, "who": "Ada", "said": "Ada has 2", "rule": "to-queue"}
    same(json.loads(message["Body"]), made)


def a_function_gets_what_is_meant_for_it():
    awslambda.create_function(
        FunctionName="events-function",
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="handler.handler",
        Code={"ZipFile": zipped({"handler.py": HANDLER})},
    )
    settle("events-function")
    transformer = {
        "InputPathsMap": {"n": "$.detail.n"},
        "InputTemplate": '{"n": <n>, "from": <aws.events.rule-arn>}',
    }
    target = {"Id": "f", "Arn": arn("events-function"), "InputTransformer": transformer}
    rule("to-function", {"source": ["shop.function"]}, target)
    put("shop.function", {"n": 7})
    expected = {"n": 7, "from": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/to-function"}
    end = time.monotonic() + 60
    while True:
        lines = []
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/events-function")
            lines = [line["message"] for line in found["events"]]
        except logs.exceptions.ResourceNotFoundException:
            pass
        got = [line for line in lines if line.startswith("got ")]
        if got:
            same(json.loads(got[0].removeprefix("got ")), expected)
            return
        assert time.monotonic() < end, f"the function did not run: {lines}"


def another_bus_gets_the_same_event():
    events.create_event_bus(Name="next")
    next_arn = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/next"
    url, queue_arn = queue("events-next")
    rule("pass", {"source": ["shop.pass"]}, {"Id": "next", "Arn": next_arn})
    rule("arrived", {"source": ["shop.pass"]}, {"Id": "q", "Arn": queue_arn}, EventBusName="next")
    event_id = put("shop.pass", {"n": 1}, Time=1_700_000_000)
    [message] = received(url)
    event = json.loads(message["Body"])
    same((event["id"], event["time"]), (event_id, "2023-11-14T22:13:20Z"))
    same(event["detail"], {"n": 1})


def what_no_target_takes_goes_to_its_dead_letter_queue():
    url, queue_arn = queue("events-dead")
    missing = f"arn:aws:sqs:{REGION}:{ACCOUNT}:events-missing"
    target = {
        "Id": "gone",
        "Arn": missing,
        "DeadLetterConfig": {"Arn": queue_arn},
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "InputPath": "$.detail",
    }
    rule("to-nobody", {"source": ["shop.nobody"]}, target)
    event_id = put("shop.nobody", {"n": 1})
    [message] = received(url)
    # The event as it was matched, and not what the target would have got.
    event = json.loads(message["Body"])
    same((event["id"], event["detail"]), (event_id, {"n": 1}))
    attributes = {
        name: attribute["StringValue"] for name, attribute in message["MessageAttributes"].items()
    }
    same(attributes["RULE_ARN"], f"arn:aws:events:{REGION}:{ACCOUNT}:rule/to-nobody")
    same(attributes["TARGET_ARN"], missing)
    same((attributes["ERROR_CODE"], attributes["RETRY_ATTEMPTS"]), ("NO_RESOURCE", "0"))
    assert attributes["ERROR_MESSAGE"], attributes
    # Nothing was exhausted: a target that is not there is not tried again.
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes, attributes


a_queue_gets_the_event_or_what_a_transformer_makes_of_it()
a_function_gets_what_is_meant_for_it()
another_bus_gets_the_same_event()
what_no_target_takes_goes_to_its_dead_letter_queue()
done()
