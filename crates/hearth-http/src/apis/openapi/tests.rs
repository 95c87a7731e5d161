//! What becomes of documents.

use hearth_types::names::{AccountId, Region};
use serde_json::json;

use super::*;
use crate::apis::record::{IntegrationKind, PayloadFormat};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn made(document: &Value, options: &Options) -> Result<Api, ApiError> {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    import(&scope, &document.to_string(), options, Timestamp(1))
}

fn options(base_path: BasePath) -> Options {
    Options { base_path, warned: Warned::Taken }
}

fn document() -> Value {
    json!({
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "2", "description": "of ours"},
        "servers": [{"url": "https://{host}/{base}/v1", "variables": {
            "host": {"default": "example.com"}, "base": {"default": "/a"},
        }}],
        "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "blue"}, {"name": "docs"}],
        "x-amazon-apigateway-cors": {"allowOrigins": ["https://example.com"], "maxAge": 5},
        "components": {
            "securitySchemes": {
                "tokens": {"type": "oauth2", "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["me"]},
                }},
                "asks": {"type": "apiKey", "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "authorizerUri": FUNCTION,
                    "authorizerPayloadFormatVersion": "2.0",
                    "identitySource": "$request.header.A, $request.querystring.b",
                    "enableSimpleResponses": true,
                    "authorizerResultTtlInSeconds": 0,
                }},
            },
            "x-amazon-apigateway-integrations": {
                "shared": {"type": "AWS_PROXY", "uri": FUNCTION, "httpMethod": "POST",
                    "payloadFormatVersion": "2.0", "timeoutInMillis": 1000},
            },
        },
        "paths": {
            "/pets/{id}": {
                "parameters": [],
                "get": {
                    "operationId": "pet",
                    "security": [{"tokens": ["read"]}],
                    "x-amazon-apigateway-integration":
                        {"$ref": "#/components/x-amazon-apigateway-integrations/shared"},
                },
                "x-amazon-apigateway-any-method": {
                    "security": [{"asks": []}],
                    "x-amazon-apigateway-integration":
                        {"$ref": "#/components/x-amazon-apigateway-integrations/shared"},
                },
            },
            "/$default": {"x-amazon-apigateway-any-method": {
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy", "httpMethod": "ANY", "uri": "https://example.com",
                    "payloadFormatVersion": "1.0",
                },
            }},
        },
    })
}

#[test]
fn a_document_becomes_an_api() {
    let api = made(&document(), &options(BasePath::Ignore)).unwrap();
    assert_eq!((api.name.as_str(), api.version.as_deref()), ("pets", Some("2")));
    assert_eq!(api.tags, [("team".to_owned(), "blue".to_owned())].into());
    assert_eq!(api.cors.as_ref().and_then(|cors| cors.max_age_seconds), Some(5));
    assert_eq!(api.integrations.len(), 2, "what is referred to is made once");
    assert_eq!(api.warnings, Vec::<String>::new());
    let route = |key: &str| api.routes.values().find(|route| route.key == key).expect(key);
    let pet = route("GET /pets/{id}");
    assert_eq!(pet.authorization, Authorization::Jwt);
    assert_eq!(
        (pet.scopes.as_slice(), pet.operation_name.as_deref()),
        (&["read".to_owned()][..], Some("pet"))
    );
    let shared = &api.integrations[pet.integration.as_deref().unwrap()];
    assert_eq!((shared.timeout_millis, shared.payload_format), (1_000, PayloadFormat::Two));
    let any = route("ANY /pets/{id}");
    assert_eq!(any.authorization, Authorization::Custom);
    let asks = &api.authorizers[any.authorizer.as_deref().unwrap()];
    assert_eq!(asks.identity_sources, ["$request.header.A", "$request.querystring.b"]);
    let rest = &api.integrations[route("$default").integration.as_deref().unwrap()];
    assert_eq!(rest.kind, IntegrationKind::HttpProxy);
}

#[test]
fn the_path_of_the_server_stands_before_all_paths_if_it_should() {
    for (base_path, key) in [
        (BasePath::Ignore, "GET /pets/{id}"),
        (BasePath::Prepend, "GET /a/v1/pets/{id}"),
        (BasePath::Split, "GET /v1/pets/{id}"),
    ] {
        let api = made(&document(), &options(base_path)).unwrap();
        assert!(api.routes.values().any(|route| route.key == key), "{key}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let with = |path: &str, value: Value| {
        let mut document = document();
        *document.pointer_mut(path).expect(path) = value;
        document
    };
    let operation = "/paths/~1pets~1{id}/get/x-amazon-apigateway-integration";
    #[rustfmt::skip]
    let rows = [
        (with("/openapi", json!("2.0")),                     "OpenAPI 3.0 only"),
        (with("/info", json!({})),                           "info.title is missing"),
        (with(operation, json!({"$ref": "#/other"})),        "there is no #/other"),
        (with(operation, json!({"type": "aws"})),            "cannot have the type AWS"),
        (with(operation, json!({"type": "aws_proxy", "uri": FUNCTION, "requestParameters": {"a": "b"}})), "Hearth does not support requestParameters"),
        (with("/paths/~1pets~1{id}/get/security", json!([{"none": []}])), "security scheme none"),
    ];
    for (document, expected) in rows {
        let text = made(&document, &options(BasePath::Ignore)).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let yaml = import(&scope, "openapi: 3.0.1\n", &options(BasePath::Ignore), Timestamp(1));
    assert!(yaml.unwrap_err().to_string().contains("not in YAML"));
}

#[test]
fn warnings_are_said_or_refuse() {
    let mut document = document();
    document["paths"]["/pets/{id}"]["trace"] = json!({});
    document["paths"]["/none"] = json!({"get": {}});
    let api = made(&document, &options(BasePath::Ignore)).unwrap();
    assert_eq!(api.warnings.len(), 2, "{:?}", api.warnings);
    let refused = Options { base_path: BasePath::Ignore, warned: Warned::Refused };
    let text = made(&document, &refused).unwrap_err().to_string();
    assert!(text.starts_with("Warnings found during import"), "{text}");
}

#[test]
fn what_is_read_again_keeps_its_stages() {
    let mut api = made(&document(), &options(BasePath::Ignore)).unwrap();
    let id = api.id.clone();
    api.create_stage("v1", Default::default(), Timestamp(2)).unwrap();
    let mut other = document();
    other["info"]["title"] = json!("others");
    api.replace_definition(made(&other, &options(BasePath::Ignore)).unwrap()).unwrap();
    assert_eq!((api.name.as_str(), api.id, api.stages.len()), ("others", id, 1));
}
