//! Replace: cancel, wait until the venue says that the order is cancelled, then place the rest. Never are two of them live, and the
//! journal says at every moment what is to follow (decision 7).

use orders::guards::{self, Code, Refusal};
use orders::{Kind, Order, Status, Tracked, ids};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::account::Account;
use crate::action::Replace;
use crate::answer::Answer;
use crate::clock::now_ms;
use crate::envelope::{CLOCK_SKEW_MS, Command};
use crate::fact::Fact;
use crate::state::Replacement;

impl Account {
    /// The order that is to take another's place, its quantity as if the old one had not begun to fill.
    ///
    /// # Errors
    /// The old one cannot be replaced, or takes no such change.
    pub fn replacement(&self, command: &Command, change: &Replace) -> Result<Order, Refusal> {
        let refuse = |code, message: String| Err(Refusal::new(code, message));
        let old = change.order_id;
        let Some(tracked) = self.state.orders.get(&old) else {
            return refuse(Code::UnknownOrder, "no order of this account has this id".into());
        };
        if !tracked.is_working() {
            return refuse(Code::UnknownOrder, format!("the order is already {}", tracked.status.name()));
        }
        if self.state.cancelling.contains(&old) {
            return refuse(Code::UnknownOrder, "the order is being cancelled".into());
        }
        if tracked.order.parent.is_some() || self.state.siblings.contains_key(&old) {
            return refuse(
                Code::UnknownOrder,
                "a protective leg, or one of a pair, cannot be replaced by itself".into(),
            );
        }
        let kind = tracked.order.kind;
        for (name, change, takes) in [
            ("price", change.price, kind.needs_price()),
            ("stop_price", change.stop_price, tracked.order.stop_price.is_some()),
        ] {
            if change.is_some() && !takes {
                return refuse(Code::Malformed, format!("this {} order takes no {name}", kind.name()));
            }
        }
        Ok(Order {
            id: command.id,
            client_order_id: ids::client_order_id(command.id),
            quantity: change.quantity.unwrap_or(tracked.order.quantity),
            price: change.price.or(tracked.order.price),
            stop_price: change.stop_price.or(tracked.order.stop_price),
            ..tracked.order.clone()
        })
    }

    /// Judges the order that is to come, and cancels the old one only if it would pass.
    pub fn replace(&mut self, command: &Command, change: &Replace, last: Option<Decimal>) {
        let (old, order) = (
            change.order_id,
            match self.replacement(command, change) {
                Ok(order) => order,
                Err(refusal) => return self.refuse(command.id, &refusal),
            },
        );
        if !self.may_enter(command, &order) {
            return;
        }
        if !self.state.rules.contains_key(&order.symbol) {
            return self.lacks_rules(command);
        }
        let verdict = self.judge_rest(old, &order, last);
        let asked = change.origin.asked(command);
        self.record(Fact::Command(command.envelope.clone()));
        match verdict {
            Ok(_) => {
                let expires_at_ms = command.expires_at_ms;
                self.record(Fact::Replacing { old, order, asked, expires_at_ms, last });
                self.take_back_if_working(old);
            }
            Err(refusal) => {
                self.record(Fact::Refused { order, asked, message: refusal.message.clone() });
                self.refuse(command.id, &refusal);
            }
        }
    }

    fn judge_rest(
        &mut self,
        old: Uuid,
        order: &Order,
        last: Option<Decimal>,
    ) -> Result<guards::Approved<Order>, Refusal> {
        let filled = self.state.orders.get(&old).map(|tracked| tracked.filled).unwrap_or_default();
        if order.quantity <= filled {
            let message = format!("{filled} of the old order has filled: nothing is left to place");
            return Err(Refusal::new(Code::FilterLot, message));
        }
        // A trailing stop that the executor moves is a plain one at the venue.
        let trail = order.trail.filter(|_| order.kind == Kind::TrailingStop);
        let rest = Order { quantity: order.quantity - filled, trail, ..order.clone() };
        let exposure = self.state.exposure_without(old, &rest, now_ms(), last);
        let Some(rules) = self.state.rules.get(&order.symbol) else {
            return Err(Refusal::new(Code::UnknownSymbol, "the symbol's rules are not known"));
        };
        guards::approve(rest, &exposure, &self.state.limits, rules)
    }

