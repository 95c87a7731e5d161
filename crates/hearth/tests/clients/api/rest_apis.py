"""REST APIs: requests on their way to functions and endpoints, and what comes back."""

import datetime
import http.client
import http.server
import threading
from urllib.parse import urlsplit

from support import *

RUNTIME = sys.argv[2]
PORT = urlsplit(ENDPOINT).port
api = client("apigateway")

SOURCE = """
import base64, json, time

def handler(event, context):
    path = event["path"]
    if path.endswith("/fails"):
        raise ValueError("on purpose")
    if path.endswith("/slow"):
        time.sleep(3)
    if path.endswith("/odd"):
        return {"statusCode": 200, "data": "odd"}
    if path.endswith("/made"):
        return {
            "statusCode": 201,
            "headers": {"X-Custom": "yes", "Content-Type": "image/png"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": base64.b64encode(b"made\\xff").decode(),
            "isBase64Encoded": True,
        }
    return {"statusCode": 200, "body": json.dumps(event)}

def policy(effect, event):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"Version": "2012-10-17", "Statement": [statement]}

def token(event, context):
    token = event["authorizationToken"]
    print("ASKED", token)
    if token == "Bearer unknown":
        raise Exception("Unauthorized")
    if token == "Bearer breaks":
        raise ValueError("on purpose")
    if token == "Bearer odd":
        return {"principalId": "me"}
    return {
        "principalId": "me",
        "policyDocument": policy("Allow" if token == "Bearer good" else "Deny", event),
        "context": {"who": "Ada", "n": 1, "yes": True},
        "usageIdentifierKey": "a-value-of-20-letters",
    }

def whole(event, context):
    allowed = event["queryStringParameters"]["word"] == "sesame"
    other = dict(event, methodArn="arn:aws:execute-api:us-east-1:000000000000:other/*/*/*")
    return {"principalId": "me", "policyDocument": policy("Allow", event if allowed else other)}
"""


def function(name, handler="app.handler"):
    awslambda.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler=handler,
        Timeout=20,
        Code={"ZipFile": zipped({"app.py": SOURCE})},
    )
    settle(name)
    return uri(arn(name))


def uri(function):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


def allow(name, source):
    awslambda.add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source,
    )


def ask(method, path, headers=None, body=None, by="path", stage="prod"):
    """Status, headers and body of a request to the API, which is named by the path or the host."""
    headers = dict(headers or {})
    if by == "host":
        headers["Host"] = f"{ID}.execute-api.{REGION}.localhost:{PORT}"
        path = f"/{stage}{path}"
    elif by == "old":
        path = f"/restapis/{ID}/{stage}/_user_request_{path}"
    else:
        path = f"/_hearth/sites/rest/{ID}/{stage}{path}"
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def said(answer, code, message, kind):
    found, headers, content = answer
    same((found, json.loads(content)), (code, {"message": message}))
    same(headers["x-amzn-errortype"], kind)
    assert headers["x-amzn-requestid"] and headers["x-amz-apigw-id"]


def event_of(answer):
    code, _, content = answer
    assert code == 200, answer
    return json.loads(content)


FUNCTION = function("told")
TOKEN = function("token", "app.token")
WHOLE = function("whole", "app.whole")
made = api.create_rest_api(name="told", binaryMediaTypes=["image/*"])
ID, ROOT = made["id"], made["rootResourceId"]
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{ID}"


def resource(parent, part):
    return api.create_resource(restApiId=ID, parentId=parent, pathPart=part)["id"]


def method(resource, name, target=None, timeout=29000, **more):
    at = dict(restApiId=ID, resourceId=resource, httpMethod=name)
    api.put_method(**at, **{"authorizationType": "NONE", **more})
    target = target or FUNCTION
    api.put_integration(
        **at, type="AWS_PROXY", integrationHttpMethod="POST", uri=target, timeoutInMillis=timeout
    )
    return at


