"""WebSocket APIs: connections, their messages, what functions are told, what is sent to clients."""

import socket
from urllib.parse import urlsplit

from support import *
from websocket import ABNF, WebSocketBadStatusException, create_connection

RUNTIME = sys.argv[2]
PORT = urlsplit(ENDPOINT).port
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}"
api = client("apigatewayv2")
logs = client("logs")

SOURCE = """
import json, os, urllib.request
from urllib.parse import quote

def post(about, message):
    at = f"_hearth/sites/socket/{about['apiId']}/{about['stage']}"
    which = quote(about["connectionId"], safe="")
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{at}/@connections/{which}"
    with urllib.request.urlopen(urllib.request.Request(url, message.encode())) as answer:
        assert answer.status == 200

def handler(event, context):
    about = event["requestContext"]
    print("EVENT", json.dumps(event))
    if about["eventType"] == "CONNECT":
        query = event.get("queryStringParameters") or {}
        if "refuse" in query:
            return {"statusCode": int(query["refuse"]), "body": "not told"}
        if "fail" in query:
            raise ValueError("on purpose")
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": query.get("protocol")}}
    if about["routeKey"] == "echo":
        post(about, event["body"])
    if about["routeKey"] == "fails":
        raise ValueError("on purpose")
    if about["routeKey"] == "odd":
        return "odd"
    return {"statusCode": 200, "body": json.dumps(event)}

def door(event, context):
    print("ASKED", json.dumps(event))
    word = event["queryStringParameters"]["word"]
    if word == "abracadabra":
        raise Exception("Unauthorized")
    if word == "cough":
        raise ValueError("on purpose")
    effect = "Allow" if word == "sesame" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": "Ali",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"thieves": 40},
    }
"""


def function(name, handler):
    awslambda.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler=handler,
        Timeout=20,
        Code={"ZipFile": zipped({"app.py": SOURCE})},
    )
    settle(name)
    return arn(name)


def allow(name, source):
    awslambda.add_permission(
        FunctionName=name,
        StatementId=f"api-{uuid.uuid4()}",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source,
    )


FUNCTION = function("talks", "app.handler")
DOOR = function("door", "app.door")


def make(selection, routes, answered=(), **connect):
    """An API with routes to the function. Those that are answered have a route response."""
    made = api.create_api(Name="t", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection)
    which = made["ApiId"]
    made = api.create_integration(
        ApiId=which,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
    )
    target = f"integrations/{made['IntegrationId']}"
    for key in routes:
        more = connect if key == "$connect" else {}
        if key in answered:
            more = {"RouteResponseSelectionExpression": "$default"}
        route = api.create_route(ApiId=which, RouteKey=key, Target=target, **more)
        if key in answered:
            api.create_route_response(
                ApiId=which, RouteId=route["RouteId"], RouteResponseKey="$default"
            )
    stage(which, "prod")
    return which


def stage(which, name, **more):
    deployment = api.create_deployment(ApiId=which)["DeploymentId"]
    api.create_stage(ApiId=which, StageName=name, DeploymentId=deployment, **more)


def connect(which, stage="prod", query="", by="path", **more):
    if by == "host":
        more["host"] = f"{which}.execute-api.{REGION}.localhost:{PORT}"
        path = f"/{stage}"
    else:
        path = f"/_hearth/sites/socket/{which}/{stage}"
    return create_connection(f"ws://127.0.0.1:{PORT}{path}{query}", timeout=60, **more)


def no_handshake(code, text, which, **more):
    """The handshake is refused with this status, and a text that contains this one."""
    try:
        connect(which, **more)
    except WebSocketBadStatusException as error:
        body = (error.resp_body or b"").decode()
        assert error.status_code == code and text in body, f"{error.status_code} {body}"
        return body
    raise AssertionError("the handshake was not refused")


def goodbye(connection):
    """The code and the reason with which the server closes."""
    while True:
        kind, data = connection.recv_data(control_frame=True)
        if kind == ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big"), data[2:].decode()


