"""Writes down what it gets of a Kinesis stream: one line for each record, `GOT` and the record as JSON.

A batch with a record that says `poison` fails.
"""

import base64
import json


def handler(event, context):
    for record in event["Records"]:
        print("GOT " + json.dumps(record, sort_keys=True), flush=True)
    for record in event["Records"]:
        if base64.b64decode(record["kinesis"]["data"]).startswith(b"poison"):
            raise ValueError("poison")
    return {}