INTERNAL = "InternalServerErrorException"
pets = resource(ROOT, "pets")
pet = resource(pets, "{id}")
method(pet, "GET")
files = resource(resource(ROOT, "files"), "{path+}")
method(files, "ANY")
answers = resource(resource(ROOT, "answers"), "{which}")
method(answers, "GET")
impatient = resource(resource(ROOT, "impatient"), "slow")
method(impatient, "GET", timeout=500)
staged = resource(ROOT, "staged")
method(staged, "GET", target=uri(arn("${stageVariables.name}")))

# A preflight that is answered by a mock.
mock = dict(restApiId=ID, resourceId=pets, httpMethod="OPTIONS")
api.put_method(**mock, authorizationType="NONE")
api.put_integration(
    **mock, type="MOCK", requestTemplates={"application/json": "{ statusCode: 204 }"}
)
origin = "method.response.header.Access-Control-Allow-Origin"
seen = "method.response.header.X-Seen-From"
api.put_method_response(
    **mock, statusCode="204", responseParameters={origin: False, seen: False}
)
api.put_integration_response(
    **mock,
    statusCode="204",
    responseParameters={origin: "'https://app.example'", seen: "context.identity.sourceIp"},
)


def deploy():
    return api.create_deployment(restApiId=ID, stageName="prod", variables={"name": "told"})["id"]


deploy()

# Without a permission nothing runs.
said(ask("GET", "/pets/7"), 500, "Internal server error", INTERNAL)
allow("told", f"{ARN}/prod/*/*")

# Events, by the path, by the host, and by the old form of paths.
for by in ["path", "host", "old"]:
    event = event_of(ask("GET", "/pets/a%20b?x=1&x=2&y=", {"X-Own": "me"}, by=by))
    same((event["resource"], event["path"]), ("/pets/{id}", "/pets/a%20b"))
    same((event["httpMethod"], event["pathParameters"]), ("GET", {"id": "a b"}))
    same(event["queryStringParameters"], {"x": "2", "y": ""})
    same(event["multiValueQueryStringParameters"], {"x": ["1", "2"], "y": [""]})
    same(event["headers"]["x-own"], "me")
    same(event["stageVariables"], {"name": "told"})
    same((event["body"], event["isBase64Encoded"]), (None, False))
    context = event["requestContext"]
    same((context["apiId"], context["stage"], context["accountId"]), (ID, "prod", ACCOUNT))
    same((context["path"], context["resourcePath"]), ("/prod/pets/a%20b", "/pets/{id}"))
    same((context["identity"]["sourceIp"], context["resourceId"]), ("127.0.0.1", pet))
    assert "version" not in event and "authorizer" not in context
event = event_of(ask("PUT", "/files/a/b", {"Content-Type": "text/plain"}, "hello"))
same((event["resource"], event["pathParameters"]), ("/files/{path+}", {"path": "a/b"}))
same((event["body"], event["isBase64Encoded"]), ("hello", False))
event = event_of(ask("PUT", "/files/a", {"Content-Type": "image/png"}, b"\xff\x00"))
same((event["body"], event["isBase64Encoded"]), ("/wA=", True))
same(event_of(ask("GET", "/staged"))["resource"], "/staged")

# What answers mean.
code, headers, content = ask("GET", "/answers/made", {"Accept": "image/png"})
same((code, headers["x-custom"], content), (201, "yes", b"made\xff"))
same(headers.get_all("set-cookie"), ["a=1", "b=2"])
same(headers["content-type"], "image/png")
code, _, content = ask("GET", "/answers/made", {"Accept": "text/html,image/png"})
same((code, content), (201, b"bWFkZf8="))
same(ask("GET", "/answers/plain")[1]["content-type"], "application/json")
said(ask("GET", "/answers/fails"), 502, "Internal server error", INTERNAL)
said(ask("GET", "/answers/odd"), 502, "Internal server error", INTERNAL)
said(ask("GET", "/impatient/slow"), 504, "Endpoint request timed out", INTERNAL)

# What there is not.
text, kind = "Missing Authentication Token", "MissingAuthenticationTokenException"
said(ask("GET", "/nothing"), 403, text, kind)
said(ask("DELETE", "/pets/7"), 403, text, kind)
said(ask("GET", "/pets/7", stage="none"), 403, "Forbidden", "ForbiddenException")
large = ask("PUT", "/files/a", {"Content-Type": "text/plain"}, b"x" * (7 * 1024 * 1024))
said(large, 413, "Request Too Long", "RequestTooLargeException")

