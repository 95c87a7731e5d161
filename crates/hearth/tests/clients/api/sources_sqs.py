"""Queues as event sources: what becomes of each message under each option of a mapping."""

import urllib.request
from pathlib import Path

from support import *

SOURCE = Path(__file__).parents[2] / "functions" / "batches.py"
sqs, logs = client("sqs"), client("logs")
NOT_FOUND = "ResourceNotFoundException"
GONE = "AWS.SimpleQueueService.NonExistentQueue"
REPORT = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def function(name, timeout=2):
    awslambda.create_function(
        FunctionName=name,
        Runtime=sys.argv[2],
        Handler="handler.handler",
        Role=ROLE,
        Code={"ZipFile": zipped({"handler.py": SOURCE.read_text()})},
        MemorySize=256,
        Timeout=timeout,
    )
    settle(name)


def queue(name, **attributes):
    """A queue whose messages come again after two seconds. Returns address and ARN."""
    given = {"VisibilityTimeout": "2", **attributes}
    url = sqs.create_queue(QueueName=name, Attributes=given)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def mapped(name, arn, **more):
    """A mapping that is enabled. Returns its UUID."""
    make = awslambda.create_event_source_mapping
    uuid = make(FunctionName=name, EventSourceArn=arn, **more)["UUID"]
    return in_state(uuid, "Enabled")["UUID"]


def in_state(uuid, state):
    def look():
        return awslambda.get_event_source_mapping(UUID=uuid)

    return eventually(f"{uuid} is {state}", look, lambda found: found["State"] == state)


def pair(name, timeout=2, attributes=None, **more):
    """A queue, a function, and a mapping between them."""
    function(name, timeout)
    url, source = queue(name, **(attributes or {}))
    return url, mapped(name, source, **more)


def eventually(what, look, wanted=bool, seconds=60):
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"not in time: {what}; seen: {seen!r}"
        time.sleep(0.05)


def batches(name):
    """What the function said of each batch, in the order in which they began."""
    found, token = [], {}
    while True:
        group = f"/aws/lambda/{name}"
        try:
            page = logs.filter_log_events(logGroupName=group, filterPattern="batch", **token)
        except ClientError as error:
            same(error.response["Error"]["Code"], NOT_FOUND)
            return []
        lines = [event["message"] for event in page["events"]]
        found += [json.loads(line[6:]) for line in lines if line.startswith("batch ")]
        if "nextToken" not in page:
            return sorted(found, key=lambda batch: batch["began"])
        token = {"nextToken": page["nextToken"]}


def bodies(name):
    return [body for batch in batches(name) for body in batch["bodies"]]


def send(url, *texts, **more):
    for text in texts:
        text = text if isinstance(text, str) else json.dumps(text)
        sqs.send_message(QueueUrl=url, MessageBody=text, **more)


def waiting(url):
    """How many messages are in a queue, in whatever state."""
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def emptied(url):
    eventually(f"{url} is empty", lambda: waiting(url), lambda left: left == 0)


def own(path):
    with urllib.request.urlopen(f"{ENDPOINT}/_hearth/{path}") as answer:
        return answer.read().decode()


def a_message_comes_as_aws_sends_it():
    url, uuid = pair("plain")
    attributes = {
        "n": {"DataType": "Number", "StringValue": "7"},
        "b": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
    }
    sent = sqs.send_message(
        QueueUrl=url, MessageBody='{"show": 1}', MessageAttributes=attributes
    )
    emptied(url)
    [batch] = eventually("a batch", lambda: batches("plain"))
    [record] = batch["records"]
    times = [record["attributes"].pop(f"{name}Timestamp")
             for name in ("Sent", "ApproximateFirstReceive")]
    assert all(abs(int(at) / 1000 - time.time()) < 600 for at in times), times
    assert record.pop("receiptHandle")
    same(record, {
        "messageId": sent["MessageId"],
        "body": '{"show": 1}',
        "attributes": {"ApproximateReceiveCount": "1", "SenderId": record["attributes"]["SenderId"]},
        "messageAttributes": {
            "b": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [],
                  "dataType": "Binary"},
            "n": {"stringValue": "7", "stringListValues": [], "binaryListValues": [],
                  "dataType": "Number"},
        },
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "md5OfBody": sent["MD5OfMessageBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:plain",
        "awsRegion": REGION,
    })

    # It is accounted for.
    def result():
        return awslambda.get_event_source_mapping(UUID=uuid).get("LastProcessingResult")

    same(eventually("there is a result", result), "OK")
    shown = json.loads(own(f"sources/{uuid}"))
    progress = shown["progress"]
    same((shown["state"], shown["waiting"]), ("Enabled", 0))
    counts = [progress[name] for name in ("polled", "invoked", "deleted", "failed", "filteredOut")]
    same(counts, [1, 1, 1, 0, 0])
    same([one["uuid"] for one in json.loads(own("sources"))["mappings"]], [uuid])
    page = own("metrics")
    for name in ("polled", "invoked", "deleted"):
        line = f'aws_lambda_{name}_event_count_total{{event_source_mapping_uuid="{uuid}"}} 1'
        assert line in page.splitlines(), page


