//! Market streams: named in the URL, or subscribed to by message.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection;
use super::hub::Outbox;
use super::market_messages::FUTURES;
use super::shared::Shared;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Streams {
    #[serde(default)]
    streams: String,
    /// Of `/private/ws`.
    #[serde(default, rename = "listenKey")]
    listen_key: String,
}

/// `/ws/<stream>[/<stream>...]`: bare messages.
pub(crate) async fn raw(State(shared): State<Arc<Shared>>, uri: Uri, upgrade: WebSocketUpgrade) -> Response {
    let names = uri.path().strip_prefix("/ws").unwrap_or("").to_owned();
    serve(shared, upgrade, &names, false, "")
}

/// `/public/ws[/<stream>...]`, `/market/ws`, `/private/ws?listenKey=`: streams as futures tell them.
pub(crate) async fn futures(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(query): Query<Streams>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let names = uri.path().split_once("/ws").map_or("", |(_, names)| names);
    serve(shared, upgrade, &format!("{names}/{}", query.listen_key), false, FUTURES)
}

/// `/stream?streams=<stream>[/<stream>...]`: messages wrapped with the stream's name.
pub(crate) async fn combined(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Streams>,
    upgrade: WebSocketUpgrade,
) -> Response {
    serve(shared, upgrade, &query.streams, true, "")
}

/// `flavour` goes before the name of each stream.
fn serve(
    shared: Arc<Shared>,
    upgrade: WebSocketUpgrade,
    names: &str,
    combined: bool,
    flavour: &'static str,
) -> Response {
    let names = names.split('/').filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(|name| format!("{flavour}{name}")).collect();
    upgrade.read_buffer_size(connection::READ_BUFFER).on_upgrade(move |socket| {
        let (outbox, messages) = Outbox::new(shared.next_connection());
        let mut store = shared.store();
        for name in &names {
            store.hub.subscribe(name, &outbox, combined);
        }
        drop(store);
        let answers = Arc::clone(&shared);
        let on_text = move |outbox: &Outbox, text: &str| answer(&answers, outbox, text, combined, flavour);
        connection::serve(socket, shared, outbox, on_text, messages)
    })
}

fn answer(shared: &Shared, outbox: &Outbox, text: &str, combined: bool, flavour: &str) {
    let request: Request = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) => {
            let error = json!({"error": {"code": 3, "msg": format!("Invalid JSON: {error}")}, "id": null});
            return outbox.send(error.to_string());
        }
    };
    let id = &request.id;
    let hub = &mut shared.store().hub;
    let reply = match request.method.as_str() {
        "SUBSCRIBE" => {
            request.params.iter().for_each(|name| hub.subscribe(&format!("{flavour}{name}"), outbox, combined));
            json!({"result": null, "id": id})
        }
        "UNSUBSCRIBE" => {
            request.params.iter().for_each(|name| hub.unsubscribe(&format!("{flavour}{name}"), outbox));
            json!({"result": null, "id": id})
        }
        "LIST_SUBSCRIPTIONS" => json!({"result": hub.streams_of(outbox), "id": id}),
        other => {
            let msg = format!("Unknown method '{other}': it must be SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS");
            json!({"error": {"code": 2, "msg": msg}, "id": id})
        }
    };
    outbox.send(reply.to_string());
}
