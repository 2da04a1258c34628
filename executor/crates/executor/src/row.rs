//! Rows of Postgres' tables, as the executor writes them.

use std::time::SystemTime;

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum Row {
    Order(Box<OrderRow>),
    Execution(Box<ExecutionRow>),
    Position(PositionRow),
    Portfolio(PortfolioRow),
    Event(Box<EventRow>),
}

#[derive(Clone, Debug)]
pub struct OrderRow {
    pub id: Uuid,
    pub session_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    pub symbol: String,
    pub side: &'static str,
    pub order_type: &'static str,
    pub quantity: Decimal,
    pub price: Option<Decimal>,
    pub stop_price: Option<Decimal>,
    pub trail: Option<Decimal>,
    pub reduce_only: bool,
    pub stop_loss: Option<Decimal>,
    pub take_profit: Option<Decimal>,
    pub filled_quantity: Decimal,
    pub filled_price: Option<Decimal>,
    pub status: &'static str,
    pub reason: Option<String>,
    pub created_at: SystemTime,
    pub market_time: Option<SystemTime>,
    pub filled_at: Option<SystemTime>,
    pub updated_at: SystemTime,
    pub execution_latency_ms: Option<Decimal>,
    pub exchange: &'static str,
    pub client_order_id: String,
    pub external_order_id: Option<String>,
    pub fees: Decimal,
}

#[derive(Clone, Debug)]
pub struct ExecutionRow {
    pub id: Uuid,
    pub order_id: Uuid,
    pub symbol: String,
    pub side: &'static str,
    pub trade_id: String,
    pub quantity: Decimal,
    pub price: Decimal,
    pub fee: Decimal,
    pub fee_asset: String,
    pub is_maker: bool,
    pub realized_pnl: Option<Decimal>,
    pub executed_at: SystemTime,
}

#[derive(Clone, Debug)]
pub struct PositionRow {
    pub symbol: String,
    pub quantity: Decimal,
    pub entry_price: Option<Decimal>,
    pub realized_pnl: Decimal,
    pub opened_at: Option<SystemTime>,
}

#[derive(Clone, Debug)]
pub struct PortfolioRow {
    /// Absent until the venue has been heard since the start.
    pub balances: Option<Value>,
    pub killed: bool,
}

#[derive(Clone, Debug)]
pub struct EventRow {
    pub session_id: Option<Uuid>,
    pub order_id: Option<Uuid>,
    pub event_key: String,
    pub event_type: &'static str,
    pub actor: &'static str,
    pub version: &'static str,
    pub reason: String,
    pub details: Value,
    pub market_time: Option<SystemTime>,
}