    /// The venue has said how much of an order it has executed: until those fills are known, the rest is not.
    pub fn executed(&mut self, order_id: Uuid, quantity: Decimal) {
        if self.state.orders.get(&order_id).is_some_and(|tracked| tracked.filled < quantity) {
            let most = self.told_executed.entry(order_id).or_default();
            *most = quantity.max(*most);
        }
    }

    /// Whether fills of this order are still to be told.
    pub fn is_short(&self, order: &Tracked) -> bool {
        self.told_executed.get(&order.order.id).is_some_and(|told| order.filled < *told)
    }

    /// Places what is to follow an order, once that is cancelled and all of its fills are known.
    pub fn continue_replacement(&mut self, old: Uuid) {
        let Some(replacement) = self.state.replacing.get(&old) else { return };
        let Some(tracked) = self.state.orders.get(&old) else { return };
        let is_short = self.is_short(tracked);
        let must_wait =
            replacement.order.is_entry() && self.entries_wait().is_some() && tracked.status == Status::Cancelled;
        if tracked.is_working() || is_short || must_wait {
            return;
        }
        let verdict = refusal_by_old(tracked, replacement);
        let Replacement { order, asked, last, .. } = replacement.clone();
        match verdict.map_or_else(|| self.judge_rest(old, &order, last), Err) {
            Ok(approved) => {
                if order.trail.is_some() {
                    self.record(Fact::Moved { old, new: order.id });
                }
                self.record(Fact::Placed { order: Order { trail: order.trail, ..approved.get().clone() }, asked });
                self.record(Fact::Replaced { old });
                self.send_order(approved);
            }
            Err(refusal) => {
                let id = order.id;
                if order.trail.is_some() {
                    tracing::error!(account = %self.state.account, order = %old, %refusal, "a trailing stop ends here");
                }
                self.record(Fact::Refused { order, asked, message: refusal.message.clone() });
                self.record(Fact::Replaced { old });
                self.answer(Answer::refused(Some(id), &refusal));
            }
        }
    }

    /// A cancel means what follows as well.
    pub fn drop_replacement(&mut self, old: Uuid) {
        let Some(Replacement { order, asked, .. }) = self.state.replacing.get(&old).cloned() else { return };
        let refusal =
            Refusal::new(Code::UnknownOrder, "the order that it was to replace has been cancelled by another command");
        let id = order.id;
        self.record(Fact::Refused { order, asked, message: refusal.message.clone() });
        self.record(Fact::Replaced { old });
        self.answer(Answer::refused(Some(id), &refusal));
    }

    pub fn drop_replacements(&mut self, symbol: Option<&str>) {
        let here = |order: &Order| symbol.is_none_or(|symbol| order.symbol == symbol);
        let olds = self.state.replacing.iter().filter(|(_, replacement)| here(&replacement.order)).map(|(old, _)| *old);
        olds.collect::<Vec<Uuid>>().into_iter().for_each(|old| self.drop_replacement(old));
        let is_here = |id: &&Uuid| self.state.orders.get(*id).is_some_and(|tracked| here(&tracked.order));
        let adrift: Vec<Uuid> = self.state.adrift.iter().filter(is_here).copied().collect();
        adrift.into_iter().for_each(|order_id| self.give_up_adrift(order_id));
    }

    pub fn continue_replacements(&mut self) {
        let olds: Vec<Uuid> = self.state.replacing.keys().copied().collect();
        olds.into_iter().for_each(|old| self.continue_replacement(old));
    }
}

/// Why nothing follows an order that has ended as it has.
fn refusal_by_old(old: &Tracked, replacement: &Replacement) -> Option<Refusal> {
    if old.status != Status::Cancelled {
        let message = format!("the order is already {}, {} of it filled", old.status.name(), old.filled);
        return Some(Refusal::new(Code::UnknownOrder, message));
    }
    // An exit that was to come late still comes; an entry belongs to its moment.
    let is_late = now_ms() > replacement.expires_at_ms.saturating_add(CLOCK_SKEW_MS);
    (is_late && replacement.order.is_entry()).then(|| {
        Refusal::new(Code::Expired, "the command expired before the old order was cancelled; that is cancelled now")
    })
}
