//! User events in Binance's JSON: executionReport, listStatus, outboundAccountPosition.

use serde_json::{Value, json};

use super::account::Balance;
use super::money::fixed8;
use super::order::{ListId, Order, OrderId, Trade};
use super::venue::Venue;

/// What an executionReport is about.
#[derive(Debug, Clone)]
pub(crate) enum Execution {
    /// Accepted, or (with `w` true) a stop limit that was triggered and now rests as a limit order.
    New,
    /// The account's newest trade.
    Trade,
    Canceled {
        client_id: String,
    },
    Expired,
    Rejected,
}

/// What an account is told. Most are put into words only when they are sent: an order's answer does not wait for that.
#[derive(Debug)]
pub(crate) enum UserEvent {
    Message(Value),
    Report(Box<Report>),
    Balances { market: usize, base: Balance, quote: Balance, clock_ms: i64 },
}

/// An order as it was when something happened to it.
#[derive(Debug)]
pub(crate) struct Report {
    order: Order,
    execution: Execution,
    trade: Option<Trade>,
    execution_id: u64,
    clock_ms: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ListEvent {
    Started,
    /// Its pending orders went live.
    Updated,
    Done,
}

impl Venue {
    pub(crate) fn report(&mut self, id: OrderId, execution: Execution) {
        if self.is_swap(self.order(id).account) {
            return self.report_swap(id, &execution);
        }
        let execution_id = self.next_execution_id();
        let order = self.order(id).clone();
        let account = order.account;
        let trade = match execution {
            Execution::Trade => self.accounts[account].trades.last().cloned(),
            _ => None,
        };
        let report = Report { order, execution, trade, execution_id, clock_ms: self.clock_ms };
        self.user_events.push((account, UserEvent::Report(Box::new(report))));
    }

    /// An event in Binance's JSON.
    pub(crate) fn message(&self, event: UserEvent) -> Value {
        match event {
            UserEvent::Message(message) => message,
            UserEvent::Report(report) => self.execution_report(&report),
            UserEvent::Balances { market, base, quote, clock_ms } => {
                let rules = &self.markets[market].rules;
                let balances: Vec<Value> = [(&rules.base, base), (&rules.quote, quote)]
                    .into_iter()
                    .map(|(asset, held)| json!({"a": asset, "f": fixed8(held.free), "l": fixed8(held.locked)}))
                    .collect();
                json!({"e": "outboundAccountPosition", "E": clock_ms, "u": clock_ms, "B": balances})
            }
        }
    }

    fn execution_report(&self, report: &Report) -> Value {
        let Report { order, execution, trade, execution_id, clock_ms } = report;
        let trade = trade.as_ref();
        let (kind, client_id, original_id) = match execution {
            Execution::New => ("NEW", &order.client_id, ""),
            Execution::Trade => ("TRADE", &order.client_id, ""),
            Execution::Expired => ("EXPIRED", &order.client_id, ""),
            Execution::Rejected => ("REJECTED", &order.client_id, ""),
            Execution::Canceled { client_id } => ("CANCELED", client_id, order.client_id.as_str()),
        };
        let mut event = json!({
            "e": "executionReport", "E": clock_ms, "s": self.symbol_of(order.market), "c": client_id,
            "S": order.side.name(), "o": order.kind.name(), "f": order.time_in_force.name(),
            "q": fixed8(order.quantity), "p": fixed8(order.price.unwrap_or_default()),
            "P": fixed8(order.stop_price.unwrap_or_default()), "F": fixed8(0.into()), "g": list_id(order),
            "C": original_id, "x": kind, "X": order.status.name(), "r": "NONE", "i": order.id,
            "l": fixed8(trade.map(|trade| trade.quantity).unwrap_or_default()), "z": fixed8(order.filled),
            "L": fixed8(trade.map(|trade| trade.price).unwrap_or_default()),
            "n": trade.map_or("0".to_owned(), |trade| fixed8(trade.fee)), "N": trade.map(|trade| &trade.fee_asset),
            "T": clock_ms, "t": trade.map_or(-1, |trade| trade.id as i64), "I": execution_id,
            "w": order.working && order.is_open() && order.price.is_some(),
            "m": trade.is_some_and(|trade| trade.maker), "M": false, "O": order.created_ms,
            "Z": fixed8(order.quote_filled),
            "Y": fixed8(trade.map(|trade| trade.price * trade.quantity).unwrap_or_default()),
            "Q": fixed8(order.quote_quantity.unwrap_or_default()), "V": "EXPIRE_MAKER",
        });
        if let Some(trailing) = order.trailing {
            event["d"] = json!(trailing.basis_points());
        }
        if let Some(working_ms) = order.working_ms {
            event["W"] = json!(working_ms);
        }
        event
    }

    pub(crate) fn report_list(&mut self, id: ListId, event: ListEvent) {
        let list = self.list(id);
        let symbol = self.symbol_of(list.market);
        let (status, order_status) = event.names();
        let orders: Vec<Value> =
            list.orders.iter().map(|&leg| json!({"s": symbol, "i": leg, "c": self.order(leg).client_id})).collect();
        let event = json!({
            "e": "listStatus", "E": self.clock_ms, "s": symbol, "g": id, "c": list.kind.name(), "l": status, "L": order_status,
            "r": "NONE", "C": list.client_id, "T": self.clock_ms, "O": orders,
        });
        let account = list.account;
        self.user_events.push((account, UserEvent::Message(event)));
    }

    /// The balances of a market's two assets, after something moved them.
    ///
    /// A swap account is told by [`Venue::report_swap_account`], and only of trades: its orders move no balance.
    pub(crate) fn report_account(&mut self, account: usize, market: usize) {
        if self.is_swap(account) {
            return;
        }
        let clock_ms = self.clock_ms;
        let rules = &self.markets[market].rules;
        let holder = &mut self.accounts[account];
        holder.updated_ms = clock_ms;
        let (base, quote) = (holder.balance(&rules.base), holder.balance(&rules.quote));
        self.user_events.push((account, UserEvent::Balances { market, base, quote, clock_ms }));
    }
}

impl ListEvent {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Started => ("EXEC_STARTED", "EXECUTING"),
            Self::Updated => ("UPDATED", "EXECUTING"),
            Self::Done => ("ALL_DONE", "ALL_DONE"),
        }
    }
}

/// The list an order belongs to, or -1.
fn list_id(order: &Order) -> i64 {
    order.list.map_or(-1, |list| list as i64)
}
