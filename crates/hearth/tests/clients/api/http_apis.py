"""HTTP APIs: requests on their way to functions and endpoints, and what comes back."""

import hashlib
import hmac
import http.client
import http.server
import subprocess
import tempfile
import threading
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import urlsplit

from support import *

RUNTIME = sys.argv[2]
PORT = urlsplit(ENDPOINT).port
api = client("apigatewayv2")

SOURCE = """
import base64, json, time

def handler(event, context):
    path = event.get("rawPath") or event.get("path")
    if path.endswith("/fails"):
        raise ValueError("on purpose")
    if path.endswith("/slow"):
        time.sleep(3)
    if path.endswith("/odd"):
        return {"statusCode": "odd"}
    if path.endswith("/made"):
        return {
            "statusCode": 201,
            "headers": {"X-Custom": "yes", "Access-Control-Allow-Origin": "https://evil.example"},
            "cookies": ["a=1", "b=2"],
            "multiValueHeaders": {"X-Many": ["1", "2"]},
            "body": base64.b64encode(b"made\\xff").decode(),
            "isBase64Encoded": True,
        }
    if "version" in event and event["version"] == "1.0":
        return {"statusCode": 200, "body": json.dumps(event)}
    return event

def simple(event, context):
    token = event["identitySource"][0]
    print("ASKED", token)
    if token == "breaks":
        raise ValueError("on purpose")
    return {"isAuthorized": token == "good", "context": {"who": "Ada", "n": 1}}

def policy(event, context):
    effect = "Allow" if event["authorizationToken"] == "good" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"who": "Ada"},
    }
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
    return arn(name)


def allow(name, source):
    awslambda.add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source,
    )


def ask(which, method, path, headers=None, body=None, by="path"):
    """Status, headers and body of a request to an API, which is named by the path or the host."""
    headers = dict(headers or {})
    if by == "host":
        headers["Host"] = f"{which}.execute-api.{REGION}.localhost:{PORT}"
    else:
        path = f"/_hearth/sites/api/{which}{path}"
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def said(answer, code, message):
    found, headers, content = answer
    same((found, json.loads(content)), (code, {"message": message}))
    assert headers["apigw-requestid"]
    return headers


FUNCTION = function("told")
ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}"
made = api.create_api(Name="told", ProtocolType="HTTP")
ID = made["ApiId"]


def integration(format, **more):
    made = api.create_integration(
        ApiId=ID,
        IntegrationType="AWS_PROXY",
        IntegrationUri=FUNCTION,
        PayloadFormatVersion=format,
        **more,
    )
    return f"integrations/{made['IntegrationId']}"


def route(key, target, **more):
    return api.create_route(ApiId=ID, RouteKey=key, Target=target, **more)["RouteId"]


two = integration("2.0")
one = integration("1.0")
route("GET /pets/{id}", two)
route("ANY /files/{path+}", two)
route("POST /old/{id}", one)
route("GET /answers/{which}", two)
route("GET /old-answers/{which}", one)
slow = integration("2.0", TimeoutInMillis=500)
route("GET /impatient/slow", slow)
variable = arn("${stageVariables.name}")
uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{variable}/invocations"
made = api.create_integration(
    ApiId=ID, IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion="2.0"
)
route("GET /by-stage", f"integrations/{made['IntegrationId']}")
api.create_stage(ApiId=ID, StageName="$default", AutoDeploy=True)
api.create_stage(ApiId=ID, StageName="v1", AutoDeploy=True, StageVariables={"name": "told"})

# Without a permission nothing runs.
said(ask(ID, "GET", "/pets/7"), 500, "Internal Server Error")
allow("told", f"{ARN}:{ID}/*/*/*")

# Events of both formats, by the path and by the host, with a stage and without.
for by in ["path", "host"]:
    code, headers, content = ask(
        ID, "GET", "/pets/a%20b?x=1&x=2&y=", {"Cookie": "c=1; d=2", "X-Own": "me"}, by=by
    )
    event = json.loads(content)
    same((code, headers["content-type"]), (200, "application/json"))
    same((event["version"], event["routeKey"]), ("2.0", "GET /pets/{id}"))
    same((event["rawPath"], event["rawQueryString"]), ("/pets/a%20b", "x=1&x=2&y="))
    same((event["pathParameters"], event["cookies"]), ({"id": "a b"}, ["c=1", "d=2"]))
    same(event["queryStringParameters"], {"x": "1,2", "y": ""})
    same(event["headers"]["x-own"], "me")
    context = event["requestContext"]
    same((context["apiId"], context["stage"], context["accountId"]), (ID, "$default", ACCOUNT))
    same((context["http"]["method"], context["http"]["sourceIp"]), ("GET", "127.0.0.1"))
    same(context["requestId"], headers["apigw-requestid"])
_, _, content = ask(ID, "GET", "/v1/pets/7")
event = json.loads(content)
same((event["rawPath"], event["stageVariables"]), ("/v1/pets/7", {"name": "told"}))
_, _, content = ask(ID, "PUT", "/files/a/b/c", {"Content-Type": "text/plain"}, "hello")
event = json.loads(content)
same((event["pathParameters"], event["body"]), ({"path": "a/b/c"}, "hello"))
same(event["isBase64Encoded"], False)
_, _, content = ask(ID, "PUT", "/files/a", {"Content-Type": "image/png"}, b"\xff\x00")
event = json.loads(content)
same((event["body"], event["isBase64Encoded"]), ("/wA=", True))
code, headers, content = ask(ID, "POST", "/old/7?x=1&x=2", {"Content-Type": "text/plain"}, "hello")
event = json.loads(content)
same((event["version"], event["resource"], event["httpMethod"]), ("1.0", "/old/{id}", "POST"))
same((event["queryStringParameters"], event["body"]), ({"x": "2"}, "hello"))
same(event["multiValueQueryStringParameters"], {"x": ["1", "2"]})
same(event["pathParameters"], {"id": "7"})
same(json.loads(ask(ID, "GET", "/v1/by-stage")[2])["routeKey"], "GET /by-stage")
said(ask(ID, "GET", "/by-stage"), 500, "Internal Server Error")

# What answers mean.
code, headers, content = ask(ID, "GET", "/answers/made")
same((code, headers["x-custom"], content), (201, "yes", b"made\xff"))
same(headers.get_all("set-cookie"), ["a=1", "b=2"])
code, headers, content = ask(ID, "GET", "/old-answers/made")
same((code, headers.get_all("x-many")), (201, ["1", "2"]))
for path in ["/answers/fails", "/answers/odd", "/old-answers/odd"]:
    said(ask(ID, "GET", path), 500, "Internal Server Error")
said(ask(ID, "GET", "/impatient/slow"), 503, "Service Unavailable")

# Who is not there.
said(ask(ID, "GET", "/nowhere"), 404, "Not Found")
said(ask(ID, "POST", "/pets/7"), 404, "Not Found")
said(ask("nowhere", "GET", "/"), 404, "Not Found")
large = b"x" * (7 * 1024 * 1024)
said(ask(ID, "PUT", "/files/a", {"Content-Type": "text/plain"}, large), 413, "Request Entity Too Large")

# Other origins: the service answers, and what the function says does not count.
api.update_api(
    ApiId=ID,
    CorsConfiguration={
        "AllowOrigins": ["https://example.com"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["x-own"],
        "MaxAge": 5,
    },
)
asks = {"Origin": "https://example.com", "Access-Control-Request-Method": "PUT"}
code, headers, content = ask(ID, "OPTIONS", "/pets/7", asks)
same((code, content), (204, b""))
same(headers["access-control-allow-origin"], "https://example.com")
same(headers["access-control-allow-methods"], "GET,PUT")
code, headers, _ = ask(ID, "GET", "/answers/made", {"Origin": "https://example.com"})
same(headers.get_all("access-control-allow-origin"), ["https://example.com"])
code, headers, _ = ask(ID, "GET", "/answers/made", {"Origin": "https://evil.example"})
assert "access-control-allow-origin" not in headers

# Throttled for a route, which leaves the others alone.
settings = {"GET /pets/{id}": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.1}}
api.update_stage(ApiId=ID, StageName="$default", RouteSettings=settings)
same(ask(ID, "GET", "/pets/7")[0], 200)
said(ask(ID, "GET", "/pets/7"), 429, "Too Many Requests")
same(ask(ID, "GET", "/answers/made")[0], 201)
api.delete_route_settings(ApiId=ID, StageName="$default", RouteKey="GET /pets/{id}")

# Authorized by a function, which is asked once for each identity.
simple = function("simple", "app.simple")
allow("simple", f"{ARN}:{ID}/authorizers/*")
made = api.create_authorizer(
    ApiId=ID,
    Name="simple",
    AuthorizerType="REQUEST",
    AuthorizerUri=simple,
    AuthorizerPayloadFormatVersion="2.0",
    EnableSimpleResponses=True,
    AuthorizerResultTtlInSeconds=60,
    IdentitySource=["$request.header.X-Token"],
)
route("GET /asks", two, AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])
said(ask(ID, "GET", "/asks"), 401, "Unauthorized")
said(ask(ID, "GET", "/asks", {"X-Token": "bad"}), 403, "Forbidden")
said(ask(ID, "GET", "/asks", {"X-Token": "breaks"}), 500, "Internal Server Error")
for _again in range(3):
    code, _, content = ask(ID, "GET", "/asks", {"X-Token": "good"})
    same(code, 200)
    authorizer = json.loads(content)["requestContext"]["authorizer"]
    same(authorizer, {"lambda": {"who": "Ada", "n": 1}})
logs = client("logs")
end = time.monotonic() + 60
while True:
    found = logs.filter_log_events(logGroupName="/aws/lambda/simple", filterPattern="REPORT")
    if len(found["events"]) >= 3:
        break
    assert time.monotonic() < end, found
    time.sleep(0.05)
found = logs.filter_log_events(logGroupName="/aws/lambda/simple", filterPattern="ASKED")
same(sorted(one["message"] for one in found["events"]), ["ASKED bad\n", "ASKED breaks\n", "ASKED good\n"])

# By a policy.
allow_all = function("policy", "app.policy")
allow("policy", f"{ARN}:{ID}/authorizers/*")
made = api.create_authorizer(
    ApiId=ID,
    Name="policy",
    AuthorizerType="REQUEST",
    AuthorizerUri=allow_all,
    AuthorizerPayloadFormatVersion="1.0",
    AuthorizerResultTtlInSeconds=0,
    IdentitySource=["$request.querystring.token"],
)
route("GET /policies", one, AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])
said(ask(ID, "GET", "/policies"), 401, "Unauthorized")
said(ask(ID, "GET", "/policies?token=bad"), 403, "Forbidden")
code, _, content = ask(ID, "GET", "/policies?token=good")
same(code, 200)
same(json.loads(content)["requestContext"]["authorizer"], {"principalId": "me", "who": "Ada"})

# By a token, whose issuer is here.
place = Path(tempfile.mkdtemp())


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def base64url(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


for name in ["key.pem", "other.pem"]:
    openssl("genrsa", "-out", str(place / name), "2048")
public = openssl("rsa", "-in", str(place / "key.pem"), "-pubout")
modulus = openssl("rsa", "-in", str(place / "key.pem"), "-noout", "-modulus")
modulus = bytes.fromhex(modulus.decode().strip().split("=")[1])
fetched = []


class Issuer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        fetched.append(self.path)
        if self.path.endswith("/.well-known/openid-configuration"):
            document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        else:
            key = {"kty": "RSA", "kid": "one", "use": "sig", "n": base64url(modulus), "e": "AQAB"}
            document = {"keys": [key]}
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


issuer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
threading.Thread(target=issuer.serve_forever, daemon=True).start()
ISSUER = f"http://127.0.0.1:{issuer.server_port}"


def unsigned(header, changed):
    claims = {"iss": ISSUER, "aud": "me", "sub": "s", "exp": int(time.time()) + 600, "scope": "read"}
    claims.update(changed)
    return ".".join(base64url(json.dumps(part).encode()) for part in [header, claims])


def token(kid="one", key="key.pem", header=None, **changed):
    message = unsigned({"alg": "RS256", "kid": kid, **(header or {})}, changed)
    signature = openssl("dgst", "-sha256", "-sign", str(place / key), given=message.encode())
    return f"{message}.{base64url(signature)}"


def forged(algorithm, secret=None):
    """A token without a signature, or with one that is made with what everybody knows."""
    message = unsigned({"alg": algorithm, "kid": "one"}, {})
    signature = b"" if secret is None else hmac.digest(secret, message.encode(), hashlib.sha256)
    return f"{message}.{base64url(signature)}"


made = api.create_authorizer(
    ApiId=ID,
    Name="tokens",
    AuthorizerType="JWT",
    IdentitySource=["$request.header.Authorization"],
    JwtConfiguration={"Issuer": ISSUER, "Audience": ["me"]},
)
TOKENS = made["AuthorizerId"]
route("GET /tokens", two, AuthorizationType="JWT", AuthorizerId=TOKENS)
route("GET /scopes", two, AuthorizationType="JWT", AuthorizerId=TOKENS, AuthorizationScopes=["write"])


def with_token(path, text):
    return ask(ID, "GET", path, {"Authorization": f"Bearer {text}"})


code, _, content = with_token("/tokens", token(groups=["a", "b"]))
same(code, 200)
jwt = json.loads(content)["requestContext"]["authorizer"]["jwt"]
same((jwt["claims"]["sub"], jwt["claims"]["groups"], jwt["scopes"]), ("s", "[a b]", None))
same(with_token("/tokens", token())[0], 200)
same(len(fetched), 2)
same(said(ask(ID, "GET", "/tokens"), 401, "Unauthorized")["www-authenticate"], "Bearer")
for text, why in [
    (token(exp=1), "the token has expired"),
    (token(aud="you"), "the token does not have a valid audience"),
    (token(iss="https://other.example"), "the token does not have a valid issuer"),
    (token(kid="two"), "the token was signed with an unknown key"),
    (token()[:-8] + "AAAAAAAA", "the signature of the token is invalid"),
    (token(nbf=int(time.time()) + 600), "the token is not valid yet"),
    (token(iat=int(time.time()) + 600), "the token was issued in the future"),
    (token(exp=None), "the token does not say when it expires"),
    (token(exp="soon"), "the token does not say when it expires"),
    (token(aud=[]), "the token does not have a valid audience"),
    (token(aud=["you", {"me": 1}]), "the token does not have a valid audience"),
    (token(iss=[ISSUER]), "the token does not have a valid issuer"),
    (token(key="other.pem"), "the signature of the token is invalid"),
    (token(header={"alg": "RS512"}), "the signature of the token is invalid"),
    (forged("none"), "the token is malformed"),
    (forged("None"), "the token is malformed"),
    (forged("HS256", public), "signing method HS256 is invalid"),
    (forged("HS256", b""), "signing method HS256 is invalid"),
    (forged("RS256"), "the signature of the token is invalid"),
    ("x", "the token is malformed"),
    ("..", "the token is malformed"),
    (token().rsplit(".", 1)[0], "the token is malformed"),
    (token() + ".x", "the token is malformed"),
    ("x" * 8_000, "the token is malformed"),
]:
    headers = said(with_token("/tokens", text), 401, "Unauthorized")
    assert why in headers["www-authenticate"], headers["www-authenticate"]
assert len(fetched) <= 4, "whoever makes up tokens cannot have the issuer asked without end"
said(with_token("/scopes", token()), 403, "Forbidden")
code, _, content = with_token("/scopes", token(scope="read write"))
same(code, 200)
scopes = json.loads(content)["requestContext"]["authorizer"]["jwt"]["scopes"]
same(scopes, ["read", "write"])

# Passed on to an endpoint.
heard = []


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        heard.append((self.path, dict(self.headers), content))
        self.send_response(202)
        self.send_header("X-Back", "yes")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_):
        pass


endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=endpoint.serve_forever, daemon=True).start()
made = api.create_integration(
    ApiId=ID,
    IntegrationType="HTTP_PROXY",
    IntegrationMethod="ANY",
    IntegrationUri=f"http://127.0.0.1:{endpoint.server_port}/to/{{proxy}}",
    PayloadFormatVersion="1.0",
)
route("ANY /passed/{proxy+}", f"integrations/{made['IntegrationId']}")
code, headers, content = ask(ID, "PUT", "/passed/a/b?x=1", {"X-Own": "me"}, b"hello")
same((code, headers["x-back"], content), (202, "yes", b"done"))
[(path, headers, content)] = heard
same((path, headers["x-own"], content), ("/to/a/b?x=1", "me", b"hello"))
same(headers["host"], f"127.0.0.1:{endpoint.server_port}")
endpoint.shutdown()
endpoint.server_close()
said(ask(ID, "PUT", "/passed/a", {}, b"hello"), 503, "Service Unavailable")

# Its own address can be taken from it.
api.update_api(ApiId=ID, DisableExecuteApiEndpoint=True)
said(ask(ID, "GET", "/answers/made"), 404, "Not Found")

done()
