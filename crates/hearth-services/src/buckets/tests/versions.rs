//! Versions, and their listings.

use super::*;

async fn listed(buckets: &Buckets, list: &List) -> VersionListing {
    buckets.list_versions("bucket", list).await.unwrap()
}

fn ids(listing: &VersionListing) -> Vec<&str> {
    listing.versions.iter().map(|one| one.version.id.as_str()).collect()
}

#[tokio::test]
async fn versions_are_kept_and_deleted_one_by_one() {
    let (directory, buckets) = with_bucket().await;
    assert_eq!(put(&buckets, "key", b"null").await.version, None);
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let first = put(&buckets, "key", &large(1)).await.version.unwrap();
    let second = put(&buckets, "key", b"second").await.version.unwrap();
    for (id, bytes) in
        [("null", b"null".to_vec()), (&*first, large(1)), (&*second, b"second".to_vec())]
    {
        assert_eq!(get(&buckets, &version("key", id)).await.unwrap(), bytes, "{id}");
    }
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"second");

    let marker = delete(&buckets, &name("key")).await;
    assert!(marker.is_marker);
    let marker = marker.version.unwrap();
    assert_eq!(get(&buckets, &name("key")).await, Err("NoSuchKey".to_owned()));
    let of_marker = get(&buckets, &version("key", &marker)).await;
    assert_eq!(of_marker, Err("MethodNotAllowed".to_owned()));
    assert_eq!(get(&buckets, &version("key", "x")).await, Err("NoSuchVersion".to_owned()));
    let list = List { items_max: 10, ..List::default() };
    assert!(buckets.list_objects("bucket", &list).await.unwrap().objects.is_empty());
    let all = listed(&buckets, &list).await;
    assert_eq!(ids(&all), [&*marker, &*second, &*first, "null"]);
    let refused = buckets.delete("bucket").await.unwrap_err();
    assert!(matches!(refused, BucketError::BucketHasVersions));

    assert!(delete(&buckets, &version("key", &marker)).await.is_marker);
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"second");
    buckets.set_versioning("bucket", Versioning::Suspended).await.unwrap();
    assert_eq!(put(&buckets, "key", b"again").await.version.as_deref(), Some("null"));
    assert_eq!(get(&buckets, &version("key", "null")).await.unwrap(), b"again");
    assert_eq!(ids(&listed(&buckets, &list).await), ["null", &*second, &*first]);
    for id in ["null", &*first, &*second] {
        delete(&buckets, &version("key", id)).await;
    }
    assert_eq!(files(directory.path()), 0);
    buckets.delete("bucket").await.unwrap();
}

#[tokio::test]
async fn a_version_without_an_id_is_one_however_often_versions_come_and_go() {
    let (_directory, buckets) = with_bucket().await;
    let list = List { items_max: 10, ..List::default() };
    put(&buckets, "key", b"0").await;
    for round in 0..3_u8 {
        buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
        put(&buckets, "key", b"with an id").await;
        buckets.set_versioning("bucket", Versioning::Suspended).await.unwrap();
        // A marker is one as well.
        delete(&buckets, &name("key")).await;
        put(&buckets, "key", &[round]).await;
        let all = listed(&buckets, &list).await;
        assert_eq!(ids(&all).iter().filter(|id| **id == NULL_VERSION).count(), 1);
        assert_eq!(all.versions.len(), usize::from(round) + 2);
        assert_eq!(get(&buckets, &version("key", NULL_VERSION)).await.unwrap(), [round]);
    }
}

#[tokio::test]
async fn pages_go_on_within_a_key() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    for key in ["a", "d/x", "e"] {
        put(&buckets, key, b"old").await;
        put(&buckets, key, b"new").await;
    }
    let delimiter = Some("/".to_owned());
    let mut list = List { delimiter, items_max: 1, ..List::default() };
    let mut seen = Vec::new();
    loop {
        let page = listed(&buckets, &list).await;
        seen.extend(page.prefixes);
        let shown = |one: ListedVersion| format!("{} {}", one.key, one.is_latest);
        seen.extend(page.versions.into_iter().map(shown));
        let Some((key, version)) = page.next else { break };
        list = List { after: Some(key), after_version: version, ..list };
    }
    assert_eq!(seen, ["a true", "a false", "d/", "e true", "e false"]);
}

#[tokio::test]
async fn a_page_goes_on_behind_a_version_that_was_deleted_meanwhile() {
    let (_directory, buckets) = with_bucket().await;
    put(&buckets, "a", b"null").await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let mut all = vec![NULL_VERSION.to_owned()];
    for _put in 0..4 {
        all.insert(0, put(&buckets, "a", b"x").await.version.unwrap());
    }
    // As tools empty a bucket: page by page, each deleted when it was listed.
    let mut list = List { items_max: 2, ..List::default() };
    let mut seen = Vec::new();
    loop {
        let page = listed(&buckets, &list).await;
        for one in &page.versions {
            delete(&buckets, &version("a", &one.version.id)).await;
            seen.push(one.version.id.clone());
        }
        let Some((key, version)) = page.next else { break };
        list = List { after: Some(key), after_version: version, ..list };
    }
    assert_eq!(seen, all);
    buckets.delete("bucket").await.unwrap();
}

#[tokio::test]
async fn a_key_with_many_versions_is_listed_in_one_page_or_in_many() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let mut expected = Vec::new();
    for key in ["a", "b"] {
        let mut of_key = Vec::new();
        for _put in 0..70 {
            of_key.insert(0, put(&buckets, key, b"x").await.version.unwrap());
        }
        expected.extend(of_key);
    }
    let delimiter = Some("/".to_owned());
    for items_max in [1_000, 64, 33] {
        let mut list = List { items_max, delimiter: delimiter.clone(), ..List::default() };
        let mut seen = Vec::new();
        loop {
            let page = listed(&buckets, &list).await;
            seen.extend(page.versions.into_iter().map(|one| one.version.id));
            let Some((key, version)) = page.next else { break };
            list = List { after: Some(key), after_version: version, ..list };
        }
        assert_eq!(seen, expected, "{items_max}");
    }
}
