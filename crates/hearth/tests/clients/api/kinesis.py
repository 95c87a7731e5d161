"""Streams, shards, records and consumers: every operation of Kinesis, field by field, and refusals."""

import struct
import threading
import urllib.request

from support import *

kinesis = client("kinesis")
other = client("kinesis", account="111111111111")
elsewhere = client("kinesis", region="eu-west-1")

INVALID = "InvalidArgumentException"
MISSING = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
VALIDATION = "ValidationException"
FIRST = "shardId-000000000000"
ALL_KEYS = 2**128
NOT_YET = "UnsupportedOperationException"


def stream_arn(name, region=REGION, account=ACCOUNT):
    return f"arn:aws:kinesis:{region}:{account}:stream/{name}"


def stream(name, shards=1, **more):
    kinesis.create_stream(StreamName=name, ShardCount=shards, **more)
    kinesis.get_waiter("stream_exists").wait(
        StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    return name


def summary(name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def described(name, **more):
    return kinesis.describe_stream(StreamName=name, **more)["StreamDescription"]


def shards(name, **more):
    return kinesis.list_shards(StreamName=name, **more)["Shards"]


def iterator(name, shard=FIRST, kind="TRIM_HORIZON", **more):
    answer = kinesis.get_shard_iterator(
        StreamName=name, ShardId=shard, ShardIteratorType=kind, **more
    )
    return answer["ShardIterator"]


def put(name, data, key="k", **more):
    return kinesis.put_record(StreamName=name, Data=data, PartitionKey=key, **more)


def data(iterator, **more):
    records = kinesis.get_records(ShardIterator=iterator, **more)["Records"]
    return [record["Data"] for record in records]


def streams():
    name = stream("plain", 2, Tags={"a": "1"})
    found = described(name)
    made = found.pop("StreamCreationTimestamp")
    assert abs(made.timestamp() - time.time()) < 60
    both = found.pop("Shards")
    same(
        found,
        {
            "StreamName": name,
            "StreamARN": stream_arn(name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "HasMoreShards": False,
            "RetentionPeriodHours": 24,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        },
    )
    half = ALL_KEYS // 2
    ranges = [one["HashKeyRange"] for one in both]
    same(
        [(int(one["StartingHashKey"]), int(one["EndingHashKey"])) for one in ranges],
        [(0, half - 1), (half, ALL_KEYS - 1)],
    )
    same([one["ShardId"] for one in both], [FIRST, "shardId-000000000001"])
    for one in both:
        same(list(one["SequenceNumberRange"]), ["StartingSequenceNumber"])
        same(len(one["SequenceNumberRange"]["StartingSequenceNumber"]), 56)
    same(shards(name), both)
    short = summary(name)
    same((short["OpenShardCount"], short["ConsumerCount"]), (2, 0))
    same((short["StreamStatus"], short["MaxRecordSizeInKiB"]), ("ACTIVE", 1024))
    same(described(name, Limit=1)["HasMoreShards"], True)
    same(described(name, ExclusiveStartShardId=FIRST)["Shards"], both[1:])
    same(kinesis.describe_stream(StreamARN=stream_arn(name))["StreamDescription"]["StreamName"], name)
    refused(IN_USE, "already exists", kinesis.create_stream, StreamName=name, ShardCount=1)
    refused(MISSING, "Stream nobody under account 000000000000 not found.", described, "nobody")
    refused(MISSING, "under account 111111111111", other.describe_stream, StreamName=name)
    refused(MISSING, "not found", elsewhere.describe_stream, StreamName=name)
    refused(INVALID, "StreamName", kinesis.describe_stream)
    refused(INVALID, "two streams", described, "other", StreamARN=stream_arn(name))
    refused(VALIDATION, "streamName", kinesis.create_stream, StreamName="a b", ShardCount=1)
    refused(INVALID, "ShardCount", kinesis.create_stream, StreamName="none")
    refused(
        "LimitExceededException", "shard limit", kinesis.create_stream,
        StreamName="many", ShardCount=100_000,
    )
    listed = kinesis.list_streams(Limit=1)
    same((len(listed["StreamNames"]), listed["HasMoreStreams"]), (1, False))
    stream("second")
    listed = kinesis.list_streams(Limit=1)
    same((listed["StreamNames"], listed["HasMoreStreams"]), (["plain"], True))
    rest = kinesis.list_streams(NextToken=listed["NextToken"])
    same((rest["StreamNames"], rest["HasMoreStreams"]), (["second"], False))
    same(rest["StreamSummaries"][0]["StreamARN"], stream_arn("second"))
    same(kinesis.list_streams(ExclusiveStartStreamName="plain")["StreamNames"], ["second"])
    same(other.list_streams()["StreamNames"], [])
    limits = kinesis.describe_limits()
    same((limits["OpenShardCount"], limits["OnDemandStreamCount"]), (3, 0))
    kinesis.delete_stream(StreamName="second")
    refused(MISSING, "second", kinesis.delete_stream, StreamName="second")


def settings():
    name = stream("settings")
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    same(summary(name)["RetentionPeriodHours"], 48)
    refused(
        INVALID, "can not be shorter", kinesis.increase_stream_retention_period,
        StreamName=name, RetentionPeriodHours=47,
    )
    for hours in (23, 8761):
        refused(
            INVALID, "must be between", kinesis.increase_stream_retention_period,
            StreamName=name, RetentionPeriodHours=hours,
        )
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    same(summary(name)["RetentionPeriodHours"], 24)
    wanted = ["IncomingBytes", "IncomingRecords"]
    changed = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=wanted)
    same((changed["CurrentShardLevelMetrics"], changed["DesiredShardLevelMetrics"]), ([], wanted))
    changed = kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    same((changed["CurrentShardLevelMetrics"], changed["DesiredShardLevelMetrics"]), (wanted, []))
    on_demand = {"StreamMode": "ON_DEMAND"}
    kinesis.update_stream_mode(StreamARN=stream_arn(name), StreamModeDetails=on_demand)
    same(summary(name)["StreamModeDetails"], on_demand)
    refused(
        VALIDATION, "On-Demand", kinesis.update_shard_count,
        StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING",
    )
    refused(
        VALIDATION, "On-Demand", kinesis.split_shard,
        StreamName=name, ShardToSplit=FIRST, NewStartingHashKey="10",
    )
    kinesis.create_stream(StreamName="on-demand", StreamModeDetails=on_demand)
    same(summary("on-demand")["OpenShardCount"], 4)
    refused(
        VALIDATION, "On-Demand", kinesis.merge_shards,
        StreamName="on-demand", ShardToMerge=FIRST, AdjacentShardToMerge="shardId-000000000001",
    )
    kinesis.add_tags_to_stream(StreamName=name, Tags={"a": "1", "b": "2"})
    kinesis.tag_resource(ResourceARN=stream_arn(name), Tags={"c": "3"})
    tags = kinesis.list_tags_for_stream(StreamName=name, Limit=2)
    same(tags["Tags"], [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    same(tags["HasMoreTags"], True)
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["a"])
    kinesis.untag_resource(ResourceARN=stream_arn(name), TagKeys=["b"])
    found = kinesis.list_tags_for_resource(ResourceARN=stream_arn(name))["Tags"]
    same(found, [{"Key": "c", "Value": "3"}])
    refused(INVALID, "aws:", kinesis.add_tags_to_stream, StreamName=name, Tags={"aws:x": "1"})
    refused(
        NOT_YET, "StartStreamEncryption", kinesis.start_stream_encryption,
        StreamName=name, EncryptionType="KMS", KeyId="k", status=501,
    )


def records():
    name = stream("records", 2)
    placed = put(name, b"\x00\xff", ExplicitHashKey="0")
    same((placed["ShardId"], placed["EncryptionType"]), (FIRST, "NONE"))
    number = placed["SequenceNumber"]
    same(len(number), 56)
    again = put(name, b"two", ExplicitHashKey="0", SequenceNumberForOrdering=number)
    assert again["SequenceNumber"] > number
    read = kinesis.get_records(ShardIterator=iterator(name))
    same(read["MillisBehindLatest"], 0)
    first = read["Records"][0]
    arrived = first.pop("ApproximateArrivalTimestamp")
    assert abs(arrived.timestamp() - time.time()) < 60
    same(first, {"SequenceNumber": number, "Data": b"\x00\xff", "PartitionKey": "k"})
    same(data(read["NextShardIterator"]), [])
    at = {"StartingSequenceNumber": number}
    same(data(iterator(name, kind="AT_SEQUENCE_NUMBER", **at)), [b"\x00\xff", b"two"])
    same(data(iterator(name, kind="AFTER_SEQUENCE_NUMBER", **at)), [b"two"])
    same(data(iterator(name, kind="AT_TIMESTAMP", Timestamp=arrived))[0], b"\x00\xff")
    same(data(iterator(name, kind="AT_TIMESTAMP", Timestamp=0)), [b"\x00\xff", b"two"])
    latest = iterator(name, kind="LATEST")
    put(name, b"three", ExplicitHashKey="0")
    same(data(latest), [b"three"])
    page = kinesis.get_records(ShardIterator=iterator(name), Limit=1)
    same([one["Data"] for one in page["Records"]], [b"\x00\xff"])
    same(data(page["NextShardIterator"], Limit=1), [b"two"])
    entries = [
        {"Data": b"low", "PartitionKey": "a", "ExplicitHashKey": "0"},
        {"Data": b"high", "PartitionKey": "b", "ExplicitHashKey": str(ALL_KEYS - 1)},
    ]
    answer = kinesis.put_records(StreamARN=stream_arn(name), Records=entries)
    same(answer["FailedRecordCount"], 0)
    same([one["ShardId"] for one in answer["Records"]], [FIRST, "shardId-000000000001"])
    same(data(iterator(name, "shardId-000000000001")), [b"high"])
    bad_records(name, number)


def bad_records(name, number):
    refused(INVALID, "ExplicitHashKey", put, name, b"", ExplicitHashKey=str(ALL_KEYS))
    refused(VALIDATION, "partitionKey", put, name, b"", key="")
    refused(VALIDATION, "partitionKey", put, name, b"", key="k" * 257)
    refused(INVALID, "1048576", put, name, b"x" * 1024 * 1024)
    refused(MISSING, "nobody", put, "nobody", b"")
    many = [{"Data": b"", "PartitionKey": "k"}] * 501
    refused(VALIDATION, "records", kinesis.put_records, StreamName=name, Records=many)
    large = [{"Data": b"x" * 1_000_000, "PartitionKey": "k"}] * 11
    refused(INVALID, "10 MB", kinesis.put_records, StreamName=name, Records=large)
    refused(INVALID, "Invalid ShardIterator", data, "AAAA")
    refused(MISSING, "shardId-000000000009", iterator, name, "shardId-000000000009")
    refused(INVALID, "is invalid", iterator, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber="7")
    refused(INVALID, "sequence number", iterator, name, kind="AT_SEQUENCE_NUMBER")
    refused(
        INVALID, "is invalid", iterator, name, "shardId-000000000001",
        kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number,
    )
    future = time.time() + 3600
    refused(INVALID, "timestampInMillis", iterator, name, kind="AT_TIMESTAMP", Timestamp=future)
    refused(VALIDATION, "shardIteratorType", iterator, name, kind="SOMEWHERE")
    kinesis.update_max_record_size(StreamARN=stream_arn(name), MaxRecordSizeInKiB=2048)
    put(name, b"x" * 1024 * 1024)
    refused(
        VALIDATION, "maxRecordSizeInKiB", kinesis.update_max_record_size,
        StreamARN=stream_arn(name), MaxRecordSizeInKiB=1,
    )


def reshaped():
    name = stream("reshaped")
    put(name, b"before")
    half = str(ALL_KEYS // 2)
    split = {"StreamName": name, "ShardToSplit": FIRST, "NewStartingHashKey": half}
    kinesis.split_shard(**split)
    refused(IN_USE, "already been merged or split", kinesis.split_shard, **split)
    parent, low, high = shards(name)
    same((low["ParentShardId"], high["HashKeyRange"]["StartingHashKey"]), (FIRST, half))
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    begin = low["SequenceNumberRange"]["StartingSequenceNumber"]
    assert begin > parent["SequenceNumberRange"]["EndingSequenceNumber"]
    read = kinesis.get_records(ShardIterator=iterator(name))
    same([one["Data"] for one in read["Records"]], [b"before"])
    assert "NextShardIterator" not in read, "there is nothing more, ever"
    same([one["ShardId"] for one in read["ChildShards"]], [low["ShardId"], high["ShardId"]])
    same(read["ChildShards"][0]["ParentShards"], [FIRST])
    merge = {"ShardToMerge": low["ShardId"], "AdjacentShardToMerge": high["ShardId"]}
    kinesis.merge_shards(StreamName=name, **merge)
    merged = shards(name)[-1]
    same(merged["ParentShardId"], low["ShardId"])
    same(merged["AdjacentParentShardId"], high["ShardId"])
    open_now = shards(name, ShardFilter={"Type": "AT_LATEST"})
    same([one["ShardId"] for one in open_now], [merged["ShardId"]])
    page = kinesis.list_shards(StreamName=name, MaxResults=3)
    rest = kinesis.list_shards(NextToken=page["NextToken"])["Shards"]
    same([one["ShardId"] for one in rest], [merged["ShardId"]])
    refused(INVALID, "together", kinesis.list_shards, StreamName=name, NextToken=page["NextToken"])
    refused(INVALID, "NextToken", kinesis.list_shards, NextToken="AAAA")
    scaled = kinesis.update_shard_count(
        StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING"
    )
    same((scaled["CurrentShardCount"], scaled["TargetShardCount"]), (1, 2))
    same(summary(name)["OpenShardCount"], 2)
    refused(
        INVALID, "between 1 and 4", kinesis.update_shard_count,
        StreamName=name, TargetShardCount=5, ScalingType="UNIFORM_SCALING",
    )


def pages():
    """No more comes at once than AWS says, however much is asked for."""
    name = stream("wide", 101)
    found = described(name, Limit=10_000)
    same((len(found["Shards"]), found["HasMoreShards"]), (100, True))
    page = kinesis.list_shards(StreamName=name, MaxResults=1)
    refused(
        INVALID, "together", kinesis.list_shards,
        NextToken=page["NextToken"], StreamCreationTimestamp=time.time(),
    )
    kinesis.delete_stream(StreamName=name)


def consumers():
    name = stream("consumed")
    made = kinesis.register_stream_consumer(StreamARN=stream_arn(name), ConsumerName="reader")
    consumer = made["Consumer"]
    same((consumer["ConsumerName"], consumer["ConsumerStatus"]), ("reader", "ACTIVE"))
    arn_of_it = consumer["ConsumerARN"]
    assert arn_of_it.startswith(f"{stream_arn(name)}/consumer/reader:"), arn_of_it
    by_arn = kinesis.describe_stream_consumer(ConsumerARN=arn_of_it)["ConsumerDescription"]
    same(by_arn["StreamARN"], stream_arn(name))
    by_name = kinesis.describe_stream_consumer(StreamARN=stream_arn(name), ConsumerName="reader")
    same(by_name["ConsumerDescription"], by_arn)
    refused(
        IN_USE, "already exists", kinesis.register_stream_consumer,
        StreamARN=stream_arn(name), ConsumerName="reader",
    )
    kinesis.register_stream_consumer(StreamARN=stream_arn(name), ConsumerName="second")
    page = kinesis.list_stream_consumers(StreamARN=stream_arn(name), MaxResults=1)
    same([one["ConsumerName"] for one in page["Consumers"]], ["reader"])
    rest = kinesis.list_stream_consumers(StreamARN=stream_arn(name), NextToken=page["NextToken"])
    same([one["ConsumerName"] for one in rest["Consumers"]], ["second"])
    kinesis.deregister_stream_consumer(StreamARN=stream_arn(name), ConsumerName="second")
    same(summary(name)["ConsumerCount"], 1)
    subscribed(name, arn_of_it)
    refused(IN_USE, "registered consumers", kinesis.delete_stream, StreamName=name)
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    refused(MISSING, "reader", kinesis.describe_stream_consumer, ConsumerARN=arn_of_it)


def subscribed(name, consumer):
    put(name, b"first")
    answer = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=FIRST, StartingPosition={"Type": "TRIM_HORIZON"}
    )
    refused(
        IN_USE, "active subscription", kinesis.subscribe_to_shard,
        ConsumerARN=consumer, ShardId=FIRST, StartingPosition={"Type": "LATEST"},
    )
    events = (event["SubscribeToShardEvent"] for event in answer["EventStream"])
    first = next(events)
    same([one["Data"] for one in first["Records"]], [b"first"])
    same(first["MillisBehindLatest"], 0)
    later = threading.Timer(0.2, put, (name, b"second"))
    later.start()
    for event in events:
        if event["Records"]:
            break
    same([one["Data"] for one in event["Records"]], [b"second"])
    same(event["ContinuationSequenceNumber"], event["Records"][0]["SequenceNumber"])
    later.join()
    kinesis.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey="10")
    *_, last = events
    same((len(last["ChildShards"]), last["Records"]), (2, []))
    assert "ContinuationSequenceNumber" not in last, "there is nothing to be continued from"


def cbor(value):
    """The few kinds of values that requests consist of."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return b"\x1b" + struct.pack(">Q", value)
    if isinstance(value, bytes):
        return b"\x5a" + struct.pack(">I", len(value)) + value
    if isinstance(value, str):
        return b"\x7a" + struct.pack(">I", len(value.encode())) + value.encode()
    # Without a length, as SDKs for Java write it.
    return b"\xbf" + b"".join(cbor(key) + cbor(one) for key, one in value.items()) + b"\xff"


def in_cbor(operation, body):
    headers = {
        "Content-Type": "application/x-amz-cbor-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
    }
    request = urllib.request.Request(ENDPOINT, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def other_encoding():
    name = stream("binary")
    asked = {"StreamName": name, "Data": b"\x00raw\xff", "PartitionKey": "k"}
    status, kind, body = in_cbor("PutRecord", cbor(asked))
    same((status, kind), (200, "application/x-amz-cbor-1.1"))
    assert b"shardId-000000000000" in body, body
    same(data(iterator(name)), [b"\x00raw\xff"])
    _, _, body = in_cbor("GetRecords", cbor({"ShardIterator": iterator(name)}))
    assert b"\x45\x00raw\xff" in body, "bytes are bytes"
    assert b"\xc1\x1b" in body, "times are milliseconds"
    for wrong in (b"\xff", b"\x7a\xff\xff\xff\xff", b"{}", b"\x01"):
        status, kind, body = in_cbor("PutRecord", wrong)
        same((status, kind), (400, "application/x-amz-cbor-1.1"))
        assert b"SerializationException" in body, (wrong, body)
    status, _, body = in_cbor("PutRecord", cbor({**asked, "Data": True}))
    same((status, b"SerializationException" in body), (400, True))
    status, _, body = in_cbor("DescribeStream", cbor({"StreamName": "nobody"}))
    same((status, b"ResourceNotFoundException" in body), (400, True))


streams()
settings()
records()
reshaped()
pages()
consumers()
other_encoding()
done()
