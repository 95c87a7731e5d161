"""Function URLs: their records, and the rules about them."""

import re
from urllib.parse import urlsplit

from support import *

NAME, NOWHERE = "urls", "urls-nowhere"
PORT = urlsplit(ENDPOINT).port
ADDRESS = re.compile(rf"http://([0-9a-z]{{32}})\.lambda-url\.{REGION}\.localhost:{PORT}/")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

make = awslambda.create_function_url_config
get = awslambda.get_function_url_config
update = awslambda.update_function_url_config
delete = awslambda.delete_function_url_config
listing = awslambda.list_function_url_configs

MISSING, WRONG = "ResourceNotFoundException", "InvalidParameterValueException"
NO_FUNCTION = "Function does not exist"
NO_URL = "The resource you requested does not exist."


def config(answer):
    """A configuration without its address and its times, which have the right form."""
    found = shown(answer)
    address = found.pop("FunctionUrl")
    assert ADDRESS.fullmatch(address), address
    for name in ["CreationTime", "LastModifiedTime"]:
        at = found.pop(name, None)
        assert at is None or TIME.fullmatch(at), at
    return found


def shape(answer):
    return sorted(shown(answer))


create(NAME, Publish=True)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")

# None yet.
refused(MISSING, NO_FUNCTION, make, FunctionName=NOWHERE, AuthType="NONE", status=404)
refused(MISSING, NO_FUNCTION, update, FunctionName=NOWHERE, AuthType="NONE", status=404)
refused(MISSING, NO_FUNCTION, listing, FunctionName=NOWHERE, status=404)
refused(MISSING, NO_URL, get, FunctionName=NOWHERE, status=404)
refused(MISSING, NO_URL, delete, FunctionName=NOWHERE, status=404)
gone = {"FunctionName": NAME, "Qualifier": "gone"}
refused(MISSING, NO_FUNCTION, make, **gone, AuthType="NONE", status=404)
for which in [{"FunctionName": NAME}, {"FunctionName": NAME, "Qualifier": "live"}, gone]:
    refused(MISSING, NO_URL, get, **which, status=404)
    refused(MISSING, NO_URL, update, **which, AuthType="NONE", status=404)
    refused(MISSING, NO_URL, delete, **which, status=404)
same(shown(listing(FunctionName=NAME)), {"FunctionUrlConfigs": []})

# Created: no mode unless it was given, and no time of change.
created = make(FunctionName=NAME, AuthType="NONE")
same(status(created), 201)
same(shape(created), ["AuthType", "CreationTime", "FunctionArn", "FunctionUrl"])
same(config(created), {"AuthType": "NONE", "FunctionArn": arn(NAME)})
text = f"Failed to create function url config for [functionArn = {arn(NAME)}]. Error message:  FunctionUrlConfig exists for this Lambda function"
refused("ResourceConflictException", text, make, FunctionName=NAME, AuthType="NONE", status=409)

found = get(FunctionName=NAME)
same(status(found), 200)
parts = ["AuthType", "CreationTime", "FunctionArn", "FunctionUrl", "InvokeMode", "LastModifiedTime"]
same(shape(found), parts)
same(config(found), {"AuthType": "NONE", "FunctionArn": arn(NAME), "InvokeMode": "BUFFERED"})
same(found["FunctionUrl"], created["FunctionUrl"])
same(found["CreationTime"], created["CreationTime"])
same(found["LastModifiedTime"], created["CreationTime"])

