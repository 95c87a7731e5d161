"""Buckets and objects, and functions whose code comes from them."""

import urllib.error
import urllib.request
import zlib

from boto3.s3.transfer import TransferConfig

from support import *

MEGABYTE = 1024 * 1024
INVALID = "InvalidParameterValueException"
NO_KEY = "The specified key does not exist."
NO_BUCKET = "The specified bucket does not exist"
OTHER_ACCOUNT = "111111111111"
OTHER_REGION = "eu-west-1"

s3 = client("s3")
other = client("s3", account=OTHER_ACCOUNT)
elsewhere = client("s3", region=OTHER_REGION)


def bucket(name, versioning=None):
    same(status(s3.create_bucket(Bucket=name)), 200)
    if versioning:
        version(name, versioning)
    return name


def version(name, state):
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": state})


def put(name, key, body, **more):
    return s3.put_object(Bucket=name, Key=key, Body=body, **more)


def body(name, key, **more):
    return s3.get_object(Bucket=name, Key=key, **more)["Body"].read()


def raw(method, path, data, headers):
    """A request that no client makes: the status and the text of its answer."""
    headers = {"Authorization": "AWS test:unchecked", **headers}
    url = f"{ENDPOINT.rstrip('/')}/{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def etag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def keys(page):
    return [item["Key"] for item in page.get("Contents", [])]


def prefixes(page):
    return [item["Prefix"] for item in page.get("CommonPrefixes", [])]


def buckets():
    bucket("s3-first")
    same(status(s3.create_bucket(Bucket="s3-first")), 200)
    taken = "The requested bucket name is not available."
    refused("BucketAlreadyExists", taken, other.create_bucket, Bucket="s3-first", status=409)
    for wrong in ("ab", "Upper", "under_score", "a..b", "10.0.0.1"):
        refused("InvalidBucketName", "not valid", s3.create_bucket, Bucket=wrong, status=400)

    configuration = {"LocationConstraint": OTHER_REGION}
    there = {"Bucket": "s3-there", "CreateBucketConfiguration": configuration}
    illegal = "IllegalLocationConstraintException"
    refused(illegal, OTHER_REGION, s3.create_bucket, **there, status=400)
    refused(illegal, "unspecified", elsewhere.create_bucket, Bucket="s3-there", status=400)
    elsewhere.create_bucket(**there)
    mine = "Your previous request to create the named bucket succeeded and you already own it."
    refused("BucketAlreadyOwnedByYou", mine, elsewhere.create_bucket, **there, status=409)

    same(s3.get_bucket_location(Bucket="s3-first").get("LocationConstraint"), None)
    same(s3.get_bucket_location(Bucket="s3-there")["LocationConstraint"], OTHER_REGION)
    same(s3.head_bucket(Bucket="s3-there")["BucketRegion"], OTHER_REGION)
    refused("404", "", s3.head_bucket, Bucket="s3-missing", status=404)
    found = s3.list_buckets(Prefix="s3-")["Buckets"]
    names = [item["Name"] for item in found]
    assert {"s3-first", "s3-there"} <= set(names), names
    same(names, sorted(names))
    same(other.list_buckets(Prefix="s3-").get("Buckets") or [], [])
    page = s3.list_buckets(Prefix="s3-", MaxBuckets=1)
    same(len(page["Buckets"]), 1)
    more = s3.list_buckets(Prefix="s3-", MaxBuckets=1, ContinuationToken=page["ContinuationToken"])
    same([item["Name"] for item in page["Buckets"] + more["Buckets"]], names[:2])

    put("s3-first", "a", b"1")
    refused("BucketNotEmpty", "is not empty", s3.delete_bucket, Bucket="s3-first", status=409)
    s3.delete_object(Bucket="s3-first", Key="a")
    for name in ("s3-first", "s3-there"):
        same(status(s3.delete_bucket(Bucket=name)), 204)
        refused("NoSuchBucket", NO_BUCKET, s3.delete_bucket, Bucket=name, status=404)


