//! The statements that write rows, one for all rows of a table. Each is keyed so that writing twice changes nothing, and says nothing
//! where nothing changed: every change of a row is told to the user's channel.

use std::time::SystemTime;

use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use crate::row::{EventRow, ExecutionRow, OrderRow, PortfolioRow, PositionRow, Row};

const ORDERS: &str = "insert into public.orders (portfolio_id, id, session_id, parent_id, symbol, side, order_type, quantity, price, \
    stop_price, stop_loss, take_profit, filled_quantity, filled_price, status, reason, created_at, market_time, filled_at, updated_at, \
    execution_latency_ms, exchange, client_order_id, external_order_id, fees, trail, reduce_only) \
    select $1, * from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::numeric[], $9::numeric[], \
    $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[], $15::text[], $16::text[], $17::timestamptz[], \
    $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::numeric[], $22::text[], $23::text[], $24::text[], $25::numeric[], \
    $26::numeric[], $27::bool[]) \
    on conflict (id, created_at) do update set filled_quantity = excluded.filled_quantity, filled_price = excluded.filled_price, \
    status = excluded.status, reason = excluded.reason, filled_at = excluded.filled_at, updated_at = excluded.updated_at, \
    execution_latency_ms = excluded.execution_latency_ms, external_order_id = excluded.external_order_id, fees = excluded.fees \
    where (orders.filled_quantity, orders.status, orders.reason, orders.external_order_id, orders.fees, orders.execution_latency_ms) \
    is distinct from (excluded.filled_quantity, excluded.status, excluded.reason, excluded.external_order_id, excluded.fees, \
    excluded.execution_latency_ms)";
const EXECUTIONS: &str = "insert into public.executions (portfolio_id, id, order_id, symbol, side, trade_id, quantity, price, fee, \
    fee_asset, is_maker, realized_pnl, executed_at) select $1, * from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], \
    $6::text[], $7::numeric[], $8::numeric[], $9::numeric[], $10::text[], $11::bool[], $12::numeric[], $13::timestamptz[]) \
    on conflict do nothing";
const POSITION: &str = "insert into public.positions (portfolio_id, symbol, quantity, entry_price, realized_pnl, opened_at, updated_at) \
    values ($1,$2,$3,$4,$5,$6,$7) on conflict (portfolio_id, symbol) do update set quantity = excluded.quantity, \
    entry_price = excluded.entry_price, realized_pnl = excluded.realized_pnl, opened_at = excluded.opened_at, \
    updated_at = excluded.updated_at where (positions.quantity, positions.entry_price, positions.realized_pnl, positions.opened_at) \
    is distinct from (excluded.quantity, excluded.entry_price, excluded.realized_pnl, excluded.opened_at)";
const PORTFOLIO: &str = "update public.portfolios set balances = coalesce($2, balances), killed = $3, synced_at = $4 where id = $1 \
    and (balances, killed) is distinct from (coalesce($2, balances), $3)";
const EVENTS: &str = "insert into public.order_events (portfolio_id, session_id, order_id, event_key, event_type, actor, version, reason, \
    details, market_time) select $1, * from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
    $9::jsonb[], $10::timestamptz[]) on conflict (portfolio_id, event_key) do nothing";

/// Refuses a stale epoch, and lets nobody take the account over before the transaction has ended.
const HOLD: &str = "select private.hold_lease($1, $2)";

pub struct Statements {
    hold: Statement,
    orders: Statement,
    executions: Statement,
    position: Statement,
    portfolio: Statement,
    events: Statement,
}

/// One column of many rows.
macro_rules! column {
    ($rows:expr, $name:ident) => {
        &$rows.iter().map(|row| &row.$name).collect::<Vec<_>>()
    };
}

