//! Uploads in parts.

use super::*;

fn part_bytes(byte: u8) -> Vec<u8> {
    vec![byte; usize::try_from(PART_BYTES_MIN).unwrap()]
}

#[tokio::test]
async fn parts_become_an_object() {
    let (directory, buckets) = with_bucket().await;
    let begun = upload(&buckets, "key").await;
    let first = part_bytes(7);
    let one = put_part(&buckets, &begun, (1, &first)).await;
    put_part(&buckets, &begun, (2, b"twice")).await;
    let two = put_part(&buckets, &begun, (2, b"last")).await;
    put_part(&buckets, &begun, (3, b"not used")).await;
    let whole = [&first[..], b"last"].concat();
    let mut running = checksum::Running::new(Algorithm::Crc64Nvme);
    running.update(&whole);
    let checksum = Some(running.finish());
    let wrong = Some(Checksum { algorithm: Algorithm::Crc32, value: "AAAAAA==".to_owned() });
    let complete = Complete { parts: vec![one, two], checksum, ..Complete::default() };
    let refused = Complete { checksum: wrong, ..complete.clone() };
    assert_eq!(code(buckets.complete_upload(&begun, refused).await), "BadDigest");
    let refused = Complete { size: Some(1), ..complete.clone() };
    assert_eq!(code(buckets.complete_upload(&begun, refused).await), "InvalidRequest");
    let stored = buckets.complete_upload(&begun, complete.clone()).await.unwrap();
    assert!(stored.etag.ends_with("-2"), "{}", stored.etag);
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), whole);
    let again = buckets.complete_upload(&begun, complete.clone()).await.unwrap();
    assert_eq!(again, stored);
    assert_eq!(files(directory.path()), 2);

    let (_found, parts) = buckets.find_parts(&name("key")).await.unwrap();
    let sizes: Vec<(u16, u64)> = parts.iter().map(|part| (part.number, part.size)).collect();
    assert_eq!(sizes, [(1, PART_BYTES_MIN), (2, 4)]);
    copy(&buckets, "key", "copied").await.unwrap();
    assert_eq!(files(directory.path()), 4);
    put(&buckets, "key", b"other").await;
    assert_eq!(files(directory.path()), 2);
    assert_eq!(get(&buckets, &name("copied")).await.unwrap(), whole);
    assert_eq!(code(buckets.complete_upload(&begun, complete).await), "NoSuchUpload");
    delete(&buckets, &name("copied")).await;
    assert_eq!(files(directory.path()), 0);
}

#[tokio::test]
async fn a_range_goes_over_the_edges_of_parts() {
    let (_directory, buckets) = with_bucket().await;
    let begun = upload(&buckets, "key").await;
    let mut parts = Vec::new();
    for number in 1..=3 {
        let bytes = part_bytes(u8::try_from(number).unwrap());
        parts.push(put_part(&buckets, &begun, (number, &bytes)).await);
    }
    buckets.complete_upload(&begun, Complete { parts, ..Complete::default() }).await.unwrap();
    let slice = Slice { first: PART_BYTES_MIN - 1, length: PART_BYTES_MIN + 2 };
    let choose = |_found: &Found, _parts: &[PartOfObject]| Ok::<_, BucketError>((slice, ()));
    let (_found, (), mut reader) = buckets.read(&name("key"), choose).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(bytes, [&[1][..], &part_bytes(2), &[3]].concat());
}

#[tokio::test]
async fn a_part_may_be_copied_from_an_object() {
    let (directory, buckets) = with_bucket().await;
    put(&buckets, "source", b"0123456789").await;
    let begun = upload(&buckets, "key").await;
    let copied = buckets.copy_part(&source("source"), Some((1, 3)), (&begun, 1)).await;
    let (_found, part) = copied.unwrap();
    assert_eq!(part.size, 3);
    let beyond = buckets.copy_part(&source("source"), Some((1, 99)), (&begun, 1)).await;
    assert_eq!(code(beyond), "InvalidArgument");
    let complete = Complete { parts: vec![(1, part.etag)], ..Complete::default() };
    buckets.complete_upload(&begun, complete).await.unwrap();
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"123");

    let begun = upload(&buckets, "aborted").await;
    buckets.copy_part(&source("source"), None, (&begun, 1)).await.unwrap();
    assert_eq!(files(directory.path()), 2);
    buckets.abort_upload(&begun).await.unwrap();
    assert_eq!(files(directory.path()), 1);
    assert_eq!(code(buckets.abort_upload(&begun).await), "NoSuchUpload");
}

