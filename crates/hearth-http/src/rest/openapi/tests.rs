//! What becomes of documents.

use hearth_types::names::{AccountId, Region};
use serde_json::json;

use super::super::record::{Authorization, AuthorizerKind, Passthrough};
use super::*;

const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations";

fn options() -> Options {
    Options { base_path: BasePath::Ignore, warned: Warned::Taken, endpoint: None }
}

fn made(document: &Value, options: &Options) -> Result<RestApi, RestError> {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    import(&scope, document.to_string().as_bytes(), options, Timestamp(1))
}

fn document() -> Value {
    json!({
        "openapi": "3.0.1",
        "info": { "title": "pets", "version": "2" },
        "servers": [{ "url": "https://example.com/{basePath}/b", "variables": { "basePath": { "default": "/a" } } }],
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-api-key-source": "AUTHORIZER",
        "components": {
            "securitySchemes": {
                "mine": {
                    "type": "apiKey", "name": "Authorization", "in": "header",
                    "x-amazon-apigateway-authtype": "custom",
                    "x-amazon-apigateway-authorizer": { "type": "token", "authorizerUri": FUNCTION, "authorizerResultTtlInSeconds": 0 },
                },
                "key": { "type": "apiKey", "name": "x-api-key", "in": "header" },
            },
            "parameters": { "limit": { "name": "limit", "in": "query", "required": false } },
        },
        "security": [{ "mine": [] }],
        "paths": {
            "/pets/{id}": {
                "parameters": [{ "name": "id", "in": "path", "required": true }],
                "get": {
                    "operationId": "getPet",
                    "parameters": [{ "$ref": "#/components/parameters/limit" }],
                    "security": [{ "mine": [], "key": [] }],
                    "responses": { "200": { "description": "a pet" } },
                    "x-amazon-apigateway-integration": {
                        "type": "aws_proxy", "httpMethod": "post", "uri": FUNCTION,
                        "passthroughBehavior": "when_no_match", "timeoutInMillis": 1_000,
                        "contentHandling": "CONVERT_TO_TEXT",
                        "responses": { "default": { "statusCode": "200" } },
                    },
                },
                "options": {
                    "security": [],
                    "responses": { "204": { "headers": { "Access-Control-Allow-Origin": { "schema": { "type": "string" } } } } },
                    "x-amazon-apigateway-integration": {
                        "type": "mock",
                        "requestTemplates": { "application/json": "{statusCode:204}" },
                        "responses": { "default": {
                            "statusCode": "204",
                            "responseParameters": { "method.response.header.Access-Control-Allow-Origin": "'*'" },
                        } },
                    },
                },
            },
            "/{proxy+}": {
                "x-amazon-apigateway-any-method": {
                    "x-amazon-apigateway-auth": { "type": "NONE" },
                    "x-amazon-apigateway-integration": { "type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION },
                },
            },
        },
    })
}

#[test]
fn a_document_becomes_an_api() {
    let api = made(&document(), &options()).unwrap();
    assert_eq!((api.name.as_str(), api.version.as_deref()), ("pets", Some("2")));
    assert_eq!(api.binary_types, ["image/png"]);
    assert_eq!(api.key_source, KeySource::Authorizer);
    assert_eq!(api.warnings, Vec::<String>::new());
    let authorizer = api.authorizers.values().next().unwrap();
    assert_eq!((authorizer.name.as_str(), authorizer.kind), ("mine", AuthorizerKind::Token));
    assert_eq!(authorizer.identity_source, "method.request.header.Authorization");
    assert_eq!(authorizer.ttl_seconds, 0);

    let at = |path: &str| api.resources.values().find(|one| one.path == path).unwrap();
    let get = &at("/pets/{id}").methods["GET"];
    assert_eq!(get.authorization, Authorization::Custom);
    assert_eq!(get.authorizer.as_ref(), Some(&authorizer.id));
    assert!(get.key_required);
    let parameters = [
        ("method.request.path.id".to_owned(), true),
        ("method.request.querystring.limit".to_owned(), false),
    ];
    assert_eq!(get.request_parameters, parameters.into());
    let integration = get.integration.as_ref().unwrap();
    assert_eq!(integration.kind, IntegrationKind::AwsProxy);
    assert_eq!(integration.passthrough, Passthrough::WhenNoMatch);
    assert_eq!(integration.timeout_millis, 1_000);
    assert_eq!(integration.method.as_deref(), Some("POST"));

    let options = &at("/pets/{id}").methods["OPTIONS"];
    assert_eq!(options.authorization, Authorization::None);
    let response = &options.integration.as_ref().unwrap().responses["204"];
    assert_eq!(response.selection, None);
    assert_eq!(response.parameters.len(), 1);
    assert_eq!(at("/{proxy+}").methods[ANY].authorization, Authorization::None);
}

#[test]
fn the_path_of_the_server_stands_before_all_paths_if_it_should() {
    #[rustfmt::skip]
    let rows = [
        (BasePath::Ignore,  "/pets/{id}"),
        (BasePath::Prepend, "/a/b/pets/{id}"),
        (BasePath::Split,   "/b/pets/{id}"),
    ];
    for (base_path, expected) in rows {
        let api = made(&document(), &Options { base_path, ..options() }).unwrap();
        assert!(api.resources.values().any(|one| one.path == expected), "{base_path:?}");
    }
    let old = json!({ "swagger": "2.0", "info": { "title": "old" }, "basePath": "/v1", "paths": { "/a": {} } });
    let api = made(&old, &Options { base_path: BasePath::Prepend, ..options() }).unwrap();
    assert!(api.resources.values().any(|one| one.path == "/v1/a"));
}

#[test]
fn what_cannot_be_is_refused() {
    let vtl = json!({ "type": "aws", "httpMethod": "POST", "uri": FUNCTION });
    #[rustfmt::skip]
    let rows = [
        ("/openapi",                       json!("2.5"),        "neither Swagger 2.0 nor OpenAPI 3"),
        ("/info/title",                    json!(null),         "info.title is missing"),
        ("/paths/~1pets~1{id}",            json!([]),           "is not an object"),
        ("/paths/~1pets~1{id}/get/x-amazon-apigateway-integration", vtl, "integrations of type AWS"),
        ("/paths/~1pets~1{id}/get/x-amazon-apigateway-integration/uri", json!({ "Fn::Sub": "x" }), "is not a text"),
        ("/components/securitySchemes/mine/x-amazon-apigateway-authorizer/type", json!("cognito_user_pools"), "Cognito"),
        ("/paths/~1pets~1{id}/options/x-amazon-apigateway-integration/requestTemplates/application~1json", json!("#set($a = 1)"), "VTL"),
    ];
    for (pointer, value, expected) in rows {
        let mut document = document();
        *document.pointer_mut(pointer).unwrap() = value;
        let told = made(&document, &options()).unwrap_err().to_string();
        assert!(told.contains(expected), "{pointer}: {told}");
    }
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let told = import(&scope, b"openapi: 3.0.1", &options(), Timestamp(1)).unwrap_err();
    assert!(told.to_string().contains("YAML"), "{told}");
}

#[test]
fn warnings_are_said_or_refuse() {
    let mut document = document();
    document["x-amazon-apigateway-gateway-responses"] = json!({ "DEFAULT_4XX": {} });
    assert_eq!(made(&document, &options()).unwrap().warnings.len(), 1);
    let refused = made(&document, &Options { warned: Warned::Refused, ..options() });
    assert!(refused.unwrap_err().to_string().contains("gateway-responses"));
}

#[test]
fn what_is_read_again_replaces_or_adds() {
    let mut api = made(&document(), &options()).unwrap();
    let (id, root) = (api.id.clone(), api.root.clone());
    let authorizer = api.authorizers.keys().next().unwrap().clone();
    let mut more = document();
    more["info"]["title"] = json!("more");
    let paths = more["paths"].as_object_mut().unwrap();
    let get = paths["/pets/{id}"]["get"].clone();
    paths.clear();
    paths.insert("/dogs".to_owned(), json!({ "get": get }));

    api.merge(made(&more, &options()).unwrap()).unwrap();
    let paths = |api: &RestApi| {
        let mut paths: Vec<String> = api.resources.values().map(|one| one.path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(paths(&api), ["/", "/dogs", "/pets", "/pets/{id}", "/{proxy+}"]);
    assert_eq!(api.name, "pets");
    let dogs = api.resources.values().find(|one| one.path == "/dogs").unwrap();
    assert_eq!(dogs.methods["GET"].authorizer.as_deref(), Some(authorizer.as_str()));

    api.overwrite(made(&more, &options()).unwrap()).unwrap();
    assert_eq!(paths(&api), ["/", "/dogs"]);
    assert_eq!((api.name.as_str(), &api.id, &api.root), ("more", &id, &root));
    assert_eq!(api.authorizers.len(), 1);
}

#[test]
fn merging_goes_no_further_than_the_bounds() {
    let with_types = |first: usize| {
        let types: Vec<String> = (first..first + 60).map(|number| format!("a/{number}")).collect();
        let mut document = document();
        document["x-amazon-apigateway-binary-media-types"] = json!(types);
        made(&document, &options()).unwrap()
    };
    let mut api = with_types(0);
    api.merge(with_types(0)).unwrap();
    assert!(matches!(api.merge(with_types(60)), Err(RestError::TooMany(_))));
}
