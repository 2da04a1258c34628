//! User events of swap accounts in Binance's JSON: ORDER_TRADE_UPDATE, ALGO_UPDATE, ACCOUNT_UPDATE.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::events::{Execution, UserEvent};
use super::liquidation::AUTOCLOSE;
use super::money::plain;
use super::order::{Kind, Order, OrderId, Status, Trade};
use super::swap::MARGIN_ASSET;
use super::venue::Venue;

/// Conditional orders are numbered apart from the orders that they become.
const FIRST_ALGO_ID: u64 = 1_000_000_000_000;

impl Order {
    /// The id of a swap account's conditional order, as long as it has not become an order.
    #[must_use]
    pub fn algo_id(&self) -> u64 {
        FIRST_ALGO_ID + self.id
    }

    #[must_use]
    pub fn of_algo_id(algo_id: u64) -> OrderId {
        algo_id.saturating_sub(FIRST_ALGO_ID)
    }

    /// Seen by the matching engine: not a conditional order that still waits, or never was triggered.
    #[must_use]
    pub fn is_in_engine(&self) -> bool {
        self.working || !self.kind.has_trigger()
    }

    /// The type by its name for swaps, as it was placed.
    #[must_use]
    pub fn swap_type(&self) -> &'static str {
        match self.kind {
            Kind::Limit | Kind::LimitMaker => "LIMIT",
            Kind::Market => "MARKET",
            Kind::StopLoss if self.trailing.is_some() => "TRAILING_STOP_MARKET",
            Kind::StopLoss => "STOP_MARKET",
            Kind::StopLossLimit => "STOP",
            Kind::TakeProfit => "TAKE_PROFIT_MARKET",
            Kind::TakeProfitLimit => "TAKE_PROFIT",
        }
    }

    /// The type of the order that it is, or becomes, in the matching engine.
    #[must_use]
    pub fn engine_type(&self) -> &'static str {
        if self.kind.has_limit() { "LIMIT" } else { "MARKET" }
    }

    #[must_use]
    pub fn swap_time_in_force(&self) -> &'static str {
        if self.kind == Kind::LimitMaker { "GTX" } else { self.time_in_force.name() }
    }

    #[must_use]
    pub fn algo_status(&self) -> &'static str {
        match (self.working, self.status) {
            (true, Status::New | Status::PartiallyFilled) => "TRIGGERED",
            (true, _) => "FINISHED",
            (false, status) => status.name(),
        }
    }

    #[must_use]
    pub fn average_price(&self) -> Decimal {
        if self.filled.is_zero() { Decimal::ZERO } else { (self.quote_filled / self.filled).round_dp(8) }
    }

    #[must_use]
    pub fn is_liquidation(&self) -> bool {
        self.client_id.starts_with(AUTOCLOSE)
    }
}

impl Venue {
    pub(crate) fn report_swap(&mut self, id: OrderId, execution: &Execution) {
        let order = self.order(id);
        let account = order.account;
        let mut events = Vec::new();
        if order.is_in_engine() {
            let triggered = order.kind.has_trigger();
            if triggered && matches!(execution, Execution::New) {
                events.push(self.algo_update(order));
            }
            events.push(self.order_update(order, execution));
            if triggered && !order.is_open() {
                events.push(self.algo_update(order));
            }
        } else {
            events.push(self.algo_update(order));
        }
        self.user_events.extend(events.into_iter().map(|event| (account, UserEvent::Message(event))));
    }

