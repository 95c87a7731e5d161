//! What is kept of APIs, over a restart as well.

use hearth_store::sqlite::Sqlite;
use hearth_types::names::{AccountId, Region};
use hearth_types::time::SystemClock;

use super::record::{
    Authorization, Integration, IntegrationKind, IpAddressType, PayloadFormat, Protocol, Route,
    RouteSettings,
};
use super::*;

fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

fn api() -> Api {
    Api {
        scope: scope(),
        id: new_id(10),
        protocol: Protocol::Http,
        name: "pets".to_owned(),
        description: None,
        version: None,
        route_selection: "$request.method $request.path".to_owned(),
        api_key_selection: "$request.header.x-api-key".to_owned(),
        cors: None,
        endpoint_disabled: false,
        schema_validation_disabled: None,
        addresses: IpAddressType::V4,
        created: Timestamp(1),
        tags: [].into(),
        warnings: Vec::new(),
        routes: [].into(),
        integrations: [].into(),
        authorizers: [].into(),
        stages: [].into(),
        deployments: [].into(),
    }
}

fn route(key: &str) -> Route {
    Route {
        id: new_id(7),
        key: key.to_owned(),
        integration: Some("i".to_owned()),
        authorization: Authorization::None,
        authorizer: None,
        scopes: Vec::new(),
        operation_name: None,
        response_selection: None,
        responses: [].into(),
        managed: false,
    }
}

fn stage(name: &str, auto_deploy: bool) -> Stage {
    Stage {
        name: name.to_owned(),
        description: None,
        deployment: None,
        auto_deploy,
        variables: [].into(),
        default_settings: RouteSettings::default(),
        route_settings: [].into(),
        created: Timestamp(1),
        updated: Timestamp(1),
        deployment_message: None,
        tags: [].into(),
        managed: false,
    }
}

fn integration() -> Integration {
    Integration {
        id: "i".to_owned(),
        kind: IntegrationKind::AwsProxy,
        description: None,
        method: None,
        uri: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        payload_format: PayloadFormat::Two,
        timeout_millis: 30_000,
        credentials: None,
        managed: false,
    }
}

fn add(api: &mut Api, route: Route) -> Result<(), ApiError> {
    api.routes.insert(route.id.clone(), route);
    Ok(())
}

fn served(apis: &Apis, api: &Api, stage: &str) -> Option<Vec<String>> {
    let snapshot = apis.served(api, &api.stages[stage])?;
    let mut keys: Vec<String> = snapshot.routes.values().map(|route| route.key.clone()).collect();
    keys.sort();
    Some(keys)
}

#[tokio::test]
async fn only_stages_that_deploy_automatically_serve_a_change_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hearth.db");
    let store = Sqlite::open(&file).await.unwrap();
    let apis = Apis::open(Arc::new(store.clone()), Arc::new(SystemClock)).await.unwrap();
    let created = apis.create(api()).await.unwrap();
    let here = scope();
    let at = (&here, created.id.as_str());

    let staged = apis.change(at, |api| {
        api.integrations.insert("i".to_owned(), integration());
        api.stages.insert("auto".to_owned(), stage("auto", true));
        api.stages.insert("slow".to_owned(), stage("slow", false));
        Ok(())
    });
    let (staged, ()) = staged.await.unwrap();
    let message = staged.stages["auto"].deployment_message.clone().unwrap();
    assert!(message.contains(NO_ROUTES), "{message}");
    assert_eq!(served(&apis, &staged, "auto"), None);

    let (routed, ()) = apis.change(at, |api| add(api, route("GET /a"))).await.unwrap();
    assert_eq!(served(&apis, &routed, "auto"), Some(vec!["GET /a".to_owned()]));
    assert_eq!(served(&apis, &routed, "slow"), None);

    let deployed = apis.change(at, |api| {
        let deployment = new_deployment(None, Timestamp(2));
        api.stages.get_mut("slow").unwrap().deployment = Some(deployment.id.clone());
        api.deployments.insert(deployment.id.clone(), deployment);
        Ok(())
    });
    deployed.await.unwrap();
    let (last, ()) = apis.change(at, |api| add(api, route("GET /b"))).await.unwrap();
    let both = Some(vec!["GET /a".to_owned(), "GET /b".to_owned()]);
    assert_eq!(served(&apis, &last, "auto"), both);
    assert_eq!(served(&apis, &last, "slow"), Some(vec!["GET /a".to_owned()]));
    assert_eq!(last.deployments.len(), 2, "automatic ones that are not served are forgotten");

    store.close().await;
    let store = Sqlite::open(&file).await.unwrap();
    let apis = Apis::open(Arc::new(store.clone()), Arc::new(SystemClock)).await.unwrap();
    let found = apis.find(&created.id).unwrap();
    assert_eq!(*found, *last);
    assert_eq!(served(&apis, &found, "auto"), both);

    apis.delete(&here, &created.id).await.unwrap();
    assert!(apis.find(&created.id).is_none());
    assert!(apis.snapshots.all().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_change_that_refuses_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let apis = Apis::open(Arc::new(store.clone()), Arc::new(SystemClock)).await.unwrap();
    let created = apis.create(api()).await.unwrap();
    let here = scope();
    let refused: Result<(Arc<Api>, ()), ApiError> = apis
        .change((&here, &created.id), |api| {
            api.name = "changed".to_owned();
            Err(ApiError::invalid("no"))
        })
        .await;
    assert!(matches!(refused, Err(ApiError::Invalid(_))), "{refused:?}");
    assert_eq!(*apis.get(&here, &created.id).unwrap(), *created);
    store.close().await;
}

#[test]
fn ids_begin_with_a_letter() {
    for characters in [6, 7, 10] {
        let id = new_id(characters);
        assert_eq!(id.len(), characters);
        assert!(id.starts_with(|first: char| first.is_ascii_lowercase()), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{id}");
    }
}
