//! What may be done to an API, and what may not.

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;

use super::super::patch::{self, Patch};
use super::super::record::{Authorization, IntegrationResponse, MethodResponse, RestApi};
use super::api::NewApi;
use super::authorizer::NewAuthorizer;
use super::integration::NewIntegration;
use super::method::NewMethod;
use super::stage::NewStage;

const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations";
const NOW: Timestamp = Timestamp(5);

fn api() -> RestApi {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let new = NewApi { name: "pets".to_owned(), ..NewApi::default() };
    RestApi::new(&scope, new, Timestamp(1)).unwrap()
}

fn patches(all: &[(&str, &str, &str)]) -> Vec<Patch> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let given = all.iter().map(|(op, path, value)| (some(op), some(path), some(value)));
    patch::read(given.collect()).unwrap()
}

/// An API with `GET /pets`, which has an integration of this kind.
fn with_method(kind: &str) -> (RestApi, String) {
    let mut api = api();
    let resource = api.resource_at("/pets").unwrap().id.clone();
    let method = NewMethod { authorization: "NONE".to_owned(), ..NewMethod::default() };
    api.put_method((&resource, "GET"), method).unwrap();
    let new = integration(kind, Some(FUNCTION));
    api.put_integration((&resource, "GET"), new).unwrap();
    (api, resource)
}

fn integration(kind: &str, uri: Option<&str>) -> NewIntegration {
    NewIntegration {
        kind: kind.to_owned(),
        method: Some("POST".to_owned()),
        uri: uri.map(str::to_owned),
        ..NewIntegration::default()
    }
}

#[test]
fn resources_are_a_tree() {
    let mut api = api();
    let root = api.root.clone();
    let pets = api.create_resource(&root, "pets").unwrap();
    let one = api.create_resource(&pets.id, "{id}").unwrap();
    assert_eq!(one.path, "/pets/{id}");
    let all = api.create_resource(&one.id, "{rest+}").unwrap();
    #[rustfmt::skip]
    let rows = [
        (root.as_str(), "pets",    "Another resource with the same parent already has this name: pets"),
        (pets.id.as_str(), "{other}", "A sibling ({id}) of this resource already has a variable path part -- only one is allowed"),
        (pets.id.as_str(), "{all+}",  "A sibling ({id}) of this resource already has a variable path part -- only one is allowed"),
        (all.id.as_str(), "more",    "Cannot create a child of a resource with a greedy path variable."),
        (pets.id.as_str(), "{a}b",    "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end."),
        ("nothing",     "a",       "Invalid Resource identifier specified"),
    ];
    for (parent, part, text) in rows {
        let told = api.create_resource(parent, part).unwrap_err().to_string();
        assert_eq!(told, text, "{part}");
    }
    let renamed = api.patch_resource(&pets.id, &patches(&[("replace", "/pathPart", "dogs")]));
    assert_eq!(renamed.unwrap().path, "/dogs");
    assert_eq!(api.resource(&all.id).unwrap().path, "/dogs/{id}/{rest+}");
    let around = patches(&[("replace", "/parentId", all.id.as_str())]);
    assert!(api.patch_resource(&pets.id, &around).is_err(), "a circle");
    assert!(api.delete_resource(&root).is_err());
    api.delete_resource(&pets.id).unwrap();
    assert_eq!(api.resources.len(), 1);
}

