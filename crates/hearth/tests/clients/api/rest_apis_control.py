"""API Gateway, version 1: what can be made, changed, listed and deleted, and what is refused."""

import datetime
import re

from support import *

api = client("apigateway")
BAD, MISSING, CONFLICT = "BadRequestException", "NotFoundException", "ConflictException"


def uri(name):
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn(name)}/invocations"


def patch(*all):
    """Patch operations: op, path and perhaps a value."""
    return [dict(zip(("op", "path", "value"), one)) for one in all]


# An API as it is made, and as it is shown.
made = api.create_rest_api(
    name="pets",
    description="ours",
    tags={"team": "blue"},
    binaryMediaTypes=["image/png"],
    endpointConfiguration={"types": ["REGIONAL"]},
)
same(status(made), 201)
ID, ROOT = made["id"], made["rootResourceId"]
assert re.fullmatch(r"[a-z][a-z0-9]{9}", ID), ID
same((made["name"], made["description"], made["tags"]), ("pets", "ours", {"team": "blue"}))
same((made["apiKeySource"], made["disableExecuteApiEndpoint"]), ("HEADER", False))
same(made["endpointConfiguration"]["types"], ["REGIONAL"])
assert made["createdDate"].tzinfo is not None
same(shown(api.get_rest_api(restApiId=ID)), shown(made))

text = f"Invalid API identifier specified {ACCOUNT}:nowhere"
refused(MISSING, text, api.get_rest_api, restApiId="nowhere", status=404)
refused(MISSING, text, api.delete_rest_api, restApiId="nowhere", status=404)
refused(BAD, "", api.create_rest_api, name="", status=400)
refused(BAD, "minimumCompressionSize", api.create_rest_api, name="x", minimumCompressionSize=5)
private = {"types": ["PRIVATE"]}
refused(BAD, "private", api.create_rest_api, name="x", endpointConfiguration=private)