#[tokio::test]
async fn those_who_complete_an_upload_at_once_get_one_object() {
    let (directory, buckets) = with_bucket().await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let begun = upload(&buckets, "key").await;
    let part = put_part(&buckets, &begun, (1, b"part")).await;
    let complete = Complete { parts: vec![part], ..Complete::default() };
    let (one, other) = tokio::join!(
        buckets.complete_upload(&begun, complete.clone()),
        buckets.complete_upload(&begun, complete.clone()),
    );
    assert_eq!(one.unwrap(), other.unwrap());
    // An older version is found as well.
    put(&buckets, "key", b"newer").await;
    buckets.complete_upload(&begun, complete).await.unwrap();
    let list = List { items_max: 10, ..List::default() };
    assert_eq!(buckets.list_versions("bucket", &list).await.unwrap().versions.len(), 2);
    assert_eq!(files(directory.path()), 1);
}

#[tokio::test]
async fn an_upload_says_which_checksums_its_parts_have() {
    let (_directory, buckets) = with_bucket().await;
    let new = |checksum| NewUpload {
        bucket: "bucket".to_owned(),
        key: "key".to_owned(),
        checksum: Some(checksum),
        ..NewUpload::default()
    };
    let refused = buckets.create_upload(new((Algorithm::Sha1, ChecksumKind::FullObject))).await;
    assert_eq!(code(refused), "InvalidRequest");
    let record =
        buckets.create_upload(new((Algorithm::Sha256, ChecksumKind::Composite))).await.unwrap();
    let begun = UploadName { bucket: record.bucket, key: record.key, id: record.id };
    let other = Expected { algorithm: Some(Algorithm::Crc32), ..Expected::default() };
    assert_eq!(code(buckets.receive_part(&begun, other).await), "InvalidRequest");
    let parts = vec![put_part(&buckets, &begun, (1, b"part")).await];
    let kind = Some(ChecksumKind::FullObject);
    let refused = Complete { parts: parts.clone(), checksum_kind: kind, ..Complete::default() };
    assert_eq!(code(buckets.complete_upload(&begun, refused).await), "InvalidRequest");
    let complete = Complete { parts, ..Complete::default() };
    let stored = buckets.complete_upload(&begun, complete).await.unwrap();
    assert_eq!(stored.checksum_kind, ChecksumKind::Composite);
    assert!(stored.checksum.unwrap().value.ends_with("=-1"));
}

#[tokio::test]
async fn an_upload_without_a_checksum_gets_the_default_whatever_its_parts_come_with() {
    let (_directory, buckets) = with_bucket().await;
    let begun = upload(&buckets, "key").await;
    let expected = Expected { algorithm: Some(Algorithm::Crc32), ..Expected::default() };
    let mut receiving = buckets.receive_part(&begun, expected).await.unwrap();
    receiving.write(b"123456789").await.unwrap();
    let content = receiving.finish(None).await.unwrap();
    let part = buckets.put_part(&begun, 1, content).await.unwrap();
    assert_eq!(part.checksum.unwrap().algorithm, Algorithm::Crc32);
    let complete = Complete { parts: vec![(1, part.etag)], ..Complete::default() };
    let stored = buckets.complete_upload(&begun, complete).await.unwrap();
    let checksum = stored.checksum.unwrap();
    // The check value of CRC-64/NVME.
    assert_eq!((checksum.algorithm, checksum.value.as_str()), (Algorithm::DEFAULT, "rosUhgp5mIg="));
    assert_eq!(stored.checksum_kind, ChecksumKind::FullObject);
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let (_directory, buckets) = with_bucket().await;
    let mut expected = Vec::new();
    for key in ["a", "a", "d/x", "d/y", "e"] {
        let begun = upload(&buckets, key).await;
        expected.push((begun.key, begun.id));
    }
    expected.sort();
    for (delimiter, prefixes) in [(None, 0), (Some("/".to_owned()), 1)] {
        let mut list = List { delimiter, items_max: 1, ..List::default() };
        let (mut seen, mut rolled) = (Vec::new(), Vec::new());
        loop {
            let page = buckets.list_uploads("bucket", &list).await.unwrap();
            assert!(page.uploads.len() + page.prefixes.len() <= 1);
            seen.extend(page.uploads.into_iter().map(|upload| (upload.key, upload.id)));
            rolled.extend(page.prefixes);
            let Some((key, id)) = page.next else { break };
            list = List { after: Some(key), after_version: id, ..list };
        }
        assert_eq!(rolled.len(), prefixes);
        let own = expected.iter().filter(|(key, _)| prefixes == 0 || !key.starts_with("d/"));
        assert_eq!(seen, own.cloned().collect::<Vec<_>>());
    }
    buckets.delete("bucket").await.unwrap();
}