def a_window_gathers_a_batch():
    url, _ = pair("gathered", BatchSize=100, MaximumBatchingWindowInSeconds=3)
    for start in range(0, 30, 10):
        entries = [{"Id": str(number), "MessageBody": f"m{number}"}
                   for number in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    emptied(url)
    sizes = [len(batch["bodies"]) for batch in eventually(
        "all came", lambda: batches("gathered"),
        lambda found: sum(len(one["bodies"]) for one in found) == 30)]
    assert max(sizes) > 10, sizes
    same(set(bodies("gathered")), {f"m{number}" for number in range(30)})


def a_batch_has_no_more_than_its_size():
    function("sized")
    url, source = queue("sized")
    send(url, *(f"m{number}" for number in range(20)))
    mapped("sized", source, BatchSize=3)
    emptied(url)
    found = eventually("all came", lambda: batches("sized"),
                       lambda found: sum(len(one["bodies"]) for one in found) == 20)
    assert max(len(batch["bodies"]) for batch in found) <= 3, found


def an_event_is_no_larger_than_a_function_takes():
    function("large", 20)
    url, source = queue("large", VisibilityTimeout="60")
    for number in range(9):
        send(url, f"{number}" + "x" * 900_000)
    mapped("large", source, BatchSize=100, MaximumBatchingWindowInSeconds=2)
    emptied(url)
    sizes = [len(batch["bodies"]) for batch in eventually(
        "all came", lambda: batches("large"),
        lambda found: sum(len(one["bodies"]) for one in found) == 9)]
    assert 2 <= len(sizes) and max(sizes) <= 6, sizes


def only_what_was_reported_comes_again():
    url, _ = pair("reports", MaximumBatchingWindowInSeconds=1, **REPORT)
    send(url, "fine", {"do": "report"}, "fine too")
    emptied(url)
    found = eventually("all came", lambda: batches("reports"),
                       lambda found: sum(len(one["bodies"]) for one in found) == 4)
    times = {body: bodies("reports").count(body) for body in set(bodies("reports"))}
    same(times, {"fine": 1, '{"do": "report"}': 2, "fine too": 1})
    same(found[-1]["receives"], [2])


def an_unknown_identifier_fails_the_whole_batch():
    url, uuid = pair("unknown", MaximumBatchingWindowInSeconds=1, **REPORT)
    send(url, "fine", {"do": "report", "as": "nobody"})
    emptied(url)
    found = eventually("all came", lambda: batches("unknown"),
                       lambda found: sum(len(one["bodies"]) for one in found) == 4)
    same(sorted(number for batch in found for number in batch["receives"]), [1, 1, 2, 2])
    shown = json.loads(own(f"sources/{uuid}"))["progress"]
    assert "nobody" in shown["error"], shown


def an_answer_of_the_wrong_shape_or_size_fails_the_whole_batch():
    def named(*identifiers):
        return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}

    url, uuid = pair("shapeless", timeout=5, attributes={"VisibilityTimeout": "5"}, BatchSize=1,
                     **REPORT)
    wrong = [["a"], "text", 7, {"batchItemFailures": "all"}, {"batchItemFailures": ["a"]},
             named(None), named(""), named("nobody", "nobody")]
    fine = [None, {}, {"batchItemFailures": None}, named()]
    send(url, *({"do": "answer", "with": one} for one in wrong + fine), {"do": "flood"})
    emptied(url)
    again = len(wrong) + 1
    found = eventually("all came", lambda: batches("shapeless"),
                       lambda found: len(found) == 2 * again + len(fine))
    same(sorted(batch["receives"] for batch in found),
         [[1]] * (again + len(fine)) + [[2]] * again)
    progress = json.loads(own(f"sources/{uuid}"))["progress"]
    same((progress["failed"], progress["deleted"]), (again, again + len(fine)))