def events(kind, name="talks", word="EVENT"):
    """The events of a kind that the function was told, the latest last."""
    found, more = [], {}
    while True:
        page = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", **more)
        found += [event["message"] for event in page["events"]]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    found = [json.loads(line.split(" ", 1)[1]) for line in found if line.startswith(word)]
    return [event for event in found if event["requestContext"]["eventType"] == kind]


def event_of(kind, connection_id, **more):
    """The event of a kind about a connection, once it is there."""
    end = time.monotonic() + 60
    while True:
        for event in events(kind, **more):
            if event["requestContext"]["connectionId"] == connection_id:
                return event
        assert time.monotonic() < end, f"there is no {kind} of {connection_id}"
        time.sleep(0.1)


def management(which, stage="prod", by="path"):
    at = f"{ENDPOINT}/_hearth/sites/socket/{which}/{stage}"
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=ENDPOINT if by == "id" else at,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


ROUTES = ["$connect", "$disconnect", "$default", "echo", "quiet", "fails", "odd"]
ID = make("$request.body.action", ROUTES, answered=["$default"])

# Without a permission nothing runs, and nobody is let in.
no_handshake(500, "Internal server error", ID)
allow("talks", f"{ARN}:{ID}/*")

# The beginning: what the function is told, by the path and by the host.
for by in ["path", "host"]:
    talk = connect(ID, by=by, query="?a=1&a=2&b", header=["X-Own: yes"])
    talk.send(json.dumps({"action": "somewhere"}))
    event = json.loads(talk.recv())
    about = event["requestContext"]
    same((about["routeKey"], about["eventType"]), ("$default", "MESSAGE"))
    same((about["stage"], about["apiId"]), ("prod", ID))
    same(about["domainName"], f"{ID}.execute-api.{REGION}.localhost")
    same((about["messageDirection"], about["identity"]["sourceIp"]), ("IN", "127.0.0.1"))
    same(about["requestId"], about["extendedRequestId"])
    assert about["messageId"] and about["messageId"] != about["requestId"]
    assert about["connectedAt"] <= about["requestTimeEpoch"]
    same((event["body"], event["isBase64Encoded"]), (json.dumps({"action": "somewhere"}), False))
    assert "headers" not in event and "stageVariables" not in event, event
    which = about["connectionId"]
    assert len(which) == 16 and which.endswith("="), which

    begin = event_of("CONNECT", which)
    same(begin["requestContext"]["routeKey"], "$connect")
    same(begin["headers"]["x-own"], "yes")
    same(begin["multiValueHeaders"]["Sec-WebSocket-Version"], ["13"])
    assert "Sec-WebSocket-Key" in begin["headers"] and "Host" in begin["headers"]
    assert "upgrade" not in begin["headers"], begin["headers"]
    same(begin["queryStringParameters"], {"a": "2", "b": ""})
    same(begin["multiValueQueryStringParameters"], {"a": ["1", "2"], "b": [""]})
    same(begin["requestContext"]["connectedAt"], about["connectedAt"])
    assert "body" not in begin and begin["isBase64Encoded"] is False

    # The end, as the client words it.
    talk.close(status=4001, reason=b"enough")
    end = event_of("DISCONNECT", which)
    same(end["requestContext"]["routeKey"], "$disconnect")
    same(end["requestContext"]["disconnectStatusCode"], 4001)
    same(end["requestContext"]["disconnectReason"], "enough")
    same(end["headers"]["x-restapi"], "")

# Routes: by what stands in the message; what nothing is for goes to $default.
talk = connect(ID)
for message in ["no JSON", "[]", '{"action": "$connect"}', '{"action": 7}', '{"other": "echo"}']:
    talk.send(message)
    event = json.loads(talk.recv())
    same((event["requestContext"]["routeKey"], event["body"]), ("$default", message))
which = event["requestContext"]["connectionId"]

