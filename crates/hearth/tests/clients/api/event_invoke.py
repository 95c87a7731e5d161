"""Event invoke configurations: how asynchronous invocations are retried and where they end."""

from datetime import datetime, timedelta, timezone

from support import *

NAME, OTHER = "event-invoke", "event-invoke-other"
NOWHERE = "event-invoke-nowhere"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
BUCKET = "arn:aws:s3:::bucket"
NONE = {"OnSuccess": {}, "OnFailure": {}}

put = awslambda.put_function_event_invoke_config
update = awslambda.update_function_event_invoke_config
get = awslambda.get_function_event_invoke_config
listing = awslambda.list_function_event_invoke_configs
delete = awslambda.delete_function_event_invoke_config


def config(answer):
    """A configuration without its time, which is a moment ago."""
    found = shown(answer)
    age = datetime.now(timezone.utc) - found.pop("LastModified")
    assert timedelta(minutes=-1) < age < timedelta(minutes=10), age
    return found


def to(success=None, failure=None):
    """A DestinationConfig."""
    both = {"OnSuccess": success, "OnFailure": failure}
    return {key: {"Destination": arn} for key, arn in both.items() if arn is not None}


def not_configured(qualifier, name=NAME):
    return f"The function {arn(name)}:{qualifier} doesn't have an EventInvokeConfig"


create(NAME, Publish=True)
create(OTHER)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")

# None yet: whether or not the function, the version or the alias is there.
MISSING = "ResourceNotFoundException"
for qualifier in ["$LATEST", "1", "live", "9", "gone"]:
    for call in [get, delete]:
        text = not_configured(qualifier)
        refused(MISSING, text, call, FunctionName=NAME, Qualifier=qualifier, status=404)
for call in [get, delete]:
    refused(MISSING, not_configured("$LATEST"), call, FunctionName=NAME, status=404)
    text = not_configured("$LATEST", NOWHERE)
    refused(MISSING, text, call, FunctionName=NOWHERE, status=404)
    text = not_configured("3", NOWHERE)
    refused(MISSING, text, call, FunctionName=NOWHERE, Qualifier="3", status=404)
text = not_configured("$LATEST")
refused(MISSING, text, update, FunctionName=NAME, MaximumRetryAttempts=1, status=404)
same(shown(listing(FunctionName=NAME)), {"FunctionEventInvokeConfigs": []})

# What does not exist cannot be configured.
gone = "The function doesn't exist."
for call in [put, update]:
    refused(MISSING, gone, call, FunctionName=NOWHERE, MaximumRetryAttempts=1, status=404)
    for qualifier in ["9", "gone"]:
        refused(
            MISSING,
            gone,
            call,
            FunctionName=NAME,
            Qualifier=qualifier,
            MaximumRetryAttempts=1,
            status=404,
        )
refused(MISSING, gone, listing, FunctionName=NOWHERE, status=404)

# A put has no defaults, and replaces.
answer = put(FunctionName=NAME, MaximumRetryAttempts=0)
same(status(answer), 200)
latest = {"FunctionArn": f"{arn(NAME)}:$LATEST", "DestinationConfig": NONE}
same(config(answer), {**latest, "MaximumRetryAttempts": 0})
answer = put(FunctionName=NAME, MaximumEventAgeInSeconds=21600)
same(config(answer), {**latest, "MaximumEventAgeInSeconds": 21600})
answer = get(FunctionName=NAME)
same(status(answer), 200)
same(config(answer), {**latest, "MaximumEventAgeInSeconds": 21600})