# Changed by patches.
policy = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/*",
            }
        ],
    }
)
changed = api.update_rest_api(
    restApiId=ID,
    patchOperations=patch(
        ("replace", "/name", "dogs"),
        ("add", "/binaryMediaTypes/image~1*"),
        ("remove", "/binaryMediaTypes/image~1png"),
        ("replace", "/policy", policy),
    ),
)
same((changed["name"], changed["binaryMediaTypes"]), ("dogs", ["image/*"]))
shown_policy = json.loads(json.loads(f'"{changed["policy"]}"'))
same(shown_policy["Statement"][0]["Resource"], f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{ID}/*")
text = "Invalid patch path  '/nothing' specified for op 'replace'. Must be one of: ["
wrong = patch(("replace", "/nothing", "x"))
refused(BAD, text, api.update_rest_api, restApiId=ID, patchOperations=wrong, status=400)
api.update_rest_api(restApiId=ID, patchOperations=patch(("remove", "/policy")))
assert "policy" not in api.get_rest_api(restApiId=ID)

# Pages.
more = [api.create_rest_api(name=f"more-{n}")["id"] for n in range(3)]
pages = api.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2})
found = [[item["id"] for item in page["items"]] for page in pages]
same([len(page) for page in found], [2, 2])
same(sum(found, []), sorted([ID, *more]))
for one in more:
    same(status(api.delete_rest_api(restApiId=one)), 202)

# Resources.
pets = api.create_resource(restApiId=ID, parentId=ROOT, pathPart="pets")
same((status(pets), pets["path"], pets["parentId"]), (201, "/pets", ROOT))
PETS = pets["id"]
one = api.create_resource(restApiId=ID, parentId=PETS, pathPart="{id}")
same(one["path"], "/pets/{id}")
text = "Another resource with the same parent already has this name: pets"
again = dict(restApiId=ID, parentId=ROOT, pathPart="pets")
refused(CONFLICT, text, api.create_resource, **again, status=409)
text = "Resource's path part only allow"
refused(BAD, text, api.create_resource, restApiId=ID, parentId=ROOT, pathPart="a b", status=400)
text = "Invalid Resource identifier specified"
refused(MISSING, text, api.get_resource, restApiId=ID, resourceId="none", status=404)
paths = {item["path"] for item in api.get_resources(restApiId=ID)["items"]}
same(paths, {"/", "/pets", "/pets/{id}"})
renamed = api.update_resource(
    restApiId=ID, resourceId=PETS, patchOperations=patch(("replace", "/pathPart", "dogs"))
)
same(renamed["path"], "/dogs")
same(api.get_resource(restApiId=ID, resourceId=one["id"])["path"], "/dogs/{id}")

# Methods, integrations, and their responses.
at = dict(restApiId=ID, resourceId=PETS, httpMethod="GET")
text = "The REST API doesn't contain any methods"
refused(BAD, text, api.create_deployment, restApiId=ID, status=400)
method = api.put_method(
    **at, authorizationType="NONE", requestParameters={"method.request.querystring.a": False}
)
same((status(method), method["apiKeyRequired"]), (201, False))
text = "Method already exists for this resource"
refused(CONFLICT, text, api.put_method, **at, authorizationType="NONE", status=409)
text = "No integration defined for method"
refused(BAD, text, api.create_deployment, restApiId=ID, status=400)
post = {**at, "httpMethod": "POST"}
refused(BAD, "AWS_IAM", api.put_method, **post, authorizationType="AWS_IAM", status=400)
text = "Invalid Method identifier specified"
refused(MISSING, text, api.get_method, **post, status=404)
refused(MISSING, "Invalid Integration identifier", api.get_integration, **at, status=404)
integration = api.put_integration(
    **at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri("f")
)
same((status(integration), integration["type"]), (201, "AWS_PROXY"))
same((integration["httpMethod"], integration["uri"]), ("POST", uri("f")))
same((integration["timeoutInMillis"], integration["passthroughBehavior"]), (29000, "WHEN_NO_MATCH"))
wrong = dict(at, type="AWS", integrationHttpMethod="POST", uri=uri("f"))
refused(BAD, "VTL", api.put_integration, **wrong, status=400)
changed = api.update_integration(
    **at, patchOperations=patch(("replace", "/timeoutInMillis", "500"), ("replace", "/uri", uri("g")))
)
same((changed["timeoutInMillis"], changed["uri"]), (500, uri("g")))
changed = api.update_method(**at, patchOperations=patch(("replace", "/apiKeyRequired", "true")))
same(changed["apiKeyRequired"], True)
whole = api.get_resource(restApiId=ID, resourceId=PETS, embed=["methods"])
same(whole["resourceMethods"]["GET"]["methodIntegration"]["uri"], uri("g"))
names = api.get_resource(restApiId=ID, resourceId=PETS)
same(names["resourceMethods"], {"GET": {}})

options = {**at, "httpMethod": "OPTIONS"}
api.put_method(**options, authorizationType="NONE")
template = {"application/json": '{"statusCode": 200}'}
api.put_integration(**options, type="MOCK", requestTemplates=template)
header = "method.response.header.Access-Control-Allow-Origin"
answer = {**options, "statusCode": "200", "responseParameters": {header: "'*'"}}
text = "Invalid Response status code specified"
refused(MISSING, text, api.put_integration_response, **answer, status=404)
response = api.put_method_response(
    **options, statusCode="200", responseParameters={header: False}
)
same((status(response), response["responseParameters"]), (201, {header: False}))
same(status(api.put_integration_response(**answer)), 201)
at_200 = {**options, "statusCode": "200"}
same(api.get_integration_response(**at_200)["responseParameters"], {header: "'*'"})
same(api.get_method_response(**at_200)["statusCode"], "200")
wrong = dict(answer, responseTemplates={"application/json": "$input.body"})
refused(BAD, "VTL", api.put_integration_response, **wrong, status=400)

# Authorizers.
authorizer = api.create_authorizer(
    restApiId=ID,
    name="mine",
    type="TOKEN",
    authorizerUri=uri("door"),
    identitySource="method.request.header.Authorization",
)
AUTHORIZER = authorizer["id"]
same((status(authorizer), authorizer["authorizerResultTtlInSeconds"]), (201, 300))
same(shown(api.get_authorizer(restApiId=ID, authorizerId=AUTHORIZER)), shown(authorizer))
same(len(api.get_authorizers(restApiId=ID)["items"]), 1)
changed = api.update_authorizer(
    restApiId=ID,
    authorizerId=AUTHORIZER,
    patchOperations=patch(
        ("replace", "/authorizerResultTtlInSeconds", "0"),
        ("replace", "/identityValidationExpression", "Bearer .*"),
    ),
)
same((changed["authorizerResultTtlInSeconds"], changed["identityValidationExpression"]), (0, "Bearer .*"))
wrong = dict(restApiId=ID, name="pool", type="COGNITO_USER_POOLS", providerARNs=["arn:x"])
refused(BAD, "Cognito", api.create_authorizer, **wrong, status=400)
custom = patch(("replace", "/authorizationType", "CUSTOM"), ("replace", "/authorizerId", AUTHORIZER))
changed = api.update_method(**at, patchOperations=custom)
same((changed["authorizationType"], changed["authorizerId"]), ("CUSTOM", AUTHORIZER))
which = dict(restApiId=ID, authorizerId=AUTHORIZER)
refused(CONFLICT, "methods are using it", api.delete_authorizer, **which, status=409)

# Deployments and stages.
deployed = api.create_deployment(
    restApiId=ID, stageName="v1", description="first", variables={"color": "blue"}
)
same((status(deployed), deployed["description"]), (201, "first"))
FIRST = deployed["id"]
stage = api.get_stage(restApiId=ID, stageName="v1")
same((stage["deploymentId"], stage["variables"]), (FIRST, {"color": "blue"}))
whole = api.get_deployment(restApiId=ID, deploymentId=FIRST, embed=["apisummary"])
same(whole["apiSummary"]["/dogs"]["GET"], {"authorizationType": "CUSTOM", "apiKeyRequired": True})
text = "Active stages pointing to this deployment must be moved or deleted"
refused(BAD, text, api.delete_deployment, restApiId=ID, deploymentId=FIRST, status=400)
second = api.create_deployment(restApiId=ID)["id"]
changed = api.update_stage(
    restApiId=ID,
    stageName="v1",
    patchOperations=patch(
        ("replace", "/deploymentId", second),
        ("replace", "/variables/color", "red"),
        ("replace", "/*/*/throttling/rateLimit", "2.5"),
        ("replace", "/dogs/GET/throttling/burstLimit", "7"),
    ),
)
same((changed["deploymentId"], changed["variables"]), (second, {"color": "red"}))
same(changed["methodSettings"]["*/*"]["throttlingRateLimit"], 2.5)
same(changed["methodSettings"]["dogs/GET"]["throttlingBurstLimit"], 7)
wrong = patch(("replace", "/*/*/caching/enabled", "true"))
refused(BAD, "caching", api.update_stage, restApiId=ID, stageName="v1", patchOperations=wrong)
stage = api.create_stage(restApiId=ID, stageName="v2", deploymentId=FIRST, tags={"a": "b"})
same((status(stage), stage["cacheClusterStatus"]), (201, "NOT_AVAILABLE"))
twice = dict(restApiId=ID, stageName="v2", deploymentId=FIRST)
refused(CONFLICT, "Stage already exists", api.create_stage, **twice, status=409)
same({item["stageName"] for item in api.get_stages(restApiId=ID)["item"]}, {"v1", "v2"})
same([item["stageName"] for item in api.get_stages(restApiId=ID, deploymentId=FIRST)["item"]], ["v2"])
same({item["id"] for item in api.get_deployments(restApiId=ID)["items"]}, {FIRST, second})
same(status(api.flush_stage_authorizers_cache(restApiId=ID, stageName="v1")), 202)