# The mock.
code, headers, content = ask("OPTIONS", "/pets", {"Origin": "https://app.example"})
same((code, content), (204, b""))
same(headers["access-control-allow-origin"], "https://app.example")
same(headers["x-seen-from"], "127.0.0.1")

# A change is served when it is deployed.
late = resource(ROOT, "late")
method(late, "GET")
said(ask("GET", "/late"), 403, text, kind)
deploy()
same(event_of(ask("GET", "/late"))["path"], "/late")


# An HTTP endpoint behind a path.
class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        content = json.dumps({"path": self.path, "x": self.headers["x-from"], "body": body.decode()})
        self.send_response(202)
        self.send_header("X-Endpoint", "yes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_):
        pass


endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=endpoint.serve_forever, daemon=True).start()
passed = resource(resource(ROOT, "passed"), "{proxy+}")
at = dict(restApiId=ID, resourceId=passed, httpMethod="ANY")
api.put_method(**at, authorizationType="NONE", requestParameters={"method.request.path.proxy": True})
api.put_integration(
    **at,
    type="HTTP_PROXY",
    integrationHttpMethod="ANY",
    uri=f"http://127.0.0.1:{endpoint.server_port}/{{proxy}}",
    requestParameters={
        "integration.request.path.proxy": "method.request.path.proxy",
        "integration.request.header.X-From": "'gateway'",
    },
)
deploy()
code, headers, content = ask("POST", "/passed/a/b?c=d", body="hello")
same((code, headers["x-endpoint"]), (202, "yes"))
same(json.loads(content), {"path": "/a/b?c=d", "x": "gateway", "body": "hello"})

# An authorizer that is asked by a token.
authorizer = api.create_authorizer(
    restApiId=ID,
    name="token",
    type="TOKEN",
    authorizerUri=TOKEN,
    identitySource="method.request.header.Authorization",
    identityValidationExpression="Bearer [a-z]+",
)["id"]
guarded = resource(ROOT, "guarded")
custom = dict(authorizationType="CUSTOM", authorizerId=authorizer)
method(guarded, "GET", **custom)
deploy()
good = {"Authorization": "Bearer good"}
code, headers, content = ask("GET", "/guarded", good)
same((code, json.loads(content)), (500, {"message": None}))
same(headers["x-amzn-errortype"], "AuthorizerConfigurationException")
allow("token", f"{ARN}/authorizers/*")
for _ in range(2):
    told = event_of(ask("GET", "/guarded", good))["requestContext"]["authorizer"]
    assert isinstance(told.pop("integrationLatency"), int)
    same(told, {"principalId": "me", "who": "Ada", "n": "1", "yes": "true"})
said(ask("GET", "/guarded"), 401, "Unauthorized", "UnauthorizedException")
invalid = {"Authorization": "Bearer GOOD"}
said(ask("GET", "/guarded", invalid), 401, "Unauthorized", "UnauthorizedException")
unknown = {"Authorization": "Bearer unknown"}
said(ask("GET", "/guarded", unknown), 401, "Unauthorized", "UnauthorizedException")
for token in ["breaks", "odd"]:
    code, _, content = ask("GET", "/guarded", {"Authorization": f"Bearer {token}"})
    same((code, json.loads(content)), (500, {"message": None}))
code, headers, content = ask("GET", "/guarded", {"Authorization": "Bearer bad"})
text = "User is not authorized to access this resource with an explicit deny in an identity-based policy"
same((code, json.loads(content)), (403, {"Message": text}))
same(headers["x-amzn-errortype"], "AccessDeniedException")


def asked(token):
    """How often the function was asked by a token, once its log has all that has come so far."""
    logs = client("logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/token")["events"]
    return sum(event["message"].strip() == f"ASKED Bearer {token}" for event in events)


end = time.monotonic() + 30
while asked("bad") < 1 and time.monotonic() < end:
    time.sleep(0.1)
same(asked("good"), 1)
api.flush_stage_authorizers_cache(restApiId=ID, stageName="prod")
event_of(ask("GET", "/guarded", good))
while asked("good") < 2 and time.monotonic() < end:
    time.sleep(0.1)