#[test]
fn patches_of_an_api() {
    let mut api = api();
    let done = api.patch(&patches(&[
        ("replace", "/name", "dogs"),
        ("add", "/binaryMediaTypes/image~1png", ""),
        ("add", "/binaryMediaTypes/image~1*", ""),
        ("remove", "/binaryMediaTypes/image~1png", ""),
        ("replace", "/apiKeySource", "AUTHORIZER"),
        ("replace", "/endpointConfiguration/types/EDGE", "REGIONAL"),
        ("replace", "/disableExecuteApiEndpoint", "true"),
    ]));
    done.unwrap();
    assert_eq!(
        (api.name.as_str(), api.binary_types.as_slice()),
        ("dogs", ["image/*".to_owned()].as_slice())
    );
    assert!(api.endpoint_disabled);
    #[rustfmt::skip]
    let rows = [
        (("replace", "/nothing", "a"),                                 "Invalid patch path  '/nothing'"),
        (("replace", "/apiKeySource", "COOKIE"),                       "Invalid value COOKIE"),
        (("replace", "/minimumCompressionSize", "5"),                  "does not support minimumCompressionSize"),
        (("replace", "/endpointConfiguration/types/EDGE", "PRIVATE"),  "does not support private endpoints"),
        (("add", "/binaryMediaTypes/png", ""),                         "Invalid binary media type png"),
        (("replace", "/policy", "{}"),                                 "Invalid policy document"),
    ];
    for (patch, text) in rows {
        let told = api.patch(&patches(&[patch])).unwrap_err().to_string();
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn a_policy_may_have_short_forms() {
    let mut api = api();
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":["execute-api:/prod/GET/*"]}]}"#;
    api.set_policy(Some(policy.to_owned())).unwrap();
    let whole = format!("{}/prod/GET/*", api.execute_arn());
    assert!(api.policy.as_ref().unwrap().contains(&whole), "{:?}", api.policy);
}

#[test]
fn which_integrations_can_be() {
    let (mut api, resource) = with_method("AWS_PROXY");
    let place = (resource.as_str(), "GET");
    #[rustfmt::skip]
    let rows = [
        (integration("AWS", Some(FUNCTION)),                       Some("templates are in VTL")),
        (integration("AWS_PROXY", None),                           Some("Invalid ARN specified in the request")),
        (integration("AWS_PROXY", Some("arn:aws:apigateway:us-east-1:sqs:path/q")), Some("other services than Lambda")),
        (integration("HTTP_PROXY", Some("nowhere")),               Some("Invalid HTTP endpoint specified for URI")),
        (integration("HTTP_PROXY", Some("http://example.com/{proxy}")), None),
        (integration("MOCK", None),                                None),
        (NewIntegration { timeout_millis: Some(49), ..integration("MOCK", None) }, Some("Timeout should be between 50 ms and 29000 ms")),
        (integration("OTHER", None),                               Some("Invalid integration type specified")),
    ];
    for (new, text) in rows {
        let told = api.put_integration(place, new).err().map(|error| error.to_string());
        match (told, text) {
            (None, None) => {}
            (Some(told), Some(text)) => assert!(told.contains(text), "{told}"),
            (told, text) => panic!("{told:?} {text:?}"),
        }
    }
}

#[test]
fn a_mock_answers_what_its_method_may_answer() {
    let (mut api, resource) = with_method("MOCK");
    let place = (resource.as_str(), "GET");
    let header = "method.response.header.Access-Control-Allow-Origin".to_owned();
    let response = IntegrationResponse {
        parameters: [(header.clone(), "'*'".to_owned())].into(),
        ..IntegrationResponse::default()
    };
    let put = |api: &mut RestApi| api.put_integration_response(place, "200", response.clone());
    assert!(put(&mut api).is_err(), "the method does not answer so");
    let of_method = MethodResponse::default();
    api.put_method_response(place, "200", of_method).unwrap();
    assert!(put(&mut api).is_err(), "the response has no such header");
    api.delete_method_response(place, "200").unwrap();
    let parameters = [(header, false)].into();
    let of_method = MethodResponse { parameters, ..MethodResponse::default() };
    api.put_method_response(place, "200", of_method.clone()).unwrap();
    assert!(api.put_method_response(place, "200", of_method).is_err());
    put(&mut api).unwrap();
    api.delete_integration_response(place, "200").unwrap();
    assert!(api.integration_response(place, "200").is_err());
}

#[test]
fn methods_have_authorizers_that_are_there() {
    let (mut api, resource) = with_method("MOCK");
    let place = (resource.as_str(), "GET");
    let new = NewAuthorizer {
        name: "mine".to_owned(),
        kind: "TOKEN".to_owned(),
        uri: Some(FUNCTION.to_owned()),
        identity_source: Some("method.request.header.Authorization".to_owned()),
        ..NewAuthorizer::default()
    };
    let authorizer = api.create_authorizer(new.clone()).unwrap();
    assert_eq!(authorizer.ttl_seconds, 300);
    let told = api.create_authorizer(new.clone()).unwrap_err().to_string();
    assert!(told.contains("already exists in this RestApi"), "{told}");
    let query = Some("method.request.querystring.a".to_owned());
    let other = NewAuthorizer { name: "b".to_owned(), identity_source: query, ..new };
    assert!(api.create_authorizer(other).is_err(), "a token is in a header");

    let custom = patches(&[("replace", "/authorizationType", "CUSTOM")]);
    assert!(api.patch_method(place, &custom).is_err());
    let custom = patches(&[
        ("replace", "/authorizationType", "CUSTOM"),
        ("replace", "/authorizerId", authorizer.id.as_str()),
    ]);
    let method = api.patch_method(place, &custom).unwrap();
    assert_eq!(method.authorization, Authorization::Custom);
    assert!(api.delete_authorizer(&authorizer.id).is_err());
    let none = patches(&[("replace", "/authorizationType", "NONE")]);
    assert_eq!(api.patch_method(place, &none).unwrap().authorizer, None);
    api.delete_authorizer(&authorizer.id).unwrap();
}

#[test]
fn stages_have_variables_and_bounds() {
    let (mut api, _resource) = with_method("MOCK");
    let deployment = api.create_deployment(None, NOW).unwrap().id;
    let stage =
        NewStage { name: "prod".to_owned(), deployment: deployment.clone(), ..NewStage::default() };
    api.create_stage(stage.clone(), NOW).unwrap();
    assert_eq!(api.create_stage(stage, NOW).unwrap_err().to_string(), "Stage already exists");
    let done = api.patch_stage(
        "prod",
        &patches(&[
            ("add", "/variables/color", "blue"),
            ("replace", "/*/*/throttling/rateLimit", "2.5"),
            ("replace", "/*/*/throttling/burstLimit", "5"),
            ("replace", "/~1pets/GET/throttling/rateLimit", "1"),
            ("replace", "/a/b/GET/throttling/rateLimit", "3"),
            ("replace", "/*/*/logging/loglevel", "INFO"),
            ("replace", "/*/*/caching/enabled", "false"),
            ("replace", "/cacheClusterEnabled", "false"),
        ]),
        NOW,
    );
    let stage = done.unwrap();
    assert_eq!(stage.variables["color"], "blue");
    let of = |path: &str| stage.settings_of(path, "GET").map(|one| (one.rate, one.burst));
    assert_eq!(of("/"), Some((Some(2.5), Some(5))));
    assert_eq!(of("/pets"), Some((Some(1.0), None)));
    assert_eq!(of("/a/b"), Some((Some(3.0), None)));
    let keys: Vec<&String> = stage.settings.keys().collect();
    assert_eq!(keys, ["*/*", "a/b/GET", "~1pets/GET"]);
    #[rustfmt::skip]
    let rows = [
        (("replace", "/*/*/caching/enabled", "true"),       "does not support caching"),
        (("replace", "/accessLogSettings/format", "a"),     "does not support accessLogSettings"),
        (("replace", "/deploymentId", "nothing"),           "Invalid Deployment identifier specified"),
        (("replace", "/*/GET/throttling/rateLimit", "1"),   "Invalid patch path"),
        (("replace", "/variables/a-b", "1"),                "Invalid stage variable name"),
        (("replace", "/variables/a", "ü"),                  "Stage variable value"),
    ];
    for (patch, text) in rows {
        let told = api.patch_stage("prod", &patches(&[patch]), NOW).unwrap_err().to_string();
        assert!(told.contains(text), "{told}");
    }
    assert!(api.delete_deployment(&deployment).is_err());
    api.delete_stage("prod").unwrap();
    api.delete_deployment(&deployment).unwrap();
}

#[test]
fn what_has_no_methods_or_integrations_is_not_deployed() {
    let mut api = api();
    let told = |api: &mut RestApi| api.create_deployment(None, NOW).unwrap_err().to_string();
    assert_eq!(told(&mut api), "The REST API doesn't contain any methods");
    let root = api.root.clone();
    let method = NewMethod { authorization: "NONE".to_owned(), ..NewMethod::default() };
    api.put_method((&root, "ANY"), method.clone()).unwrap();
    assert_eq!(told(&mut api), "No integration defined for method");
    assert!(api.put_method((&root, "ANY"), method.clone()).is_err());
    let signed = NewMethod { authorization: "AWS_IAM".to_owned(), ..method };
    let refused = api.put_method((&root, "GET"), signed).unwrap_err().to_string();
    assert!(refused.contains("does not support the authorization type AWS_IAM"), "{refused}");
}
