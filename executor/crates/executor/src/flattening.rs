//! Flatten: cancel everything in a symbol, and when nothing works there any more, close what is held at market.

use std::sync::Arc;

use orders::guards::approve_exit;
use orders::protection::Failure;
use orders::{Kind, Market, Order, Side, Status, SymbolRules, ids};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::account::Account;
use crate::fact::{Asked, Fact};
use crate::message::{Done, Message, Wake};
use crate::reacting::RETRY;

impl Account {
    /// Returns the number of symbols to be cleared.
    pub fn begin_flatten(&mut self, command_id: Uuid, issued_at_ms: i64, symbol: Option<&str>) -> usize {
        let symbols: Vec<String> = match symbol {
            Some(symbol) => vec![symbol.to_owned()],
            None => self.state.rules.keys().cloned().collect(),
        };
        for symbol in &symbols {
            self.drop_replacements(Some(symbol));
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
        let working = self.state.working_in(Some(symbol), |_| true);
        for id in &working {
            // One cancel clears both legs of an OCO; the other leg's is then answered by its state.
            if !self.state.cancelling.contains(id) {
                self.cancel(*id, None);
            }
        }
        if working.is_empty() {
            let (venue, symbol) = (Arc::clone(&self.venue), symbol.to_owned());
            self.ask(async move {
                Message::Done(match venue.market() {
                    Market::Spot => Done::FlattenBalances { symbol, result: venue.balances().await },
                    Market::Swap => Done::FlattenPositions { symbol, result: venue.positions().await },
                })
            });
        }
    }

    /// Nothing works in the symbol and the balances are fresh.
    pub fn sell_out(&mut self, symbol: &str) {
        let Some(flattening) = self.state.flattening.get(symbol).cloned() else { return };
        if flattening.selling.is_some() || !self.state.working_in(Some(symbol), |_| true).is_empty() {
            return;
        }
        let Some(rules) = self.state.rules.get(symbol).cloned() else {
            self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            return;
        };
        self.release_fills(symbol);
        let (side, quantity) = self.to_close(&rules);
        if quantity < rules.min_quantity || quantity.is_zero() {
            tracing::info!(account = %self.state.account, symbol, %quantity, "flat: nothing, or dust, is left");
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
            side,
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
                self.send_order(approved);
            }
            Err(refusal) => {
                tracing::error!(account = %self.state.account, symbol, %refusal, "cannot close what is held");
                self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            }
        }
    }

    /// What one market order can close of what is free: the venue's word, which has just been asked for.
    fn to_close(&self, rules: &SymbolRules) -> (Side, Decimal) {
        let held = match rules.market {
            Market::Spot => self.state.balances.get(&rules.base).map(|balance| balance.free),
            Market::Swap => self.state.venue_positions.get(&rules.symbol).map(|position| position.quantity),
        }
        .unwrap_or_default();
        let side = if held.is_sign_negative() { Side::Buy } else { Side::Sell };
        let most = Some(rules.market_max_quantity).filter(|most| !most.is_zero()).unwrap_or(Decimal::MAX);
        (side, rules.floor_quantity(held.abs().min(most)))
    }

    /// Fills that came in while clearing out are closed with the rest: they need no protection any more.
    fn release_fills(&mut self, symbol: &str) {
        let Some(rules) = self.state.rules.get(symbol).cloned() else { return };
        self.guarded_in(symbol).into_iter().for_each(|entry| self.release_all(entry, &rules));
    }

    /// What became of the order that closes. Once it is finished, what is held is asked for again: a very large position takes
    /// several.
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
                tracing::error!(account = %self.state.account, symbol, %message, "the venue refused to close it: still held");
                self.record(Fact::FlattenDone { symbol: symbol.to_owned() });
            }
            (Some(status), _) if status.is_terminal() => {
                self.record(Fact::FlattenUnsold { symbol: symbol.to_owned() });
                if self.state.orders.get(&order_id).is_some_and(|tracked| tracked.filled.is_zero()) {
                    self.wake_in(RETRY, Wake::Flatten { symbol: symbol.to_owned() });
                } else {
                    self.continue_flatten(symbol);
                }
            }
            _ => {}
        }
    }
}
