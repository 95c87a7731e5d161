"""Writes down what it gets of a stream: one line for each record, `GOT` and the record as JSON.

A batch with an item that has the attribute `poison` fails.
"""

import json


def handler(event, context):
    for record in event["Records"]:
        print("GOT " + json.dumps(record, sort_keys=True), flush=True)
        image = record["dynamodb"].get("NewImage", {})
        if "poison" in image:
            raise ValueError("poison")
    return {}