# A function answers through the connection, or is not answered for.
message = json.dumps({"action": "echo", "text": "é" * 100})
talk.send(message)
same(talk.recv(), message)
talk.send('{"action": "quiet"}')
talk.send('{"action": "echo"}')
same(talk.recv(), '{"action": "echo"}')
for action in ["fails", "odd"]:
    talk.send(json.dumps({"action": action}))
    said = talk.recv()
    assert said.startswith('{"message": "Internal server error", "connectionId":"' + which), said
    assert json.loads(said)["requestId"]
talk.ping("still there?")
same(talk.recv_data(control_frame=True), (ABNF.OPCODE_PONG, b"still there?"))

# Messages in frames, and those that are too large.
long = json.dumps({"action": "echo", "text": "x" * 100_000})
parts = [long[at : at + 32 * 1024] for at in range(0, len(long), 32 * 1024)]
for at, part in enumerate(parts):
    kind = ABNF.OPCODE_TEXT if at == 0 else ABNF.OPCODE_CONT
    talk.send_frame(ABNF.create_frame(part.encode(), kind, int(at + 1 == len(parts))))
same(talk.recv(), long)
other = connect(ID)
other.send("x" * (32 * 1024 + 1))
same(goodbye(other)[0], 1009)
other = connect(ID)
for at in range(5):
    kind = ABNF.OPCODE_TEXT if at == 0 else ABNF.OPCODE_CONT
    other.send_frame(ABNF.create_frame(b"x" * 32 * 1024, kind, int(at == 4)))
same(goodbye(other)[0], 1009)
other = connect(ID)
other.send_binary(b"x")
same(goodbye(other)[0], 1003)

# What is sent to a connection from outside, below its stage or by its id alone.
manager = management(ID)
for by in ["path", "id"]:
    manager = management(ID, by=by)
    manager.post_to_connection(ConnectionId=which, Data=b"from outside")
    same(talk.recv(), "from outside")
    manager.post_to_connection(ConnectionId=which, Data=b"\xff\x00")
    same(talk.recv_data(), (ABNF.OPCODE_BINARY, b"\xff\x00"))
    manager.post_to_connection(ConnectionId=which, Data=b"x" * 128 * 1024)
    same(len(talk.recv()), 128 * 1024)
    found = manager.get_connection(ConnectionId=which)
    same(found["Identity"]["SourceIp"], "127.0.0.1")
    assert found["ConnectedAt"] <= found["LastActiveAt"], found
    refused(
        "PayloadTooLargeException",
        "131072",
        manager.post_to_connection,
        ConnectionId=which,
        Data=b"x" * (128 * 1024 + 1),
        status=413,
    )
refused("BadRequestException", "Invalid connectionId: x", manager.get_connection, ConnectionId="x")
gone = {"ConnectionId": "L0SM9cOFvHcCIhw=", "status": 410}
refused("GoneException", "", manager.get_connection, **gone)
refused("GoneException", "", manager.delete_connection, **gone)
refused("GoneException", "", manager.post_to_connection, Data=b"", **gone)
elsewhere = management(make("$request.body.action", ["$default"]))
refused("GoneException", "", elsewhere.get_connection, ConnectionId=which, status=410)

# Deleted from outside.
manager.post_to_connection(ConnectionId=which, Data=b"the last one")
same(status(manager.delete_connection(ConnectionId=which)), 204)
same(talk.recv(), "the last one")
same(goodbye(talk), (1000, ""))
same(event_of("DISCONNECT", which)["requestContext"]["disconnectStatusCode"], 1000)
refused("GoneException", "", manager.post_to_connection, ConnectionId=which, Data=b"x", status=410)

# A client that vanishes.
talk = connect(ID)
talk.send("who am I?")
which = json.loads(talk.recv())["requestContext"]["connectionId"]
talk.sock.shutdown(socket.SHUT_RDWR)
same(event_of("DISCONNECT", which)["requestContext"]["disconnectStatusCode"], 1006)