def without_reports_the_answer_means_nothing():
    url, _ = pair("unread")
    send(url, {"do": "report", "times": 9})
    emptied(url)
    same(len(eventually("it came", lambda: bodies("unread"))), 1)


def messages_of_a_group_come_in_order():
    function("ordered")
    url, source = queue("ordered.fifo", FifoQueue="true")
    mapped("ordered", source, BatchSize=4)
    for number in range(15):
        for group in "xy":
            send(url, f"{group}{number}", MessageGroupId=group,
                 MessageDeduplicationId=f"{group}{number}")
    emptied(url)
    found = eventually("all came", lambda: batches("ordered"),
                       lambda found: sum(len(one["bodies"]) for one in found) == 30)
    for group in "xy":
        own_bodies = [body for body in bodies("ordered") if body[0] == group]
        same(own_bodies, [f"{group}{number}" for number in range(15)])
        spans = [(batch["began"], batch["ended"]) for batch in found if group in batch["groups"]]
        for (_, ended), (began, _) in zip(spans, spans[1:]):
            assert ended <= began, spans


def a_failure_holds_up_its_group_alone():
    function("held")
    url, source = queue("held.fifo", FifoQueue="true")
    mapped("held", source, BatchSize=1, **REPORT)
    send(url, {"do": "report", "n": 1}, MessageGroupId="x", MessageDeduplicationId="1")
    send(url, "x2", MessageGroupId="x", MessageDeduplicationId="2")
    send(url, "y1", MessageGroupId="y", MessageDeduplicationId="3")
    emptied(url)
    failing = json.dumps({"do": "report", "n": 1})
    found = eventually("all came", lambda: bodies("held"), lambda found: len(found) == 4)
    same([body for body in found if body != "y1"], [failing, failing, "x2"])


def what_filters_keep_back_is_deleted():
    patterns = ['{"body": {"city": ["Bern"], "n": [{"numeric": [">", 5]}]}}',
                '{"body": {"code": [300]}}']
    filters = {"Filters": [{"Pattern": pattern} for pattern in patterns]}
    url, uuid = pair("filtered", FilterCriteria=filters)
    good = ['{"city": "Bern", "n": 6}', '{"code": 300}']
    bad = ['{"city": "Bern", "n": 5}', '{"city": "Rome", "n": 6}', '{"code": 300.0}', "Bern", "[]"]
    send(url, *good, *bad)
    emptied(url)
    found = eventually("they came", lambda: bodies("filtered"), lambda found: len(found) == 2)
    same(sorted(found), sorted(good))
    progress = json.loads(own(f"sources/{uuid}"))["progress"]
    counts = [progress[name] for name in ("polled", "filteredOut", "invoked", "deleted")]
    same(counts, [7, 5, 2, 7])


def the_queue_says_when_a_message_is_dead():
    dead_url, dead = queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    url, uuid = pair("redriven", attributes={"RedrivePolicy": policy})
    send(url, {"do": "fail"})

    def receive():
        return sqs.receive_message(QueueUrl=dead_url, WaitTimeSeconds=1).get("Messages")

    [message] = eventually("it is dead", receive)
    same(message["Body"], '{"do": "fail"}')
    same([batch["receives"] for batch in batches("redriven")], [[1], [2]])
    found = awslambda.get_event_source_mapping(UUID=uuid)
    same(found["LastProcessingResult"], "PROBLEM: Function call failed")
    error = json.loads(own(f"sources/{uuid}"))["progress"]["error"]
    same(error, "ValueError: as told")


def a_throttle_costs_no_receive():
    dead_url, dead = queue("never")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    function("throttled")
    awslambda.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    url, source = queue("throttled", RedrivePolicy=policy)
    uuid = mapped("throttled", source)
    send(url, "patient")

    def result():
        return awslambda.get_event_source_mapping(UUID=uuid).get("LastProcessingResult")

    same(eventually("it is throttled", result), "PROBLEM: Function call throttled")
    time.sleep(5)  # More than twice as long as a message is kept from others.
    same((bodies("throttled"), waiting(url), waiting(dead_url)), ([], 1, 0))
    awslambda.delete_function_concurrency(FunctionName="throttled")
    emptied(url)
    same([batch["receives"] for batch in eventually("it ran", lambda: batches("throttled"))], [[1]])
    same((eventually("it is well", result, lambda text: text == "OK"), waiting(dead_url)), ("OK", 0))


