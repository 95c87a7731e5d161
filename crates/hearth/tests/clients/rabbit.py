"""Sends messages to a queue of RabbitMQ, or counts those that are there.

    rabbit.py PORT publish QUEUE BODY...    makes the queue, and sends; each is confirmed
    rabbit.py PORT deep QUEUE LEVELS BODY   sends a message with a header of so many arrays in each other
    rabbit.py PORT flow QUEUE CLIENT...     sends the ids CLIENT-0, CLIENT-1, ... of each until the input
                                            ends; prints those that were accepted
    rabbit.py PORT delete QUEUE             deletes it
    rabbit.py PORT count QUEUE              says how many wait
    rabbit.py PORT ping                     says whether the broker answers
"""

import struct
import sys
import threading

import pika

# How long a client waits behind each message.
PACE_SECONDS = 0.05


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
    elif action == "deep":
        queue, levels, body = rest
        channel.confirm_delivery()
        channel.basic_publish("", queue, body.encode(), Deep(int(levels)))
    elif action == "flow":
        flow(channel, *rest)
    elif action == "delete":
        channel.queue_delete(rest[0])
    elif action == "count":
        print(channel.queue_declare(rest[0], passive=True).method.message_count)
    connection.close()


class Deep(pika.BasicProperties):
    """Properties that pika itself cannot write: it would call itself for each level."""

    def __init__(self, levels):
        super().__init__(delivery_mode=2)
        self.levels = levels

    def encode(self):
        header = bytearray(b"\x01h")
        for below in reversed(range(self.levels)):
            header += b"A" + struct.pack(">I", 5 * below)
        flags = self.FLAG_HEADERS | self.FLAG_DELIVERY_MODE
        return [struct.pack(">HI", flags, len(header)), bytes(header), bytes([self.delivery_mode])]


def flow(channel, queue, *clients):
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    properties = pika.BasicProperties(delivery_mode=2)
    accepted, number = [], 0
    while not over.wait(PACE_SECONDS):
        for client in clients:
            name = f"{client}-{number}"
            channel.basic_publish("", queue, name.encode(), properties)
            accepted.append(name)
        number += 1
    print("\n".join(accepted))


main()
