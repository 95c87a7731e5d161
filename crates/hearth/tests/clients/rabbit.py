"""Sends messages to a queue of RabbitMQ, or counts those that are there.

    rabbit.py PORT publish QUEUE BODY...    makes the queue, and sends; each is confirmed
    rabbit.py PORT count QUEUE              says how many wait
    rabbit.py PORT ping                     says whether the broker answers
"""

import sys

import pika


def main():
    port, action, *rest = sys.argv[1:]
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port)))
    channel = connection.channel()
    if action == "publish":
        queue, *bodies = rest
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, headers={"from": "pika", "n": 7}
        )
        for body in bodies:
            channel.basic_publish("", queue, body.encode(), properties)
    elif action == "count":
        print(channel.queue_declare(rest[0], passive=True).method.message_count)
    connection.close()


main()
