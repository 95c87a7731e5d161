"""Objects, case by case: conditions, ranges, parts, checksums, tags, keys, forms, expired requests."""

import urllib.error
import urllib.parse
import urllib.request
import zlib
from datetime import datetime, timedelta, timezone

from support import *

MEGABYTE = 1024 * 1024
s3 = client("s3")
FAILED = "PreconditionFailed"


def bucket(name, versioning=None):
    s3.create_bucket(Bucket=name)
    if versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning})
    return name


def put(name, key, body, **more):
    return s3.put_object(Bucket=name, Key=key, Body=body, **more)


def body(name, key, **more):
    return s3.get_object(Bucket=name, Key=key, **more)["Body"].read()


def keys(page):
    return [item["Key"] for item in page.get("Contents", [])]


def send(method, url, data=None, headers=None):
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.build_opener(Stay).open(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


class Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else."""

    def redirect_request(self, *_):
        return None


def conditions():
    name = bucket("case-conditions")
    tag = put(name, "k", b"one")["ETag"]
    which = {"Bucket": name, "Key": "k"}
    before = datetime.now(timezone.utc) - timedelta(days=1)
    after = datetime.now(timezone.utc) + timedelta(days=1)
    for conditions, code in (
        ({"IfMatch": tag}, 200),
        ({"IfMatch": f'"x", {tag}'}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": '"x"'}, 412),
        ({"IfNoneMatch": tag}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"x"'}, 200),
        ({"IfModifiedSince": before}, 200),
        ({"IfModifiedSince": after}, 304),
        ({"IfUnmodifiedSince": after}, 200),
        ({"IfUnmodifiedSince": before}, 412),
        ({"IfMatch": tag, "IfUnmodifiedSince": before}, 200),
        ({"IfNoneMatch": '"x"', "IfModifiedSince": after}, 200),
    ):
        for call in (s3.get_object, s3.head_object):
            try:
                found = status(call(**which, **conditions))
            except ClientError as error:
                found = error.response["ResponseMetadata"]["HTTPStatusCode"]
            same((conditions, found), (conditions, code))
        source = {f"CopySource{name}": value for name, value in conditions.items()}
        copy = {"Bucket": name, "Key": "copy", "CopySource": which}
        if code == 200:
            s3.copy_object(**copy, **source)
        else:
            refused(FAILED, "", s3.copy_object, **copy, **source, status=412)

    refused(FAILED, "", s3.put_object, **which, Body=b"", IfNoneMatch="*", status=412)
    refused(FAILED, "", s3.put_object, **which, Body=b"", IfMatch='"x"', status=412)
    put(name, "k", b"two", IfMatch=tag)
    refused("NoSuchKey", "", s3.put_object, Bucket=name, Key="none", Body=b"", IfMatch=tag, status=404)
    put(name, "none", b"", IfNoneMatch="*")

    delete = s3.delete_object
    refused(FAILED, "", delete, **which, IfMatch=tag, status=412)
    same(body(name, "k"), b"two")
    delete(**which, IfMatch="*")
    refused("NoSuchKey", "", delete, **which, IfMatch="*", status=404)


def uploads_with_conditions():
    name = bucket("case-upload-conditions")

    def complete(key, **conditions):
        begun = s3.create_multipart_upload(Bucket=name, Key=key)
        upload = {"Bucket": name, "Key": key, "UploadId": begun["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=1, Body=b"part")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return {**upload, "MultipartUpload": parts, **conditions}

    call = s3.complete_multipart_upload
    made = call(**complete("k", IfNoneMatch="*"))
    refused(FAILED, "", call, **complete("k", IfNoneMatch="*"), status=412)
    refused(FAILED, "", call, **complete("k", IfMatch='"x"'), status=412)
    call(**complete("k", IfMatch=made["ETag"]))


def parts():
    name = bucket("case-parts")
    begun = s3.create_multipart_upload(
        Bucket=name, Key="k", ChecksumAlgorithm="SHA256", Tagging="a=b", Metadata={"c": "d"}
    )
    same(begun["ChecksumAlgorithm"], "SHA256")
    upload = {"Bucket": name, "Key": "k", "UploadId": begun["UploadId"]}
    contents = [bytes([number]) * (5 * MEGABYTE) for number in (1, 2)] + [b"end"]
    digests = [hashlib.sha256(content).digest() for content in contents]
    made = []
    for number, content in enumerate(contents, 1):
        part = s3.upload_part(
            **upload, PartNumber=number, Body=content, ChecksumAlgorithm="SHA256"
        )
        same(part["ChecksumSHA256"], b64encode(digests[number - 1]).decode())
        made.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    listed = s3.list_parts(**upload)
    same((listed["ChecksumAlgorithm"], listed["ChecksumType"]), ("SHA256", "COMPOSITE"))
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": made})
    composite = b64encode(hashlib.sha256(b"".join(digests)).digest()).decode() + "-3"
    same(done["ChecksumSHA256"], composite)

    which = {"Bucket": name, "Key": "k"}
    whole = b"".join(contents)
    head = s3.head_object(**which, ChecksumMode="ENABLED")
    same((head["ChecksumSHA256"], head["ChecksumType"]), (composite, "COMPOSITE"))
    same((head["Metadata"], head["ContentLength"]), ({"c": "d"}, len(whole)))
    same(s3.get_object_tagging(**which)["TagSet"], [{"Key": "a", "Value": "b"}])
    for number, content in enumerate(contents, 1):
        found = s3.get_object(**which, PartNumber=number)
        same((status(found), found["PartsCount"]), (206, 3))
        assert found["Body"].read() == content, number
    refused("InvalidPartNumber", "", s3.get_object, **which, PartNumber=4, status=416)
    edge = 5 * MEGABYTE
    across = s3.get_object(**which, Range=f"bytes={edge - 1}-{2 * edge}")["Body"].read()
    assert across == whole[edge - 1 : 2 * edge + 1]

    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3.get_object_attributes(**which, ObjectAttributes=wanted, MaxParts=2)
    same((found["ObjectSize"], found["StorageClass"]), (len(whole), "STANDARD"))
    same(found["ETag"], done["ETag"].strip('"'))
    same(found["Checksum"]["ChecksumSHA256"], composite)
    listed = found["ObjectParts"]
    same((listed["TotalPartsCount"], listed["IsTruncated"], len(listed["Parts"])), (3, True, 2))
    same(listed["Parts"][1]["Size"], edge)
    call = s3.get_object_attributes
    refused("InvalidArgument", "", call, **which, ObjectAttributes=["Colour"], status=400)

    other = s3.create_multipart_upload(Bucket=name, Key="two")
    into = {"Bucket": name, "Key": "two", "UploadId": other["UploadId"]}
    first = s3.upload_part_copy(**into, PartNumber=1, CopySource=which, CopySourceRange=f"bytes=0-{edge - 1}")
    last = s3.upload_part(**into, PartNumber=2, Body=b"tail")
    beyond = {**into, "PartNumber": 3, "CopySource": which, "CopySourceRange": "bytes=0-99999999"}
    refused("InvalidArgument", "", s3.upload_part_copy, **beyond, status=400)
    tags = [first["CopyPartResult"]["ETag"], last["ETag"]]
    named = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    done = s3.complete_multipart_upload(**into, MultipartUpload={"Parts": named})
    same(done["ChecksumType"], "FULL_OBJECT")
    assert body(name, "two") == contents[0] + b"tail"


def checksums():
    name = bucket("case-checksums")
    content = b"checked"
    rows = {
        "CRC32": zlib.crc32(content).to_bytes(4, "big"),
        "SHA1": hashlib.sha1(content).digest(),
        "SHA256": hashlib.sha256(content).digest(),
    }
    for algorithm, digest in rows.items():
        field = f"Checksum{algorithm}"
        expected = b64encode(digest).decode()
        made = put(name, algorithm, content, ChecksumAlgorithm=algorithm)
        same((algorithm, made[field], made["ChecksumType"]), (algorithm, expected, "FULL_OBJECT"))
        wrong = {field: b64encode(bytes(len(digest))).decode()}
        call = {"Bucket": name, "Key": algorithm, "Body": content, **wrong}
        refused("BadDigest", algorithm, s3.put_object, **call, status=400)
    which = {"Bucket": name, "Key": "CRC32"}
    copied = s3.copy_object(Bucket=name, Key="copy", CopySource=which, ChecksumAlgorithm="SHA256")
    same(copied["CopyObjectResult"]["ChecksumSHA256"], b64encode(rows["SHA256"]).decode())
    listed = s3.list_objects_v2(Bucket=name)["Contents"]
    same({item["Key"]: item["ChecksumAlgorithm"] for item in listed}["SHA1"], ["SHA1"])


def tags():
    name = bucket("case-tags", "Enabled")
    first = put(name, "k", b"1", Tagging="a=b&c+d=%C3%BC")["VersionId"]
    put(name, "k", b"2")
    which = {"Bucket": name, "Key": "k"}
    of_first = s3.get_object_tagging(**which, VersionId=first)
    same(of_first["TagSet"], [{"Key": "a", "Value": "b"}, {"Key": "c d", "Value": "ü"}])
    same(s3.get_object(**which, VersionId=first)["TagCount"], 2)
    same(s3.get_object_tagging(**which)["TagSet"], [])
    given = [{"Key": "x", "Value": "y"}]
    s3.put_object_tagging(**which, Tagging={"TagSet": given})
    same(s3.get_object_tagging(**which)["TagSet"], given)
    copy = {"Bucket": name, "Key": "copy", "CopySource": which}
    s3.copy_object(**copy)
    same(s3.get_object_tagging(Bucket=name, Key="copy")["TagSet"], given)
    s3.copy_object(**copy, TaggingDirective="REPLACE", Tagging="new=1")
    same(s3.get_object_tagging(Bucket=name, Key="copy")["TagSet"], [{"Key": "new", "Value": "1"}])
    same(status(s3.delete_object_tagging(**which)), 204)
    same(s3.get_object_tagging(**which)["TagSet"], [])
    many = {"TagSet": [{"Key": str(number), "Value": ""} for number in range(11)]}
    refused("BadRequest", "10", s3.put_object_tagging, **which, Tagging=many, status=400)
    missing = {"Bucket": name, "Key": "none", "Tagging": {"TagSet": given}}
    refused("NoSuchKey", "", s3.put_object_tagging, **missing, status=404)


def odd_keys():
    name = bucket("case-keys")
    odd = ["\n", "\t", " ", "a//b", "/a", "a/", "?", "#", "%41", "+", "&<>\"'", "é",
           "\u0301", "日本", "\U0001F600", "\x01", "\x7f", "k" * 1024]
    for key in odd:
        put(name, key, key.encode())
    listed = s3.list_objects_v2(Bucket=name)
    same(sorted(keys(listed), key=str.encode), sorted(odd, key=str.encode))
    same(keys(listed), sorted(odd, key=str.encode))
    for key in odd:
        same(body(name, key), key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name, PaginationConfig={"PageSize": 3})
    same([key for page in pages for key in keys(page)], sorted(odd, key=str.encode))
    for key in odd:
        s3.copy_object(Bucket=name, Key=key + "2"[: 1024 - len(key)], CopySource={"Bucket": name, "Key": key},
                       MetadataDirective="REPLACE")
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in odd if key != "\x01"]})
    same(len(gone["Deleted"]), len(odd) - 1)
    s3.delete_object(Bucket=name, Key="\x01")
    url = f"{ENDPOINT.rstrip('/')}/{name}"
    same(send("GET", f"{url}/%FF")[0], 400)
    # No client sends these as they are.
    for key in (".", "..", "a/../b"):
        same(send("PUT", f"{url}/{key}", key.encode())[0], 200)
        same(send("GET", f"{url}/{key}")[2], key)


def listings():
    name = bucket("case-listings")
    for key in ("a", "b/1", "b/2", "c"):
        put(name, key, b"x")
    owned = s3.list_objects_v2(Bucket=name, FetchOwner=True)["Contents"]
    assert all(item["Owner"]["ID"] for item in owned), owned
    assert "Owner" not in s3.list_objects_v2(Bucket=name)["Contents"][0]
    first = s3.list_objects(Bucket=name, Delimiter="/", MaxKeys=2)
    same((first["IsTruncated"], first["NextMarker"]), (True, "b/"))
    rest = s3.list_objects(Bucket=name, Delimiter="/", Marker=first["NextMarker"])
    same((keys(rest), rest.get("CommonPrefixes")), (["c"], None))
    same(keys(s3.list_objects(Bucket=name, Marker="b/1")), ["b/2", "c"])
    encoded = s3.list_objects_v2(Bucket=name, EncodingType="url", Prefix="b/")
    same((encoded["EncodingType"], keys(encoded)), ("url", ["b/1", "b/2"]))
    for wrong in ({"MaxKeys": -1}, {"EncodingType": "base64"}):
        refused("InvalidArgument", "", s3.list_objects_v2, Bucket=name, **wrong, status=400)

    begun = [s3.create_multipart_upload(Bucket=name, Key=key) for key in ("a", "b/1", "b/2", "c")]
    page = s3.list_multipart_uploads(Bucket=name, Delimiter="/", MaxUploads=2)
    same([item["Key"] for item in page["Uploads"]], ["a"])
    same([item["Prefix"] for item in page["CommonPrefixes"]], ["b/"])
    rest = s3.list_multipart_uploads(Bucket=name, Delimiter="/", KeyMarker=page["NextKeyMarker"])
    same([item["Key"] for item in rest["Uploads"]], ["c"])
    for upload in begun:
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    assert not s3.list_multipart_uploads(Bucket=name).get("Uploads")


def expired_requests():
    name = bucket("case-expired")
    put(name, "k", b"x")
    for version in ("s3v4", "s3"):
        signer = client("s3", signature_version=version)
        which = {"Bucket": name, "Key": "k"}
        url = signer.generate_presigned_url("get_object", which, ExpiresIn=3600)
        same(send("GET", url)[0], 200)
        url = signer.generate_presigned_url("get_object", which, ExpiresIn=1)
        for _ in range(100):
            code, _, text = send("GET", url)
            if code != 200:
                break
            time.sleep(0.1)
        same(code, 403)
        for part in ("<Code>AccessDenied</Code>", "Request has expired", "<Expires>", "<ServerTime>"):
            assert part in text, text
    url = client("s3", signature_version="s3v4").generate_presigned_url("get_object", which, ExpiresIn=700000)
    code, _, text = send("GET", url)
    same((code, "AuthorizationQueryParametersError" in text), (400, True))
    # Some clients put headers into the query that they sign, and the checksum of no bytes with them.
    url = client("s3", signature_version="s3v4").generate_presigned_url("put_object", {"Bucket": name, "Key": "in"})
    url += "&x-amz-meta-by=the%20query&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"
    same(send("PUT", url, b"bytes")[0], 200)
    same((body(name, "in"), s3.head_object(Bucket=name, Key="in")["Metadata"]), (b"bytes", {"by": "the query"}))
    same(send("PUT", url + "&x-amz-server-side-encryption=aws%3Akms", b"bytes")[0], 501)


def form_of(fields, content, file_name="picture.png"):
    boundary = "----a-boundary"
    lines = []
    for field, value in fields.items():
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{field}"', "", value]
    head = f'Content-Disposition: form-data; name="file"; filename="{file_name}"'
    lines += [f"--{boundary}", head, "Content-Type: image/png", "", ""]
    data = "\r\n".join(lines).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return data, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def forms():
    name = bucket("case-forms")
    more = [["starts-with", "$Content-Type", "image/"], ["content-length-range", 1, 100],
            {"success_action_status": "201"}, {"x-amz-meta-by": "form"}]
    fields = {"Content-Type": "image/png", "success_action_status": "201", "x-amz-meta-by": "form"}
    form = s3.generate_presigned_post(name, "in/${filename}", Fields=fields, Conditions=more)

    def post(content=b"bytes", **changes):
        given = {**form["fields"], **changes}
        return send("POST", form["url"], *form_of({k: v for k, v in given.items() if v is not None}, content))

    code, headers, text = post()
    same(code, 201)
    assert "<PostResponse>" in text and "<Key>in/picture.png</Key>" in text, text
    assert headers["ETag"] in text.replace("&quot;", '"'), text
    found = s3.get_object(Bucket=name, Key="in/picture.png")
    same((found["Body"].read(), found["ContentType"]), (b"bytes", "image/png"))
    same(found["Metadata"], {"by": "form"})
    for changes, code, word in (
        ({"content": b""}, 400, "EntityTooSmall"),
        ({"content": b"x" * 101}, 400, "EntityTooLarge"),
        ({"key": "out/x"}, 403, "Policy Condition failed"),
        ({"Content-Type": "text/plain"}, 403, "Policy Condition failed"),
        ({"acl": "private"}, 403, "Extra input fields: acl"),
        ({"key": None}, 400, "named 'key'"),
        ({"policy": "e30="}, 400, "InvalidPolicyDocument"),
        ({"policy": None}, 400, "named 'policy'"),
    ):
        found, _, text = post(**changes)
        same((changes, found, word in text), (changes, code, True))
    old = s3.generate_presigned_post(name, "k", ExpiresIn=-60)
    code, _, text = send("POST", old["url"], *form_of(old["fields"], b"x"))
    same((code, "Policy expired" in text), (403, True))

    url = f"{ENDPOINT.rstrip('/')}/{name}"
    there = "http://127.0.0.1/there?a=b"
    code, headers, _ = send("POST", url, *form_of({"key": "ü", "success_action_redirect": there}, b"x"))
    same(code, 303)
    sent = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["Location"]).query)
    same((sent["a"], sent["bucket"], sent["key"]), (["b"], [name], ["ü"]))
    same(send("POST", url, *form_of({"key": "plain"}, b"x"))[0], 204)
    same(body(name, "plain"), b"x")
    for fields in ({"x-ignore-me": "x" * 21 * 1024}, {f"x-ignore-{number:05}": "" for number in range(2000)}):
        code, _, text = send("POST", url, *form_of({"key": "k", **fields}, b"x"))
        same((code, "MaxPostPreDataLengthExceeded" in text), (400, True))
    same(send("POST", url, b"no form", {"Content-Type": "multipart/form-data; boundary=x"})[0], 400)
    same(send("POST", url, b"no form", {"Content-Type": "text/plain"})[0], 412)


def without_signatures():
    name = bucket("case-anonymous")
    url = f"{ENDPOINT.rstrip('/')}/{name}/k"
    same(send("PUT", url, b"bytes")[0], 200)
    same(send("GET", url)[2], "bytes")
    host = urllib.parse.urlsplit(ENDPOINT)
    same(send("GET", f"{host.scheme}://{host.netloc}/k", None, {"Host": f"{name}.s3.localhost"})[2], "bytes")
    code, _, text = send("GET", f"{url}-missing")
    same((code, "<Code>NoSuchKey</Code>" in text), (404, True))


def versions_that_are_suspended():
    name = bucket("case-suspended", "Enabled")
    kept = put(name, "k", b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    same(put(name, "k", b"null one")["VersionId"], "null")
    same(put(name, "k", b"null two")["VersionId"], "null")
    marker = s3.delete_object(Bucket=name, Key="k")
    same((marker["DeleteMarker"], marker["VersionId"]), (True, "null"))
    listed = s3.list_object_versions(Bucket=name)
    same([item["VersionId"] for item in listed["Versions"]], [kept])
    same([item["VersionId"] for item in listed["DeleteMarkers"]], ["null"])
    s3.delete_object(Bucket=name, Key="k", VersionId="null")
    same(body(name, "k"), b"kept")
    source = {"Bucket": name, "Key": "k", "VersionId": kept}
    copied = s3.copy_object(Bucket=name, Key="back", CopySource=source)
    same(copied["CopySourceVersionId"], kept)


conditions()
uploads_with_conditions()
parts()
checksums()
tags()
odd_keys()
listings()
expired_requests()
forms()
without_signatures()
versions_that_are_suspended()
done()
