"""Talks to a broker of Kafka.

    topics_of_kafka.py SERVER topic TOPIC PARTITIONS   makes a topic, whose records are kept however old
    topics_of_kafka.py SERVER grow TOPIC PARTITIONS    gives it more partitions
    topics_of_kafka.py SERVER send TOPIC RECORD...     sends records, JSON with `key`, `value` and
                                                    `partition`, and maybe the `time` of it in
                                                    milliseconds; those with `gzip` compressed, and
                                                    those without `value` with none
    topics_of_kafka.py SERVER flow TOPIC CLIENT...     sends the ids CLIENT-0, CLIENT-1, ... of each, to a
                                                    partition of its own, until the input ends;
                                                    prints those that were accepted
    topics_of_kafka.py SERVER read TOPIC COUNT         prints so many records, one to a line
    topics_of_kafka.py SERVER committed GROUP TOPIC    prints up to where a group has come, by partition
    topics_of_kafka.py SERVER ping                     says whether the broker answers
"""

import json
import sys
import threading

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

# How long a client waits behind each record.
PACE_SECONDS = 0.05


def main():
    server, action, *rest = sys.argv[1:]
    if action == "topic":
        admin = KafkaAdminClient(bootstrap_servers=server)
        kept = {"retention.ms": "-1"}
        admin.create_topics([NewTopic(rest[0], int(rest[1]), 1, topic_configs=kept)])
    elif action == "grow":
        admin = KafkaAdminClient(bootstrap_servers=server)
        admin.create_partitions({rest[0]: NewPartitions(int(rest[1]))})
    elif action == "send":
        send(server, *rest)
    elif action == "flow":
        flow(server, *rest)
    elif action == "read":
        read(server, *rest)
    elif action == "committed":
        committed(server, *rest)
    elif action == "ping":
        KafkaAdminClient(bootstrap_servers=server).list_topics()


def send(server, topic, *records):
    producers = {}
    for record in map(json.loads, records):
        kind = "gzip" if record.get("gzip") else None
        if kind not in producers:
            producers[kind] = KafkaProducer(
                bootstrap_servers=server, compression_type=kind, acks="all"
            )
        key, value = record.get("key"), record.get("value")
        producers[kind].send(
            topic,
            key=key and key.encode(),
            value=json.dumps(value).encode() if "value" in record else None,
            partition=record.get("partition", 0),
            timestamp_ms=record.get("time"),
            headers=[("from", b"python")],
        )
    for producer in producers.values():
        producer.flush()
        producer.close()


def flow(server, topic, *clients):
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    producer = KafkaProducer(bootstrap_servers=server, acks="all")
    accepted, number = [], 0
    while not over.wait(PACE_SECONDS):
        for partition, client in enumerate(clients):
            name = f"{client}-{number}"
            producer.send(topic, value=name.encode(), partition=partition).get(timeout=30)
            accepted.append(name)
        number += 1
    producer.close()
    print("\n".join(accepted))


def read(server, topic, count):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=server, auto_offset_reset="earliest", consumer_timeout_ms=60_000
    )
    for record, _ in zip(consumer, range(int(count))):
        headers = {name: value.decode() for name, value in record.headers}
        key = record.key and record.key.decode()
        print(json.dumps({"key": key, "value": record.value.decode(), "headers": headers}))


def committed(server, group, topic):
    consumer = KafkaConsumer(bootstrap_servers=server, group_id=group)
    parts = [TopicPartition(topic, one) for one in sorted(consumer.partitions_for_topic(topic))]
    print(json.dumps([consumer.committed(part) for part in parts]))
    consumer.close()


main()
