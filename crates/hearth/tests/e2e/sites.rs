//! Functions behind each kind of site, for tests of requests.
//!
//! A [`Front`] is one way in. It is named by the path of requests or by their host; both lead to the
//! same function.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::http::Request;

/// Whose function it is, as ARNs name it.
const FUNCTIONS: &str = "arn:aws:lambda:us-east-1:000000000000:function";

/// The kinds of sites, each with the form that its events have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A function URL.
    Url,
    /// An HTTP API, with payload format 2.0.
    HttpTwo,
    /// An HTTP API, with payload format 1.0.
    HttpOne,
    /// A REST API.
    Rest,
    /// A load balancer, whose events have one value of each header.
    Balancer,
    /// A load balancer, whose events have lists of values.
    BalancerLists,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Url, Self::HttpTwo, Self::HttpOne, Self::Rest, Self::Balancer, Self::BalancerLists];

    /// Puts a site of this kind before a function, for everybody.
    pub(crate) fn before(self, server: &Server, function: &str) -> Front {
        self.patient(server, function, 29)
    }

    /// The same, with a time that the function may take; a function URL has none.
    pub(crate) fn patient(self, server: &Server, function: &str, seconds: u32) -> Front {
        let limit = json!({ "timeoutInMillis": seconds * 1_000 });
        match self {
            Self::Url => url(server, function, &json!({})),
            Self::HttpTwo => http_api(server, function, ("2.0", &limit), &json!({})),
            Self::HttpOne => http_api(server, function, ("1.0", &limit), &json!({})),
            Self::Rest => rest_api(server, function, &limit),
            Self::Balancer => balancer(server, function, ("false", seconds)),
            Self::BalancerLists => balancer(server, function, ("true", seconds)),
        }
    }
}

/// A way to a function.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    /// The host that leads there.
    pub(crate) host: String,
    /// What paths begin with at that host.
    pub(crate) base: &'static str,
    /// What paths begin with at any other.
    prefix: String,
}

impl Front {
    /// A request for a path there.
    pub(crate) fn request(&self, method: &'static str, path: &str) -> Request {
        Request::new(method, format!("{}{path}", self.prefix))
    }
}

/// Puts a URL before a function. The settings are those of the operation.
pub(crate) fn url(server: &Server, function: &str, settings: &Value) -> Front {
    let settings = joined(json!({ "AuthType": "NONE" }), settings);
    let made = made(server, &format!("/2021-10-31/functions/{function}/url"), &settings);
    permit(
        server,
        function,
        &json!({
            "StatementId": "url", "Principal": "*", "Action": "lambda:InvokeFunctionUrl",
            "FunctionUrlAuthType": "NONE",
        }),
    );
    permit(
        server,
        function,
        &json!({
            "StatementId": "through-url", "Principal": "*", "Action": "lambda:InvokeFunction",
            "InvokedViaFunctionUrl": true,
        }),
    );
    let host = host_of(text(&made, "FunctionUrl"));
    let id = host.split('.').next().unwrap_or_default();
    Front { base: "", prefix: format!("/_hearth/sites/url/{id}"), host }
}

/// Puts an HTTP API before a function, with a payload format, settings of the integration, and
/// settings of the API.
pub(crate) fn http_api(
    server: &Server,
    function: &str,
    (format, integration): (&str, &Value),
    settings: &Value,
) -> Front {
    let settings = joined(json!({ "name": function, "protocolType": "HTTP" }), settings);
    let api = made(server, "/v2/apis", &settings);
    let id = text(&api, "apiId");
    let integration = joined(
        json!({
            "integrationType": "AWS_PROXY",
            "integrationUri": format!("{FUNCTIONS}:{function}"),
            "payloadFormatVersion": format,
        }),
        integration,
    );
    let integration = made(server, &format!("/v2/apis/{id}/integrations"), &integration);
    let target = format!("integrations/{}", text(&integration, "integrationId"));
    let route = json!({ "routeKey": "$default", "target": target });
    made(server, &format!("/v2/apis/{id}/routes"), &route);
    let stage = json!({ "stageName": "$default", "autoDeploy": true });
    made(server, &format!("/v2/apis/{id}/stages"), &stage);
    let_service(server, function, (id, "apigateway.amazonaws.com"));
    let host = format!("{id}.execute-api.us-east-1.localhost");
    Front { host, base: "", prefix: format!("/_hearth/sites/api/{id}") }
}

