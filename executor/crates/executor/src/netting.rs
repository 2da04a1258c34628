//! A swap account has one position in a symbol, whoever's orders made it: entries of the other side and exits by hand close what an
//! entry has brought in. What is closed so needs no protection, and protection that nothing stands behind would close the next
//! position at the last one's prices.

use orders::protection::{Form, uncovered};
use orders::{Market, SymbolRules};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::account::Account;
use crate::fact::Fact;

impl Account {
    /// A fill of this order has made a position of what was `before`.
    pub fn net_out(&mut self, order_id: Uuid, before: Decimal) {
        let Some(tracked) = self.state.orders.get(&order_id) else { return };
        if tracked.order.market != Market::Swap || before.is_zero() {
            return;
        }
        let (symbol, wants_protection) = (tracked.order.symbol.clone(), tracked.order.wants_protection());
        let after = self.state.booked(&symbol);
        let is_against = (after - before).is_sign_positive() != before.is_sign_positive();
        if !is_against {
            return;
        }
        if wants_protection {
            self.release(order_id, (after - before).abs().min(before.abs()));
        }
        if after.is_zero() || after.is_sign_positive() != before.is_sign_positive() {
            self.let_go(&symbol);
        }
    }

    /// Takes back the legs of entries whose side holds nothing any more.
    pub fn let_go(&mut self, symbol: &str) {
        let Some(rules) = self.state.rules.get(symbol).filter(|rules| rules.market == Market::Swap).cloned() else {
            return;
        };
        for entry in self.guarded_in(symbol) {
            if self.state.orders.get(&entry).is_some_and(|tracked| !self.state.is_on_side(&tracked.order)) {
                let legs = self.state.groups_of(entry).iter().filter(|group| group.stands_for_something());
                let legs = legs.filter_map(|group| self.state.group_legs.get(&(entry, group.n)));
                let legs: Vec<Uuid> = legs.flatten().copied().collect();
                self.release_all(entry, &rules);
                legs.into_iter().for_each(|leg| self.take_back_if_working(leg));
            }
        }
    }

    pub fn guarded_in(&self, symbol: &str) -> Vec<Uuid> {
        let in_symbol = |id: &&Uuid| self.state.orders.get(*id).is_some_and(|tracked| tracked.order.symbol == symbol);
        self.state.guarded.iter().filter(in_symbol).copied().collect()
    }

    /// What an entry has brought in so far needs no protection any more.
    pub fn release_all(&mut self, entry: Uuid, rules: &SymbolRules) {
        let groups = self.state.groups_of(entry).to_vec();
        let Some(tracked) = self.state.orders.get(&entry) else { return };
        self.release(entry, uncovered(tracked, &groups, rules));
        for group in groups.iter().filter(|group| group.stands_for_something()) {
            self.record(Fact::GroupReleased { entry, n: group.n });
        }
    }

    /// So much of what lies bare has left by other hands.
    fn release(&mut self, entry: Uuid, quantity: Decimal) {
        if quantity > Decimal::ZERO {
            let n = self.state.groups_of(entry).iter().map(|group| group.n).max().unwrap_or(0) + 1;
            self.record(Fact::Group { entry, n, form: Form::Exit, quantity, legs: Vec::new() });
            self.record(Fact::GroupReleased { entry, n });
        }
    }
}
