//! The HTTP interface: commands (authenticated by their signature) and snapshots (by the token).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use orders::guards::{Code, Refusal};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::answer::Answer;
use crate::config::Secret;
use crate::gate::Gate;
use crate::message::Message;
use crate::snapshot::Snapshot;

const LARGEST_COMMAND: usize = 64 * 1024;
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

struct Server {
    gate: Arc<Gate>,
    token_digest: [u8; 32],
}

pub fn router(gate: Arc<Gate>, token: &Secret) -> Router {
    let token_digest = Sha256::digest(token.expose().as_bytes()).into();
    Router::new()
        .route("/v1/commands", post(command))
        .route("/v1/accounts/{id}", get(snapshot))
        .route("/v1/accounts/{id}/drain", post(drain))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(Server { gate, token_digest }))
}

async fn command(State(server): State<Arc<Server>>, body: Body) -> Response {
    let refuse = |code, message: &str| told(&Answer::refused(None, &Refusal::new(code, message)));
    let Ok(bytes) = to_bytes(body, LARGEST_COMMAND).await else {
        return refuse(Code::Oversized, "a command is at most 64 KiB");
    };
    match serde_json::from_slice(&bytes) {
        Ok(envelope) => told(&server.gate.submit(envelope, None).await),
        Err(error) => refuse(Code::Malformed, &format!("the body is not JSON: {error}")),
    }
}

fn told(answer: &Answer) -> Response {
    json(StatusCode::from_u16(answer.http_status()).unwrap_or(StatusCode::OK), answer)
}

async fn snapshot(server: State<Arc<Server>>, id: Path<String>, headers: HeaderMap) -> Response {
    view(&server, &id, &headers, SNAPSHOT_TIMEOUT, Message::Snapshot).await
}

async fn drain(server: State<Arc<Server>>, id: Path<String>, headers: HeaderMap) -> Response {
    view(&server, &id, &headers, DRAIN_TIMEOUT, Message::Drain).await
}

async fn view(
    server: &Server,
    id: &str,
    headers: &HeaderMap,
    patience: Duration,
    message: impl FnOnce(oneshot::Sender<Snapshot>) -> Message,
) -> Response {
    if !server.is_authorized(headers) {
        return problem(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
    }
    let Some(handle) = Uuid::try_parse(id).ok().and_then(|id| server.gate.account(id)) else {
        return problem(StatusCode::NOT_FOUND, "this executor does not own the account");
    };
    let (reply, answered) = oneshot::channel();
    let _ = handle.inbox.send(message(reply));
    match tokio::time::timeout(patience, answered).await {
        Ok(Ok(snapshot)) => json(StatusCode::OK, &snapshot),
        Ok(Err(_)) => problem(StatusCode::SERVICE_UNAVAILABLE, "the executor is stopping"),
        Err(_) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the account is not in agreement with its venue; see /readyz and the log",
        ),
    }
}

/// 200 once every account agrees with its venue.
async fn ready(State(server): State<Arc<Server>>) -> Response {
    let mut waiting = Vec::new();
    for handle in server.gate.handles() {
        let (reply, answered) = oneshot::channel();
        let _ = handle.inbox.send(Message::Snapshot(reply));
        let is_ready = tokio::time::timeout(SNAPSHOT_TIMEOUT, answered).await;
        if !matches!(is_ready, Ok(Ok(Snapshot { ready: true, .. }))) {
            waiting.push(handle.id.to_string());
        }
    }
    if waiting.is_empty() {
        return (StatusCode::OK, "ready").into_response();
    }
    problem(StatusCode::SERVICE_UNAVAILABLE, &format!("not yet reconciled: {}", waiting.join(", ")))
}

impl Server {
    /// Digests are compared, so that the time taken tells nothing about the token.
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        <[u8; 32]>::from(Sha256::digest(token.as_bytes())) == self.token_digest
    }
}

fn problem(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({"error": message}))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
