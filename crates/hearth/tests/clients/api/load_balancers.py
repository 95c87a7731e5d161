"""Load balancers: every operation that is offered, what it refuses, and what requests get."""

import http.client
import re
import threading
from pathlib import Path
from urllib.parse import urlsplit

from support import *

RUNTIME = sys.argv[2]
FUNCTIONS = Path(__file__).parent.parent.parent / "functions"
AT = urlsplit(ENDPOINT)
HEAD = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"

elb = client("elbv2")


def page(status, words):
    """The page of an error, which is AWS's."""
    title = f"{status} {words}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def call(host, path="/", method="GET", body=None, headers=()):
    """A request with any host, and headers that may be there twice."""
    connection = http.client.HTTPConnection(AT.hostname, AT.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.msg, answer.read()
    finally:
        connection.close()


def forward(*groups):
    weighted = [{"TargetGroupArn": group, "Weight": weight} for group, weight in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}]


def fixed(text, status="200"):
    config = {"StatusCode": status, "ContentType": "text/plain", "MessageBody": text}
    return [{"Type": "fixed-response", "FixedResponseConfig": config}]


def path(*values):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


# A function.
awslambda.create_function(
    FunctionName="balanced",
    Runtime=RUNTIME,
    Role=ROLE,
    Handler="handler.handler",
    Code={"ZipFile": zipped({"handler.py": (FUNCTIONS / "balanced.py").read_text()})},
    Publish=True,
    Timeout=10,
)
settle("balanced")
awslambda.create_alias(FunctionName="balanced", Name="live", FunctionVersion="1")
LIVE = arn("balanced") + ":live"

# Target groups.
made = elb.create_target_group(Name="functions", TargetType="lambda")
[group] = made["TargetGroups"]
GROUP = group.pop("TargetGroupArn")
assert re.fullmatch(rf"{HEAD}:targetgroup/functions/[0-9a-f]{{16}}", GROUP), GROUP
DEFAULTS = {
    "TargetGroupName": "functions",
    "TargetType": "lambda",
    "HealthCheckEnabled": False,
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 35,
    "HealthCheckTimeoutSeconds": 30,
    "HealthyThresholdCount": 5,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
    "LoadBalancerArns": [],
}
same(group, DEFAULTS)
again = elb.create_target_group(Name="functions", TargetType="lambda")
same(again["TargetGroups"][0]["TargetGroupArn"], GROUP)
make_group = elb.create_target_group
refused(
    "DuplicateTargetGroupName",
    "A target group with the same name 'functions' exists, but with different settings",
    make_group,
    Name="functions",
    TargetType="lambda",
    HealthCheckPath="/other",
    status=400,
)
WRONG, INVALID = "ValidationError", "InvalidConfigurationRequest"
for more, code, text in [
    ({"Name": "x" * 33}, WRONG, "cannot be longer than '32' characters"),
    ({"Name": "a_b"}, WRONG, "alphanumeric characters and hyphens(-)"),
    ({"Name": "-a"}, WRONG, "cannot begin or end with '-'"),
    ({"Name": "g", "TargetType": "ip"}, INVALID, "Hearth does not support target groups"),
    ({"Name": "g", "TargetType": "odd"}, WRONG, "Member must satisfy enum value set"),
    ({"Name": "g", "Port": 80}, WRONG, "Port cannot be specified"),
    ({"Name": "g", "HealthCheckIntervalSeconds": 30}, WRONG, "must be smaller than the interval"),
    ({"Name": "g", "HealthCheckTimeoutSeconds": 1}, WRONG, "must be between '2' and '120'"),
    ({"Name": "g", "Matcher": {"HttpCode": "600"}}, WRONG, "must be within '200-499'"),
]:
    refused(code, text, make_group, **{"TargetType": "lambda", **more})
refused(INVALID, "Hearth does not support target groups", make_group, Name="g")

