//! The ways by which requests come to a function, made as the tools of AWS make them.
//!
//! Each is named by its path, because the client asks no name server. Who may invoke the function is
//! told as on AWS, or nobody is let in.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::hearth::FUNCTIONS;
use super::http::{Connection, Request};

/// The right that all of them need.
pub(super) const INVOKE: &str = "lambda:InvokeFunction";
const API_GATEWAY: &str = "apigateway.amazonaws.com";
const LOAD_BALANCING: &str = "elasticloadbalancing.amazonaws.com";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const NAME: &str = "bench";

/// The ARN of a function.
pub(super) fn arn(function: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{function}")
}

/// Lets somebody invoke a function.
pub(super) fn permit(
    connection: &mut Connection,
    function: &str,
    statement: &Value,
) -> anyhow::Result<()> {
    let path = format!("{FUNCTIONS}/{function}/policy");
    call(connection, ("POST", &path), statement).map(|_statement| ())
}

/// A function URL that is open to everybody, in `BUFFERED` or `RESPONSE_STREAM` mode.
pub(super) fn url(
    connection: &mut Connection,
    function: &str,
    mode: &str,
) -> anyhow::Result<String> {
    let path = format!("/2021-10-31/functions/{function}/url");
    let input = json!({ "AuthType": "NONE", "InvokeMode": mode });
    let made = call(connection, ("POST", &path), &input)?;
    let url = made["FunctionUrl"].as_str().context("a URL has no address")?;
    let id = url.trim_start_matches("http://").split('.').next().unwrap_or_default();
    let permissions = [
        json!({
            "StatementId": "url",
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        }),
        json!({
            "StatementId": "url-function",
            "Action": INVOKE,
            "Principal": "*",
            "InvokedViaFunctionUrl": true,
        }),
    ];
    for permission in &permissions {
        permit(connection, function, permission)?;
    }
    Ok(format!("/_hearth/sites/url/{id}/"))
}

/// An HTTP API that sends every request to a function.
pub(super) fn http_api(connection: &mut Connection, function: &str) -> anyhow::Result<String> {
    let input = json!({ "name": NAME, "protocolType": "HTTP", "target": arn(function) });
    let made = call(connection, ("POST", "/v2/apis"), &input)?;
    let id = made["apiId"].as_str().context("an API has no id")?;
    permit_api(connection, function, ("http-api", id))?;
    Ok(format!("/_hearth/sites/api/{id}/"))
}

/// A REST API that sends requests for its root to a function.
pub(super) fn rest_api(connection: &mut Connection, function: &str) -> anyhow::Result<String> {
    let made = call(connection, ("POST", "/restapis"), &json!({ "name": NAME }))?;
    let id = made["id"].as_str().context("an API has no id")?;
    let root = made["rootResourceId"].as_str().context("an API has no root")?;
    permit_api(connection, function, ("rest-api", id))?;
    let method = format!("/restapis/{id}/resources/{root}/methods/ANY");
    call(connection, ("PUT", &method), &json!({ "authorizationType": "NONE" }))?;
    let function = arn(function);
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    );
    let integration = json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri });
    call(connection, ("PUT", &format!("{method}/integration")), &integration)?;
    let deployments = format!("/restapis/{id}/deployments");
    call(connection, ("POST", &deployments), &json!({ "stageName": "v1" }))?;
    Ok(format!("/_hearth/sites/rest/{id}/v1/"))
}

/// A load balancer of which every request goes to a function.
pub(super) fn balancer(connection: &mut Connection, function: &str) -> anyhow::Result<String> {
    let group = format!("Action=CreateTargetGroup&Name={NAME}&TargetType=lambda");
    let group = balancing(connection, &group)?;
    let group = element(&group, "TargetGroupArn")?;
    let permission = json!({
        "StatementId": "balancer",
        "Action": INVOKE,
        "Principal": LOAD_BALANCING,
        "SourceArn": group,
    });
    permit(connection, function, &permission)?;
    let function = arn(function);
    let target =
        format!("Action=RegisterTargets&TargetGroupArn={group}&Targets.member.1.Id={function}");
    balancing(connection, &target)?;
    let made = balancing(connection, &format!("Action=CreateLoadBalancer&Name={NAME}"))?;
    let balancer = element(&made, "LoadBalancerArn")?;
    let listener = format!(
        "Action=CreateListener&LoadBalancerArn={balancer}&Protocol=HTTP&Port=80\
         &DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}"
    );
    balancing(connection, &listener)?;
    Ok(format!("/_hearth/sites/balancer/{NAME}/"))
}

/// How large the event was that the function that answers little has got for a request with this
/// body. Fails if somebody else has answered.
pub(super) fn event_bytes(
    connection: &mut Connection,
    path: &str,
    body: &str,
) -> anyhow::Result<usize> {
    let answer = connection.exchange("POST", path, body.as_bytes())?;
    answer.succeeded().with_context(|| format!("could not ask {path}"))?;
    let answer = String::from_utf8_lossy(&answer.body).into_owned();
    // The Invoke API gives the response as the function wrote it.
    let whole: Value = serde_json::from_str(&answer).unwrap_or_default();
    let body = whole["body"].as_str().unwrap_or(&answer);
    body.parse().with_context(|| format!("`{answer}` from {path} is not the function's answer"))
}

fn permit_api(
    connection: &mut Connection,
    function: &str,
    (statement, api): (&str, &str),
) -> anyhow::Result<()> {
    let permission = json!({
        "StatementId": statement,
        "Action": INVOKE,
        "Principal": API_GATEWAY,
        "SourceArn": format!("arn:aws:execute-api:us-east-1:000000000000:{api}/*"),
    });
    permit(connection, function, &permission)
}

/// Performs an operation of a service that speaks JSON.
fn call(
    connection: &mut Connection,
    (method, path): (&str, &str),
    input: &Value,
) -> anyhow::Result<Value> {
    let answer = connection.exchange(method, path, input.to_string().as_bytes())?;
    answer.succeeded().with_context(|| format!("could not {method} {path}"))?;
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).context("not JSON")
}

/// Performs an operation of Elastic Load Balancing, and gives the document that it answers.
fn balancing(connection: &mut Connection, form: &str) -> anyhow::Result<String> {
    let body = format!("{form}&Version=2015-12-01");
    let request = Request { method: "POST", path: "/".to_owned(), headers: FORM, body };
    let answer = connection.ask(&request)?;
    answer.succeeded().with_context(|| format!("could not do {form}"))?;
    String::from_utf8(answer.body).context("a document is not text")
}

/// The text of the first element with this name.
fn element(document: &str, name: &str) -> anyhow::Result<String> {
    let behind = document.split_once(&format!("<{name}>")).map(|(_, behind)| behind);
    let text = behind.and_then(|behind| behind.split('<').next()).unwrap_or_default();
    ensure!(!text.is_empty(), "there is no {name} in {document}");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn the_first_element_of_a_name_is_found() {
        #[rustfmt::skip]
        let rows = [
            ("<a><Arn>one</Arn><Arn>two</Arn></a>", Some("one")),
            ("<a><Arn></Arn></a>",                  None),
            ("<a><ArnS>one</ArnS></a>",             None),
        ];
        for (document, expected) in rows {
            assert_eq!(element(document, "Arn").ok().as_deref(), expected, "{document}");
        }
    }
}
