//! REST: finds the operation, checks the signature over the bytes that were sent, answers with the weight headers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::auth::signed_text;
use super::error::ApiError;
use super::limits::Used;
use super::operations::{Access, Call, Operation, by_path, is_known_path};
use super::params::Params;
use super::shared::Shared;
use crate::engine::Refusal;

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let Some(operation) = by_path(&method, uri.path()) else {
        return unknown(&method, uri.path()).into_response();
    };
    let mut used = Used::default();
    let result = run(&shared, operation, &uri, &headers, &body, &mut used);
    let mut response = match result {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::debug!(method = %method, path = uri.path(), code = error.refusal.code, "refused");
            error.into_response()
        }
    };
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert("retry-after", HeaderValue::from(60));
    }
    used.write(response.headers_mut());
    response
}

fn run(
    shared: &Shared,
    operation: &Operation,
    uri: &Uri,
    headers: &HeaderMap,
    body: &str,
    used: &mut Used,
) -> Result<String, ApiError> {
    *used = shared.limits().take_weight(operation.weight)?;
    let query = uri.query().unwrap_or("");
    let mut params = Params::default();
    params.read(query)?;
    params.read(body)?;
    let mut account = "";
    let api_key = headers.get("x-mbx-apikey").and_then(|value| value.to_str().ok());
    if operation.access == Access::Key {
        account = shared.keys.holder(api_key)?.0;
    } else if operation.access != Access::Public {
        account = shared.keys.account(api_key, signed_text(query, body).as_bytes(), &params)?;
    }
    if operation.access == Access::Order {
        shared.limits().take_order(account, used)?;
    }
    let mut store = shared.store();
    operation.admit(&store.venue, account)?;
    let result = operation.run(&mut Call { store: &mut store, params: &params, account });
    store.dispatch();
    result
}

fn unknown(method: &Method, path: &str) -> ApiError {
    if is_known_path(path) {
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, -1100, format!("{path} does not take {method}."));
    }
    let refusal = Refusal::new(-1020, format!("The paper venue does not have {method} {path}."));
    ApiError { status: StatusCode::NOT_FOUND, refusal }
}
