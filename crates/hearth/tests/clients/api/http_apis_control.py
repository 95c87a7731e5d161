"""API Gateway, version 2: what can be made, changed, listed and deleted, and what is refused."""

import re
from urllib.parse import urlsplit

from support import *

api = client("apigatewayv2")
PORT = urlsplit(ENDPOINT).port
FUNCTION = arn("f")
BAD, MISSING, CONFLICT = "BadRequestException", "NotFoundException", "ConflictException"

# An API as it is made, and as it is shown.
made = api.create_api(Name="pets", ProtocolType="HTTP", Tags={"team": "blue"}, Description="ours")
same(status(made), 201)
ID = made["ApiId"]
assert re.fullmatch(r"[a-z][a-z0-9]{9}", ID), ID
same(made["ApiEndpoint"], f"http://{ID}.execute-api.{REGION}.localhost:{PORT}")
same(made["RouteSelectionExpression"], "$request.method $request.path")
same(made["ApiKeySelectionExpression"], "$request.header.x-api-key")
same((made["DisableExecuteApiEndpoint"], made["Tags"]), (False, {"team": "blue"}))
assert made["CreatedDate"].tzinfo is not None
same(shown(api.get_api(ApiId=ID)), shown(made))

text = f"Invalid API identifier specified {ACCOUNT}:nowhere"
refused(MISSING, text, api.get_api, ApiId="nowhere", status=404)
refused(MISSING, text, api.delete_api, ApiId="nowhere", status=404)
refused(MISSING, text, api.create_route, ApiId="nowhere", RouteKey="GET /", status=404)
refused(BAD, "", api.create_api, Name="x", ProtocolType="PIGEON", status=400)
refused(BAD, "", api.create_api, ProtocolType="HTTP", status=400)
text = "RouteSelectionExpression is a required"
refused(BAD, text, api.create_api, Name="x", ProtocolType="WEBSOCKET", status=400)

# Changed: what was not given stays.
cors = {"AllowOrigins": ["https://example.com"], "AllowMethods": ["GET"], "MaxAge": 5}
changed = api.update_api(ApiId=ID, Name="dogs", CorsConfiguration=cors)
same((changed["Name"], changed["Description"]), ("dogs", "ours"))
same(changed["CorsConfiguration"], cors)
same(status(api.delete_cors_configuration(ApiId=ID)), 204)
assert "CorsConfiguration" not in api.get_api(ApiId=ID)

# Pages.
more = [api.create_api(Name=f"more-{n}", ProtocolType="HTTP")["ApiId"] for n in range(3)]
found, token = [], {}
while True:
    page = api.get_apis(MaxResults="2", **token)
    assert len(page["Items"]) <= 2
    found += [item["ApiId"] for item in page["Items"]]
    if "NextToken" not in page:
        break
    token = {"NextToken": page["NextToken"]}
same(found, sorted([ID, *more]))
refused(BAD, "maxResults", api.get_apis, MaxResults="many", status=400)
for one in more:
    same(status(api.delete_api(ApiId=one)), 204)