# Changed: what was not given stays.
cors = {
    "AllowCredentials": True,
    "AllowHeaders": ["Date", "x-custom-header"],
    "AllowMethods": ["GET", "*"],
    "AllowOrigins": ["*", "https://www.example.com", "http://localhost:60905"],
    "ExposeHeaders": ["Keep-Alive"],
    "MaxAge": 86400,
}
updated = update(FunctionName=NAME, AuthType="AWS_IAM")
same(status(updated), 200)
same(shape(updated), [part for part in parts if part != "InvokeMode"])
same(config(updated), {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME)})
same(updated["FunctionUrl"], created["FunctionUrl"])
same(updated["CreationTime"], created["CreationTime"])
assert updated["LastModifiedTime"] >= created["CreationTime"]
updated = update(FunctionName=NAME, Cors=cors)
same(config(updated), {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME), "Cors": cors})
updated = update(FunctionName=NAME, InvokeMode="RESPONSE_STREAM")
iam = {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME), "InvokeMode": "RESPONSE_STREAM"}
same(config(updated), {**iam, "Cors": cors})
same(config(get(FunctionName=NAME)), {**iam, "Cors": cors})
# Cors is changed as a whole, and an empty one clears it.
update(FunctionName=NAME, Cors={"AllowOrigins": ["*"]})
same(config(get(FunctionName=NAME)), {**iam, "Cors": {"AllowOrigins": ["*"]}})
updated = update(FunctionName=NAME, Cors={})
same(config(updated), {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME)})
same(config(get(FunctionName=NAME)), iam)
# Nothing is a change as well.
same(config(update(FunctionName=NAME)), {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME)})

# An alias has its own.
live = make(
    FunctionName=NAME, Qualifier="live", AuthType="NONE", InvokeMode="RESPONSE_STREAM", Cors=cors
)
same(status(live), 201)
of_live = {
    "AuthType": "NONE",
    "FunctionArn": f"{arn(NAME)}:live",
    "InvokeMode": "RESPONSE_STREAM",
    "Cors": cors,
}
same(config(live), of_live)
assert live["FunctionUrl"] != created["FunctionUrl"], live
text = f"for [functionArn = {arn(NAME)}:live]. Error message:  FunctionUrlConfig exists"
which = {"FunctionName": f"{NAME}:live", "AuthType": "NONE"}
refused("ResourceConflictException", text, make, **which, status=409)
forms = [
    {"FunctionName": f"{NAME}:live"},
    {"FunctionName": f"{NAME}:live", "Qualifier": "live"},
    {"FunctionName": f"function:{NAME}", "Qualifier": "live"},
    {"FunctionName": f"{ACCOUNT}:function:{NAME}:live"},
    {"FunctionName": arn(NAME), "Qualifier": "live"},
    {"FunctionName": f"{arn(NAME)}:live"},
]
for form in forms:
    same(config(get(**form)), of_live)
    same(get(**form)["FunctionUrl"], live["FunctionUrl"])
text = "The derived qualifier from the function name does not match the specified qualifier."
refused(WRONG, text, get, FunctionName=f"{NAME}:live", Qualifier="other", status=400)
text = "Functions from 'eu-west-1' are not reachable in this region"
refused(MISSING, text, get, FunctionName=arn(NAME, region="eu-west-1"), status=404)

# Pages.
found, marker = [], {}
while True:
    page = listing(FunctionName=NAME, MaxItems=1, **marker)
    same(len(page["FunctionUrlConfigs"]), 1)
    found += page["FunctionUrlConfigs"]
    if "NextMarker" not in page:
        break
    assert len(found) < 2, page
    marker = {"Marker": page["NextMarker"]}
same([config(one) for one in found], [iam, of_live])
same([one["FunctionUrl"] for one in found], [created["FunctionUrl"], live["FunctionUrl"]])
assert all("LastModifiedTime" in one for one in found), found
whole = listing(FunctionName=arn(NAME))
same(status(whole), 200)
same(shown(whole), {"FunctionUrlConfigs": found})
refused(WRONG, "pagination token", listing, FunctionName=NAME, Marker="%%%", status=400)

# Neither `$LATEST` nor a version has one.
for qualifier in ["$LATEST", "1"]:
    for call, more in [(make, {"AuthType": "NONE"}), (get, {}), (update, {}), (delete, {})]:
        which = {"FunctionName": NAME, "Qualifier": qualifier, **more}
        refused("ValidationException", "'qualifier'", call, **which, status=400)
        which = {"FunctionName": f"{NAME}:{qualifier}", **more}
        refused("ValidationException", "'functionName'", call, **which, status=400)

