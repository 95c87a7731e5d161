"""Talks to a broker of Kafka.

    topics_of_kafka.py SERVER topic TOPIC PARTITIONS   makes a topic
    topics_of_kafka.py SERVER send TOPIC RECORD...     sends records, JSON with `key`, `value` and
                                                    `partition`; those with `gzip` compressed
    topics_of_kafka.py SERVER read TOPIC COUNT         prints so many records, one to a line
    topics_of_kafka.py SERVER committed GROUP TOPIC    prints up to where a group has come, by partition
    topics_of_kafka.py SERVER ping                     says whether the broker answers
"""

import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic


def main():
    server, action, *rest = sys.argv[1:]
    if action == "topic":
        admin = KafkaAdminClient(bootstrap_servers=server)
        admin.create_topics([NewTopic(rest[0], int(rest[1]), 1)])
    elif action == "send":
        send(server, *rest)
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
            value=json.dumps(value).encode(),
            partition=record.get("partition", 0),
            headers=[("from", b"python")],
        )
    for producer in producers.values():
        producer.flush()
        producer.close()


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