# An update merges.
before = get(FunctionName=NAME)["LastModified"]
answer = update(FunctionName=NAME, MaximumRetryAttempts=2)
same(status(answer), 200)
both = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21600}
same(config(answer), {**latest, **both})
assert get(FunctionName=NAME)["LastModified"] >= before
answer = update(FunctionName=NAME, DestinationConfig=to(failure=QUEUE))
expected = {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}}
same(config(answer), {**latest, **both, "DestinationConfig": expected})
answer = update(FunctionName=NAME, DestinationConfig=to(success=TOPIC))
same(config(answer), {**latest, **both, "DestinationConfig": to(TOPIC, QUEUE)})
answer = update(FunctionName=NAME, MaximumEventAgeInSeconds=60)
both["MaximumEventAgeInSeconds"] = 60
same(config(answer), {**latest, **both, "DestinationConfig": to(TOPIC, QUEUE)})
# An empty destination is none.
answer = update(FunctionName=NAME, DestinationConfig=to(failure=""))
expected = {"OnSuccess": {"Destination": TOPIC}, "OnFailure": {}}
same(config(answer), {**latest, **both, "DestinationConfig": expected})
same(config(get(FunctionName=NAME)), {**latest, **both, "DestinationConfig": expected})
same(config(put(FunctionName=NAME, DestinationConfig={})), latest)

# Something must be given, and that is looked at first.
WRONG = "InvalidParameterValueException"
text = "You must specify at least one of error handling or destination setting."
for call in [put, update]:
    refused(WRONG, text, call, FunctionName=NAME, status=400)
    refused(WRONG, text, call, FunctionName=NOWHERE, status=400)

# Destinations.
other = arn(OTHER)
for success in [QUEUE, TOPIC, BUS, other, f"{other}:$LATEST"]:
    answer = put(FunctionName=NAME, DestinationConfig=to(success, success))
    same(config(answer), {**latest, "DestinationConfig": to(success, success)})
answer = put(FunctionName=NAME, DestinationConfig=to(failure=BUCKET))
expected = {"OnSuccess": {}, "OnFailure": {"Destination": BUCKET}}
same(config(answer), {**latest, "DestinationConfig": expected})

invalid = [
    f"{QUEUE}.fifo",
    f"{TOPIC}.fifo",
    arn(NOWHERE),
    f"{other}:9",
    f"{other}:gone",
    arn(OTHER, region="eu-west-1"),
    arn(OTHER, account="111122223333"),
    f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/stream",
    f"arn:aws:events:{REGION}:{ACCOUNT}:rule/rule",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:layer:1",
    f"arn:aws:iam::{ACCOUNT}:role/role",
    "arn:aws:s3:::bucket/key",
    "kafka://topic",
]
for call in [put, update]:
    for destination in invalid:
        text = f"The destination ARN {destination} is invalid."
        for given in [to(success=destination), to(failure=destination)]:
            refused(WRONG, text, call, FunctionName=NAME, DestinationConfig=given, status=400)
    text = f"The destination ARN {BUCKET} is invalid."
    given = to(success=BUCKET)
    refused(WRONG, text, call, FunctionName=NAME, DestinationConfig=given, status=400)
    text = "You can't specify the function as a destination for itself."
    for itself in [arn(NAME), f"{arn(NAME)}:1", f"{arn(NAME)}:live"]:
        given = to(success=itself)
        refused(WRONG, text, call, FunctionName=NAME, DestinationConfig=given, status=400)
same(config(get(FunctionName=NAME)), {**latest, "DestinationConfig": expected})

# The model's constraints.
constraints = [
    ({"MaximumRetryAttempts": 3}, "'maximumRetryAttempts'"),
    ({"MaximumRetryAttempts": -1}, "'maximumRetryAttempts'"),
    ({"MaximumEventAgeInSeconds": 59}, "'maximumEventAgeInSeconds'"),
    ({"MaximumEventAgeInSeconds": 21601}, "'maximumEventAgeInSeconds'"),
    ({"DestinationConfig": to(success="queue")}, "'destinationConfig.onSuccess.destination'"),
    ({"DestinationConfig": to(failure="queue")}, "'destinationConfig.onFailure.destination'"),
    ({"DestinationConfig": to(failure=QUEUE + "q" * 350)}, "less than or equal to 350"),
    ({"MaximumRetryAttempts": 1, "Qualifier": "no!"}, "'qualifier'"),
    ({"MaximumRetryAttempts": 1, "Qualifier": "q" * 129}, "less than or equal to 128"),
]
for given, text in constraints:
    for call in [put, update]:
        refused("ValidationException", text, call, FunctionName=NAME, **given, status=400)
