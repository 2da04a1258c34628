//! What two processes need at least to pass an order's bytes to each other over a WebSocket: this program starts itself once more, sends
//! so many requests of an order's size to it, one after another, and prints the time of each round in microseconds.
//!
//!     cargo run --release --example echo -- 300

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{accept_async_with_config, connect_async_with_config};

/// Bytes of an order and of its answer.
const REQUEST: usize = 375;
const ANSWER: usize = 741;
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let argument = std::env::args().nth(1).unwrap_or_default();
    match argument.strip_prefix("ws://") {
        Some(_) => runtime.block_on(answer(&argument)),
        None => runtime.block_on(ask(argument.parse().unwrap_or(300))),
    }
}

fn config() -> Option<WebSocketConfig> {
    Some(WebSocketConfig::default().read_buffer_size(4096))
}

async fn ask(rounds: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("its address"));
    let myself = std::env::current_exe().expect("a path");
    let mut other = Command::new(myself).arg(url).stdin(Stdio::null()).spawn().expect("a second process");
    let (stream, _) = listener.accept().await.expect("a connection");
    let _ = stream.set_nodelay(true);
    let mut socket = accept_async_with_config(stream, config()).await.expect("a WebSocket");
    let text = "x".repeat(REQUEST);
    for _ in 0..rounds {
        let begun = Instant::now();
        socket.send(Message::text(text.clone())).await.expect("sent");
        let _ = socket.next().await;
        println!("{:.1}", begun.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(PAUSE);
    }
    drop(socket);
    let _ = other.wait();
}

async fn answer(url: &str) {
    let connected = connect_async_with_config(url, config(), true).await;
    let (mut socket, _): (tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>, _) =
        connected.expect("a connection");
    let text = "x".repeat(ANSWER);
    while let Some(Ok(Message::Text(_))) = socket.next().await {
        socket.send(Message::text(text.clone())).await.expect("sent");
    }
}
