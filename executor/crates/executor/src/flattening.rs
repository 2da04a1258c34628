//! Flatten: cancel everything in a symbol, and when nothing works there any more, sell what is held at market.

use std::sync::Arc;
use std::time::Instant;

use orders::guards::approve_exit;
use orders::protection::{Failure, Form, uncovered};
use orders::{Kind, Order, Side, Status, ids};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::account::{Account, Done, Message, Wake};
use crate::fact::{Asked, Fact};
use crate::reacting::RETRY;

impl Account {
    /// Returns the number of symbols to be cleared.
    pub fn begin_flatten(&mut self, command_id: Uuid, issued_at_ms: i64, symbol: Option<&str>) -> usize {
        let symbols: Vec<String> = match symbol {
            Some(symbol) => vec![symbol.to_owned()],
            None => self.state.rules.keys().cloned().collect(),
        };
        for symbol in &symbols {
            self.record(Fact::Flatten { command_id, issued_at_ms, symbol: symbol.clone() });
            self.continue_flatten(symbol);
        }
        symbols.len()
    }

    /// Cancels what still works in the symbol, or goes on to the sale if nothing does.
    pub fn continue_flatten(&mut self, symbol: &str) {
        let Some(flattening) = self.state.flattening.get(symbol) else { return };
        if flattening.selling.is_some() {
            return;
        }
        let working = self.working_in(Some(symbol), |_| true);
        for id in &working {
            // One cancel clears both legs of an OCO; the other leg's is then answered by its state.
            if !self.state.cancelling.contains(id) {
                self.cancel(*id, None);
            }
        }
        if working.is_empty() {
            let (venue, symbol) = (Arc::clone(&self.venue), symbol.to_owned());
            self.ask(async move {
                let result = venue.balances().await;
                Message::Done(Done::FlattenBalances { symbol, result })
            });
        }
    }

    /// Nothing works in the symbol and the balances are fresh.
    pub fn sell_out(&mut self, symbol: &str) {
        let Some(flattening) = self.state.flattening.get(symbol).cloned() else { return };
        if flattening.selling.is_some() || !self.working_in(Some(symbol), |_| true).is_empty() {
            return;
        }
        let Some(rules) = self.state.rules.get(symbol).cloned() else {
            self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            return;
        };
        self.release_fills(symbol);
        let free = self.state.balances.get(&rules.base).map(|balance| balance.free).unwrap_or_default();
        let quantity = rules.floor_quantity(free);
        if quantity < rules.min_quantity || quantity.is_zero() {
            tracing::info!(account = %self.state.account, symbol, %free, "flat: nothing, or dust, is left");
            self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            return;
        }
        let id = ids::flatten_order(flattening.command_id, &format!("{symbol}:{}", flattening.attempt + 1));
        let order = Order {
            id,
            client_order_id: ids::client_order_id(id),
            parent: None,
            market: self.venue.market(),
            symbol: symbol.to_owned(),
            side: Side::Sell,
            kind: Kind::Market,
            quantity,
            price: None,
            stop_price: None,
            trail: None,
            time_in_force: None,
            stop_loss: None,
            take_profit: None,
            reduce_only: true,
            post_only: false,
        };
        match approve_exit(order.clone(), &rules) {
            Ok(approved) => {
                let asked =
                    Asked { issued_at_ms: flattening.issued_at_ms, reason: Some("flatten".into()), ..Asked::default() };
                self.record(Fact::FlattenSelling { symbol: symbol.to_owned(), order_id: id });
                self.record(Fact::Placed { order, asked });
                let venue = Arc::clone(&self.venue);
                self.send_when_durable(async move {
                    let sent = Instant::now();
                    Done::Placed { order_id: id, sent, result: venue.place(&approved).await }
                });
            }
            Err(refusal) => {
                tracing::error!(account = %self.state.account, symbol, %refusal, "cannot sell what is held");
                self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            }
        }
    }

    /// Fills that came in while clearing out are sold with the rest: they need no protection any more.
    fn release_fills(&mut self, symbol: &str) {
        let rules = self.state.rules.get(symbol).cloned();
        let in_symbol = |id: &&Uuid| self.state.orders.get(*id).is_some_and(|tracked| tracked.order.symbol == symbol);
        let entries: Vec<Uuid> = self.state.guarded.iter().filter(in_symbol).copied().collect();
        for entry in entries {
            let groups = self.state.groups_of(entry).to_vec();
            let Some((tracked, rules)) = self.state.orders.get(&entry).zip(rules.as_ref()) else { continue };
            let quantity = uncovered(tracked, &groups, rules);
            if quantity > Decimal::ZERO {
                let n = groups.iter().map(|group| group.n).max().unwrap_or(0) + 1;
                self.record(Fact::Group { entry, n, form: Form::Exit, quantity, legs: Vec::new() });
                self.record(Fact::GroupReleased { entry, n });
            }
            for group in groups.iter().filter(|group| group.failure.is_none() && !group.released) {
                self.record(Fact::GroupReleased { entry, n: group.n });
            }
        }
    }

    /// What became of the sale.
    pub fn flatten_heard(&mut self, symbol: &str, order_id: Uuid, rejected: Option<Failure>) {
        if self.state.flattening.get(symbol).is_none_or(|flattening| flattening.selling != Some(order_id)) {
            return;
        }
        let status = self.state.orders.get(&order_id).map(|tracked| tracked.status);
        match (status, rejected) {
            (Some(Status::Rejected), Some(Failure::NotSent)) => {
                self.record(Fact::FlattenUnsold { symbol: symbol.to_owned() });
                self.wake_in(RETRY, Wake::Flatten { symbol: symbol.to_owned() });
            }
            (Some(Status::Rejected), _) => {
                let message =
                    self.state.orders.get(&order_id).and_then(|tracked| tracked.message.clone()).unwrap_or_default();
                tracing::error!(account = %self.state.account, symbol, %message, "the venue refused the sale: still held");
                self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            }
            (Some(Status::Pending | Status::Unknown) | None, _) => {}
            (Some(_), _) => {
                self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            }
        }
    }
}