for call in [get, delete, listing]:
    refused("ValidationException", "'functionName'", call, FunctionName="no!", status=400)
for items in [0, 51]:
    text = "'maxItems'"
    refused("ValidationException", text, listing, FunctionName=NAME, MaxItems=items, status=400)
refused(WRONG, "pagination token", listing, FunctionName=NAME, Marker="%%%", status=400)


def of(qualifier, retries):
    """A configuration with nothing but retries."""
    return {
        "FunctionArn": f"{arn(NAME)}:{qualifier}",
        "MaximumRetryAttempts": retries,
        "DestinationConfig": NONE,
    }


# Versions and aliases have their own, under any form of the name.
same(config(put(FunctionName=NAME, Qualifier="1", MaximumRetryAttempts=1)), of("1", 1))
same(config(put(FunctionName=f"{NAME}:live", MaximumRetryAttempts=0)), of("live", 0))
same(config(put(FunctionName=f"{arn(NAME)}:$LATEST", MaximumRetryAttempts=2)), of("$LATEST", 2))
forms = [
    {"FunctionName": f"{NAME}:live"},
    {"FunctionName": f"{NAME}:live", "Qualifier": "live"},
    {"FunctionName": f"function:{NAME}:live"},
    {"FunctionName": f"{ACCOUNT}:function:{NAME}", "Qualifier": "live"},
    {"FunctionName": arn(NAME), "Qualifier": "live"},
    {"FunctionName": f"{arn(NAME)}:live"},
]
for form in forms:
    same(config(get(**form)), of("live", 0))
text = "The derived qualifier from the function name does not match the specified qualifier."
refused(WRONG, text, get, FunctionName=f"{NAME}:live", Qualifier="1", status=400)
text = "Functions from 'eu-west-1' are not reachable in this region"
refused(MISSING, text, get, FunctionName=arn(NAME, region="eu-west-1"), status=404)

# Pages.
all_of_them = [of("$LATEST", 2), of("1", 1), of("live", 0)]
found, marker = [], {}
while True:
    page = listing(FunctionName=NAME, MaxItems=1, **marker)
    assert len(page["FunctionEventInvokeConfigs"]) == 1, page
    found += map(config, page["FunctionEventInvokeConfigs"])
    if "NextMarker" not in page:
        break
    marker = {"Marker": page["NextMarker"]}
same(found, all_of_them)
whole = listing(FunctionName=arn(NAME))
same(status(whole), 200)
same([config(one) for one in whole["FunctionEventInvokeConfigs"]], all_of_them)
assert "NextMarker" not in whole

# One is deleted, and the others are not; a second time there is none.
answer = delete(FunctionName=NAME, Qualifier="1")
same(status(answer), 204)
same(shown(answer), {})
refused(MISSING, not_configured("1"), delete, FunctionName=NAME, Qualifier="1", status=404)
same(len(listing(FunctionName=NAME)["FunctionEventInvokeConfigs"]), 2)
# What belongs to an alias goes with it.
awslambda.delete_alias(FunctionName=NAME, Name="live")
refused(MISSING, not_configured("live"), get, FunctionName=NAME, Qualifier="live", status=404)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
refused(MISSING, not_configured("live"), get, FunctionName=NAME, Qualifier="live", status=404)
same(status(delete(FunctionName=NAME)), 204)
same(shown(listing(FunctionName=NAME)), {"FunctionEventInvokeConfigs": []})

for name in [NAME, OTHER]:
    awslambda.delete_function(FunctionName=name)
done()
