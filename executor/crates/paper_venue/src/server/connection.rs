//! One WebSocket connection: reads requests, writes answers and events in order, notices a dead peer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::held::{Held, Out};
use super::hub::Outbox;
use super::shared::Shared;

/// As Binance: a ping every 20 s, and a peer that is silent for a minute is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const MISSED_PINGS: u32 = 3;
/// Longest wait for a peer that does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Read at once, at most. The buffer is cleared before each read: the usual 128 KiB would cost more than an order.
pub(crate) const READ_BUFFER: usize = 4096;

/// Longest wait for the peer's answer to a close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until either side ends; `on_text` answers through the outbox.
pub(crate) async fn serve(
    socket: WebSocket,
    shared: Arc<Shared>,
    outbox: Outbox,
    on_text: impl Fn(&Outbox, &str),
    mut messages: mpsc::Receiver<Out>,
) {
    let (mut sink, mut stream) = socket.split();
    let mut stopping = shared.stopping.clone();
    let stop = stopped(&mut stopping);
    tokio::pin!(stop);
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    let mut held = Held::default();
    loop {
        tokio::select! {
            Some(out) = messages.recv() => {
                let mut cut = false;
                let write = async {
                    let mut next = Some(out);
                    while let Some(out) = next {
                        cut = matches!(out, Out::Cut);
                        if cut {
                            break;
                        }
                        for message in held.pass(out) {
                            sink.feed(message).await?;
                        }
                        next = messages.try_recv().ok();
                    }
                    sink.flush().await
                };
                let written = timeout(WRITE_LIMIT, write).await;
                if cut {
                    shared.store().hub.forget(&outbox);
                    return;
                }
                if !matches!(written, Ok(Ok(()))) {
                    break;
                }
                // Whoever waits for the answer may be on this core: it is let in before the events are written.
                std::thread::yield_now();
                shared.tell();
            }
            () = sleep_until(held.due().unwrap_or_else(Instant::now)), if held.due().is_some() => {
                let write = async {
                    for message in held.overdue() {
                        sink.feed(message).await?;
                    }
                    sink.flush().await
                };
                if !matches!(timeout(WRITE_LIMIT, write).await, Ok(Ok(()))) {
                    break;
                }
            }
            incoming = stream.next() => {
                silent = 0;
                match incoming {
                    Some(Ok(Message::Text(text))) => {
                        if shared.faults.is_on() {
                            sleep(shared.faults.delay("ws message")).await;
                        }
                        on_text(&outbox, &text);
                    }
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                }
            }
            _ = ping.tick() => {
                silent += 1;
                if silent > MISSED_PINGS || timeout(WRITE_LIMIT, sink.send(Message::Ping(Vec::new().into()))).await.is_err() {
                    break;
                }
            }
            () = &mut stop => break,
        }
        if outbox.has_overflowed() {
            tracing::warn!(connection = outbox.id, "a reader was too slow; its connection is closed");
            break;
        }
    }
    shared.store().hub.forget(&outbox);
    let farewell = async {
        if sink.send(Message::Close(None)).await.is_ok() {
            // Until the peer has answered, or is gone.
            while let Some(Ok(_)) = stream.next().await {}
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which it is only at the end.
    let _ = stopping.wait_for(|stop| *stop).await;
}