    fn order_update(&self, order: &Order, execution: &Execution) -> Value {
        let trade: Option<&Trade> = match execution {
            Execution::Trade => self.accounts[order.account].trades.last(),
            _ => None,
        };
        let kind = match execution {
            Execution::New => "NEW",
            Execution::Trade if order.is_liquidation() => "CALCULATED",
            Execution::Trade => "TRADE",
            Execution::Canceled { .. } => "CANCELED",
            Execution::Expired => "EXPIRED",
            Execution::Rejected => "REJECTED",
        };
        let name = if order.is_liquidation() { "LIQUIDATION" } else { order.engine_type() };
        let mut update = json!({
            "s": self.symbol_of(order.market), "c": order.client_id, "S": order.side.name(), "o": name,
            "f": order.swap_time_in_force(), "q": plain(order.quantity), "p": plain(order.price.unwrap_or_default()),
            "ap": plain(order.average_price()), "sp": plain(order.stop_price.unwrap_or_default()), "x": kind,
            "X": order.status.name(), "i": order.id, "l": plain(trade.map(|trade| trade.quantity).unwrap_or_default()),
            "z": plain(order.filled), "L": plain(trade.map(|trade| trade.price).unwrap_or_default()),
            "T": self.clock_ms, "t": trade.map_or(0, |trade| trade.id), "b": "0", "a": "0",
            "m": trade.is_some_and(|trade| trade.maker), "R": order.reduce_only, "wt": "CONTRACT_PRICE",
            "ot": order.swap_type(), "ps": "BOTH", "cp": order.close_position, "pP": false, "si": 0, "ss": 0,
            "rp": plain(trade.map(|trade| trade.realized).unwrap_or_default()), "V": "EXPIRE_MAKER", "pm": "NONE",
            "gtd": 0, "er": "0",
        });
        if let Some(trade) = trade {
            update["N"] = json!(trade.fee_asset);
            update["n"] = json!(plain(trade.fee));
        }
        json!({"e": "ORDER_TRADE_UPDATE", "E": self.clock_ms, "T": self.clock_ms, "o": update})
    }

    fn algo_update(&self, order: &Order) -> Value {
        let mut update = json!({
            "caid": order.client_id, "aid": order.algo_id(), "at": "CONDITIONAL", "o": order.swap_type(),
            "s": self.symbol_of(order.market), "S": order.side.name(), "ps": "BOTH", "f": order.swap_time_in_force(),
            "q": plain(order.quantity), "X": order.algo_status(), "ai": "", "V": "EXPIRE_MAKER",
            "tp": plain(order.stop_price.unwrap_or_default()), "p": plain(order.price.unwrap_or_default()),
            "wt": "CONTRACT_PRICE", "pm": "NONE", "cp": order.close_position, "pP": false, "R": order.reduce_only,
            "tt": order.working_ms.unwrap_or(0), "gtd": 0, "rm": "",
        });
        if order.working {
            update["ai"] = json!(order.id.to_string());
            update["act"] = json!(order.engine_type());
            update["ap"] = json!(plain(order.average_price()));
            update["aq"] = json!(plain(order.filled));
        }
        if order.status == Status::Rejected {
            let reduces = order.reduce_only || order.close_position;
            update["rm"] = json!(if reduces { "ReduceOnly Order is rejected." } else { "Margin is insufficient." });
        }
        if let Some(trailing) = order.trailing {
            update["cr"] = json!(plain(trailing.callback * Decimal::ONE_HUNDRED));
            update["AP"] = json!(plain(trailing.activation.unwrap_or_default()));
        }
        json!({"e": "ALGO_UPDATE", "E": self.clock_ms, "T": self.clock_ms, "o": update})
    }

    /// The wallet and the positions of these symbols; `change` is what came to the wallet other than by trading.
    pub(crate) fn report_swap_account(&mut self, account: usize, markets: &[usize], reason: &str, change: Decimal) {
        let wallet = plain(self.wallet(account));
        let positions: Vec<Value> = markets
            .iter()
            .filter_map(|&market| {
                let position = self.position(account, market)?;
                let mark = self.markets[market].last_price.unwrap_or_default();
                Some(json!({
                    "s": self.symbol_of(market), "pa": plain(position.quantity), "ep": plain(position.entry_price()),
                    "bep": plain(position.entry_price()), "cr": plain(position.realized),
                    "up": plain(position.unrealized(mark)), "mt": "cross", "iw": "0", "ps": "BOTH",
                }))
            })
            .collect();
        let event = json!({
            "e": "ACCOUNT_UPDATE", "E": self.clock_ms, "T": self.clock_ms,
            "a": {"m": reason, "B": [{"a": MARGIN_ASSET, "wb": wallet, "cw": wallet, "bc": plain(change)}],
                  "P": positions},
        });
        self.user_events.push((account, UserEvent::Message(event)));
    }
}
