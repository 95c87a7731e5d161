"""Event source mappings: their members kind by kind, their states, what is refused.

The server must keep states in between (`transition_ms_min`) for longer than a request takes. Nothing
is ever sent to the sources. Works in an account of its own, so that whole listings can be compared.
"""

from datetime import datetime, timedelta, timezone

from support import *

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
CONFLICT = "ResourceConflictException"
IN_USE = "ResourceInUseException"
VALIDATION = "ValidationException"
MISSING = "The resource you requested does not exist."
ELSEWHERE = f"Functions from 'eu-west-1' are not reachable in this region ('{REGION}')"
UNGATHERED = (
    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater "
    "than 10"
)
NO_DESTINATION = "The Destination field is required for an OnFailure configuration."
NO_POLLER = "Hearth has no poller for this event source yet"
# The kinds of which the source is read, or would be if there were something in it.
READ = ("queue", "fifo", "provisioned", "kinesis", "consumer", "kafka")
CHANGING = ("State", "StateTransitionReason", "LastModified")
OWN = "404040404040"
FUNCTION = "mapped"
SECRET = f"arn:aws:secretsmanager:{REGION}:{OWN}:secret:broker"
mine = client(account=OWN)
streams = client("kinesis", account=OWN)
FILTER = '{"body":{"city":["Bern",{"prefix":"Zu"}]}}'


def of(service, resource):
    return f"arn:aws:{service}:{REGION}:{OWN}:{resource}"


def own(name, region=REGION):
    return arn(name, region=region, account=OWN)


def queue(name):
    return of("sqs", name)


def stream(name):
    return of("kinesis", f"stream/{name}")


def access(kind="BASIC_AUTH", uri=SECRET):
    return [{"Type": kind, "URI": uri}]


# The least that a mapping of each kind is created with, without the function.
LEAST = {
    "queue": {"EventSourceArn": queue("least")},
    "fifo": {"EventSourceArn": queue("least.fifo")},
    "kinesis": {"EventSourceArn": stream("least"), "StartingPosition": "LATEST"},
    "consumer": {"StartingPosition": "LATEST"},
    "dynamodb": {
        "EventSourceArn": of("dynamodb", "table/least/stream/2026-11-01T00:00:00.000"),
        "StartingPosition": "TRIM_HORIZON",
    },
    "msk": {
        "EventSourceArn": of("kafka", "cluster/least/0b1c2d3e-4f50-4aaa-8bbb-1234567890ab-2"),
        "StartingPosition": "LATEST",
        "Topics": ["orders"],
    },
    "kafka": {
        "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["k-1.test:9092"]}},
        "StartingPosition": "TRIM_HORIZON",
        "Topics": ["orders"],
        "SourceAccessConfigurations": access(),
    },
    "mq": {
        "EventSourceArn": of("mq", "broker:least:b-0b1c2d3e"),
        "Queues": ["orders"],
        "SourceAccessConfigurations": access(),
    },
    "documentdb": {
        "EventSourceArn": of("rds", "cluster:least"),
        "StartingPosition": "LATEST",
        "SourceAccessConfigurations": access(),
        "DocumentDBEventSourceConfig": {"DatabaseName": "orders"},
    },
}

# What AWS shows beside what was given, where nothing else was given.
QUEUE = {
    "BatchSize": 10,
    "MaximumBatchingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
    "StateTransitionReason": "USER_INITIATED",
}
BROKER = {
    "BatchSize": 100,
    "LastProcessingResult": "No records processed",
    "StateTransitionReason": "USER_INITIATED",
}
DOCUMENTS = {**BROKER, "StateTransitionReason": "User action"}
KAFKA = {**BROKER, "DestinationConfig": {"OnFailure": {}}}
STREAM = {
    **DOCUMENTS,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "BisectBatchOnFunctionError": False,
    "TumblingWindowInSeconds": 0,
    "DestinationConfig": {"OnFailure": {}},
    "FunctionResponseTypes": [],
}
DEFAULTS = {kind: QUEUE for kind in ("queue", "fifo")}
DEFAULTS |= {kind: STREAM for kind in ("kinesis", "consumer", "dynamodb")}
DEFAULTS |= {"msk": KAFKA, "kafka": KAFKA, "mq": BROKER, "documentdb": DOCUMENTS}


def function(name, **more):
    """A function that is active."""
    mine.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Role=f"arn:aws:iam::{OWN}:role/lambda",
        Handler="bootstrap",
        Code={"ZipFile": code()},
        **more,
    )
    settle(name, mine)


def make_stream(source):
    """The stream with this ARN, if it is one of a stream: what is mapped has to be there."""
    name = (source or "").partition(":stream/")[2].partition("/")[0]
    if not name or ":kinesis:" not in source:
        return
    try:
        streams.create_stream(StreamName=name, ShardCount=1)
    except streams.exceptions.ResourceInUseException:
        return
    streams.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})