attributes = elb.describe_target_group_attributes(TargetGroupArn=GROUP)["Attributes"]
same(attributes, [{"Key": "lambda.multi_value_headers.enabled", "Value": "false"}])
refused(
    WRONG,
    "Target group attribute key 'stickiness.enabled' is not recognized",
    elb.modify_target_group_attributes,
    TargetGroupArn=GROUP,
    Attributes=[{"Key": "stickiness.enabled", "Value": "true"}],
)

# Targets: functions whose policy lets load balancers in.
register = elb.register_targets
refused(
    "AccessDenied",
    f"elasticloadbalancing principal does not have permission to invoke {LIVE} from target group {GROUP}",
    register,
    TargetGroupArn=GROUP,
    Targets=[{"Id": LIVE}],
    status=403,
)
awslambda.add_permission(
    FunctionName="balanced",
    Qualifier="live",
    StatementId="balancer",
    Action="lambda:InvokeFunction",
    Principal="elasticloadbalancing.amazonaws.com",
    SourceArn=GROUP,
)
register(TargetGroupArn=GROUP, Targets=[{"Id": LIVE}])
register(TargetGroupArn=GROUP, Targets=[{"Id": LIVE}])
for target, code, text in [
    (arn("balanced"), "AccessDenied", "does not have permission"),
    (arn("nobody"), "InvalidTarget", "does not exist"),
    ("i-0123456789abcdef0", "InvalidTarget", "is not the ARN of a function"),
    (arn("balanced", region="eu-west-1"), "InvalidTarget", "in this account and region"),
]:
    refused(code, text, register, TargetGroupArn=GROUP, Targets=[{"Id": target}])
awslambda.add_permission(
    FunctionName="balanced",
    StatementId="any",
    Action="lambda:InvokeFunction",
    Principal="elasticloadbalancing.amazonaws.com",
)
refused(
    "TooManyTargets",
    "can have only one target",
    register,
    TargetGroupArn=GROUP,
    Targets=[{"Id": arn("balanced")}],
)
refused(
    "TargetGroupNotFound",
    "not found",
    register,
    TargetGroupArn=f"{HEAD}:targetgroup/nobody/0123456789abcdef",
    Targets=[{"Id": LIVE}],
)
LISTS = make_group(Name="lists", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
register(TargetGroupArn=LISTS, Targets=[{"Id": arn("balanced")}])
elb.modify_target_group_attributes(
    TargetGroupArn=LISTS,
    Attributes=[{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}],
)
EMPTY = make_group(Name="empty", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]


def health(group=GROUP, **more):
    found = elb.describe_target_health(TargetGroupArn=group, **more)["TargetHealthDescriptions"]
    return [(one["Target"]["Id"], one["TargetHealth"]) for one in found]


[(found, state)] = health()
same((found, state["State"], state["Reason"]), (LIVE, "unused", "Target.NotInUse"))
[(found, state)] = health(Targets=[{"Id": "other"}])
same((found, state["Reason"]), ("other", "Target.NotRegistered"))
same(health(EMPTY), [])

# Load balancers.
[balancer] = elb.create_load_balancer(
    Name="web",
    Subnets=["subnet-1", "subnet-2"],
    SecurityGroups=["sg-1"],
    Tags=[{"Key": "team", "Value": "tests"}],
)["LoadBalancers"]
BALANCER, HOST = balancer["LoadBalancerArn"], balancer["DNSName"]
assert re.fullmatch(rf"{HEAD}:loadbalancer/app/web/[0-9a-f]{{16}}", BALANCER), BALANCER
assert re.fullmatch(rf"web-\d+\.{REGION}\.elb\.localhost", HOST), HOST
same(balancer["State"], {"Code": "active"})
same((balancer["Type"], balancer["Scheme"]), ("application", "internet-facing"))
same([zone["SubnetId"] for zone in balancer["AvailabilityZones"]], ["subnet-1", "subnet-2"])
make = elb.create_load_balancer
again = make(Name="web", Subnets=["subnet-1", "subnet-2"], SecurityGroups=["sg-1"])
same(again["LoadBalancers"][0]["LoadBalancerArn"], BALANCER)
refused("DuplicateLoadBalancerName", "'web' exists, but with different", make, Name="web")
refused(WRONG, "cannot begin with 'internal-'", make, Name="internal-x")
refused(INVALID, "not of the type 'application'", make, Name="n", Type="network")
refused(WRONG, "validation error", make)
inside = make(Name="inside", Scheme="internal")["LoadBalancers"][0]
assert inside["DNSName"].startswith("internal-inside-"), inside
elb.get_waiter("load_balancer_available").wait(Names=["web"])

describe = elb.describe_load_balancers
same([one["LoadBalancerName"] for one in describe()["LoadBalancers"]], ["inside", "web"])
first = describe(PageSize=1)
same([one["LoadBalancerName"] for one in first["LoadBalancers"]], ["inside"])
second = describe(PageSize=1, Marker=first["NextMarker"])
same([one["LoadBalancerName"] for one in second["LoadBalancers"]], ["web"])
assert "NextMarker" not in second, second
pages = elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 1})
same(len([one for part in pages for one in part["LoadBalancers"]]), 2)
same(describe(LoadBalancerArns=[BALANCER])["LoadBalancers"][0]["LoadBalancerName"], "web")
refused("LoadBalancerNotFound", "Load balancers '[nobody]' not found", describe, Names=["nobody"])
refused(WRONG, "'x' is not a valid load balancer ARN", describe, LoadBalancerArns=["x"])
same(client("elbv2", region="eu-west-1").describe_load_balancers()["LoadBalancers"], [])
refused(
    "LoadBalancerNotFound",
    "not found",
    client("elbv2", region="eu-west-1").describe_load_balancers,
    LoadBalancerArns=[BALANCER],
)


