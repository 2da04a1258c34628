//! What a fault makes of an HTTP request and of its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::faults::{After, Before};
use super::line::Cut;
use super::shared::Shared;

/// The control API is not hit: who asks for faults must be able to end them.
const CONTROL: &str = "/paper/";
/// How long a client may believe that its connection lives on.
const UNTIL_CUT: Duration = Duration::from_millis(2);

pub(crate) async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if !shared.faults.is_on() || request.uri().path().starts_with(CONTROL) {
        return next.run(request).await;
    }
    let cut = request.extensions().get::<ConnectInfo<Cut>>().map(|ConnectInfo(cut)| cut.clone()).unwrap_or_default();
    let target = target(&request);
    tokio::time::sleep(shared.faults.delay(&target)).await;
    let strike = shared.faults.on_request(&target);
    match strike.before {
        Some(Before::Drop) => {
            cut.cut();
            return StatusCode::OK.into_response();
        }
        Some(Before::Fail) => return unavailable().into_response(),
        Some(Before::Refuse(status, seconds)) => {
            let mut response = throttled(status).into_response();
            response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
            return response;
        }
        None => {}
    }
    let response = next.run(request).await;
    match strike.after {
        None => response,
        Some(After::Drop) => {
            cut.cut();
            response
        }
        Some(After::Restart) => {
            cut.cut();
            shared.faults.ask_for_restart();
            response
        }
        Some(After::Fail(form)) => failed(form).into_response(),
        Some(After::Garble) => halved(response).await,
        Some(After::Disconnect) => {
            // Unannounced, so that the next request meets a dead connection.
            tokio::spawn(async move {
                tokio::time::sleep(UNTIL_CUT).await;
                cut.cut();
            });
            response
        }
    }
}

/// Method and path; a path that holds a listen key is cut short.
fn target(request: &Request) -> String {
    let path = request.uri().path();
    let shown = if path.starts_with("/ws/") { "/ws" } else { path };
    format!("{} {shown}", request.method())
}

async fn halved(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}

pub(crate) fn unavailable() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, -1000, "Service Unavailable.")
}

pub(crate) fn throttled(status: u16) -> ApiError {
    let msg = if status == 418 {
        "Way too many requests; IP banned until the time of Retry-After."
    } else {
        "Too many requests; wait as Retry-After says."
    };
    ApiError::new(StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS), -1003, msg)
}

/// The forms of "it may have been done": Binance says of each that the outcome is unknown.
pub(crate) fn failed(form: u64) -> ApiError {
    let (status, code, msg) = match form % 4 {
        0 => (StatusCode::INTERNAL_SERVER_ERROR, -1000, "An unknown error occurred while processing the request."),
        1 => (StatusCode::SERVICE_UNAVAILABLE, -1000, "Unknown error, please check your request or try again later."),
        2 => (
            StatusCode::GATEWAY_TIMEOUT,
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            -1006,
            "An unexpected response was received from the message bus. Execution status unknown.",
        ),
    };
    ApiError::new(status, code, msg)
}