def make_consumer():
    """A consumer of the least stream: its ARN."""
    made = streams.register_stream_consumer(StreamARN=stream("least"), ConsumerName="least")
    return made["Consumer"]["ConsumerARN"]


def make(name=FUNCTION, **more):
    make_queue(more.get("EventSourceArn"))
    make_stream(more.get("EventSourceArn"))
    answer = mine.create_event_source_mapping(FunctionName=name, **more)
    same(status(answer), 202)
    return shown(answer)


def get(uuid):
    answer = mine.get_event_source_mapping(UUID=uuid)
    same(status(answer), 200)
    return shown(answer)


def update(uuid, **more):
    answer = mine.update_event_source_mapping(UUID=uuid, **more)
    same(status(answer), 202)
    return shown(answer)


def rested(uuid):
    """The mapping, once it is not in between any more."""
    end = time.monotonic() + 60
    while True:
        found = get(uuid)
        if found["State"] in ("Enabled", "Disabled"):
            return found
        assert time.monotonic() < end, f"it does not come to rest: {found}"


def told_of_a_problem(uuid):
    """The mapping, once something is wrong with reading its source."""
    end = time.monotonic() + 60
    while True:
        found = get(uuid)
        if found["LastProcessingResult"].startswith("PROBLEM"):
            return found
        assert time.monotonic() < end, f"nothing is wrong: {found}"


def changed(uuid, **more):
    update(uuid, **more)
    return rested(uuid)


def remove(uuid):
    """Deletes a mapping that rests, and waits until it is gone."""
    answer = mine.delete_event_source_mapping(UUID=uuid)
    same((status(answer), answer["State"]), (202, "Deleting"))
    await_end(uuid)
    return shown(answer)


def await_end(uuid):
    """Waits until a mapping that is being deleted is gone."""
    end = time.monotonic() + 60
    while True:
        try:
            same(get(uuid)["State"], "Deleting")
        except ClientError as error:
            return same(error.response["Error"]["Code"], NOT_FOUND)
        assert time.monotonic() < end, f"{uuid} does not go"


def refuse_update(uuid, text, **members):
    call = mine.update_event_source_mapping
    refused(INVALID, text, call, UUID=uuid, status=400, **members)


def without_member(name):
    return f"Unsupported {name} parameter for given event source mapping type."


def without(mapping, *members):
    return {name: value for name, value in mapping.items() if name not in members}


def each_kind_shows_its_own_members():
    for kind, least in LEAST.items():
        made = make(**least)
        uuid = made["UUID"]
        same(uuid, uuid.lower())
        assert abs(made["LastModified"] - datetime.now(timezone.utc)) < timedelta(minutes=10)
        expected = {
            **least,
            **DEFAULTS[kind],
            "UUID": uuid,
            "EventSourceMappingArn": of("lambda", f"event-source-mapping:{uuid}"),
            "FunctionArn": own(FUNCTION),
            "LastModified": made["LastModified"],
            "State": "Creating",
        }
        if kind == "msk":
            expected["AmazonManagedKafkaEventSourceConfig"] = {"ConsumerGroupId": uuid}
        if kind == "documentdb":
            config = {"DatabaseName": "orders", "FullDocument": "Default"}
            expected["DocumentDBEventSourceConfig"] = config
        if kind == "kafka":
            expected["SelfManagedKafkaEventSourceConfig"] = {"ConsumerGroupId": uuid}
        same(made, expected)

        # If nothing reads it, it says so.
        found = rested(uuid)
        if kind == "kafka":
            # It is read at once, and there is no such secret.
            found = told_of_a_problem(uuid)
            made["LastProcessingResult"] = found["LastProcessingResult"]
        assert found["LastModified"] >= made["LastModified"]
        state, reason = ("Enabled", made["StateTransitionReason"])
        if kind not in READ:
            state, reason = ("Disabled", NO_POLLER)
        settled = {
            "State": state,
            "StateTransitionReason": reason,
            "LastModified": found["LastModified"],
        }
        same(found, {**made, **settled})
        same(get(uuid.upper()), found)
        gone = remove(uuid)
        same(gone["StateTransitionReason"], DEFAULTS[kind]["StateTransitionReason"])
        same(without(gone, *CHANGING), without(found, *CHANGING))


