//! The durable way in: signed envelopes in `executor_commands`, fetched by the executor's own connection and answered in place.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::poll_fn;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_postgres::types::Json;
use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

use crate::gate::Gate;
use crate::postgres::{Database, describe};

/// A notification may be lost with a connection; this often the table is looked at anyway.
const POLL: Duration = Duration::from_secs(2);
const RECONNECT: Duration = Duration::from_secs(2);

const OPEN_COMMANDS: &str = "select command_id, envelope from public.executor_commands \
    where answered_at is null and portfolio_id = any($1) order by created_at limit 200";
const ANSWER: &str = "update public.executor_commands set answered_at = now(), answer = $2 where command_id = $1 and answered_at is null";

/// Runs until the process ends.
pub async fn run(database: Arc<Database>, gate: Arc<Gate>) {
    loop {
        // The sink logs that the database is away; twice would be noise.
        if let Ok((client, notified)) = listen(&database).await
            && let Err(error) = drain(Arc::new(client), notified, &gate).await
        {
            tracing::debug!(error = describe(&error), "the command table cannot be read");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen(database: &Database) -> Result<(Client, Arc<Notify>), tokio_postgres::Error> {
    let (client, mut connection) = database.open().await?;
    let notified = Arc::new(Notify::new());
    let notify = Arc::clone(&notified);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                notify.notify_one();
            }
        }
        notify.notify_one();
    });
    client.batch_execute("listen executor_commands").await?;
    Ok((client, notified))
}

async fn drain(client: Arc<Client>, notified: Arc<Notify>, gate: &Arc<Gate>) -> Result<(), tokio_postgres::Error> {
    let open = client.prepare(OPEN_COMMANDS).await?;
    let answer = client.prepare(ANSWER).await?;
    let in_work = Arc::new(std::sync::Mutex::new(HashSet::<Uuid>::new()));
    loop {
        // An account that another executor holds is the other's to serve.
        let accounts = gate.accounts_held();
        for row in client.query(&open, &[&accounts]).await? {
            let (command_id, Json(envelope)): (Uuid, Json<Value>) = (row.get(0), row.get(1));
            if !in_work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(command_id) {
                continue;
            }
            // Handed over in the table's order; the answers may come in any.
            let reply = gate.submit(envelope, Some(command_id), Instant::now());
            let (client, answer, in_work) = (Arc::clone(&client), answer.clone(), Arc::clone(&in_work));
            tokio::spawn(async move {
                let told = reply.await;
                // Not yet ready is no answer: the command waits in the table until it is, or has expired.
                if told.code != "not_ready" {
                    let written = client.execute(&answer, &[&command_id, &Json(&told)]).await;
                    if let Err(error) = written {
                        tracing::warn!(%command_id, error = describe(&error), "an answer could not be written; it is tried again");
                    }
                }
                in_work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&command_id);
            });
        }
        let _ = tokio::time::timeout(POLL, notified.notified()).await;
        if client.is_closed() {
            return Ok(());
        }
    }
}
