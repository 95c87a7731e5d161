"""Writes down what it gets of RabbitMQ: one line for each message, `GOT` and the record as JSON.

A batch fails that has a message which asks for it, `{"fail": true}`, and was not delivered before.
"""

import base64
import json


def handler(event, context):
    failing = False
    for queue, messages in event["rmqMessagesByQueue"].items():
        for message in messages:
            body = json.loads(base64.b64decode(message["data"]))
            record = {**message, "body": body, "queue": queue, "arn": event["eventSourceArn"]}
            print("GOT " + json.dumps(record, sort_keys=True), flush=True)
            failing = failing or (body.get("fail") and not message["redelivered"])
    if failing:
        raise ValueError("as told")
    return {}