# Keys and usage plans.
key = api.create_api_key(name="ann", enabled=True, value="a-value-of-20-letters")
same((status(key), key["value"], key["enabled"]), (201, "a-value-of-20-letters", True))
KEY = key["id"]
assert "value" not in api.get_api_key(apiKey=KEY)
same(api.get_api_key(apiKey=KEY, includeValue=True)["value"], "a-value-of-20-letters")
text = "API Key already exists"
refused(CONFLICT, text, api.create_api_key, value="a-value-of-20-letters", status=409)
refused(BAD, "at least 20", api.create_api_key, value="short", status=400)
same([item["id"] for item in api.get_api_keys(nameQuery="an")["items"]], [KEY])
same(api.get_api_keys(nameQuery="bob")["items"], [])
changed = api.update_api_key(apiKey=KEY, patchOperations=patch(("replace", "/enabled", "false")))
same(changed["enabled"], False)

plan = api.create_usage_plan(
    name="basic",
    apiStages=[{"apiId": ID, "stage": "v1"}],
    throttle={"burstLimit": 5, "rateLimit": 2.5},
    quota={"limit": 10, "period": "WEEK"},
)
same((status(plan), plan["quota"]), (201, {"limit": 10, "offset": 0, "period": "WEEK"}))
PLAN = plan["id"]
nowhere = [{"apiId": ID, "stage": "none"}]
refused(MISSING, "API Stage not found", api.create_usage_plan, name="x", apiStages=nowhere)
changed = api.update_usage_plan(
    usagePlanId=PLAN,
    patchOperations=patch(
        ("add", "/apiStages", f"{ID}:v2"),
        ("replace", "/quota/period", "DAY"),
        ("add", f"/apiStages/{ID}:v2/throttle/~1dogs/GET/rateLimit", "1"),
    ),
)
same([stage["stage"] for stage in changed["apiStages"]], ["v1", "v2"])
same(changed["apiStages"][1]["throttle"], {"/dogs/GET": {"rateLimit": 1.0}})
added = api.create_usage_plan_key(usagePlanId=PLAN, keyId=KEY, keyType="API_KEY")
same((status(added), added["type"], added["name"]), (201, "API_KEY", "ann"))
twice = dict(usagePlanId=PLAN, keyId=KEY, keyType="API_KEY")
refused(CONFLICT, "already exists", api.create_usage_plan_key, **twice, status=409)
same([item["id"] for item in api.get_usage_plan_keys(usagePlanId=PLAN)["items"]], [KEY])
same([item["id"] for item in api.get_usage_plans(keyId=KEY)["items"]], [PLAN])
today = datetime.datetime.now(datetime.timezone.utc).date()
days = dict(startDate=str(today - datetime.timedelta(days=1)), endDate=str(today))
usage = api.get_usage(usagePlanId=PLAN, **days)
same(usage["items"], {KEY: [[0, 10], [0, 10]]})
refused(BAD, "date", api.get_usage, usagePlanId=PLAN, startDate="never", endDate="2026-01-01")
text = "API stages associated"
refused(BAD, text, api.delete_usage_plan, usagePlanId=PLAN, status=400)
same(api.get_account()["throttleSettings"], {"burstLimit": 5000, "rateLimit": 10000.0})