# Handshakes that are refused: by the function, by its failure, for want of a stage or an API.
same(json.loads(no_handshake(403, "Forbidden", ID, query="?refuse=403"))["message"], "Forbidden")
no_handshake(418, "Forbidden", ID, query="?refuse=418")
no_handshake(502, "Internal server error", ID, query="?fail")
no_handshake(403, "Forbidden", ID, stage="nowhere")
no_handshake(403, "Forbidden", ID, stage="prod/more")
no_handshake(404, "Not Found", "nobody")

# Subprotocols: the one that the function chooses, if the client has offered it.
for query, expected in [("?protocol=two", "two"), ("?protocol=three", None), ("", None)]:
    talk = connect(ID, query=query, header=["Sec-WebSocket-Protocol: one, two"])
    same(talk.getheaders().get("sec-websocket-protocol"), expected)
    talk.close()

# Variables of a stage, a bound of a route, and an API without any other route.
stage(
    ID,
    "busy",
    StageVariables={"color": "blue"},
    RouteSettings={"echo": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.001}},
)
talk = connect(ID, stage="busy")
talk.send("color")
same(json.loads(talk.recv())["stageVariables"], {"color": "blue"})
talk.send('{"action": "echo"}')
same(talk.recv(), '{"action": "echo"}')
talk.send('{"action": "echo"}')
same(json.loads(talk.recv())["message"], "Too Many Requests")
talk.close()

bare = make("${request.body.service}/${request.body.action}", ["pets/feed"], answered=["pets/feed"])
allow("talks", f"{ARN}:{bare}/prod/pets/feed")
talk = connect(bare)
talk.send('{"service": "pets", "action": "feed"}')
same(json.loads(talk.recv())["requestContext"]["routeKey"], "pets/feed")
talk.send('{"service": "pets"}')
said = json.loads(talk.recv())
same(said["message"], "Forbidden")
assert said["connectionId"] and said["requestId"], said
talk.close()
bad = {"Name": "t", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.header.x"}
refused("BadRequestException", "Invalid route selection expression", api.create_api, **bad)

# An authorizer, which is asked for each handshake.
guarded = make("$request.body.action", ["$connect", "$default"], answered=["$default"])
made = api.create_authorizer(
    ApiId=guarded,
    Name="door",
    AuthorizerType="REQUEST",
    AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{DOOR}/invocations",
    IdentitySource=["route.request.querystring.word"],
)
[route] = [one for one in api.get_routes(ApiId=guarded)["Items"] if one["RouteKey"] == "$connect"]
api.update_route(
    ApiId=guarded,
    RouteId=route["RouteId"],
    AuthorizationType="CUSTOM",
    AuthorizerId=made["AuthorizerId"],
)
stage(guarded, "guarded")
allow("talks", f"{ARN}:{guarded}/*")
no_handshake(500, "Internal server error", guarded, stage="guarded", query="?word=sesame")
allow("door", f"{ARN}:{guarded}/authorizers/{made['AuthorizerId']}")
no_handshake(401, "Unauthorized", guarded, stage="guarded")
no_handshake(403, "Forbidden", guarded, stage="guarded", query="?word=barley")
no_handshake(401, "Unauthorized", guarded, stage="guarded", query="?word=abracadabra")
no_handshake(500, "Internal server error", guarded, stage="guarded", query="?word=cough")
talk = connect(guarded, stage="guarded", query="?word=sesame")
talk.send("who am I?")
about = json.loads(talk.recv())["requestContext"]
same(about["authorizer"], {"principalId": "Ali", "thieves": "40"})
talk.close()
asked = event_of("CONNECT", about["connectionId"], name="door", word="ASKED")
same(asked["type"], "REQUEST")
same(asked["methodArn"], f"{ARN}:{guarded}/guarded/$connect")
same(asked["queryStringParameters"], {"word": "sesame"})

done()
