"""Settings of buckets: each is honoured, kept as the document of compatibility says, or refused."""

import urllib.error
import urllib.request

from support import *

s3 = client("s3")
NO_BUCKET = "The specified bucket does not exist"


def bucket(name, **more):
    s3.create_bucket(Bucket=name, **more)
    return name


def asked(method, path, headers):
    """A request as a browser makes it: its status and its headers."""
    url = f"{ENDPOINT.rstrip('/')}/{path}"
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def defaults():
    name = bucket("set-defaults")
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    same(set(block.values()), {True})
    rules = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    same(rules, [{"ObjectOwnership": "BucketOwnerEnforced"}])
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    by_default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    same(by_default, {"SSEAlgorithm": "AES256"})


def tags():
    configuration = {"Tags": [{"Key": "made", "Value": "with it"}]}
    name = bucket("set-tags", CreateBucketConfiguration=configuration)
    same(s3.get_bucket_tagging(Bucket=name)["TagSet"], configuration["Tags"])
    given = [{"Key": "a b", "Value": "ü"}, {"Key": "c", "Value": ""}]
    same(status(s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": given})), 204)
    same(s3.get_bucket_tagging(Bucket=name)["TagSet"], given)
    twice = {"Bucket": name, "Tagging": {"TagSet": [given[0], given[0]]}}
    refused("InvalidTag", "same key", s3.put_bucket_tagging, **twice, status=400)
    same(status(s3.delete_bucket_tagging(Bucket=name)), 204)
    refused("NoSuchTagSet", "", s3.get_bucket_tagging, Bucket=name, status=404)


def cors():
    name = bucket("set-cors")
    rules = [
        {
            "ID": "pages",
            "AllowedOrigins": ["https://*.example"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["content-*", "x-amz-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
    ]
    page = {"Origin": "https://a.example"}
    wish = {**page, "Access-Control-Request-Method": "PUT"}
    code, _, text = asked("OPTIONS", f"{name}/k", wish)
    same((code, "<Code>AccessForbidden</Code>" in text), (403, True))
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
    same(s3.get_bucket_cors(Bucket=name)["CORSRules"], rules)

    wish["Access-Control-Request-Headers"] = "Content-Type, x-amz-date"
    code, headers, _ = asked("OPTIONS", f"{name}/k", wish)
    same(code, 200)
    same(headers["Access-Control-Allow-Origin"], page["Origin"])
    same(headers["Access-Control-Allow-Methods"], "GET, PUT")
    same(headers["Access-Control-Allow-Headers"], "content-type, x-amz-date")
    same((headers["Access-Control-Max-Age"], headers["Access-Control-Allow-Credentials"]), ("60", "true"))
    assert "Origin" in headers["Vary"], headers
    for change in (
        {"Origin": "https://a.test"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "authorization"},
    ):
        same(asked("OPTIONS", f"{name}/k", {**wish, **change})[0], 403)
    same(asked("OPTIONS", f"{name}/k", {"Origin": "https://a.example"})[0], 400)

    s3.put_object(Bucket=name, Key="k", Body=b"x")
    for path, expected in ((f"{name}/k", 200), (f"{name}/missing", 404)):
        code, headers, _ = asked("GET", path, page)
        same((code, headers["Access-Control-Allow-Origin"]), (expected, page["Origin"]))
        same(headers["Access-Control-Expose-Headers"], "ETag")
    _, headers, _ = asked("GET", f"{name}/k", {"Origin": "https://a.test"})
    same(headers["Access-Control-Allow-Origin"], None)
    _, headers, _ = asked("HEAD", f"{name}/k", {"Origin": "https://a.test"})
    same(headers["Access-Control-Allow-Origin"], "*")

    wrong = [{"AllowedOrigins": ["*.*"], "AllowedMethods": ["GET"]}]
    wrong = {"Bucket": name, "CORSConfiguration": {"CORSRules": wrong}}
    refused("InvalidRequest", "wildcard", s3.put_bucket_cors, **wrong, status=400)
    same(status(s3.delete_bucket_cors(Bucket=name)), 204)
    refused("NoSuchCORSConfiguration", "", s3.get_bucket_cors, Bucket=name, status=404)


def policies():
    name = bucket("set-policies")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/*",
    }

    def policy(**change):
        return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **change}]})

    same(status(s3.put_bucket_policy(Bucket=name, Policy=policy())), 204)
    same(s3.get_bucket_policy(Bucket=name)["Policy"], policy())
    same(s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"], {"IsPublic": False})
    malformed = {"Bucket": name, "Policy": "{"}
    refused("MalformedPolicy", "JSON", s3.put_bucket_policy, **malformed, status=400)
    public = {"Bucket": name, "Policy": policy(Principal="*")}
    refused("AccessDenied", "", s3.put_bucket_policy, **public, status=403)
    off = {"BlockPublicPolicy": False, "BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=off)
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    same((block["BlockPublicAcls"], block["IgnorePublicAcls"]), (True, False))
    s3.put_bucket_policy(**public)
    same(s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"], {"IsPublic": True})
    same(status(s3.delete_bucket_policy(Bucket=name)), 204)
    refused("NoSuchBucketPolicy", "", s3.get_bucket_policy, Bucket=name, status=404)
    same(status(s3.delete_public_access_block(Bucket=name)), 204)
    missing = "NoSuchPublicAccessBlockConfiguration"
    refused(missing, "", s3.get_public_access_block, Bucket=name, status=404)


def owners():
    name = bucket("set-owners", ObjectOwnership="BucketOwnerEnforced")
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    no_lists = "AccessControlListNotSupported"
    public = {"Bucket": name, "ACL": "public-read"}
    refused(no_lists, "does not allow ACLs", s3.put_bucket_acl, **public, status=400)
    refused(no_lists, "", s3.put_object, **public, Key="k", Body=b"", status=400)
    refused(no_lists, "", s3.put_object_acl, **public, Key="k", status=400)
    same(status(s3.put_bucket_acl(Bucket=name, ACL="private")), 200)
    same(status(s3.put_object_acl(Bucket=name, Key="k", ACL="private")), 200)
    mine = s3.get_object_acl(Bucket=name, Key="k")
    policy = {"Owner": mine["Owner"], "Grants": mine["Grants"]}
    same(status(s3.put_object_acl(Bucket=name, Key="k", AccessControlPolicy=policy)), 200)

    def ownership(kind):
        return {"Bucket": name, "OwnershipControls": {"Rules": [{"ObjectOwnership": kind}]}}

    put = s3.put_bucket_ownership_controls
    refused("NotImplemented", "ObjectWriter", put, **ownership("ObjectWriter"), status=501)
    same(status(s3.delete_bucket_ownership_controls(Bucket=name)), 204)
    get = s3.get_bucket_ownership_controls
    refused("OwnershipControlsNotFoundError", "", get, Bucket=name, status=404)
    put(**ownership("BucketOwnerEnforced"))
    same(status(get(Bucket=name)), 200)


def encryption():
    name = bucket("set-encryption")

    def by_default(**how):
        rule = {"ApplyServerSideEncryptionByDefault": how}
        return {"Bucket": name, "ServerSideEncryptionConfiguration": {"Rules": [rule]}}

    put = s3.put_bucket_encryption
    same(status(put(**by_default(SSEAlgorithm="AES256"))), 200)
    refused("NotImplemented", "aws:kms", put, **by_default(SSEAlgorithm="aws:kms"), status=501)
    same(status(s3.delete_bucket_encryption(Bucket=name)), 204)
    same(status(s3.get_bucket_encryption(Bucket=name)), 200)


def what_says_that_it_is_not_there():
    name = bucket("set-absent")
    s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
    pays = {"Bucket": name, "RequestPaymentConfiguration": {"Payer": "BucketOwner"}}
    s3.put_bucket_request_payment(**pays)
    pays["RequestPaymentConfiguration"]["Payer"] = "Requester"
    put = s3.put_bucket_request_payment
    refused("NotImplemented", "requestPayment", put, **pays, status=501)
    target = {"LoggingEnabled": {"TargetBucket": name, "TargetPrefix": ""}}
    logged = {"Bucket": name, "BucketLoggingStatus": target}
    refused("NotImplemented", "logging", s3.put_bucket_logging, **logged, status=501)


def lifecycle():
    name = bucket("set-lifecycle")
    s3.put_object(Bucket=name, Key="tmp/old", Body=b"x")
    s3.put_object(Bucket=name, Key="kept", Body=b"x")
    rules = [
        {
            "ID": "days",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "in/", "Tags": [{"Key": "a", "Value": "b"}]}},
            "Expiration": {"Days": 3},
        },
        {
            "ID": "versions",
            "Status": "Enabled",
            "Filter": {"ObjectSizeGreaterThan": 5},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 4},
        },
        {
            "ID": "uploads",
            "Status": "Disabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]

    def put(*rules):
        return {"Bucket": name, "LifecycleConfiguration": {"Rules": list(rules)}}

    call = s3.put_bucket_lifecycle_configuration
    sized = call(**put(*rules))
    same(sized["TransitionDefaultMinimumObjectSize"], "all_storage_classes_128K")
    found = s3.get_bucket_lifecycle_configuration(Bucket=name)
    same(found["Rules"], rules)
    tagged = s3.put_object(Bucket=name, Key="in/x", Body=b"x", Tagging="a=b")
    assert 'rule-id="days"' in tagged["Expiration"], tagged
    for wrong, code in (
        ({**rules[0], "Expiration": {"Days": 0}}, "InvalidArgument"),
        ({**rules[0], "Expiration": {"Days": 1, "Date": "2020-01-01"}}, "MalformedXML"),
        ({**rules[0], "Status": "Maybe"}, "MalformedXML"),
    ):
        refused(code, "", call, **put(wrong), status=400)
    cold = {**rules[2], "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    refused("NotImplemented", "Transition", call, **put(cold), status=501)

    past = {"Date": "2020-01-01T00:00:00Z"}
    expired = {"ID": "past", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": past}
    call(**put(expired))
    for _ in range(300):
        listed = s3.list_objects_v2(Bucket=name).get("Contents", [])
        keys = [item["Key"] for item in listed]
        if "tmp/old" not in keys:
            break
        time.sleep(0.1)
    same(keys, ["in/x", "kept"])
    same(status(s3.delete_bucket_lifecycle(Bucket=name)), 204)
    get = s3.get_bucket_lifecycle_configuration
    refused("NoSuchLifecycleConfiguration", "", get, Bucket=name, status=404)


def buckets_that_are_missing():
    for call in (s3.get_bucket_tagging, s3.delete_bucket_cors, s3.get_public_access_block):
        refused("NoSuchBucket", NO_BUCKET, call, Bucket="set-missing", status=404)


defaults()
tags()
cors()
policies()
owners()
encryption()
what_says_that_it_is_not_there()
lifecycle()
buckets_that_are_missing()
done()