# Tags of all kinds of things.
for path, before in [
    (f"restapis/{ID}", {"team": "blue"}),
    (f"restapis/{ID}/stages/v2", {"a": "b"}),
    (f"usageplans/{PLAN}", {}),
    (f"apikeys/{KEY}", {}),
]:
    resource = f"arn:aws:apigateway:{REGION}::/{path}"
    same(api.get_tags(resourceArn=resource)["tags"], before)
    same(status(api.tag_resource(resourceArn=resource, tags={"x": "1", "y": "2"})), 204)
    same(status(api.untag_resource(resourceArn=resource, tagKeys=["x"])), 204)
    same(api.get_tags(resourceArn=resource)["tags"], {**before, "y": "2"})

# Imported, and put again: over what is there, or beside it.
document = {
    "swagger": "2.0",
    "info": {"title": "imported", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "responses": {"200": {"description": "all of them"}},
                "x-amazon-apigateway-integration": {
                    "type": "aws_proxy",
                    "httpMethod": "POST",
                    "uri": uri("f"),
                },
            }
        }
    },
}
imported = api.import_rest_api(
    body=json.dumps(document), parameters={"endpointConfigurationTypes": "REGIONAL"}
)
same((status(imported), imported["name"]), (201, "imported"))
same(imported["endpointConfiguration"]["types"], ["REGIONAL"])
OTHER = imported["id"]


def paths_of(id):
    return {item["path"] for item in api.get_resources(restApiId=id)["items"]}


document["paths"] = {"/dogs": document["paths"]["/pets"]}
merged = api.put_rest_api(restApiId=OTHER, mode="merge", body=json.dumps(document))
same((status(merged), paths_of(OTHER)), (200, {"/", "/pets", "/dogs"}))
api.put_rest_api(restApiId=OTHER, mode="overwrite", body=json.dumps(document))
same(paths_of(OTHER), {"/", "/dogs"})
refused(BAD, "YAML", api.import_rest_api, body="swagger: '2.0'", status=400)
document["x-amazon-apigateway-gateway-responses"] = {"DEFAULT_4XX": {}}
text = "Warnings found during import"
refused(BAD, text, api.import_rest_api, body=json.dumps(document), failOnWarnings=True, status=400)
copy = api.create_rest_api(name="copy", cloneFrom=OTHER)["id"]
same(paths_of(copy), {"/", "/dogs"})

# Deleted.
same(status(api.delete_usage_plan_key(usagePlanId=PLAN, keyId=KEY)), 202)
same(status(api.delete_stage(restApiId=ID, stageName="v2")), 202)
same([one["stage"] for one in api.get_usage_plan(usagePlanId=PLAN)["apiStages"]], ["v1"])
same(status(api.delete_deployment(restApiId=ID, deploymentId=FIRST)), 202)
same(status(api.delete_integration_response(**at_200)), 204)
same(status(api.delete_method_response(**at_200)), 204)
same(status(api.delete_integration(**at)), 204)
same(status(api.delete_method(**at)), 204)
same(status(api.delete_authorizer(**which)), 202)
same(status(api.delete_resource(restApiId=ID, resourceId=PETS)), 202)
for one in [ID, OTHER, copy]:
    same(status(api.delete_rest_api(restApiId=one)), 202)
same(status(api.delete_usage_plan(usagePlanId=PLAN)), 202)
same(status(api.delete_api_key(apiKey=KEY)), 202)
same(api.get_rest_apis()["items"], [])

done()