# The model's constraints.
refused("ValidationException", "Value null at 'authType'", make, FunctionName=NAME, status=400)
too_many = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "*"]
constraints = [
    ({"AuthType": "OPEN"}, "'authType'"),
    ({"InvokeMode": "SLOW"}, "'invokeMode'"),
    ({"Qualifier": "no!"}, "'qualifier'"),
    ({"Qualifier": "q" * 129}, "less than or equal to 128"),
    ({"FunctionName": "no!"}, "'functionName'"),
    ({"Cors": {"MaxAge": 86401}}, "'cors.maxAge'"),
    ({"Cors": {"MaxAge": -1}}, "'cors.maxAge'"),
    ({"Cors": {"AllowMethods": ["OPTIONS"]}}, "'cors.allowMethods'"),
    ({"Cors": {"AllowMethods": too_many}}, "'cors.allowMethods'"),
    ({"Cors": {"AllowOrigins": [""]}}, "'cors.allowOrigins'"),
    ({"Cors": {"AllowOrigins": ["http://" + "a" * 247]}}, "'cors.allowOrigins'"),
    ({"Cors": {"AllowOrigins": ["*"] * 101}}, "'cors.allowOrigins'"),
    ({"Cors": {"AllowHeaders": ["h" * 1025]}}, "'cors.allowHeaders'"),
    ({"Cors": {"AllowHeaders": ["h"] * 101}}, "'cors.allowHeaders'"),
    ({"Cors": {"ExposeHeaders": ["h" * 1025]}}, "'cors.exposeHeaders'"),
    ({"Cors": {"ExposeHeaders": ["h"] * 101}}, "'cors.exposeHeaders'"),
]
for given, text in constraints:
    for call in [make, update]:
        which = {"FunctionName": NAME, "AuthType": "NONE", **given}
        refused("ValidationException", text, call, **which, status=400)
for items in [0, 51]:
    text = "'maxItems'"
    refused("ValidationException", text, listing, FunctionName=NAME, MaxItems=items, status=400)

# What is not in the model.
rules = [
    ({"AllowMethods": ["GET", "TRACE"]}, "The method 'TRACE' in AllowMethods is not valid."),
    ({"AllowMethods": ["get"]}, "The method 'get' in AllowMethods is not valid."),
    ({"AllowOrigins": ["example.com"]}, "The origin 'example.com' in AllowOrigins is not valid."),
    ({"AllowOrigins": ["*", "https://example.com/a"]}, "The origin 'https://example.com/a'"),
    ({"AllowHeaders": ["a\u0001b"]}, "in AllowHeaders or ExposeHeaders is not valid."),
    ({"ExposeHeaders": ["\u00e9"]}, "in AllowHeaders or ExposeHeaders is not valid."),
]
for given, text in rules:
    refused(WRONG, text, update, FunctionName=NAME, Cors=given, status=400)
same(config(get(FunctionName=NAME)), iam)

# Deleted: a second time there is none, and a new one has another address.
answer = delete(FunctionName=NAME)
same(status(answer), 204)
same(shown(answer), {})
refused(MISSING, NO_URL, delete, FunctionName=NAME, status=404)
refused(MISSING, NO_URL, get, FunctionName=NAME, status=404)
for given, text in rules:
    which = {"FunctionName": NAME, "AuthType": "NONE", "Cors": given}
    refused(WRONG, text, make, **which, status=400)
again = make(FunctionName=NAME, AuthType="AWS_IAM", InvokeMode="BUFFERED", Cors={})
buffered = {"AuthType": "AWS_IAM", "FunctionArn": arn(NAME), "InvokeMode": "BUFFERED"}
same(config(again), buffered)
assert again["FunctionUrl"] != created["FunctionUrl"], again

# What belongs to an alias or a function goes with it.
awslambda.delete_alias(FunctionName=NAME, Name="live")
same(len(listing(FunctionName=NAME)["FunctionUrlConfigs"]), 1)
awslambda.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
refused(MISSING, NO_URL, get, FunctionName=NAME, Qualifier="live", status=404)
awslambda.delete_function(FunctionName=NAME)
create(NAME)
same(shown(listing(FunctionName=NAME)), {"FunctionUrlConfigs": []})
awslambda.delete_function(FunctionName=NAME)
done()