def settings_that_no_bucket_has():
    name = bucket("s3-settings")
    for call, code in (
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_policy_status, "NoSuchBucketPolicy"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ):
        refused(code, "", call, Bucket=name, status=404)
        refused("NoSuchBucket", NO_BUCKET, call, Bucket="s3-missing", status=404)
    same(shown(s3.get_bucket_notification_configuration(Bucket=name)), {})
    same(shown(s3.get_bucket_logging(Bucket=name)), {})
    same(shown(s3.get_bucket_accelerate_configuration(Bucket=name)), {})
    same(s3.get_bucket_request_payment(Bucket=name)["Payer"], "BucketOwner")
    acl = s3.get_bucket_acl(Bucket=name)
    same([grant["Permission"] for grant in acl["Grants"]], ["FULL_CONTROL"])
    same(acl["Grants"][0]["Grantee"]["ID"], acl["Owner"]["ID"])
    same(status(s3.delete_bucket_policy(Bucket=name)), 204)
    website = {"Bucket": name, "WebsiteConfiguration": {"IndexDocument": {"Suffix": "x"}}}
    refused("NotImplemented", "website", s3.put_bucket_website, **website, status=501)
    encrypted = {"Bucket": name, "Key": "a", "Body": b"", "ServerSideEncryption": "aws:kms"}
    refused("NotImplemented", "server-side-encryption", s3.put_object, **encrypted, status=501)