def set_attributes(**pairs):
    pairs = [{"Key": key.replace("__", "."), "Value": value} for key, value in pairs.items()]
    answer = elb.modify_load_balancer_attributes(LoadBalancerArn=BALANCER, Attributes=pairs)
    return {one["Key"]: one["Value"] for one in answer["Attributes"]}


kept = set_attributes(deletion_protection__enabled="true", idle_timeout__timeout_seconds="30")
same((kept["deletion_protection.enabled"], kept["idle_timeout.timeout_seconds"]), ("true", "30"))
same(kept["routing.http.drop_invalid_header_fields.enabled"], "false")
shown_now = elb.describe_load_balancer_attributes(LoadBalancerArn=BALANCER)["Attributes"]
same({one["Key"]: one["Value"] for one in shown_now}, kept)
for key, value, code in [
    ("odd.key", "1", WRONG),
    ("idle_timeout.timeout_seconds", "0", WRONG),
    ("access_logs.s3.enabled", "true", INVALID),
]:
    pair = [{"Key": key, "Value": value}]
    refused(
        code, key, elb.modify_load_balancer_attributes, LoadBalancerArn=BALANCER, Attributes=pair
    )
refused(
    "OperationNotPermitted",
    "deletion protection is enabled",
    elb.delete_load_balancer,
    LoadBalancerArn=BALANCER,
)
changed = elb.set_subnets(LoadBalancerArn=BALANCER, Subnets=["subnet-3"])
same([zone["SubnetId"] for zone in changed["AvailabilityZones"]], ["subnet-3"])
changed = elb.set_security_groups(LoadBalancerArn=BALANCER, SecurityGroups=["sg-2"])
same(changed["SecurityGroupIds"], ["sg-2"])
changed = elb.set_ip_address_type(LoadBalancerArn=BALANCER, IpAddressType="dualstack")
same(changed["IpAddressType"], "dualstack")
limits = {one["Name"]: one["Max"] for one in elb.describe_account_limits()["Limits"]}
same(limits["application-load-balancers"], "50")
same(elb.describe_capacity_reservation(LoadBalancerArn=BALANCER)["CapacityReservationState"], [])

# Nobody listens yet.
same(call(HOST)[0::2], (503, page(503, "Service Temporarily Unavailable")))

