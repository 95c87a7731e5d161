"""Function URLs that are called: events, answers, streams, other origins, and who may."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support import *

RUNTIME = sys.argv[2]
FUNCTIONS = Path(__file__).parent.parent.parent / "functions"
AT = urlsplit(ENDPOINT)
FORBIDDEN = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"


def serve(name, source, **more):
    """A function that is written in Python."""
    awslambda.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="handler.handler",
        Code={"ZipFile": zipped({"handler.py": (FUNCTIONS / source).read_text()})},
        **more,
    )
    settle(name)


def let(name, auth="NONE", principal="*", **which):
    """Gives a URL both permissions that it needs. Yields between them."""
    awslambda.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal=principal,
        FunctionUrlAuthType=auth,
        **which,
    )
    yield
    awslambda.add_permission(
        FunctionName=name,
        StatementId="function",
        Action="lambda:InvokeFunction",
        Principal=principal,
        InvokedViaFunctionUrl=True,
        **which,
    )
    yield


def let_all(name, **which):
    for _half in let(name, **which):
        pass


class Answer:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.msg
        self.body = answer.read()

    def all(self, name):
        return self.headers.get_all(name) or []

    def json(self):
        return json.loads(self.body)


def call(url, path="/", method="GET", body=None, headers={}):
    """Calls a URL by its name, which need not be known to anybody but the server."""
    connection = http.client.HTTPConnection(AT.hostname, AT.port, timeout=60)
    try:
        headers = {"Host": urlsplit(url).netloc, **headers}
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def refused_url(answer, message):
    same((answer.status, answer.json()), (403, {"Message": message}))
    same(answer.all("x-amzn-errortype"), ["AccessDeniedException"])


serve("serves", "serves.py", Publish=True, Timeout=2)
made = awslambda.create_function_url_config(FunctionName="serves", AuthType="NONE")
URL = made["FunctionUrl"]
ID = urlsplit(URL).hostname.split(".")[0]

# Both permissions are needed, and nobody has one before it is given.
refused_url(call(URL), FORBIDDEN)
for half, expected in zip(let("serves"), [403, 200]):
    same(call(URL).status, expected)
refused_url(call(f"http://{'a' * 32}.lambda-url.{REGION}.localhost/"), None)

# The event.
answer = call(
    URL,
    "/my/path%20x?parameter1=value1&parameter1=value2&parameter2=a%20b+c",
    "POST",
    b'{"a": 1}',
    {
        "Content-Type": "application/json",
        "Cookie": "a=1; b=2",
        "User-Agent": "test/echo",
        "X-Forwarded-For": "203.0.113.7",
        "ExTrA": "With WeiRd CapS",
    },
)
same(answer.status, 200)
same(answer.all("content-type"), ["application/json"])
event = answer.json()
same(event["version"], "2.0")
same(event["routeKey"], "$default")
same(event["rawPath"], "/my/path%20x")
same(event["rawQueryString"], "parameter1=value1&parameter1=value2&parameter2=a%20b+c")
same(event["queryStringParameters"], {"parameter1": "value1,value2", "parameter2": "a b c"})
same(event["cookies"], ["a=1", "b=2"])
same((event["body"], event["isBase64Encoded"]), ('{"a": 1}', False))
headers = event["headers"]
same(headers["extra"], "With WeiRd CapS")
same(headers["content-length"], "8")
same(headers["x-forwarded-for"], "203.0.113.7, 127.0.0.1")
same(headers["x-forwarded-port"], str(AT.port))
same(headers["x-forwarded-proto"], "http")
assert headers["x-amzn-trace-id"].startswith("Root=1-"), headers
context = event["requestContext"]
same(context["accountId"], "anonymous")
same((context["apiId"], context["domainPrefix"]), (ID, ID))
same(context["domainName"], f"{ID}.lambda-url.{REGION}.localhost")
same(context["http"]["method"], "POST")
same(context["http"]["path"], "/my/path%20x")
same(context["http"]["protocol"], "HTTP/1.1")
same(context["http"]["sourceIp"], "127.0.0.1")
same(context["http"]["userAgent"], "test/echo")
same((context["routeKey"], context["stage"]), ("$default", "$default"))
same(answer.all("x-amzn-requestid"), [context["requestId"]])
assert answer.all("x-amzn-trace-id")[0].startswith("Root=1-"), answer.headers
assert abs(context["timeEpoch"] / 1000 - time.time()) < 60, context

for absent in ["cookies", "queryStringParameters", "body", "pathParameters", "stageVariables"]:
    assert absent not in call(URL).json(), absent
bodies = [
    (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, ("YT1i", True)),
    (b"\xff\x00", {"Content-Type": "application/octet-stream"}, ("/wA=", True)),
    ("é".encode(), {"Content-Type": "text/plain"}, ("é", False)),
    (b"x", {}, ("eA==", True)),
]
for body, headers, expected in bodies:
    event = call(URL, "/", "PUT", body, headers).json()
    same((event["body"], event["isBase64Encoded"]), expected)

# The same by the path, where the name cannot be used.
by_path = call(ENDPOINT, f"/_hearth/sites/url/{ID}/my/path?a=b").json()
same((by_path["rawPath"], by_path["rawQueryString"]), ("/my/path", "a=b"))
same(by_path["requestContext"]["domainName"], f"{ID}.lambda-url.{REGION}.localhost")
refused_url(call(ENDPOINT, f"/_hearth/sites/url/{'a' * 32}/"), None)

# Answers.
answer = call(URL, "/text")
same((answer.status, answer.body), (200, b'"Hello, world!"'))
answer = call(URL, "/response")
same((answer.status, answer.body), (201, b"<p>"))
same(answer.all("content-type"), ["text/html"])
same(answer.all("x-own"), ["1"])
same(answer.all("set-cookie"), ["a=1; Path=/", "b=2"])
same(answer.all("access-control-allow-origin"), ["https://evil.example"])
same(answer.all("connection"), [])
answer = call(URL, "/binary")
same((answer.body, answer.all("content-type")), (b"\x89PNG", ["image/png"]))
answer = call(URL, "/empty")
same((answer.status, answer.body), (204, b""))
same((call(URL, "/status").status, call(URL, "/status").body), (418, b"short and stout"))
same(call(URL, "/null").body, b"null")
same(call(URL, "/text", "HEAD").body, b"")
for path in ["/error", "/shape", "/object", "/sleep?seconds=10"]:
    answer = call(URL, path)
    same((path, answer.status, answer.body), (path, 502, b"Internal Server Error"))
    same(answer.all("content-type"), ["application/json"])
# Too large as it is, and as base64.
for length in [6 * 1024 * 1024 + 1, 5 * 1024 * 1024]:
    answer = call(URL, "/", "POST", b"x" * length)
    same((length, answer.status), (length, 413))

# Other origins.
same(call(URL, "/", "OPTIONS").json()["requestContext"]["http"]["method"], "OPTIONS")
cors = {
    "AllowCredentials": False,
    "AllowHeaders": ["content-type", "x-own"],
    "AllowMethods": ["GET", "PUT"],
    "AllowOrigins": ["https://www.example.com", "https://*.example.org"],
    "ExposeHeaders": ["date"],
    "MaxAge": 60,
}
awslambda.update_function_url_config(FunctionName="serves", Cors=cors)
asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-own"}
for origin in ["https://www.example.com", "https://a.example.org"]:
    answer = call(URL, "/error", "OPTIONS", headers={"Origin": origin, **asks})
    same((answer.status, answer.body), (200, b""))
    same(answer.all("access-control-allow-origin"), [origin])
    same(answer.all("access-control-allow-methods"), ["GET,PUT"])
    same(answer.all("access-control-allow-headers"), ["content-type,x-own"])
    same(answer.all("access-control-expose-headers"), ["date"])
    same(answer.all("access-control-max-age"), ["60"])
    same(answer.all("access-control-allow-credentials"), [])
    same(answer.all("vary"), ["Origin"])
    answer = call(URL, "/response", headers={"Origin": origin})
    same((answer.status, answer.all("access-control-allow-origin")), (201, [origin]))
    # Also when there is no answer: a page may know that.
    answer = call(URL, "/error", headers={"Origin": origin})
    same((answer.status, answer.all("access-control-allow-origin")), (502, [origin]))
for headers in [{"Origin": "https://evil.example"}, {}]:
    same(call(URL, "/response", headers=headers).all("access-control-allow-origin"), [])
answer = call(URL, "/", "OPTIONS", headers={"Origin": "https://evil.example", **asks})
same((answer.status, answer.all("access-control-allow-methods")), (200, []))

# Nobody is let in when nothing may run.
awslambda.put_function_concurrency(FunctionName="serves", ReservedConcurrentExecutions=0)
answer = call(URL)
same((answer.status, answer.json()), (429, {"Message": "Rate Exceeded."}))
same(answer.all("retry-after"), ["1"])
awslambda.delete_function_concurrency(FunctionName="serves")
same(call(URL).status, 200)

# An alias has its own URL, and its own policy.
awslambda.create_alias(FunctionName="serves", Name="live", FunctionVersion="1")
live = awslambda.create_function_url_config(
    FunctionName="serves", Qualifier="live", AuthType="NONE"
)["FunctionUrl"]
refused_url(call(live), FORBIDDEN)
let_all("serves", Qualifier="live")
same(call(live, "/arn").json(), arn("serves:live"))
same(call(URL, "/arn").json(), arn("serves"))
awslambda.delete_alias(FunctionName="serves", Name="live")
refused_url(call(live), None)

# A policy can refuse.
deny = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "lambda:*", "Resource": arn("serves")},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "lambda:InvokeFunctionUrl",
            "Resource": arn("serves"),
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        },
    ],
}
awslambda.put_resource_policy(ResourceArn=arn("serves"), Policy=json.dumps(deny))
refused_url(call(URL), FORBIDDEN)

# Signatures. The account's own callers need no policy.
awslambda.update_function_url_config(FunctionName="serves", AuthType="AWS_IAM", Cors={})


def signed(key="AKIATEST", service="lambda", region=REGION, **more):
    request = AWSRequest("GET", URL)
    SigV4Auth(Credentials(key, "secret"), service, region).add_auth(request)
    return call(URL, headers={**dict(request.headers), **more})


event = signed().json()
same(event["requestContext"]["accountId"], ACCOUNT)
iam = event["requestContext"]["authorizer"]["iam"]
same((iam["accessKey"], iam["accountId"]), ("AKIATEST", ACCOUNT))
same(iam["userArn"], f"arn:aws:iam::{ACCOUNT}:root")
for answer in [
    call(URL),
    call(URL, headers={"Authorization": "Bearer x"}),
    signed(service="s3"),
    signed(region="eu-west-1"),
    signed(**{"X-Amz-Date": "20200101T000000Z"}),
]:
    refused_url(answer, "Forbidden")
# Another account's need one: the one that stands is for everybody.
same(signed(key="111111111111").json()["requestContext"]["accountId"], "111111111111")
awslambda.delete_resource_policy(ResourceArn=arn("serves"))
refused_url(signed(key="111111111111"), FORBIDDEN)
same(signed().status, 200)

# Streams.
serve("streams", "serves_streams.py")
stream = awslambda.create_function_url_config(
    FunctionName="streams", AuthType="NONE", InvokeMode="RESPONSE_STREAM"
)["FunctionUrl"]
let_all("streams")
for path in ["/prelude", "/at-once"]:
    answer = call(stream, path)
    same((path, answer.status, answer.body), (path, 201, b"onetwo"))
    same(answer.all("content-type"), ["text/html"])
    same(answer.all("x-own"), ["1"])
    same(answer.all("set-cookie"), ["a=1", "b=2"])
    same(answer.all("transfer-encoding"), ["chunked"])
answer = call(stream, "/bare")
same((answer.status, answer.body), (200, b""))
same(answer.all("content-type"), ["application/octet-stream"])
answer = call(stream, "/plain")
same((answer.status, answer.body), (200, b"onetwo"))
same(answer.all("content-type"), ["text/plain"])
for path in ["/odd", "/no-status", "/no-end", "/endless"]:
    answer = call(stream, path)
    same((path, answer.status, answer.body), (path, 502, b"Internal Server Error"))
# What is not streamed is passed on as it is: recorded.
answer = call(stream, "/whole")
same((answer.status, answer.json()), (200, {"statusCode": 201, "body": "/whole"}))

# A function takes its URL with it.
awslambda.delete_function(FunctionName="streams")
refused_url(call(stream), None)
awslambda.delete_function(FunctionName="serves")
print("done")