def objects():
    name = bucket("s3-objects")
    content = b"hello, bucket"
    key = "a dir/ü+&<k>.txt"
    described = {
        "ContentType": "text/plain",
        "ContentDisposition": "inline",
        "CacheControl": "no-cache",
        "Metadata": {"colour": "blue"},
    }
    answer = put(name, key, content, **described)
    same(answer["ETag"], etag(content))
    assert "VersionId" not in answer, answer

    for found in (s3.head_object(Bucket=name, Key=key), s3.get_object(Bucket=name, Key=key)):
        same({field: found[field] for field in described}, described)
        same((found["ContentLength"], found["ETag"]), (len(content), etag(content)))
        same(found["AcceptRanges"], "bytes")
        assert found["ResponseMetadata"]["RequestId"], found
    same(body(name, key), content)
    same(keys(s3.list_objects_v2(Bucket=name)), [key])
    put(name, "plain", b"")
    empty = s3.get_object(Bucket=name, Key="plain")
    same((empty["ContentLength"], empty["ContentType"]), (0, "binary/octet-stream"))
    same(empty["Body"].read(), b"")
    encrypted = put(name, "plain", b"", ServerSideEncryption="AES256")
    same(encrypted["ServerSideEncryption"], "AES256")
    same(s3.head_object(Bucket=name, Key="plain")["ServerSideEncryption"], "AES256")
    given = s3.get_object(Bucket=name, Key=key, ResponseContentType="a/b")
    same(given["ContentType"], "a/b")

    for text, part in (
        ("bytes=0-4", content[:5]),
        ("bytes=7-", content[7:]),
        ("bytes=-6", content[-6:]),
    ):
        found = s3.get_object(Bucket=name, Key=key, Range=text)
        same((status(found), found["Body"].read()), (206, part))
        assert found["ContentRange"].endswith(f"/{len(content)}"), found["ContentRange"]
    which = {"Bucket": name, "Key": key}
    refused("InvalidRange", "satisfiable", s3.get_object, **which, Range="bytes=99-", status=416)

    same(status(s3.get_object(**which, IfMatch=etag(content))), 200)
    failed = "PreconditionFailed"
    refused(failed, "pre-conditions", s3.get_object, **which, IfMatch='"x"', status=412)
    refused("304", "", s3.get_object, **which, IfNoneMatch=etag(content), status=304)
    modified = s3.head_object(**which)["LastModified"]
    refused("304", "", s3.get_object, **which, IfModifiedSince=modified, status=304)
    refused(failed, "", s3.put_object, **which, Body=b"", IfNoneMatch="*", status=412)

    right = b64encode(hashlib.md5(content).digest()).decode()
    put(name, "md5", content, ContentMD5=right)
    wrong = {"Bucket": name, "Key": "md5", "Body": b"other", "ContentMD5": right}
    refused("BadDigest", "Content-MD5", s3.put_object, **wrong, status=400)
    same(body(name, "md5"), content)
    crc = b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    same(put(name, "crc", content, ChecksumCRC32=crc)["ChecksumCRC32"], crc)
    same(s3.head_object(Bucket=name, Key="crc", ChecksumMode="ENABLED")["ChecksumCRC32"], crc)
    wrong = {"Bucket": name, "Key": "crc", "Body": b"other", "ChecksumCRC32": crc}
    refused("BadDigest", "CRC32", s3.put_object, **wrong, status=400)
    sha = b64encode(hashlib.sha256(content).digest()).decode()
    same(put(name, "sha", content, ChecksumSHA256=sha)["ChecksumSHA256"], sha)

    refused("NoSuchKey", NO_KEY, s3.get_object, Bucket=name, Key="missing", status=404)
    refused("404", "", s3.head_object, Bucket=name, Key="missing", status=404)
    refused("NoSuchBucket", NO_BUCKET, s3.get_object, Bucket="s3-missing", Key="k", status=404)
    nowhere = {"Bucket": "s3-missing", "Key": "k", "Body": b"x" * MEGABYTE}
    refused("NoSuchBucket", NO_BUCKET, s3.put_object, **nowhere, status=404)
    long = {"Bucket": name, "Key": "k" * 1025, "Body": b""}
    refused("KeyTooLongError", "too long", s3.put_object, **long, status=400)
    wordy = {"Bucket": name, "Key": "k", "Body": b"", "Metadata": {"a": "b" * 2048}}
    refused("MetadataTooLarge", "metadata", s3.put_object, **wordy, status=400)
    same(s3.get_object_tagging(**which)["TagSet"], [])
    owner = {"Bucket": name, "Key": key, "ExpectedBucketOwner": OTHER_ACCOUNT}
    refused("AccessDenied", "Access Denied", s3.get_object, **owner, status=403)

    promised = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    found, text = raw("PUT", f"{name}/chunks", b"1\r\na\r\n0\r\n\r\n", promised)
    same((found, "<Code>MalformedTrailerError</Code>" in text), (400, True))
    document = b"<Delete><Object><Key>md5</Key></Object></Delete>"
    found, text = raw("POST", f"{name}?delete", document, {"Content-MD5": right})
    same((found, "<Code>BadDigest</Code>" in text), (400, True))
    found, text = raw("POST", f"{name}?delete", document, {"x-amz-checksum-crc32": crc})
    same((found, "<Code>BadDigest</Code>" in text), (400, True))
    same(body(name, "md5"), content)

    same(status(s3.delete_object(**which)), 204)
    same(status(s3.delete_object(**which)), 204)
    many = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "md5"}, {"Key": "missing"}]})
    same([item["Key"] for item in many["Deleted"]], ["md5", "missing"])
    quiet = {"Objects": [{"Key": "crc"}], "Quiet": True}
    same("Deleted" in s3.delete_objects(Bucket=name, Delete=quiet), False)
    same(keys(s3.list_objects_v2(Bucket=name)), ["plain", "sha"])