impl Statements {
    pub async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            hold: client.prepare(HOLD).await?,
            orders: client.prepare(ORDERS).await?,
            executions: client.prepare(EXECUTIONS).await?,
            position: client.prepare(POSITION).await?,
            portfolio: client.prepare(PORTFOLIO).await?,
            events: client.prepare(EVENTS).await?,
        })
    }

    /// Writes all rows of one account, or none: also where `epoch` is stale. No two of the rows are of the same order.
    pub async fn write(
        &self,
        client: &Client,
        account: Uuid,
        epoch: Option<i64>,
        rows: impl Iterator<Item = &Row>,
    ) -> Result<(), Error> {
        client.batch_execute("begin").await?;
        let written = async {
            if let Some(epoch) = epoch {
                client.execute(&self.hold, &[&account, &epoch]).await?;
            }
            self.write_rows(client, account, rows).await
        };
        match written.await {
            Ok(()) => client.batch_execute("commit").await,
            Err(error) => {
                client.batch_execute("rollback").await?;
                Err(error)
            }
        }
    }

    async fn write_rows(&self, client: &Client, account: Uuid, rows: impl Iterator<Item = &Row>) -> Result<(), Error> {
        let now = SystemTime::now();
        let (mut orders, mut executions, mut events): (Vec<&OrderRow>, Vec<&ExecutionRow>, Vec<&EventRow>) =
            Default::default();
        for row in rows {
            match row {
                Row::Order(order) => orders.push(order),
                Row::Execution(execution) => executions.push(execution),
                Row::Event(event) => events.push(event),
                Row::Position(PositionRow { symbol, quantity, entry_price, realized_pnl, opened_at }) => {
                    let values: [&(dyn ToSql + Sync); 7] =
                        [&account, symbol, quantity, entry_price, realized_pnl, opened_at, &now];
                    client.execute(&self.position, &values).await?;
                }
                Row::Portfolio(PortfolioRow { balances, killed }) => {
                    let balances = balances.as_ref().map(Json);
                    client.execute(&self.portfolio, &[&account, &balances, killed, &now]).await?;
                }
            }
        }
        if !orders.is_empty() {
            self.write_orders(client, account, &orders).await?;
        }
        if !executions.is_empty() {
            self.write_executions(client, account, &executions).await?;
        }
        if !events.is_empty() {
            self.write_events(client, account, &events).await?;
        }
        Ok(())
    }

    async fn write_orders(&self, client: &Client, account: Uuid, rows: &[&OrderRow]) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 27] = [
            &account,
            column!(rows, id),
            column!(rows, session_id),
            column!(rows, parent_id),
            column!(rows, symbol),
            column!(rows, side),
            column!(rows, order_type),
            column!(rows, quantity),
            column!(rows, price),
            column!(rows, stop_price),
            column!(rows, stop_loss),
            column!(rows, take_profit),
            column!(rows, filled_quantity),
            column!(rows, filled_price),
            column!(rows, status),
            column!(rows, reason),
            column!(rows, created_at),
            column!(rows, market_time),
            column!(rows, filled_at),
            column!(rows, updated_at),
            column!(rows, execution_latency_ms),
            column!(rows, exchange),
            column!(rows, client_order_id),
            column!(rows, external_order_id),
            column!(rows, fees),
            column!(rows, trail),
            column!(rows, reduce_only),
        ];
        client.execute(&self.orders, &values).await
    }

    async fn write_executions(&self, client: &Client, account: Uuid, rows: &[&ExecutionRow]) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 13] = [
            &account,
            column!(rows, id),
            column!(rows, order_id),
            column!(rows, symbol),
            column!(rows, side),
            column!(rows, trade_id),
            column!(rows, quantity),
            column!(rows, price),
            column!(rows, fee),
            column!(rows, fee_asset),
            column!(rows, is_maker),
            column!(rows, realized_pnl),
            column!(rows, executed_at),
        ];
        client.execute(&self.executions, &values).await
    }

    async fn write_events(&self, client: &Client, account: Uuid, rows: &[&EventRow]) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 10] = [
            &account,
            column!(rows, session_id),
            column!(rows, order_id),
            column!(rows, event_key),
            column!(rows, event_type),
            column!(rows, actor),
            column!(rows, version),
            column!(rows, reason),
            column!(rows, details),
            column!(rows, market_time),
        ];
        client.execute(&self.events, &values).await
    }
}