def a_mapping_can_be_switched_off_and_on():
    url, uuid = pair("switched")
    same(awslambda.update_event_source_mapping(UUID=uuid, Enabled=False)["State"], "Disabling")
    in_state(uuid, "Disabled")
    send(url, "later")
    time.sleep(1)
    same((bodies("switched"), waiting(url)), ([], 1))
    same(awslambda.update_event_source_mapping(UUID=uuid, Enabled=True)["State"], "Enabling")
    in_state(uuid, "Enabled")
    emptied(url)
    same(eventually("it came", lambda: bodies("switched")), ["later"])


def a_change_takes_effect():
    function("changed")
    function("changed-other")
    url, source = queue("changed")
    uuid = mapped("changed", source)
    awslambda.update_event_source_mapping(UUID=uuid, FunctionName="changed-other", BatchSize=1)
    in_state(uuid, "Enabled")
    eventually("the change is there", lambda: own(f"sources/{uuid}"), lambda t: "changed-other" in t)
    time.sleep(0.5)
    send(url, "for the other")
    emptied(url)
    same(eventually("it came", lambda: bodies("changed-other")), ["for the other"])


def a_mapping_that_is_gone_leaves_the_queue_alone():
    url, uuid = pair("removed")
    same(awslambda.delete_event_source_mapping(UUID=uuid)["State"], "Deleting")

    def is_gone():
        try:
            awslambda.get_event_source_mapping(UUID=uuid)
        except ClientError as error:
            same(error.response["Error"]["Code"], NOT_FOUND)
            return True

    eventually("it is gone", is_gone)
    send(url, "mine")
    time.sleep(1)
    same((bodies("removed"), waiting(url)), ([], 1))


def a_function_that_is_gone_is_waited_for():
    url, uuid = pair("deserted")
    awslambda.delete_function(FunctionName="deserted")
    send(url, "patient")

    def result():
        return awslambda.get_event_source_mapping(UUID=uuid).get("LastProcessingResult")

    same(eventually("it is said", result), "PROBLEM: Function call failed")
    same(awslambda.get_event_source_mapping(UUID=uuid)["State"], "Enabled")
    same(waiting(url), 1)
    function("deserted")
    emptied(url)
    same(eventually("it came", lambda: bodies("deserted")), ["patient"])


def a_queue_may_go_and_come_back():
    url, uuid = pair("vanished")
    sqs.delete_queue(QueueUrl=url)
    found = in_state(uuid, "Disabled")
    assert GONE in found["StateTransitionReason"], found
    url, _ = queue("vanished")
    same(in_state(uuid, "Enabled")["StateTransitionReason"], "USER_INITIATED")
    send(url, "again")
    emptied(url)
    same(eventually("it came", lambda: bodies("vanished")), ["again"])


def no_more_batches_run_than_the_mapping_says():
    function("narrow")
    url, source = queue("narrow", VisibilityTimeout="30")
    send(url, *({"seconds": 0.5, "n": number} for number in range(8)))
    scaling = {"MaximumConcurrency": 2}
    mapped("narrow", source, BatchSize=1, ScalingConfig=scaling)
    emptied(url)
    found = eventually("all came", lambda: batches("narrow"), lambda found: len(found) == 8)
    for one in found:
        at_once = [other for other in found if other["began"] <= one["began"] < other["ended"]]
        assert len(at_once) <= 2, found


def two_mappings_share_a_queue():
    function("first-half")
    function("second-half")
    url, source = queue("halved")
    mapped("first-half", source, BatchSize=1)
    mapped("second-half", source, BatchSize=1)
    send(url, *(f"m{number}" for number in range(20)))
    emptied(url)
    both = eventually("all came", lambda: bodies("first-half") + bodies("second-half"),
                      lambda found: len(found) == 20)
    same(sorted(both), sorted(f"m{number}" for number in range(20)))


a_message_comes_as_aws_sends_it()
a_window_gathers_a_batch()
a_batch_has_no_more_than_its_size()
an_event_is_no_larger_than_a_function_takes()
only_what_was_reported_comes_again()
an_unknown_identifier_fails_the_whole_batch()
an_answer_of_the_wrong_shape_or_size_fails_the_whole_batch()
without_reports_the_answer_means_nothing()
messages_of_a_group_come_in_order()
a_failure_holds_up_its_group_alone()
what_filters_keep_back_is_deleted()
the_queue_says_when_a_message_is_dead()
a_throttle_costs_no_receive()
a_mapping_can_be_switched_off_and_on()
a_change_takes_effect()
a_mapping_that_is_gone_leaves_the_queue_alone()
a_function_that_is_gone_is_waited_for()
a_queue_may_go_and_come_back()
no_more_batches_run_than_the_mapping_says()
two_mappings_share_a_queue()
done()