# Integrations.
integrate = {"ApiId": ID, "IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION}
made = api.create_integration(**integrate, PayloadFormatVersion="2.0")
same(status(made), 201)
INTEGRATION = made["IntegrationId"]
same((made["IntegrationMethod"], made["ConnectionType"]), ("POST", "INTERNET"))
same((made["TimeoutInMillis"], made["PayloadFormatVersion"]), (30000, "2.0"))
same(shown(api.get_integration(ApiId=ID, IntegrationId=INTEGRATION)), shown(made))
changed = api.update_integration(ApiId=ID, IntegrationId=INTEGRATION, TimeoutInMillis=1000)
same((changed["TimeoutInMillis"], changed["IntegrationUri"]), (1000, FUNCTION))
wrong = {"ApiId": ID, "IntegrationType": "AWS_PROXY", "IntegrationUri": "f"}
refused(BAD, "Invalid function ARN", api.create_integration, **wrong, status=400)
refused(BAD, "", api.create_integration, **integrate, TimeoutInMillis=40000, status=400)
for setting in [
    {"ConnectionType": "VPC_LINK", "ConnectionId": "x"},
    {"RequestParameters": {"append:header.a": "b"}},
    {"IntegrationSubtype": "SQS-SendMessage"},
    {"IntegrationType": "MOCK"},
]:
    refused(BAD, "does not support", api.create_integration, **{**integrate, **setting}, status=400)
text = "Invalid Integration identifier specified"
refused(MISSING, text, api.get_integration, ApiId=ID, IntegrationId="none", status=404)

# Authorizers.
source = ["$request.header.Authorization"]
jwt = {"Issuer": "https://issuer.example", "Audience": ["me"]}
made = api.create_authorizer(
    ApiId=ID, Name="tokens", AuthorizerType="JWT", IdentitySource=source, JwtConfiguration=jwt
)
same((status(made), made["JwtConfiguration"]), (201, jwt))
TOKENS = made["AuthorizerId"]
made = api.create_authorizer(
    ApiId=ID,
    Name="asks",
    AuthorizerType="REQUEST",
    IdentitySource=source,
    AuthorizerUri=FUNCTION,
    AuthorizerPayloadFormatVersion="2.0",
    EnableSimpleResponses=True,
)
same((made["AuthorizerResultTtlInSeconds"], made["EnableSimpleResponses"]), (300, True))
ASKS = made["AuthorizerId"]
same(shown(api.get_authorizer(ApiId=ID, AuthorizerId=ASKS)), shown(made))
same(len(api.get_authorizers(ApiId=ID)["Items"]), 2)
changed = api.update_authorizer(ApiId=ID, AuthorizerId=ASKS, AuthorizerResultTtlInSeconds=0)
same(changed["AuthorizerResultTtlInSeconds"], 0)
wrong = dict(ApiId=ID, Name="x", AuthorizerType="JWT", IdentitySource=source)
clear = {"Issuer": "http://issuer.example", "Audience": ["me"]}
text = "Invalid issuer"
refused(BAD, text, api.create_authorizer, **wrong, JwtConfiguration=clear, status=400)

# Routes.
target = f"integrations/{INTEGRATION}"
made = api.create_route(
    ApiId=ID,
    RouteKey="GET /pets/{id}",
    Target=target,
    AuthorizationType="JWT",
    AuthorizerId=TOKENS,
    AuthorizationScopes=["read"],
    OperationName="pet",
)
ROUTE = made["RouteId"]
same((status(made), made["Target"], made["AuthorizationType"]), (201, target, "JWT"))
same((made["AuthorizationScopes"], made["ApiKeyRequired"]), (["read"], False))
same(shown(api.get_route(ApiId=ID, RouteId=ROUTE)), shown(made))
text = "Route with key GET /pets/{name} already exists for this API"
refused(CONFLICT, text, api.create_route, ApiId=ID, RouteKey="GET /pets/{name}", status=409)
text = "The provided route key is not formatted properly for HTTP protocol"
refused(BAD, text, api.create_route, ApiId=ID, RouteKey="pets", status=400)
wrong = dict(ApiId=ID, RouteKey="GET /other")
refused(BAD, "AWS_IAM", api.create_route, **wrong, AuthorizationType="AWS_IAM", status=400)
text = "Setting the authorization type to JWT requires a valid JWT authorizer"
refused(BAD, text, api.create_route, **wrong, AuthorizationType="JWT", status=400)
refused(BAD, "Invalid target", api.create_route, **wrong, Target="integrations/none", status=400)
changed = api.update_route(ApiId=ID, RouteId=ROUTE, AuthorizationType="NONE")
same(changed["AuthorizationType"], "NONE")
assert "AuthorizerId" not in changed
refused(CONFLICT, "used by Route", api.delete_integration, ApiId=ID, IntegrationId=INTEGRATION)
same([route["RouteId"] for route in api.get_routes(ApiId=ID)["Items"]], [ROUTE])

# Stages and deployments.
made = api.create_stage(
    ApiId=ID,
    StageName="v1",
    StageVariables={"color": "blue"},
    Tags={"a": "b"},
    RouteSettings={"GET /pets/{id}": {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 1.5}},
)
same((status(made), made["StageName"], made["AutoDeploy"]), (201, "v1", False))
assert "DeploymentId" not in made
same(made["RouteSettings"]["GET /pets/{id}"]["ThrottlingRateLimit"], 1.5)
refused(CONFLICT, "Stage already exists", api.create_stage, ApiId=ID, StageName="v1", status=409)
wrong = dict(ApiId=ID, StageName="v2")
unknown = {"GET /none": {"ThrottlingBurstLimit": 5}}
text = "Unable to find Route by key GET /none"
refused(MISSING, text, api.create_stage, **wrong, RouteSettings=unknown, status=404)
log = {"DestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:x", "Format": "$context"}
text = "AccessLogSettings"
refused(BAD, text, api.create_stage, **wrong, AccessLogSettings=log, status=400)
deployed = api.create_deployment(ApiId=ID, StageName="v1", Description="first")
same((status(deployed), deployed["DeploymentStatus"]), (201, "DEPLOYED"))
DEPLOYMENT = deployed["DeploymentId"]
same(api.get_stage(ApiId=ID, StageName="v1")["DeploymentId"], DEPLOYMENT)
text = "must be moved or deleted"
refused(BAD, text, api.delete_deployment, ApiId=ID, DeploymentId=DEPLOYMENT, status=400)
changed = api.update_deployment(ApiId=ID, DeploymentId=DEPLOYMENT, Description="one")
same(changed["Description"], "one")
key = {"ApiId": ID, "StageName": "v1", "RouteKey": "GET /pets/{id}"}
same(status(api.delete_route_settings(**key)), 204)
refused(MISSING, "", api.delete_route_settings, **key, status=404)

auto = api.create_stage(ApiId=ID, StageName="$default", AutoDeploy=True)
first = auto["DeploymentId"]
text = f"Successfully deployed stage with deployment ID '{first}'"
same(auto["LastDeploymentStatusMessage"], text)
api.create_route(ApiId=ID, RouteKey="$default", Target=target)
second = api.get_stage(ApiId=ID, StageName="$default")["DeploymentId"]
assert first != second
same(api.get_deployment(ApiId=ID, DeploymentId=second)["AutoDeployed"], True)
same(len(api.get_deployments(ApiId=ID)["Items"]), 2)
text = "AutoDeploy is enabled"
refused(BAD, text, api.create_deployment, ApiId=ID, StageName="$default", status=400)

# Tags of APIs and of stages.
for resource, before in [
    (f"arn:aws:apigateway:{REGION}::/apis/{ID}", {"team": "blue"}),
    (f"arn:aws:apigateway:{REGION}::/apis/{ID}/stages/v1", {"a": "b"}),
]:
    same(api.get_tags(ResourceArn=resource)["Tags"], before)
    same(status(api.tag_resource(ResourceArn=resource, Tags={"x": "1", "y": "2"})), 201)
    same(status(api.untag_resource(ResourceArn=resource, TagKeys=["x"])), 204)
    same(api.get_tags(ResourceArn=resource)["Tags"], {**before, "y": "2"})

# WebSocket APIs have routes and responses of their own.
socket = api.create_api(
    Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
)
SOCKET = socket["ApiId"]
same(socket["ApiEndpoint"], f"ws://{SOCKET}.execute-api.{REGION}.localhost:{PORT}")
integration = api.create_integration(
    ApiId=SOCKET, IntegrationType="AWS_PROXY", IntegrationUri=FUNCTION
)
same(integration["TimeoutInMillis"], 29000)
join = api.create_route(
    ApiId=SOCKET,
    RouteKey="join",
    Target=f"integrations/{integration['IntegrationId']}",
    RouteResponseSelectionExpression="$default",
)
at = {"ApiId": SOCKET, "RouteId": join["RouteId"]}
response = api.create_route_response(**at, RouteResponseKey="$default")
same(len(api.get_route_responses(**at)["Items"]), 1)
which = {**at, "RouteResponseId": response["RouteResponseId"]}
same(shown(api.get_route_response(**which)), shown(response))
same(shown(api.update_route_response(**which)), shown(response))
same(status(api.delete_route_response(**which)), 204)
refused(BAD, "Invalid route key", api.create_route, ApiId=SOCKET, RouteKey="$other", status=400)

# Quick create, and what it has made.
quick = api.create_api(Name="quick", ProtocolType="HTTP", Target=FUNCTION)
QUICK = quick["ApiId"]
[route] = api.get_routes(ApiId=QUICK)["Items"]
same((route["RouteKey"], route["ApiGatewayManaged"]), ("$default", True))
[stage] = api.get_stages(ApiId=QUICK)["Items"]
same((stage["StageName"], stage["AutoDeploy"]), ("$default", True))
api.update_api(ApiId=QUICK, Target=arn("g"))
[integration] = api.get_integrations(ApiId=QUICK)["Items"]
same(integration["IntegrationUri"], arn("g"))

# Imported, and imported again.
document = {
    "openapi": "3.0.1",
    "info": {"title": "imported", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "x-amazon-apigateway-integration": {
                    "type": "aws_proxy",
                    "uri": FUNCTION,
                    "payloadFormatVersion": "2.0",
                }
            }
        }
    },
}
imported = api.import_api(Body=json.dumps(document))
same((status(imported), imported["Name"]), (201, "imported"))
document["info"]["title"] = "again"
document["paths"]["/none"] = {"get": {}}
again = api.reimport_api(ApiId=imported["ApiId"], Body=json.dumps(document))
same((again["Name"], again["Warnings"]), ("again", ["GET /none has no integration"]))
keys = {route["RouteKey"] for route in api.get_routes(ApiId=imported["ApiId"])["Items"]}
same(keys, {"GET /pets", "GET /none"})
refused(BAD, "Warnings found", api.import_api, Body=json.dumps(document), FailOnWarnings=True)
refused(BAD, "not in YAML", api.import_api, Body="openapi: 3.0.1", status=400)

# Deleted.
same(status(api.delete_stage(ApiId=ID, StageName="v1")), 204)
same(status(api.delete_deployment(ApiId=ID, DeploymentId=DEPLOYMENT)), 204)
same(status(api.delete_route(ApiId=ID, RouteId=ROUTE)), 204)
same(status(api.delete_authorizer(ApiId=ID, AuthorizerId=TOKENS)), 204)
for one in [ID, SOCKET, QUICK, imported["ApiId"]]:
    same(status(api.delete_api(ApiId=one)), 204)
same(api.get_apis()["Items"], [])

done()