def copies():
    name = bucket("s3-copies")
    put(name, "a/one", b"bytes", ContentType="text/plain", Metadata={"a": "b"})
    source = {"Bucket": name, "Key": "a/one"}
    made = s3.copy_object(Bucket=name, Key="two", CopySource=source)
    same(made["CopyObjectResult"]["ETag"], etag(b"bytes"))
    found = s3.head_object(Bucket=name, Key="two")
    same((found["ContentType"], found["Metadata"]), ("text/plain", {"a": "b"}))
    replaced = {"MetadataDirective": "REPLACE", "Metadata": {"c": "d"}}
    s3.copy_object(Bucket=name, Key="three", CopySource=source, **replaced)
    same(s3.head_object(Bucket=name, Key="three")["Metadata"], {"c": "d"})
    s3.delete_object(**source)
    same((body(name, "two"), body(name, "three")), (b"bytes", b"bytes"))
    missing = {"Bucket": name, "Key": "four", "CopySource": source}
    refused("NoSuchKey", NO_KEY, s3.copy_object, **missing, status=404)
    two = {"Bucket": name, "Key": "two"}
    denied = {**missing, "CopySource": two, "ExpectedSourceBucketOwner": OTHER_ACCOUNT}
    refused("AccessDenied", "Access Denied", s3.copy_object, **denied, status=403)
    itself = {"Bucket": name, "Key": "two", "CopySource": {"Bucket": name, "Key": "two"}}
    refused("InvalidRequest", "to itself", s3.copy_object, **itself, status=400)


def listings():
    name = bucket("s3-listings")
    every = ["a", "dir/1", "dir/2", "dir/sub/3", "é x", "z"]
    for key in every:
        put(name, key, b"x")
    same(keys(s3.list_objects_v2(Bucket=name)), sorted(every))
    top = s3.list_objects_v2(Bucket=name, Delimiter="/")
    same((keys(top), prefixes(top)), (["a", "z", "é x"], ["dir/"]))
    same((top["KeyCount"], top["IsTruncated"], top["MaxKeys"]), (4, False, 1000))
    within = s3.list_objects_v2(Bucket=name, Delimiter="/", Prefix="dir/")
    same((keys(within), prefixes(within)), (["dir/1", "dir/2"], ["dir/sub/"]))
    same(keys(s3.list_objects_v2(Bucket=name, StartAfter="dir/2")), ["dir/sub/3", "z", "é x"])
    same(s3.list_objects_v2(Bucket=name, MaxKeys=0)["IsTruncated"], False)

    for operation in ("list_objects_v2", "list_objects"):
        found = []
        pages = s3.get_paginator(operation)
        one = {"PageSize": 1}
        for page in pages.paginate(Bucket=name, Delimiter="/", PaginationConfig=one):
            assert len(keys(page)) + len(prefixes(page)) == 1, page
            found += keys(page) + prefixes(page)
        same(found, ["a", "dir/", "z", "é x"])
        pages = s3.get_paginator(operation).paginate(Bucket=name, PaginationConfig={"PageSize": 2})
        same([key for page in pages for key in keys(page)], sorted(every))
    token = {"Bucket": name, "ContinuationToken": "?"}
    refused("InvalidArgument", "continuation token", s3.list_objects_v2, **token, status=400)
    refused("NoSuchBucket", NO_BUCKET, s3.list_objects_v2, Bucket="s3-missing", status=404)


def versions():
    name = bucket("s3-versions")
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    put(name, "k", b"null")
    version(name, "Enabled")
    same(s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
    first = put(name, "k", b"first")["VersionId"]
    second = put(name, "k", b"second")["VersionId"]
    for id, content in (("null", b"null"), (first, b"first"), (second, b"second")):
        same(body(name, "k", VersionId=id), content)
    same(s3.get_object(Bucket=name, Key="k")["VersionId"], second)
    marker = s3.delete_object(Bucket=name, Key="k")
    same(marker["DeleteMarker"], True)
    gone = refused("NoSuchKey", NO_KEY, s3.get_object, Bucket=name, Key="k", status=404)
    same(gone["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"], "true")
    of_marker = {"Bucket": name, "Key": "k", "VersionId": marker["VersionId"]}
    refused("MethodNotAllowed", "", s3.get_object, **of_marker, status=405)
    missing = {"Bucket": name, "Key": "k", "VersionId": "x"}
    refused("NoSuchVersion", "", s3.get_object, **missing, status=404)
    same(keys(s3.list_objects_v2(Bucket=name)), [])

    listed = s3.list_object_versions(Bucket=name)
    same([item["VersionId"] for item in listed["Versions"]], [second, first, "null"])
    same([item["IsLatest"] for item in listed["DeleteMarkers"]], [True])
    seen = []
    pages = s3.get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=name, PaginationConfig={"PageSize": 1}):
        items = page.get("DeleteMarkers", []) + page.get("Versions", [])
        seen += [item["VersionId"] for item in items]
    same(seen, [marker["VersionId"], second, first, "null"])
    refused("BucketNotEmpty", "all versions", s3.delete_bucket, Bucket=name, status=409)

    s3.delete_object(**of_marker)
    same(body(name, "k"), b"second")
    version(name, "Suspended")
    same(put(name, "k", b"again")["VersionId"], "null")
    same(body(name, "k", VersionId=first), b"first")
    gone = [{"Key": "k", "VersionId": id} for id in ("null", first, second)]
    same(len(s3.delete_objects(Bucket=name, Delete={"Objects": gone})["Deleted"]), 3)
    s3.delete_bucket(Bucket=name)