/// Puts a REST API before a function, with settings of the integration. Everything is bytes to it.
fn rest_api(server: &Server, function: &str, integration: &Value) -> Front {
    let settings = json!({ "name": function, "binaryMediaTypes": ["*/*"] });
    let api = made(server, "/restapis", &settings);
    let id = text(&api, "id");
    let resources = format!("/restapis/{id}/resources");
    let below = format!("{resources}/{}", text(&api, "rootResourceId"));
    let resource = made(server, &below, &json!({ "pathPart": "{proxy+}" }));
    let method = format!("{resources}/{}/methods/ANY", text(&resource, "id"));
    put(server, &method, &json!({ "authorizationType": "NONE" }));
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTIONS}:{function}/invocations"
    );
    let integration =
        joined(json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri }), integration);
    put(server, &format!("{method}/integration"), &integration);
    made(server, &format!("/restapis/{id}/deployments"), &json!({ "stageName": "v1" }));
    let_service(server, function, (id, "apigateway.amazonaws.com"));
    let host = format!("{id}.execute-api.us-east-1.localhost");
    Front { host, base: "/v1", prefix: format!("/_hearth/sites/rest/{id}/v1") }
}

/// Puts a load balancer before a function, which may or may not get lists, and may take so long.
fn balancer(server: &Server, function: &str, (lists, seconds): (&str, u32)) -> Front {
    // Two of one name cannot be.
    let name = format!("{function}-{lists}-{seconds}");
    let name = name.as_str();
    let group = balancing(server, "CreateTargetGroup", &[("Name", name), ("TargetType", "lambda")]);
    let group = between(&group, "TargetGroupArn");
    let_service(server, function, (name, "elasticloadbalancing.amazonaws.com"));
    let target = format!("{FUNCTIONS}:{function}");
    let targets = [("TargetGroupArn", group), ("Targets.member.1.Id", target.as_str())];
    balancing(server, "RegisterTargets", &targets);
    let attribute = [
        ("TargetGroupArn", group),
        ("Attributes.member.1.Key", "lambda.multi_value_headers.enabled"),
        ("Attributes.member.1.Value", lists),
    ];
    balancing(server, "ModifyTargetGroupAttributes", &attribute);
    let balancer = balancing(server, "CreateLoadBalancer", &[("Name", name)]);
    let arn = between(&balancer, "LoadBalancerArn");
    let seconds = seconds.to_string();
    let attribute = [
        ("LoadBalancerArn", arn),
        ("Attributes.member.1.Key", "idle_timeout.timeout_seconds"),
        ("Attributes.member.1.Value", seconds.as_str()),
    ];
    balancing(server, "ModifyLoadBalancerAttributes", &attribute);
    let listener = [
        ("LoadBalancerArn", arn),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", group),
    ];
    balancing(server, "CreateListener", &listener);
    let host = between(&balancer, "DNSName").to_owned();
    Front { host, base: "", prefix: format!("/_hearth/sites/balancer/{name}") }
}

/// Lets a service invoke a function.
fn let_service(server: &Server, function: &str, (statement, service): (&str, &str)) {
    let permission = json!({
        "StatementId": statement, "Principal": service, "Action": "lambda:InvokeFunction",
    });
    permit(server, function, &permission);
}

fn permit(server: &Server, function: &str, permission: &Value) {
    made(server, &format!("/2015-03-31/functions/{function}/policy"), permission);
}

/// What came of a request that makes something.
fn made(server: &Server, path: &str, body: &Value) -> Value {
    asked(server, Request::new("POST", path), body)
}

fn put(server: &Server, path: &str, body: &Value) {
    asked(server, Request::new("PUT", path), body);
}

fn asked(server: &Server, request: Request, body: &Value) -> Value {
    let request = request.header("content-type", "application/json").json(body);
    let answer = server.send(&request);
    assert_eq!(answer.status, 201, "{request:?}: {}", answer.text());
    answer.json()
}

/// The answer of Elastic Load Balancing, which is XML.
fn balancing(server: &Server, operation: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = format!("Action={operation}&Version=2015-12-01");
    for (name, value) in parameters {
        let value = value.replace(':', "%3A").replace('/', "%2F");
        form.push_str(&format!("&{name}={value}"));
    }
    let request = Request::new("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into_bytes());
    let answer = server.send(&request);
    assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
    answer.text()
}

/// The text of the first element of a name.
fn between<'a>(xml: &'a str, name: &str) -> &'a str {
    let behind = xml.split_once(&format!("<{name}>")).map(|(_, behind)| behind);
    let text = behind.and_then(|behind| behind.split_once(&format!("</{name}>")));
    text.map(|(text, _)| text).unwrap_or_else(|| panic!("there is no {name} in {xml}"))
}

/// An object with the members of another one added.
fn joined(mut object: Value, more: &Value) -> Value {
    let (Some(all), Some(more)) = (object.as_object_mut(), more.as_object()) else {
        panic!("settings are an object");
    };
    all.extend(more.clone());
    object
}

fn text<'a>(made: &'a Value, name: &str) -> &'a str {
    made[name].as_str().unwrap_or_else(|| panic!("there is no {name} in {made}"))
}

fn host_of(url: &str) -> String {
    let host = url.trim_start_matches("http://").split(['/', ':']).next();
    host.unwrap_or_default().to_owned()
}
