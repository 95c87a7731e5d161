//! A web application like any other. Only `main` knows that it is a function.

use axum::extract::{Path, Query};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use lambda_http::{Error, run};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Pet {
    name: String,
    age: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let application = Router::new()
        .route("/pets/{name}", get(pet))
        .route("/pets", post(add))
        .route("/picture", get(picture));
    run(application).await
}

async fn pet(
    Path(name): Path<String>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let cookies = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
    let seen = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("seen="));
    let limit = page.limit.unwrap_or(10);
    let cookies = AppendHeaders([(SET_COOKIE, "first=1"), (SET_COOKIE, "second=2")]);
    (cookies, Json(json!({ "name": name, "limit": limit, "seen": seen.unwrap_or_default() })))
}

async fn add(Json(pet): Json<Pet>) -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(json!({ "added": pet.name, "age": pet.age })))
}

async fn picture() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/png")], b"\x89PNG\xff\x00".as_slice())
}
