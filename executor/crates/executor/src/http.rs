//! The HTTP interface: commands (authenticated by their signature), snapshots and the heartbeat (by the token), metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

use crate::account::Handle;
use crate::answer::Answer;
use crate::config::Secret;
use crate::controlling::Control;
use crate::figures::{self, Figures};
use crate::gate::Gate;
use crate::message::Message;
use crate::metrics::METRICS;
use crate::snapshot::Snapshot;
use crate::standing::Heartbeat;
use crate::status_page;

const LARGEST_COMMAND: usize = 64 * 1024;
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

struct Server {
    gate: Arc<Gate>,
    token_digest: [u8; 32],
    heartbeat: Heartbeat,
}

pub fn router(gate: Arc<Gate>, token: &Secret, heartbeat: Heartbeat) -> Router {
    let token_digest = Sha256::digest(token.expose().as_bytes()).into();
    Router::new()
        .route("/v1/commands", post(command))
        .route("/v1/accounts/{id}", get(snapshot))
        .route("/v1/accounts/{id}/drain", post(drain))
        .route("/v1/heartbeat", post(beat))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(Server { gate, token_digest, heartbeat }))
}

async fn command(State(server): State<Arc<Server>>, body: Body) -> Response {
    let arrived = Instant::now();
    let refuse = |code, message: &str| told(&server.gate.refuse(Answer::refused(None, &Refusal::new(code, message))));
    let Ok(bytes) = to_bytes(body, LARGEST_COMMAND).await else {
        return refuse(Code::Oversized, "a command is at most 64 KiB");
    };
    match serde_json::from_slice(&bytes) {
        Ok(envelope) => told(&server.gate.submit(envelope, None, arrived).await),
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

/// The controller lives.
async fn beat(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    if !server.is_authorized(&headers) {
        return problem(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
    }
    server.heartbeat.beat();
    StatusCode::NO_CONTENT.into_response()
}

/// 200 once every account agrees with its venue and its lease is held.
async fn ready(State(server): State<Arc<Server>>) -> Response {
    let mut waiting = Vec::new();
    for (id, figures) in figures(&server).await {
        match figures {
            Some(figures) if figures.ready && figures.entries_permitted => {}
            Some(figures) if figures.ready => waiting.push(format!("{id} has no lease")),
            _ => waiting.push(format!("{id} is not yet reconciled")),
        }
    }
    if waiting.is_empty() {
        return (StatusCode::OK, "ready").into_response();
    }
    problem(StatusCode::SERVICE_UNAVAILABLE, &waiting.join(", "))
}

/// For Prometheus; no balances, prices or secrets, so it needs no token.
async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let page = METRICS.page() + &figures::page(&figures(&server).await, server.heartbeat.silence());
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}

/// For a person.
async fn status(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    if !server.is_authorized(&headers) {
        return problem(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
    }
    let mut page = String::new();
    for (id, figures) in figures(&server).await {
        let snapshot = match server.gate.account(id) {
            Some(handle) => asked(handle, Message::Snapshot).await,
            None => None,
        };
        page += &status_page::of(id, figures.as_ref(), snapshot.as_ref());
    }
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page).into_response()
}

async fn figures(server: &Server) -> Vec<(Uuid, Option<Figures>)> {
    let mut all = Vec::new();
    for handle in server.gate.handles() {
        all.push((handle.id, asked(handle, |reply| Message::Control(Control::Figures(reply))).await));
    }
    all
}

async fn asked<T>(handle: &Handle, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
    let (reply, answered) = oneshot::channel();
    let _ = handle.inbox.send(message(reply));
    tokio::time::timeout(SNAPSHOT_TIMEOUT, answered).await.ok()?.ok()
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