# Listeners.
listen = elb.create_listener
[listener] = listen(
    LoadBalancerArn=BALANCER,
    Protocol="HTTP",
    Port=80,
    DefaultActions=[{"Type": "forward", "TargetGroupArn": GROUP}],
)["Listeners"]
LISTENER = listener["ListenerArn"]
assert LISTENER.startswith(BALANCER.replace(":loadbalancer/", ":listener/") + "/"), LISTENER
same((listener["Port"], listener["Protocol"]), (80, "HTTP"))
same(
    listener["DefaultActions"],
    [
        {
            "Type": "forward",
            "TargetGroupArn": GROUP,
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 1}],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ],
)
on80 = {"LoadBalancerArn": BALANCER, "Protocol": "HTTP", "Port": 80}
on81 = {"LoadBalancerArn": BALANCER, "Protocol": "HTTP", "Port": 81}
MISSING_GROUP = f"{HEAD}:targetgroup/nobody/0123456789abcdef"
sticky = {
    "TargetGroups": [{"TargetGroupArn": GROUP}],
    "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
}
loop = {"StatusCode": "HTTP_301"}
for where, actions, code, text in [
    (on80, fixed("x"), "DuplicateListener", "A listener already exists on this port"),
    (on81, forward((MISSING_GROUP, 1)), "TargetGroupNotFound", MISSING_GROUP),
    (on81, forward((GROUP, 1000)), WRONG, "0 to 999"),
    (on81, forward((GROUP, 1), (GROUP, 1)), "InvalidLoadBalancerAction", "more than once"),
    (on81, [], WRONG, "An action must be specified"),
    (on81, fixed("x") + fixed("y"), "TooManyActions", "one action"),
    (on81, fixed("x", "301"), WRONG, "2XX, 4XX or 5XX"),
    (on81, [{"Type": "authenticate-oidc"}], INVALID, "authenticate-oidc"),
    (on81, [{"Type": "authenticate-cognito"}], INVALID, "authenticate-cognito"),
    (on81, [{"Type": "jwt-validation"}], INVALID, "jwt-validation"),
    (on81, [{"Type": "odd"}], WRONG, "'defaultActions.1.member.type'"),
    (on81, [{"Type": "forward", "ForwardConfig": sticky}], INVALID, "stickiness"),
    (on81, [{"Type": "redirect", "RedirectConfig": loop}], "InvalidLoadBalancerAction", "loop"),
    ({**on81, "Protocol": "TCP"}, fixed("x"), "UnsupportedProtocol", "'TCP' must be one of"),
    ({**on81, "Protocol": "HTTPS"}, fixed("x"), WRONG, "A certificate must be specified"),
    ({**on81, "Port": 0}, fixed("x"), WRONG, "1 to 65535"),
]:
    refused(code, text, listen, **where, DefaultActions=actions)
OTHER = listen(
    LoadBalancerArn=BALANCER, Protocol="HTTP", Port=8080, DefaultActions=fixed("the other one")
)["Listeners"][0]["ListenerArn"]
certificate = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x"
secure = listen(
    LoadBalancerArn=BALANCER,
    Protocol="HTTPS",
    Port=443,
    Certificates=[{"CertificateArn": certificate}],
    DefaultActions=fixed("in secret"),
)["Listeners"][0]
same(secure["SslPolicy"], "ELBSecurityPolicy-2016-08")
found = elb.describe_listeners(LoadBalancerArn=BALANCER)["Listeners"]
same([one["Port"] for one in found], [80, 443, 8080])
same(elb.describe_listeners(ListenerArns=[OTHER])["Listeners"][0]["Port"], 8080)
gone = LISTENER[:-16] + "0" * 16
refused("ListenerNotFound", "not found", elb.describe_listeners, ListenerArns=[gone])
other_user = {"LoadBalancerArn": inside["LoadBalancerArn"], "Protocol": "HTTP", "Port": 80}
refused(
    "TargetGroupAssociationLimit",
    "cannot be associated with more than one load balancer",
    listen,
    **other_user,
    DefaultActions=forward((GROUP, 1)),
)
refused("ResourceInUse", "in use by a listener", elb.delete_target_group, TargetGroupArn=GROUP)
used = elb.describe_target_groups(LoadBalancerArn=BALANCER)["TargetGroups"]
same([(one["TargetGroupArn"], one["LoadBalancerArns"]) for one in used], [(GROUP, [BALANCER])])
refused(
    "TargetGroupNotFound", "One or more target", elb.describe_target_groups, Names=["nobody"]
)
same(health()[0][1]["Reason"], "Target.HealthCheckDisabled")