same(asked("good"), 2)

# One that is asked by the whole request.
allow("whole", f"{ARN}/authorizers/*")
by_word = api.create_authorizer(
    restApiId=ID,
    name="whole",
    type="REQUEST",
    authorizerUri=WHOLE,
    identitySource="method.request.querystring.word",
    authorizerResultTtlInSeconds=0,
)["id"]
cave = resource(ROOT, "cave")
method(cave, "GET", authorizationType="CUSTOM", authorizerId=by_word)
deploy()
event_of(ask("GET", "/cave?word=sesame"))
said(ask("GET", "/cave"), 401, "Unauthorized", "UnauthorizedException")
code, _, content = ask("GET", "/cave?word=barley")
same((code, json.loads(content)["Message"]), (403, "User is not authorized to access this resource"))

# Keys, a plan with a quota, and what was used.
counted = resource(ROOT, "counted")
method(counted, "GET", apiKeyRequired=True)
deploy()
key = api.create_api_key(name="ann", enabled=True, value="a-value-of-20-letters")
plan = api.create_usage_plan(
    name="basic", apiStages=[{"apiId": ID, "stage": "prod"}], quota={"limit": 2, "period": "DAY"}
)
mine = {"x-api-key": key["value"]}
said(ask("GET", "/counted"), 403, "Forbidden", "ForbiddenException")
said(ask("GET", "/counted", mine), 403, "Forbidden", "ForbiddenException")
api.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
first = datetime.datetime.now(datetime.timezone.utc).date()
for _ in range(2):
    identity = event_of(ask("GET", "/counted", mine))["requestContext"]["identity"]
    same((identity["apiKey"], identity["apiKeyId"]), (key["value"], key["id"]))
said(ask("GET", "/counted", mine), 429, "Limit Exceeded", "LimitExceededException")
last = datetime.datetime.now(datetime.timezone.utc).date()
usage = api.get_usage(usagePlanId=plan["id"], startDate=str(first), endDate=str(last))["items"]
same(sum(day[0] for day in usage[key["id"]]), 2)
patches = [
    {"op": "remove", "path": "/quota"},
    {"op": "add", "path": "/throttle/rateLimit", "value": "0"},
    {"op": "add", "path": "/throttle/burstLimit", "value": "1"},
]
api.update_usage_plan(usagePlanId=plan["id"], patchOperations=patches)
event_of(ask("GET", "/counted", mine))
said(ask("GET", "/counted", mine), 429, "Too Many Requests", "TooManyRequestsException")
api.update_api_key(
    apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}]
)
said(ask("GET", "/counted", mine), 403, "Forbidden", "ForbiddenException")

# A bound of a method of the stage.
patches = [
    {"op": "replace", "path": "/late/GET/throttling/rateLimit", "value": "0"},
    {"op": "replace", "path": "/late/GET/throttling/burstLimit", "value": "2"},
]
api.update_stage(restApiId=ID, stageName="prod", patchOperations=patches)
event_of(ask("GET", "/late"))
event_of(ask("GET", "/late"))
said(ask("GET", "/late"), 429, "Too Many Requests", "TooManyRequestsException")
event_of(ask("GET", "/staged"))

# The policy of the API.
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/prod/GET/staged",
            "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        }
    ],
}
patches = [{"op": "replace", "path": "/policy", "value": json.dumps(policy)}]
api.update_rest_api(restApiId=ID, patchOperations=patches)
event_of(ask("GET", "/pets/7"))
deploy()
event_of(ask("GET", "/staged"))
code, _, content = ask("GET", "/pets/7")
text = f"on resource: arn:aws:execute-api:{REGION}:********{ACCOUNT[8:]}:{ID}/prod/GET/pets/7"
assert code == 403 and text in json.loads(content)["Message"], content

# Switched off, and deleted.
patches = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]
api.update_rest_api(restApiId=ID, patchOperations=patches)
said(ask("GET", "/staged"), 403, "Forbidden", "ForbiddenException")
api.delete_rest_api(restApiId=ID)
said(ask("GET", "/staged"), 403, "Forbidden", "ForbiddenException")

done()
