//! What is kept of REST APIs, keys and plans, over a restart as well.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_store::records::memory::MemoryRecords;
use hearth_types::names::{AccountId, Region};
use hearth_types::testing::StandingClock;

use super::edit::api::NewApi;
use super::edit::integration::NewIntegration;
use super::edit::method::NewMethod;
use super::edit::stage::NewStage;
use super::keys::edit::{NewKey, NewPlan};
use super::keys::record::{ApiKey, Period, PlanStage, Quota, UsagePlan};
use super::*;

const NOW: Timestamp = Timestamp(1_795_404_035_123);

async fn opened(records: &Arc<MemoryRecords>) -> RestApis {
    let records: Arc<dyn Records> = Arc::clone(records) as _;
    RestApis::open(records, StandingClock::at(NOW), Tasks::default()).await.unwrap()
}

fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

fn api() -> RestApi {
    let new = NewApi { name: "pets".to_owned(), ..NewApi::default() };
    RestApi::new(&scope(), new, Timestamp(1)).unwrap()
}

fn add_mock(api: &mut RestApi, path: &str) -> Result<(), RestError> {
    let resource = api.resource_at(path)?.id.clone();
    let method = NewMethod { authorization: "NONE".to_owned(), ..NewMethod::default() };
    api.put_method((&resource, "GET"), method)?;
    let mock = NewIntegration { kind: "MOCK".to_owned(), ..NewIntegration::default() };
    api.put_integration((&resource, "GET"), mock).map(drop)
}

fn paths(apis: &RestApis, api: &RestApi, stage: &str) -> Vec<String> {
    let served = apis.served(api, &api.stages[stage]).unwrap();
    let mut paths: Vec<String> = served.resources.values().map(|one| one.path.clone()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_stage_serves_what_was_deployed_and_not_what_came_after() {
    let records = Arc::new(MemoryRecords::default());
    let apis = opened(&records).await;
    let here = scope();
    let created = apis.create(api()).await.unwrap();
    let at = (&here, created.id.as_str());
    let deployed = apis.change(at, |api| {
        add_mock(api, "/a")?;
        let deployment = api.create_deployment(None, Timestamp(2))?.id;
        let stage = NewStage { name: "prod".to_owned(), deployment, ..NewStage::default() };
        api.create_stage(stage, Timestamp(2))
    });
    deployed.await.unwrap();
    let (changed, ()) = apis.change(at, |api| add_mock(api, "/b")).await.unwrap();
    assert_eq!(paths(&apis, &changed, "prod"), ["/", "/a"]);

    let refused = apis.change(at, |api| {
        "gone".clone_into(&mut api.name);
        api.delete_deployment(&api.stages["prod"].deployment.clone())
    });
    assert!(refused.await.is_err());

    let apis = opened(&records).await;
    let found = apis.find(&created.id).unwrap();
    assert_eq!(*found, *changed);
    assert_eq!(paths(&apis, &found, "prod"), ["/", "/a"]);
    apis.delete(&here, &created.id).await.unwrap();
    assert!(apis.find(&created.id).is_none());
    assert!(records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_admitted_by_its_plan_and_its_usage_is_kept() {
    let records = Arc::new(MemoryRecords::default());
    let apis = opened(&records).await;
    let (here, now) = (scope(), NOW);
    let key = |name: &str| {
        let new = NewKey { name: Some(name.to_owned()), enabled: true, ..NewKey::default() };
        ApiKey::new(&here, new, now).unwrap()
    };
    let one = apis.keys.create_key(key("one")).await.unwrap();
    assert!(apis.keys.create_key(ApiKey::clone(&one)).await.is_err(), "its value is taken");
    let quota = Quota { limit: 2, offset: 0, period: Period::Day };
    let stage =
        PlanStage { api: "abc".to_owned(), stage: "prod".to_owned(), throttle: BTreeMap::new() };
    let plan = |name: &str| {
        let (stages, quota) = (vec![stage.clone()], Some(quota));
        let new = NewPlan { name: name.to_owned(), stages, quota, ..NewPlan::default() };
        UsagePlan::new(&here, new, now).unwrap()
    };
    let basic = apis.keys.create_plan(plan("basic")).await.unwrap();
    let admit = |apis: &RestApis, stage| apis.keys.admit(&here, &one.value, ("abc", stage));
    assert!(admit(&apis, "prod").is_none(), "it is in no plan");
    let with_key = apis.keys.change_plan((&here, &basic.id), |plan| plan.add_key(&one.id));
    with_key.await.unwrap();
    assert!(admit(&apis, "test").is_none());
    let admitted = admit(&apis, "prod").unwrap();
    let counts: Vec<bool> = (0..3).map(|_| apis.keys.count(&admitted, now).is_ok()).collect();
    assert_eq!(counts, [true, true, false]);

    let other = apis.keys.create_plan(plan("other")).await.unwrap();
    let twice = apis.keys.change_plan((&here, &other.id), |plan| plan.add_key(&one.id)).await;
    assert!(matches!(twice, Err(RestError::Conflict(_))), "{twice:?}");

    tokio::time::sleep(Duration::from_millis(limits::USAGE_KEPT_AFTER_MILLIS + 1)).await;
    let apis = opened(&records).await;
    let plan = apis.keys.plan(&here, &basic.id).unwrap();
    let today = keys::usage::day_of(now);
    let used = apis.keys.usage(&plan, (today, today));
    assert_eq!(used, [(one.id.clone(), vec![vec![2, 0]])]);

    apis.keys.delete_key(&here, &one.id).await.unwrap();
    assert!(admit(&apis, "prod").is_none());
    assert!(apis.keys.plan(&here, &basic.id).unwrap().keys.is_empty());
    apis.keys.forget_stages(&here, "abc", None).await.unwrap();
    apis.keys.delete_plan(&here, &basic.id).await.unwrap();
}
