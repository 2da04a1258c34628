//! The statements that write rows. Each is keyed so that writing twice changes nothing, and says nothing where nothing changed:
//! every change of a row is told to the user's channel.

use std::time::SystemTime;

use futures_util::future::try_join_all;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use crate::row::{EventRow, ExecutionRow, OrderRow, PortfolioRow, PositionRow, Row};

const ORDER: &str = "insert into public.orders (id, portfolio_id, session_id, parent_id, symbol, side, order_type, quantity, price, \
    stop_price, stop_loss, take_profit, filled_quantity, filled_price, status, reason, created_at, market_time, filled_at, updated_at, \
    execution_latency_ms, exchange, client_order_id, external_order_id, fees, trail, reduce_only) values \
    ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27) \
    on conflict (id, created_at) do update set filled_quantity = excluded.filled_quantity, filled_price = excluded.filled_price, \
    status = excluded.status, reason = excluded.reason, filled_at = excluded.filled_at, updated_at = excluded.updated_at, \
    execution_latency_ms = excluded.execution_latency_ms, external_order_id = excluded.external_order_id, fees = excluded.fees \
    where (orders.filled_quantity, orders.status, orders.reason, orders.external_order_id, orders.fees, orders.execution_latency_ms) \
    is distinct from (excluded.filled_quantity, excluded.status, excluded.reason, excluded.external_order_id, excluded.fees, \
    excluded.execution_latency_ms)";
const EXECUTION: &str = "insert into public.executions (id, order_id, portfolio_id, symbol, side, trade_id, quantity, price, fee, \
    fee_asset, is_maker, realized_pnl, executed_at) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13) on conflict do nothing";
const POSITION: &str = "insert into public.positions (portfolio_id, symbol, quantity, entry_price, realized_pnl, opened_at, updated_at) \
    values ($1,$2,$3,$4,$5,$6,$7) on conflict (portfolio_id, symbol) do update set quantity = excluded.quantity, \
    entry_price = excluded.entry_price, realized_pnl = excluded.realized_pnl, opened_at = excluded.opened_at, \
    updated_at = excluded.updated_at where (positions.quantity, positions.entry_price, positions.realized_pnl, positions.opened_at) \
    is distinct from (excluded.quantity, excluded.entry_price, excluded.realized_pnl, excluded.opened_at)";
const PORTFOLIO: &str = "update public.portfolios set balances = coalesce($2, balances), killed = $3, synced_at = $4 where id = $1 \
    and (balances, killed) is distinct from (coalesce($2, balances), $3)";
const EVENT: &str = "insert into public.order_events (portfolio_id, session_id, order_id, event_key, event_type, actor, version, reason, \
    details, market_time) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) on conflict (portfolio_id, event_key) do nothing";

/// Refuses a stale epoch, and lets nobody take the account over before the transaction has ended.
const HOLD: &str = "select private.hold_lease($1, $2)";

pub struct Statements {
    hold: Statement,
    order: Statement,
    execution: Statement,
    position: Statement,
    portfolio: Statement,
    event: Statement,
}

impl Statements {
    pub async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            hold: client.prepare(HOLD).await?,
            order: client.prepare(ORDER).await?,
            execution: client.prepare(EXECUTION).await?,
            position: client.prepare(POSITION).await?,
            portfolio: client.prepare(PORTFOLIO).await?,
            event: client.prepare(EVENT).await?,
        })
    }

    /// Writes all rows of one account, or none: also where `epoch` is stale.
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
            // Sent one after the other without waiting for the answers.
            try_join_all(rows.map(|row| self.write_row(client, account, row))).await
        };
        match written.await {
            Ok(_) => client.batch_execute("commit").await,
            Err(error) => {
                client.batch_execute("rollback").await?;
                Err(error)
            }
        }
    }

    async fn write_row(&self, client: &Client, account: Uuid, row: &Row) -> Result<u64, Error> {
        let now = SystemTime::now();
        match row {
            Row::Order(order) => self.write_order(client, account, order).await,
            Row::Execution(execution) => self.write_execution(client, account, execution).await,
            Row::Position(PositionRow { symbol, quantity, entry_price, realized_pnl, opened_at }) => {
                let values: [&(dyn ToSql + Sync); 7] =
                    [&account, symbol, quantity, entry_price, realized_pnl, opened_at, &now];
                client.execute(&self.position, &values).await
            }
            Row::Portfolio(PortfolioRow { balances, killed }) => {
                let balances = balances.as_ref().map(Json);
                client.execute(&self.portfolio, &[&account, &balances, killed, &now]).await
            }
            Row::Event(event) => self.write_event(client, account, event).await,
        }
    }

    async fn write_order(&self, client: &Client, account: Uuid, row: &OrderRow) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 27] = [
            &row.id,
            &account,
            &row.session_id,
            &row.parent_id,
            &row.symbol,
            &row.side,
            &row.order_type,
            &row.quantity,
            &row.price,
            &row.stop_price,
            &row.stop_loss,
            &row.take_profit,
            &row.filled_quantity,
            &row.filled_price,
            &row.status,
            &row.reason,
            &row.created_at,
            &row.market_time,
            &row.filled_at,
            &row.updated_at,
            &row.execution_latency_ms,
            &row.exchange,
            &row.client_order_id,
            &row.external_order_id,
            &row.fees,
            &row.trail,
            &row.reduce_only,
        ];
        client.execute(&self.order, &values).await
    }

    async fn write_execution(&self, client: &Client, account: Uuid, row: &ExecutionRow) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 13] = [
            &row.id,
            &row.order_id,
            &account,
            &row.symbol,
            &row.side,
            &row.trade_id,
            &row.quantity,
            &row.price,
            &row.fee,
            &row.fee_asset,
            &row.is_maker,
            &row.realized_pnl,
            &row.executed_at,
        ];
        client.execute(&self.execution, &values).await
    }

    async fn write_event(&self, client: &Client, account: Uuid, row: &EventRow) -> Result<u64, Error> {
        let values: [&(dyn ToSql + Sync); 10] = [
            &account,
            &row.session_id,
            &row.order_id,
            &row.event_key,
            &row.event_type,
            &row.actor,
            &row.version,
            &row.reason,
            &row.details,
            &row.market_time,
        ];
        client.execute(&self.event, &values).await
    }
}
