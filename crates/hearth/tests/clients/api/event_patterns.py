"""The grammar of event patterns, as `TestEventPattern` and `PutRule` answer."""

import json

from support import *

events = client("events")
WRONG = "InvalidEventPatternException"
EVENT = {
    "version": "0",
    "id": "1",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "shop",
    "account": ACCOUNT,
    "time": "2017-10-02T16:24:49Z",
    "region": REGION,
    "resources": ["arn:a", "arn:b"],
    "detail": {
        "c-count": 5,
        "d-count": 3,
        "x-limit": 301.8,
        "source-ip": "10.0.0.33",
        "instance-id": "i-000000aaaaaa00000",
        "state": "running",
        "none": None,
        "empty": "",
        "path": "dir/a*b.png",
        "people": [{"first": "anna", "last": "jones"}, {"first": "bob", "last": "smith"}],
    },
}


def matches(pattern, event=EVENT):
    return events.test_event_pattern(
        EventPattern=pattern if isinstance(pattern, str) else json.dumps(pattern),
        Event=json.dumps(event),
    )["Result"]


def detail(**fields):
    return {"detail": {name.replace("_", "-"): value for name, value in fields.items()}}


for pattern, expected in (
    ({"source": ["shop", "x"]}, True),
    ({"source": ["x"]}, False),
    ({"resources": ["arn:b"]}, True),
    ({"time": [{"prefix": "2017-10-02"}]}, True),
    ({"source": [{"suffix": "op"}]}, True),
    ({"source": [{"equals-ignore-case": "SHOP"}]}, True),
    ({"source": [{"prefix": {"equals-ignore-case": "SH"}}]}, True),
    ({"source": [{"suffix": {"equals-ignore-case": "OP"}}]}, True),
    (detail(state=[{"anything-but": "initializing"}]), True),
    (detail(state=[{"anything-but": ["running", "stopped"]}]), False),
    (detail(x_limit=[{"anything-but": [100, 200, 300]}]), True),
    (detail(state=[{"anything-but": {"prefix": "run"}}]), False),
    (detail(state=[{"anything-but": {"suffix": ["ing", "ed"]}}]), False),
    (detail(state=[{"anything-but": {"equals-ignore-case": "RUNNING"}}]), False),
    (detail(path=[{"anything-but": {"wildcard": "*/lib/*"}}]), True),
    (detail(c_count=[{"numeric": [">", 0, "<=", 5]}], d_count=[{"numeric": ["<", 10]}]), True),
    (detail(x_limit=[{"numeric": ["=", 3.018e2]}]), True),
    (detail(source_ip=[{"cidr": "10.0.0.0/24"}]), True),
    (detail(source_ip=[{"cidr": "10.0.1.0/24"}]), False),
    (detail(nobody=[{"exists": False}], state=[{"exists": True}]), True),
    (detail(people=[{"exists": True}]), False),
    (detail(none=[None]), True),
    (detail(empty=[""]), True),
    (detail(path=[{"wildcard": "dir/*.png"}]), True),
    (detail(path=[{"wildcard": "dir/a\\*b.png"}]), True),
    (detail(path=[{"wildcard": "dir/x*"}]), False),
    ({"detail.state": ["running"]}, True),
    ({"source": ["shop"], "$or": [detail(state=["x"]), {"account": [ACCOUNT]}]}, True),
    ({"source": ["x"], "$or": [detail(state=["x"]), {"account": [ACCOUNT]}]}, False),
    ({"detail": {"people": {"first": ["anna"], "last": ["jones"]}}}, True),
    ({"detail": {"people": {"first": ["anna"], "last": ["smith"]}}}, False),
    ('{"source": ["x"], "source": ["shop"]}', True),
):
    assert matches(pattern) is expected, pattern

# The words of the service, with line and column.
for pattern, reason, line, column in (
    ('{"int": 42}', '"int" must be an object or an array', 1, 11),
    ('{"resources": []}', "Empty arrays are not allowed", 1, 17),
    ('{"source": ["aws.health"], "detail": {}}', "Empty objects are not allowed", 1, 40),
    ('{"my_key": [{"EXISTS": true}]}', "Unrecognized match type EXISTS", 1, 28),
    ('{"a": [{"numeric": [">", 0, ">", 0]}]}', "Bad numeric range operator: >", 1, 32),
    ('{\n  "a": 1\n}', '"a" must be an object or an array', 2, 9),
    ('["a"]', "Filter is not an object", 1, 2),
    (
        "{'bad': 1}",
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        1,
        2,
    ),
):
    place = f'\n at [Source: (String)"{pattern}"; line: {line}, column: {column}]'
    text = f"Event pattern is not valid. Reason: {reason}{place}"
    refused(WRONG, text, events.put_rule, Name="wrong", EventPattern=pattern, status=400)
    testing = {"EventPattern": pattern, "Event": json.dumps(EVENT)}
    refused(WRONG, text, events.test_event_pattern, **testing, status=400)
same(events.list_rules(NamePrefix="wrong")["Rules"], [])

cidr = "Event pattern is not valid. Reason: Malformed CIDR, one '/' required"
testing = {"EventPattern": '{"a": [{"cidr": "x"}]}', "Event": json.dumps(EVENT)}
refused(WRONG, cidr, events.test_event_pattern, **testing, status=400)
long = json.dumps({"a": ["x" * 4096]})
bound = "less than or equal to 4096"
refused("ValidationException", bound, events.put_rule, Name="r", EventPattern=long, status=400)

# What is tested has to be an event.
invalid = "Parameter Event is not valid."
for event in ("text", "[]", *(json.dumps({k: v for k, v in EVENT.items() if k != name}) for name in
              ("id", "account", "source", "time", "region", "detail-type"))):
    testing = {"EventPattern": '{"source": ["shop"]}', "Event": event}
    refused("ValidationException", invalid, events.test_event_pattern, **testing, status=400)
done()