# The event.
code, headers, body = call(
    HOST,
    "/a%20b/c?q=1&q=2&z=x%20y+z",
    "POST",
    b'{"a": 1}',
    [
        ("Content-Type", "application/json"),
        ("X-Twice", "one"),
        ("X-Twice", "two"),
        ("X-Forwarded-For", "203.0.113.7"),
    ],
)
same((code, headers["content-type"], headers["server"]), (200, "application/json", "awselb/2.0"))
event = json.loads(body)
assert event["headers"].pop("x-amzn-trace-id").startswith("Root=1-"), event
same(
    event,
    {
        "requestContext": {"elb": {"targetGroupArn": GROUP}},
        "httpMethod": "POST",
        "path": "/a%20b/c",
        "queryStringParameters": {"q": "2", "z": "x%20y+z"},
        "headers": {
            "host": HOST,
            "content-type": "application/json",
            "content-length": "8",
            "x-twice": "two",
            "x-forwarded-for": "203.0.113.7, 127.0.0.1",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "body": '{"a": 1}',
        "isBase64Encoded": False,
    },
)
event = json.loads(call(HOST, "/", "PUT", b"\xff\x00")[2])
same((event["body"], event["isBase64Encoded"]), ("/wA=", True))
event = json.loads(call("any.name.example", "/_hearth/sites/balancer/web/by/path?x")[2])
same((event["path"], event["queryStringParameters"]), ("/by/path", {"x": ""}))
event = json.loads(call(HOST, f"/_hearth/sites/balancer/{HOST.split('.')[0]}")[2])
same(event["path"], f"/_hearth/sites/balancer/{HOST.split('.')[0]}")

# Answers, and what is none.
code, headers, body = call(HOST, "/binary")
same((code, headers["content-type"], body), (200, "image/x-test", bytes(range(256))))
same(call(HOST, "/health")[0], 204)
for where, status, words in [
    ("/fail", 502, "Bad Gateway"),
    ("/odd", 502, "Bad Gateway"),
    ("/large", 502, "Bad Gateway"),
    ("/slow", 504, "Gateway Time-out"),
]:
    # A cold start may take longer than the slow answer is waited for.
    set_attributes(idle_timeout__timeout_seconds="1" if where == "/slow" else "30")
    code, headers, body = call(HOST, where)
    same((where, code, body), (where, status, page(status, words)))
    same((headers["content-type"], headers["server"]), ("text/html", "awselb/2.0"))
set_attributes(idle_timeout__timeout_seconds="30")
same(call(HOST, "/?" + "x" * 17_000)[0::2], (414, page(414, "Request-URI Too Large")))
same(call(HOST, headers=[("X", "x" * 17_000)])[0::2], (400, page(400, "Bad Request")))
same(call(HOST, headers=[("Sec-WebSocket-Key", "x")])[0::2], (400, page(400, "Bad Request")))
large = call(HOST, "/", "POST", b"x" * ((1 << 20) + 1))
same(large[0::2], (413, page(413, "Request Entity Too Large")))

# Which listener.
same(call(f"{HOST}:8080")[2], b"the other one")
secret = call(f"{HOST}:443")
same(secret[0], 400)
assert b"The plain HTTP request was sent to HTTPS port" in secret[2], secret
same(json.loads(call(f"{HOST}:{AT.port}")[2])["headers"]["x-forwarded-port"], str(AT.port))

# Rules.
make_rule = elb.create_rule
[rule] = make_rule(
    ListenerArn=LISTENER,
    Priority=50,
    Conditions=[{"Field": "path-pattern", "Values": ["/lists/*", "/cookies"]}],
    Actions=forward((LISTS, 1), (EMPTY, 0)),
    Tags=[{"Key": "a", "Value": "b"}],
)["Rules"]
RULE = rule["RuleArn"]
assert RULE.startswith(LISTENER.replace(":listener/", ":listener-rule/") + "/"), RULE
same((rule["Priority"], rule["IsDefault"]), ("50", False))
values = ["/lists/*", "/cookies"]
same(
    rule["Conditions"],
    [{"Field": "path-pattern", "Values": values, "PathPatternConfig": {"Values": values}}],
)
rules = [
    (1, [path("/fixed")], fixed("said at once", "503")),
    (
        2,
        [path("/old/*")],
        [
            {
                "Type": "redirect",
                "RedirectConfig": {
                    "Protocol": "HTTPS",
                    "Port": "443",
                    "Path": "/new/#{path}",
                    "StatusCode": "HTTP_301",
                },
            }
        ],
    ),
    (3, [path("/none")], forward((EMPTY, 1))),
    (4, [{"Field": "host-header", "HostHeaderConfig": {"Values": ["*.shop.example"]}}], fixed("host")),
    (
        5,
        [
            {
                "Field": "http-header",
                "HttpHeaderConfig": {"HttpHeaderName": "X-Kind", "Values": ["te?t*"]},
            }
        ],
        fixed("header"),
    ),
    (
        6,
        [
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["DELETE"]}},
            path("/m/*"),
        ],
        fixed("method"),
    ),
    (
        7,
        [
            {
                "Field": "query-string",
                "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2*"}, {"Value": "beta"}]},
            }
        ],
        fixed("query"),
    ),
    (
        8,
        [{"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}}, path("/ip")],
        fixed("source"),
    ),
    (
        9,
        [{"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}}, path("/far")],
        fixed("far"),
    ),
]
for priority, conditions, actions in rules:
    answer = make_rule(
        ListenerArn=LISTENER, Priority=priority, Conditions=conditions, Actions=actions
    )
    [found] = answer["Rules"]
    for given, shown_back in zip(conditions, found["Conditions"]):
        same({key: shown_back[key] for key in given}, given)
for host, where, method, more, expected in [
    (HOST, "/fixed", "GET", [], b"said at once"),
    ("a.SHOP.example", "/_hearth/sites/balancer/web/", "GET", [], b"host"),
    (HOST, "/", "GET", [("x-kind", "TestIt")], b"header"),
    (HOST, "/m/x", "DELETE", [], b"method"),
    (HOST, "/q?v=25", "GET", [], b"query"),
    (HOST, "/q?other=BETA", "GET", [], b"query"),
    (HOST, "/ip", "GET", [], b"source"),
]:
    same(call(host, where, method, headers=more)[2], expected)
for where, method in [("/m/x", "GET"), ("/q?v=3", "GET"), ("/far", "GET")]:
    same(json.loads(call(HOST, where, method)[2])["httpMethod"], method)
code, headers, body = call(HOST, "/old/page?x=1")
same((code, headers["location"]), (301, f"https://{HOST}:443/new/old/page?x=1"))
same(body, page(301, "Moved Permanently"))
same(call(HOST, "/fixed")[0], 503)
same(call(HOST, "/none")[0::2], (503, page(503, "Service Temporarily Unavailable")))

# Lists of values.
event = json.loads(call(HOST, "/lists/x?q=1&q=2", headers=[("X-T", "1"), ("X-T", "2")])[2])
same(event["multiValueQueryStringParameters"], {"q": ["1", "2"]})
same((event["multiValueHeaders"]["x-t"], "headers" in event), (["1", "2"], False))
code, headers, body = call(HOST, "/cookies")
same((code, headers.get_all("set-cookie"), body), (201, ["a=1", "b=2"], b"two"))

listed = elb.describe_rules(ListenerArn=LISTENER)["Rules"]
same(
    [one["Priority"] for one in listed],
    ["1", "2", "3", "4", "5", "6", "7", "8", "9", "50", "default"],
)
same(listed[-1]["IsDefault"], True)
DEFAULT = listed[-1]["RuleArn"]
first = elb.describe_rules(ListenerArn=LISTENER, PageSize=10)
second = elb.describe_rules(ListenerArn=LISTENER, Marker=first["NextMarker"])
same([one["Priority"] for one in second["Rules"]], ["default"])
found = elb.describe_rules(RuleArns=[RULE, DEFAULT])["Rules"]
same([one["Priority"] for one in found], ["50", "default"])
good = {"ListenerArn": LISTENER, "Conditions": [path("/x")], "Actions": fixed("x"), "Priority": 99}
for more, code, text in [
    ({"Priority": 50}, "PriorityInUse", "Priority '50' is currently in use"),
    ({"Priority": 0}, WRONG, "1 to 50000"),
    ({"Conditions": []}, WRONG, "A condition must be specified"),
    ({"Conditions": [path(*"123456")]}, WRONG, "'5' condition values"),
    ({"Conditions": [path("/a"), path("/b")]}, WRONG, "one 'path-pattern' condition"),
    ({"Conditions": [{"Field": "odd", "Values": ["x"]}]}, WRONG, "Condition field 'odd'"),
    (
        {"Conditions": [{"Field": "path-pattern", "RegexValues": ["^/x"]}]},
        INVALID,
        "regular expressions",
    ),
    ({"Transforms": [{"Type": "url-rewrite"}]}, INVALID, "transforms"),
    ({"ListenerArn": gone}, "ListenerNotFound", "not found"),
]:
    refused(code, text, make_rule, **{**good, **more})

ONE, TWO = listed[0]["RuleArn"], listed[1]["RuleArn"]
swap = [{"RuleArn": ONE, "Priority": 2}, {"RuleArn": TWO, "Priority": 1}]
changed = elb.set_rule_priorities(RulePriorities=swap)["Rules"]
same([(one["RuleArn"], one["Priority"]) for one in changed], [(TWO, "1"), (ONE, "2")])
refused(
    "PriorityInUse",
    "Priority '50'",
    elb.set_rule_priorities,
    RulePriorities=[{"RuleArn": ONE, "Priority": 50}],
)
changed = elb.modify_rule(RuleArn=ONE, Conditions=[path("/changed")])["Rules"][0]
same(changed["Actions"][0]["FixedResponseConfig"]["MessageBody"], "said at once")
same(call(HOST, "/changed")[2], b"said at once")
refused("OperationNotPermitted", "Default rule", elb.delete_rule, RuleArn=DEFAULT)
elb.delete_rule(RuleArn=ONE)
refused("RuleNotFound", "not found", elb.delete_rule, RuleArn=ONE)
same(call(HOST, "/changed")[0], 200)

# What a listener adds to responses.
set_listener = elb.modify_listener_attributes
key = "routing.http.response.x_frame_options.header_value"
pairs = [
    {"Key": key, "Value": "DENY"},
    {"Key": "routing.http.response.server.enabled", "Value": "false"},
]
kept = set_listener(ListenerArn=LISTENER, Attributes=pairs)["Attributes"]
same(elb.describe_listener_attributes(ListenerArn=LISTENER)["Attributes"], kept)
code, headers, body = call(HOST)
same((code, headers["x-frame-options"], headers["server"]), (200, "DENY", None))
changed = elb.modify_listener(ListenerArn=OTHER, Port=9090, DefaultActions=fixed("moved"))
same(changed["Listeners"][0]["Port"], 9090)
same(call(f"{HOST}:9090")[2], b"moved")
refused("DuplicateListener", "already exists", elb.modify_listener, ListenerArn=OTHER, Port=80)

# What comes through more than one proxy.
set_attributes(routing__http__xff_header_processing__mode="preserve")
event = json.loads(call(HOST, headers=[("X-Forwarded-For", "203.0.113.7")])[2])
same(event["headers"]["x-forwarded-for"], "203.0.113.7")
set_attributes(routing__http__xff_header_processing__mode="remove")
assert "x-forwarded-for" not in json.loads(call(HOST)[2])["headers"]

# Tags.
for resource in [BALANCER, GROUP, LISTENER, RULE, DEFAULT]:
    elb.add_tags(ResourceArns=[resource], Tags=[{"Key": "k", "Value": "v"}])
found = elb.describe_tags(ResourceArns=[BALANCER, GROUP, RULE])["TagDescriptions"]
same([one["ResourceArn"] for one in found], [BALANCER, GROUP, RULE])
same(
    [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in found],
    [{"k": "v", "team": "tests"}, {"k": "v"}, {"a": "b", "k": "v"}],
)
elb.remove_tags(ResourceArns=[BALANCER, RULE], TagKeys=["k", "gone"])
found = elb.describe_tags(ResourceArns=[BALANCER, RULE])["TagDescriptions"]
same([len(one["Tags"]) for one in found], [1, 1])
twice = [{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}]
refused("DuplicateTagKeys", "x", elb.add_tags, ResourceArns=[BALANCER], Tags=twice)
many = [{"Key": str(number), "Value": ""} for number in range(51)]
refused("TooManyTags", "tags", elb.add_tags, ResourceArns=[BALANCER], Tags=many)
refused("RuleNotFound", "not found", elb.describe_tags, ResourceArns=[ONE])

# Health checks.
elb.modify_target_group(
    TargetGroupArn=GROUP,
    HealthCheckEnabled=True,
    HealthCheckPath="/health",
    HealthCheckIntervalSeconds=5,
    HealthCheckTimeoutSeconds=4,
    Matcher={"HttpCode": "204"},
)


def wait_for_health(expected):
    end = time.monotonic() + 60
    while True:
        [(_, state)] = health()
        if state["State"] == expected:
            return state
        assert time.monotonic() < end, state
        time.sleep(0.2)


same(wait_for_health("healthy"), {"State": "healthy"})
elb.modify_target_group(TargetGroupArn=GROUP, UnhealthyThresholdCount=2, Matcher={"HttpCode": "200"})
state = wait_for_health("unhealthy")
same(state["Reason"], "Target.ResponseCodeMismatch")
same(state["Description"], "Health checks failed with these codes: [204]")
same(call(HOST)[0], 200)
elb.modify_target_group(TargetGroupArn=GROUP, HealthCheckEnabled=False)

# A permission that is taken away again.
awslambda.remove_permission(FunctionName="balanced", Qualifier="live", StatementId="balancer")
same(call(HOST)[0::2], (502, page(502, "Bad Gateway")))

# Many at a time.
awslambda.add_permission(
    FunctionName="balanced",
    Qualifier="live",
    StatementId="again",
    Action="lambda:InvokeFunction",
    Principal="elasticloadbalancing.amazonaws.com",
    SourceAccount=ACCOUNT,
)
statuses = []
threads = [threading.Thread(target=lambda: statuses.append(call(HOST)[0])) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
same(statuses, [200] * 8)

# The end.
elb.deregister_targets(TargetGroupArn=GROUP, Targets=[{"Id": LIVE}])
elb.deregister_targets(TargetGroupArn=GROUP, Targets=[{"Id": LIVE}])
same(call(HOST)[0], 503)
elb.delete_listener(ListenerArn=OTHER)
refused("ListenerNotFound", "not found", elb.delete_listener, ListenerArn=OTHER)
set_attributes(deletion_protection__enabled="false")
elb.delete_load_balancer(LoadBalancerArn=BALANCER)
elb.delete_load_balancer(LoadBalancerArn=BALANCER)
refused("LoadBalancerNotFound", "not found", describe, LoadBalancerArns=[BALANCER])
refused("ListenerNotFound", "not found", elb.describe_listeners, ListenerArns=[LISTENER])
for group in [GROUP, LISTS, EMPTY]:
    elb.delete_target_group(TargetGroupArn=group)
same(elb.describe_target_groups()["TargetGroups"], [])
refused("UnsupportedOperationException", "DescribeTrustStores", elb.describe_trust_stores)
done()