def uploads_in_parts():
    name = bucket("s3-parts")
    content = bytes(range(256)) * (20 * MEGABYTE // 256)
    config = TransferConfig(multipart_threshold=8 * MEGABYTE, multipart_chunksize=8 * MEGABYTE)
    more = {"Config": config, "ExtraArgs": {"ContentType": "a/b"}}
    s3.upload_fileobj(io.BytesIO(content), name, "big", **more)
    found = s3.head_object(Bucket=name, Key="big")
    same((found["ContentLength"], found["ContentType"]), (len(content), "a/b"))
    chunks = [content[at : at + 8 * MEGABYTE] for at in range(0, len(content), 8 * MEGABYTE)]
    digests = b"".join(hashlib.md5(chunk).digest() for chunk in chunks)
    same(found["ETag"], f'"{hashlib.md5(digests).hexdigest()}-{len(chunks)}"')
    back = io.BytesIO()
    s3.download_fileobj(name, "big", back, Config=config)
    assert back.getvalue() == content, "what comes back is not what went in"
    s3.copy({"Bucket": name, "Key": "big"}, name, "copied", Config=config)
    same(hashlib.md5(body(name, "copied")).hexdigest(), hashlib.md5(content).hexdigest())

    begun = s3.create_multipart_upload(Bucket=name, Key="by hand", Metadata={"a": "b"})
    upload = {"Bucket": name, "Key": "by hand", "UploadId": begun["UploadId"]}
    listed = s3.list_multipart_uploads(Bucket=name)["Uploads"]
    same([(item["Key"], item["UploadId"]) for item in listed], [("by hand", begun["UploadId"])])
    sent = enumerate((chunks[0], b"to be replaced", b"last"), 1)
    made = [s3.upload_part(**upload, PartNumber=number, Body=part) for number, part in sent]
    made[1] = s3.upload_part(**upload, PartNumber=2, Body=b"end")
    same([part["Size"] for part in s3.list_parts(**upload)["Parts"]], [8 * MEGABYTE, 3, 4])
    page = s3.list_parts(**upload, MaxParts=1, PartNumberMarker=1)
    same(([part["PartNumber"] for part in page["Parts"]], page["IsTruncated"]), ([2], True))

    def parts(*numbers):
        chosen = [{"PartNumber": number, "ETag": made[number - 1]["ETag"]} for number in numbers]
        return {"Parts": chosen}

    complete = s3.complete_multipart_upload
    refused("EntityTooSmall", "", complete, **upload, MultipartUpload=parts(1, 2, 3), status=400)
    refused("InvalidPartOrder", "", complete, **upload, MultipartUpload=parts(2, 1), status=400)
    wrong = {"Parts": [{"PartNumber": 1, "ETag": "x"}]}
    refused("InvalidPart", "", complete, **upload, MultipartUpload=wrong, status=400)
    made_of_parts = complete(**upload, MultipartUpload=parts(1, 2))
    assert made_of_parts["ETag"].endswith('-2"')
    again = complete(**upload, MultipartUpload=parts(1, 2))
    same(shown(again), shown(made_of_parts))
    same(body(name, "by hand"), chunks[0] + b"end")
    same(s3.head_object(Bucket=name, Key="by hand")["Metadata"], {"a": "b"})
    put(name, "by hand", b"replaced")
    refused("NoSuchUpload", "", complete, **upload, MultipartUpload=parts(1, 2), status=404)

    begun = s3.create_multipart_upload(Bucket=name, Key="aborted")
    upload = {"Bucket": name, "Key": "aborted", "UploadId": begun["UploadId"]}
    zeroth = {**upload, "PartNumber": 0, "Body": b""}
    refused("InvalidArgument", "between 1 and 10000", s3.upload_part, **zeroth, status=400)
    same(status(s3.abort_multipart_upload(**upload)), 204)
    refused("NoSuchUpload", "", s3.upload_part, **upload, PartNumber=1, Body=b"x", status=404)
    assert not s3.list_multipart_uploads(Bucket=name).get("Uploads")


def presigned_requests():
    name = bucket("s3-presigned")
    put(name, "k", b"signed")
    for version in ("s3v4", "s3"):
        signer = client("s3", signature_version=version)
        arguments = {"Bucket": name, "Key": "k"}
        url = signer.generate_presigned_url("get_object", arguments)
        with urllib.request.urlopen(url) as answer:
            same(answer.read(), b"signed")
        missing = signer.generate_presigned_url("get_object", {**arguments, "Key": "missing"})
        try:
            urllib.request.urlopen(missing)
        except urllib.error.HTTPError as error:
            same(error.code, 404)
            assert b"<Code>NoSuchKey</Code>" in error.read()
        else:
            raise AssertionError("there is nothing")
        uploaded = signer.generate_presigned_url("put_object", {**arguments, "Key": "uploaded"})
        request = urllib.request.Request(uploaded, data=version.encode(), method="PUT")
        urllib.request.urlopen(request).close()
        same(body(name, "uploaded"), version.encode())


def functions():
    name = bucket("s3-code", "Enabled")
    old = put(name, "code.zip", code("old"))["VersionId"]
    put(name, "code.zip", code("new"))

    def digest(says):
        return b64encode(hashlib.sha256(code(says)).digest()).decode()

    function = {
        "FunctionName": "s3-function",
        "Runtime": "provided.al2023",
        "Role": ROLE,
        "Handler": "bootstrap",
    }
    not_there = (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist."
    )
    missing = {"S3Bucket": name, "S3Key": "missing.zip"}
    refused(INVALID, not_there, awslambda.create_function, **function, Code=missing, status=400)
    no_bucket = {"S3Bucket": "s3-missing", "S3Key": "code.zip"}
    refused(INVALID, "NoSuchBucket", awslambda.create_function, **function, Code=no_bucket)
    elsewhere.create_bucket(
        Bucket="s3-far", CreateBucketConfiguration={"LocationConstraint": OTHER_REGION}
    )
    far = {"S3Bucket": "s3-far", "S3Key": "code.zip"}
    refused(INVALID, "PermanentRedirect", awslambda.create_function, **function, Code=far)

    there = {"S3Bucket": name, "S3Key": "code.zip"}
    made = awslambda.create_function(**function, Code={**there, "S3ObjectVersion": old})
    same(made["CodeSha256"], digest("old"))
    settle("s3-function")
    update = awslambda.update_function_code
    same(update(FunctionName="s3-function", **there)["CodeSha256"], digest("new"))
    settle("s3-function")
    refused(INVALID, not_there, update, FunctionName="s3-function", **missing, status=400)
    put(name, "broken.zip", b"this is no archive")
    refused(INVALID, "", update, FunctionName="s3-function", S3Bucket=name, S3Key="broken.zip")
    awslambda.delete_function(FunctionName="s3-function")


buckets()
settings_that_no_bucket_has()
objects()
copies()
listings()
versions()
uploads_in_parts()
presigned_requests()
functions()
done()