def all_members_are_kept():
    given = {
        "queue": {
            "EventSourceArn": queue("full"),
            "BatchSize": 10_000,
            "MaximumBatchingWindowInSeconds": 300,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern": FILTER}, {"Pattern": '{"body":[null]}'}]},
            "KMSKeyArn": of("kms", "key/0b1c2d3e-4f50-4aaa-8bbb-1234567890ab"),
            "MetricsConfig": {"Metrics": ["EventCount"]},
            "ScalingConfig": {"MaximumConcurrency": 2},
        },
        "provisioned": {
            "EventSourceArn": queue("provisioned"),
            "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 10_000},
        },
        "kinesis": {
            "EventSourceArn": stream("full"),
            "StartingPosition": "AT_TIMESTAMP",
            "StartingPositionTimestamp": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            "BatchSize": 1,
            "MaximumBatchingWindowInSeconds": 1,
            "ParallelizationFactor": 10,
            "MaximumRecordAgeInSeconds": 60,
            "MaximumRetryAttempts": 0,
            "BisectBatchOnFunctionError": True,
            "TumblingWindowInSeconds": 900,
            "DestinationConfig": {"OnFailure": {"Destination": queue("failed")}},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
        "msk": {
            **LEAST["msk"],
            "SourceAccessConfigurations": access("SASL_SCRAM_512_AUTH"),
            "DestinationConfig": {"OnFailure": {"Destination": "kafka://failed"}},
            "MaximumRecordAgeInSeconds": 604_800,
            "MaximumRetryAttempts": 10_000,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MetricsConfig": {"Metrics": ["EventCount", "ErrorCount", "KafkaMetrics"]},
            "LoggingConfig": {"SystemLogLevel": "WARN"},
            "ProvisionedPollerConfig": {"MinimumPollers": 1, "PollerGroupName": "group"},
            "AmazonManagedKafkaEventSourceConfig": {
                "ConsumerGroupId": "consumers",
                "SchemaRegistryConfig": {
                    "SchemaRegistryURI": of("glue", "registry/orders"),
                    "EventRecordFormat": "JSON",
                    "AccessConfigs": access(),
                    "SchemaValidationConfigs": [{"Attribute": "KEY"}, {"Attribute": "VALUE"}],
                },
            },
        },
        "documentdb": {
            **LEAST["documentdb"],
            "DocumentDBEventSourceConfig": {
                "DatabaseName": "orders",
                "CollectionName": "open",
                "FullDocument": "UpdateLookup",
            },
        },
    }
    for members in given.values():
        made = make(**members)
        same({name: made.get(name) for name in members}, members)
        found = rested(made["UUID"])
        same({name: found.get(name) for name in members}, members)
        remove(made["UUID"])


def a_wish_is_remembered():
    for kind in ("queue", "mq"):
        off = make(**LEAST[kind], Enabled=False)
        uuid = off["UUID"]
        same((off["State"], off["StateTransitionReason"]), ("Creating", "USER_INITIATED"))
        off = rested(uuid)
        same((off["State"], off["StateTransitionReason"]), ("Disabled", "USER_INITIATED"))
        by_user = ("Disabled", "USER_INITIATED")
        wanted = ("Enabled", "USER_INITIATED") if kind in READ else ("Disabled", NO_POLLER)

        def step(state, rests, **more):
            changing = update(uuid, **more)
            same((changing["State"], changing["StateTransitionReason"]), (state, "USER_INITIATED"))
            found = rested(uuid)
            same((found["State"], found["StateTransitionReason"]), rests)

        step("Updating", by_user, BatchSize=1)
        step("Updating", by_user, Enabled=False)
        step("Enabling", wanted, Enabled=True)
        step("Updating", wanted, BatchSize=2)
        step("Updating", wanted, Enabled=True)
        step("Disabling", by_user, Enabled=False)
        remove(uuid)


def an_update_changes_what_is_given():
    made = make(
        EventSourceArn=queue("update"),
        BatchSize=5,
        FilterCriteria={"Filters": [{"Pattern": FILTER}]},
        KMSKeyArn=of("kms", "key/1"),
        MetricsConfig={"Metrics": ["EventCount"]},
        ScalingConfig={"MaximumConcurrency": 7},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    uuid = made["UUID"]
    before = rested(uuid)
    changing = update(uuid, BatchSize=6)
    same(without(changing, *CHANGING), without({**before, "BatchSize": 6}, *CHANGING))
    assert changing["LastModified"] >= before["LastModified"]
    same(rested(uuid)["BatchSize"], 6)
    same(without(changed(uuid), *CHANGING), without({**before, "BatchSize": 6}, *CHANGING))

    # What is given empty is taken away.
    bare = changed(
        uuid,
        FilterCriteria={},
        KMSKeyArn="",
        MetricsConfig={"Metrics": []},
        ScalingConfig={},
        FunctionResponseTypes=[],
    )
    gone = ("FilterCriteria", "KMSKeyArn", "MetricsConfig", "ScalingConfig")
    expected = {**without(before, *gone), "BatchSize": 6, "FunctionResponseTypes": []}
    same(without(bare, *CHANGING), without(expected, *CHANGING))
    changed(uuid, ProvisionedPollerConfig={"MinimumPollers": 2})
    assert "ProvisionedPollerConfig" not in changed(uuid, ProvisionedPollerConfig={})

    # The rules hold for what comes of it.
    refuse_update(uuid, UNGATHERED, BatchSize=11)
    same(changed(uuid, BatchSize=11, MaximumBatchingWindowInSeconds=1)["BatchSize"], 11)
    refuse_update(uuid, UNGATHERED, MaximumBatchingWindowInSeconds=0)
    remove(uuid)

    failing = {"OnFailure": {"Destination": queue("failed")}}
    uuid = make(**LEAST["kinesis"], DestinationConfig=failing)["UUID"]
    rested(uuid)
    same(changed(uuid, MaximumRetryAttempts=3)["DestinationConfig"], failing)
    cleared = changed(uuid, DestinationConfig={"OnFailure": {"Destination": ""}})
    same(cleared["DestinationConfig"], {"OnFailure": {}})
    refuse_update(uuid, NO_DESTINATION, DestinationConfig={"OnFailure": {}})
    refuse_update(uuid, without_member("ScalingConfig"), ScalingConfig={"MaximumConcurrency": 2})
    remove(uuid)


def what_is_set_at_creation_only_stays():
    uuid = make(**LEAST["msk"])["UUID"]
    rested(uuid)
    group = {"ConsumerGroupId": "other"}
    refuse_update(uuid, "consumerGroupId", AmazonManagedKafkaEventSourceConfig=group)
    remove(uuid)
    host = access("VIRTUAL_HOST", "/orders")
    broker = {**LEAST["mq"], "SourceAccessConfigurations": access() + host}
    uuid = make(**broker)["UUID"]
    rested(uuid)
    another = access() + access("VIRTUAL_HOST", "/other")
    refuse_update(uuid, "VIRTUAL_HOST", SourceAccessConfigurations=another)
    found = changed(uuid, SourceAccessConfigurations=access(uri=SECRET + "-2"))
    same(found["SourceAccessConfigurations"], access(uri=SECRET + "-2") + host)
    remove(uuid)


def the_function_can_be_named_in_every_way():
    function("qualified")
    mine.publish_version(FunctionName="qualified")
    mine.create_alias(FunctionName="qualified", Name="live", FunctionVersion="1")
    names = {
        "qualified": "qualified",
        "function:qualified": "qualified",
        f"{OWN}:function:qualified": "qualified",
        own("qualified"): "qualified",
        "qualified:live": "qualified:live",
        f"{OWN}:function:qualified:1": "qualified:1",
        own("qualified:$LATEST"): "qualified:$LATEST",
    }
    for name, shown_as in names.items():
        made = make(name, EventSourceArn=queue("named"))
        same(made["FunctionArn"], own(shown_as))
        rested(made["UUID"])
        same([one["UUID"] for one in listed(FunctionName=name)], [made["UUID"]])
        remove(made["UUID"])

    # It can move, but only to what is there.
    uuid = make("qualified", EventSourceArn=queue("moving"))["UUID"]
    rested(uuid)
    same(changed(uuid, FunctionName="qualified:live")["FunctionArn"], own("qualified:live"))
    for name in ("nobody", "qualified:nobody", "qualified:9"):
        refuse_update(uuid, "Function does not exist", FunctionName=name)
    same(rested(uuid)["FunctionArn"], own("qualified:live"))
    other = make("qualified", EventSourceArn=queue("moving"))["UUID"]
    rested(other)
    call = mine.update_event_source_mapping
    refused(CONFLICT, uuid, call, UUID=other, FunctionName="qualified:live", status=409)
    remove(other)

    # It stays when its function goes.
    mine.delete_function(FunctionName="qualified")
    same(get(uuid)["FunctionArn"], own("qualified:live"))
    remove(uuid)


def a_repetition_is_refused():
    kafka = 'An event source mapping with event source ("{source}"), function ("{function}"), '
    kafka += 'topics ("orders")'
    texts = {
        "queue": 'An event source mapping with SQS arn (" {source} ") and function (" mapped ")',
        "kinesis": 'The event source arn (" {source} ") and function (" mapped ") provided mapping',
        "msk": kafka,
        "kafka": kafka,
    }
    for kind, text in texts.items():
        uuid = make(**LEAST[kind])["UUID"]
        source = LEAST[kind].get("EventSourceArn", "k-1.test:9092")
        text = text.format(source=source, function=own(FUNCTION))
        text += f" already exists. Please update or delete the existing mapping with UUID {uuid}"
        call = mine.create_event_source_mapping
        answer = refused(CONFLICT, text, call, FunctionName=FUNCTION, status=409, **LEAST[kind])
        same((answer.get("Type"), answer["Error"]["Message"]), ("User", text))
        rested(uuid)
        refused(CONFLICT, text, call, FunctionName=own(FUNCTION), **LEAST[kind])
        remove(uuid)

    # Another topic of the same cluster is another source.
    first = make(**LEAST["msk"])["UUID"]
    second = make(**{**LEAST["msk"], "Topics": ["returns"]})["UUID"]
    for uuid in (first, second):
        rested(uuid)
        remove(uuid)


def what_is_in_between_is_in_use():
    uuid = make(EventSourceArn=queue("busy"))["UUID"]
    in_use = "Cannot {} the event source mapping because it is in use."
    cannot_update, cannot_delete = in_use.format("update"), in_use.format("delete")
    call = mine.update_event_source_mapping
    refused(IN_USE, cannot_update, call, UUID=uuid, BatchSize=1, status=400)
    rested(uuid)
    update(uuid, BatchSize=1)
    refused(IN_USE, cannot_delete, mine.delete_event_source_mapping, UUID=uuid, status=400)
    same(rested(uuid)["BatchSize"], 1)
    mine.delete_event_source_mapping(UUID=uuid)
    refused(IN_USE, cannot_delete, mine.delete_event_source_mapping, UUID=uuid, status=400)
    await_end(uuid)
    same(listed(EventSourceArn=queue("busy")), [])


def what_is_not_there_is_missing():
    somewhere_else = make(EventSourceArn=queue("here"))["UUID"]
    elsewhere = client(account=OWN, region="eu-west-1")
    other = client(account="111122223333")
    for to, uuid in (
        (mine, missing_uuid()),
        (mine, "x" * 36),
        (elsewhere, somewhere_else),
        (other, somewhere_else),
    ):
        for call, more in (
            (to.get_event_source_mapping, {}),
            (to.update_event_source_mapping, {"BatchSize": 1}),
            (to.delete_event_source_mapping, {}),
        ):
            answer = refused(NOT_FOUND, MISSING, call, UUID=uuid, status=404, **more)
            same(answer["Error"]["Message"], MISSING)
    same(elsewhere.list_event_source_mappings()["EventSourceMappings"], [])
    rested(somewhere_else)
    remove(somewhere_else)


def listed(**which):
    """All pages, one mapping on each."""
    found, marker = [], {}
    while True:
        answer = mine.list_event_source_mappings(MaxItems=1, **which, **marker)
        same(status(answer), 200)
        page = answer["EventSourceMappings"]
        assert len(page) <= 1, page
        found += page
        if "NextMarker" not in answer:
            return found
        marker = {"Marker": answer["NextMarker"]}


def uuids(found):
    return [one["UUID"] for one in found]


def mappings_are_listed():
    function("listed")
    a, b, c = (queue(f"listed-{letter}") for letter in "abc")
    made = [make("listed", EventSourceArn=source)["UUID"] for source in (a, b, c)]
    another = make(EventSourceArn=a)["UUID"]
    everything = sorted([*made, another])
    for uuid in everything:
        rested(uuid)

    found = listed(FunctionName="listed")
    same(uuids(found), sorted(made))
    for one in found:
        same(one, get(one["UUID"]))
    for name in ("function:listed", f"{OWN}:function:listed", own("listed")):
        same(listed(FunctionName=name), found)
    same(uuids(listed(EventSourceArn=a)), sorted([made[0], another]))
    same(uuids(listed(FunctionName="listed", EventSourceArn=a)), [made[0]])
    same(listed(FunctionName="listed:live"), [])
    same(listed(FunctionName="nobody"), [])
    same(listed(EventSourceArn=queue("nobody")), [])
    same(uuids(listed()), everything)
    for whole in ({}, {"MaxItems": 10_000}):
        answer = mine.list_event_source_mappings(**whole)
        same(list(shown(answer)), ["EventSourceMappings"])
        same(uuids(answer["EventSourceMappings"]), everything)

    call = mine.list_event_source_mappings
    refused(INVALID, "Invalid pagination token.", call, Marker="%%%", status=400)
    for items in (0, 10_001):
        refused(VALIDATION, "at 'maxItems'", call, MaxItems=items, status=400)
    refused(VALIDATION, "at 'eventSourceArn'", call, EventSourceArn="queue", status=400)
    refused(VALIDATION, "at 'functionName'", call, FunctionName="no such!", status=400)
    far = own("listed", region="eu-west-1")
    refused(NOT_FOUND, ELSEWHERE, call, FunctionName=far, status=404)
    for uuid in everything:
        remove(uuid)


def refuse(kind, text, **members):
    """A mapping of this kind, with these members beside or instead of the least, is refused."""
    request = {"FunctionName": FUNCTION, **LEAST.get(kind, {}), **members}
    request = {name: value for name, value in request.items() if value is not None}
    call = mine.create_event_source_mapping
    answer = refused(INVALID, text, call, status=400, **request)
    same(answer.get("Type"), "User")


def lacking(kind, member, value):
    refuse(kind, without_member(member), **{member: value})


def not_every_source_is_one():
    unrecognized = "Unrecognized event source."
    refuse(None, unrecognized)
    for source in (
        of("sns", "topic"),
        of("s3", "bucket"),
        of("sqs", "no/queue"),
        of("dynamodb", "table/orders"),
        of("kinesis", "orders"),
        of("rds", "db:orders"),
        "arn:aws:sqs:::orders",
    ):
        refuse(None, unrecognized, EventSourceArn=source)
    lacking("queue", "SelfManagedEventSource", LEAST["kafka"]["SelfManagedEventSource"])


def what_a_kind_does_not_have_is_refused():
    failing = {"OnFailure": {"Destination": queue("failed")}}
    group = {"ConsumerGroupId": "group"}
    for member, value in {
        "DestinationConfig": failing,
        "ParallelizationFactor": 2,
        "MaximumRetryAttempts": 2,
        "MaximumRecordAgeInSeconds": 60,
        "BisectBatchOnFunctionError": True,
        "TumblingWindowInSeconds": 10,
        "Topics": ["orders"],
        "Queues": ["orders"],
        "SourceAccessConfigurations": access(),
        "LoggingConfig": {"SystemLogLevel": "INFO"},
        "AmazonManagedKafkaEventSourceConfig": group,
        "SelfManagedKafkaEventSourceConfig": group,
        "DocumentDBEventSourceConfig": {"DatabaseName": "orders"},
    }.items():
        for kind in ("queue", "fifo"):
            lacking(kind, member, value)
    for kind in ("kinesis", "consumer", "dynamodb", "msk", "kafka", "mq", "documentdb"):
        lacking(kind, "ScalingConfig", {"MaximumConcurrency": 2})
    for kind in ("kinesis", "consumer", "dynamodb", "mq", "documentdb"):
        lacking(kind, "ProvisionedPollerConfig", {"MinimumPollers": 2})
    for kind in ("msk", "kafka", "mq", "documentdb"):
        lacking(kind, "ParallelizationFactor", 2)
        lacking(kind, "TumblingWindowInSeconds", 10)
    for kind in ("mq", "documentdb"):
        lacking(kind, "DestinationConfig", failing)
        lacking(kind, "FunctionResponseTypes", [])
        lacking(kind, "MetricsConfig", {"Metrics": ["EventCount"]})
    lacking("msk", "SelfManagedKafkaEventSourceConfig", group)
    lacking("kafka", "AmazonManagedKafkaEventSourceConfig", group)
    lacking("mq", "StartingPosition", "LATEST")
    lacking("documentdb", "FilterCriteria", {"Filters": [{"Pattern": FILTER}]})
    text = "StartingPosition is not valid for SQS event sources."
    refuse("queue", text, StartingPosition="LATEST")


def reading_begins_somewhere():
    text = (
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
        "constraint: Member must not be null."
    )
    for kind in ("kinesis", "consumer", "dynamodb", "msk", "kafka", "documentdb"):
        refuse(kind, text, StartingPosition=None)
    at = {"StartingPosition": "AT_TIMESTAMP"}
    text = f"Unsupported starting position for arn type: {LEAST['dynamodb']['EventSourceArn']}"
    refuse("dynamodb", text, **at, StartingPositionTimestamp=1)
    refuse("kinesis", "Need to specify a timestamp", **at)
    text = "StartingPositionTimestamp can only be used with StartingPosition AT_TIMESTAMP."
    refuse("kinesis", text, StartingPositionTimestamp=1)
    future = datetime.now(timezone.utc) + timedelta(days=1)
    text = "StartingPositionTimestamp cannot be in the future."
    refuse("kinesis", text, **at, StartingPositionTimestamp=future)


def each_rule_refuses_and_says_why():
    refuse("queue", UNGATHERED, BatchSize=11)
    refuse("queue", UNGATHERED, BatchSize=11, MaximumBatchingWindowInSeconds=0)
    refuse("fifo", "Maximum batch size must be between 1 and 10 inclusive", BatchSize=11)
    text = "Batching window is not supported for FIFO queues"
    refuse("fifo", text, MaximumBatchingWindowInSeconds=1)
    text = "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800"
    for age in (0, 59):
        refuse("kinesis", text, MaximumRecordAgeInSeconds=age)

    def to(destination):
        return {"OnFailure": {"Destination": destination}}

    refuse("kinesis", NO_DESTINATION, DestinationConfig={"OnFailure": {}})
    for destination in (own("function"), "kafka://topic", of("kinesis", "stream/orders")):
        text = f"The destination ARN {destination} is invalid."
        refuse("kinesis", text, DestinationConfig=to(destination))
    lacking("kinesis", "DestinationConfig", {"OnSuccess": {"Destination": queue("fine")}})

    patterns = ["", "text", '"text"', "[]", "{}", '{"body": "a"}', '{"body": []}']
    patterns += ['{"body": [{"wildcard": "*"}]}', '{"body": [{"numeric": [">"]}]}']
    for one in ({}, *({"Pattern": pattern} for pattern in patterns)):
        text = "Invalid filter pattern definition."
        refuse("queue", text, FilterCriteria={"Filters": [{"Pattern": FILTER}, one]})
    refuse("queue", "at most 5 filters", FilterCriteria={"Filters": [{"Pattern": FILTER}] * 6})

    text = "at 'provisionedPollerConfig.minimumPollers' failed to satisfy constraint: Member must "
    text += "have value greater than or equal to 2"
    refuse("queue", text, ProvisionedPollerConfig={"MinimumPollers": 1})
    text = "Member must have value less than or equal to 2000"
    refuse("msk", text, ProvisionedPollerConfig={"MaximumPollers": 2_001})
    text = "MinimumPollers cannot be greater than MaximumPollers."
    refuse("msk", text, ProvisionedPollerConfig={"MinimumPollers": 9, "MaximumPollers": 8})
    scaling, pollers = {"MaximumConcurrency": 2}, {"MinimumPollers": 2}
    refuse("queue", "together", ScalingConfig=scaling, ProvisionedPollerConfig=pollers)
    refuse("queue", "KafkaMetrics", MetricsConfig={"Metrics": ["KafkaMetrics"]})
    many = {f"key-{number}": "x" for number in range(51)}
    refuse("queue", "Number of tags exceeds resource tag limit.", Tags=many)


def what_has_no_default_must_be_given():
    refuse("msk", "Required 'topics' parameter is missing.", Topics=None)
    refuse("mq", "Required 'queues' parameter is missing.", Queues=None)
    text = "Required 'sourceAccessConfigurations' parameter is missing."
    for kind in ("kafka", "mq", "documentdb"):
        refuse(kind, text, SourceAccessConfigurations=None)
    text = "Required 'documentDBEventSourceConfig.databaseName' parameter is missing."
    refuse("documentdb", text, DocumentDBEventSourceConfig={"CollectionName": "open"})

    subnet = access("VPC_SUBNET", "subnet-1")
    refuse("mq", "'VPC_SUBNET'", SourceAccessConfigurations=access() + subnet)
    refuse("mq", "one BASIC_AUTH", SourceAccessConfigurations=access("VIRTUAL_HOST", "/"))
    refuse("msk", "'BASIC_AUTH'", SourceAccessConfigurations=access())
    refuse("msk", "missing", SourceAccessConfigurations=[{"Type": "SASL_SCRAM_512_AUTH"}])
    registry = {
        "SchemaRegistryURI": of("glue", "registry/orders"),
        "EventRecordFormat": "JSON",
        "SchemaValidationConfigs": [{"Attribute": "VALUE"}],
    }
    kafka = {"SchemaRegistryConfig": registry}
    refuse("msk", "provisioned mode", AmazonManagedKafkaEventSourceConfig=kafka)


def the_function_must_fit():
    for name in ("nobody", f"{FUNCTION}:nobody", f"{FUNCTION}:9"):
        refuse("queue", "Function does not exist", FunctionName=name)
    function("mapped-slowly", Timeout=900)
    text = "Function timeout: 900 seconds is greater than 840 seconds"
    for kind in ("msk", "kafka", "mq", "documentdb"):
        refuse(kind, text, FunctionName="mapped-slowly")
    uuid = make("mapped-slowly", **LEAST["queue"])["UUID"]
    rested(uuid)
    remove(uuid)
    uuid = make(FUNCTION, EventSourceArn=queue("brief"))["UUID"]
    rested(uuid)
    make_queue(queue("briefer"))
    brief = client("sqs", account=OWN)
    for name, seconds in (("brief", 899), ("briefer", 2)):
        address = brief.get_queue_url(QueueName=name)["QueueUrl"]
        shorter = {"VisibilityTimeout": str(seconds)}
        brief.set_queue_attributes(QueueUrl=address, Attributes=shorter)
    text = "Queue visibility timeout: 899 seconds is less than Function timeout: 900 seconds"
    refuse_update(uuid, text, FunctionName="mapped-slowly")
    call = mine.update_function_configuration
    refused(INVALID, text, call, FunctionName=FUNCTION, Timeout=900, status=400)
    text = "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds"
    refuse("queue", text, EventSourceArn=queue("briefer"))
    remove(uuid)
    far, call = own(FUNCTION, region="eu-west-1"), mine.create_event_source_mapping
    refused(NOT_FOUND, ELSEWHERE, call, FunctionName=far, status=404, **LEAST["queue"])


def a_source_must_be_there():
    text = (
        "Error occurred while ReceiveMessage. SQS Error Code: "
        "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not "
        "exist."
    )
    for name in ("nowhere", "nowhere.fifo"):
        refuse("queue", text, EventSourceArn=queue(name))
    for nowhere in (stream("nowhere"), stream("least") + "/consumer/nowhere:1700000000"):
        refuse("kinesis", f"Stream not found: {nowhere}", EventSourceArn=nowhere)


def the_model_is_checked_first():
    def refuse_value(path, constraint, **members):
        request = {"FunctionName": FUNCTION, **LEAST["queue"], **members}
        request = {name: value for name, value in request.items() if value is not None}
        text = f"at '{path}' failed to satisfy constraint: {constraint}"
        call = mine.create_event_source_mapping
        refused(VALIDATION, text, call, status=400, **request)

    pattern = "Member must satisfy regular expression pattern: "
    refuse_value("functionName", "Member must not be null", FunctionName=None)
    refuse_value("functionName", pattern, FunctionName="no such!")
    refuse_value("eventSourceArn", pattern, EventSourceArn="queue")
    destination = {"OnFailure": {"Destination": "queue"}}
    refuse_value("destinationConfig.onFailure.destination", pattern, DestinationConfig=destination)

    for member, path, least, most in (
        ("BatchSize", "batchSize", 1, 10_000),
        ("MaximumBatchingWindowInSeconds", "maximumBatchingWindowInSeconds", 0, 300),
        ("ParallelizationFactor", "parallelizationFactor", 1, 10),
        ("MaximumRecordAgeInSeconds", "maximumRecordAgeInSeconds", -1, 604_800),
        ("MaximumRetryAttempts", "maximumRetryAttempts", -1, 10_000),
        ("TumblingWindowInSeconds", "tumblingWindowInSeconds", 0, 900),
    ):
        text = "Member must have value {} than or equal to {}"
        refuse_value(path, text.format("greater", least), **{member: least - 1})
        refuse_value(path, text.format("less", most), **{member: most + 1})
    for value, words in ((1, "greater than or equal to 2"), (1_001, "less than or equal to 1000")):
        text = f"Member must have value {words}"
        scaling = {"MaximumConcurrency": value}
        refuse_value("scalingConfig.maximumConcurrency", text, ScalingConfig=scaling)

    enumeration = "Member must satisfy enum value set: "
    refuse_value("startingPosition", enumeration, StartingPosition="NOW")
    path, loud = "loggingConfig.systemLogLevel", {"SystemLogLevel": "LOUD"}
    refuse_value(path, enumeration, LoggingConfig=loud)
    refuse_value("functionResponseTypes", "Member must", FunctionResponseTypes=["All"])
    refuse_value("metricsConfig.metrics", "Member must", MetricsConfig={"Metrics": ["All"]})
    path = "sourceAccessConfigurations.1.member.type"
    refuse_value(path, enumeration, SourceAccessConfigurations=access("KEY"))

    length = "Member must have length "
    refuse_value("topics", f"{length}less than or equal to 1", Topics=["orders", "returns"])
    refuse_value("queues", f"{length}greater than or equal to 1", Queues=[])
    long = {"Filters": [{"Pattern": "x" * 4_097}]}
    path = "filterCriteria.filters.1.member.pattern"
    refuse_value(path, f"{length}less than or equal to 4096", FilterCriteria=long)

    for call in (mine.get_event_source_mapping, mine.delete_event_source_mapping):
        refused(VALIDATION, f"{length}greater than or equal to 36", call, UUID="short", status=400)
    call = mine.update_event_source_mapping
    refused(VALIDATION, "at 'batchSize'", call, UUID=missing_uuid(), BatchSize=0, status=400)


def tags_are_kept():
    tagged = make(EventSourceArn=queue("tagged"), Tags={"team": "a"})
    assert "Tags" not in tagged
    resource = tagged["EventSourceMappingArn"]
    same(mine.list_tags(Resource=resource)["Tags"], {"team": "a"})
    rested(tagged["UUID"])
    changed(tagged["UUID"], BatchSize=1)
    same(mine.list_tags(Resource=resource)["Tags"], {"team": "a"})
    remove(tagged["UUID"])
    refused(NOT_FOUND, "", mine.list_tags, Resource=resource, status=404)


function(FUNCTION)
make_stream(stream("least"))
LEAST["consumer"]["EventSourceArn"] = make_consumer()
each_kind_shows_its_own_members()
all_members_are_kept()
a_wish_is_remembered()
an_update_changes_what_is_given()
what_is_set_at_creation_only_stays()
the_function_can_be_named_in_every_way()
a_repetition_is_refused()
what_is_in_between_is_in_use()
what_is_not_there_is_missing()
mappings_are_listed()
not_every_source_is_one()
what_a_kind_does_not_have_is_refused()
reading_begins_somewhere()
each_rule_refuses_and_says_why()
what_has_no_default_must_be_given()
the_function_must_fit()
a_source_must_be_there()
the_model_is_checked_first()
tags_are_kept()
same(listed(), [])
done()
