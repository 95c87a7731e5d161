"""Writes down what it gets of Kafka: one line for each record, `GOT` and the record as JSON.

With `{"poison": true}` in a record its batch fails; with `{"report": true}` it is reported alone, as
often as it comes.
"""

import base64
import json


def handler(event, context):
    poisoned, report = False, []
    for part, records in event["records"].items():
        for record in records:
            # A record may have no value.
            value = json.loads(base64.b64decode(record.get("value", "e30=")))
            about = {"part": part, "source": event["eventSource"], "number": value}
            servers = event["bootstrapServers"]
            line = json.dumps({**record, **about, "servers": servers}, sort_keys=True)
            print("GOT " + line, flush=True)
            poisoned = poisoned or value.get("poison")
            if value.get("report"):
                report.append({"itemIdentifier": {"partition": part, "offset": record["offset"]}})
    if poisoned:
        raise ValueError("poison")
    return {"batchItemFailures": report}
