"""Says what is in each batch of messages, and does what they ask for: `{"do": NAME, ...}`."""

import json
import time


def handler(event, context):
    records = event["Records"]
    began, report = time.time(), []
    wanted = [asked(record["body"]) for record in records]
    time.sleep(max(one.get("seconds", 0) for one in wanted))
    for record, one in zip(records, wanted):
        failing = one.get("do") == "report" and receives(record) <= one.get("times", 1)
        if failing:
            report.append({"itemIdentifier": one.get("as", record["messageId"])})
    attributes = [record["attributes"] for record in records]
    said = {
        "bodies": [record["body"][:100] for record in records],
        "receives": [receives(record) for record in records],
        "groups": [one.get("MessageGroupId") for one in attributes],
        "began": began,
        "ended": time.time(),
    }
    if any("show" in one for one in wanted):
        said["records"] = records
    print("batch", json.dumps(said), flush=True)
    if any(one.get("do") == "fail" for one in wanted):
        raise ValueError("as told")
    # Of a message that comes for the first time.
    fresh = [one for record, one in zip(records, wanted) if receives(record) == 1]
    for one in fresh:
        if one.get("do") == "answer":
            return one["with"]
        if one.get("do") == "flood":
            return "x" * 6_300_000
    return {"batchItemFailures": report}


def receives(record):
    return int(record["attributes"]["ApproximateReceiveCount"])


def asked(body):
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
