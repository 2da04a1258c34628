//! What the guards must know of the market before an order can be judged.

use std::sync::Arc;

use orders::Order;
use orders::guards::{Code, Refusal};
use rust_decimal::Decimal;
use venues::{Reason, VenueError};

use crate::account::Account;
use crate::action::Action;
use crate::envelope::Command;
use crate::fact::Fact;
use crate::message::{Message, Preparation};

impl Account {
    /// Finds out what the guards need to know of the market; mostly that is already there.
    pub fn prepare(&mut self, command: Box<Command>, order: &Order) {
        let needs_rules = !self.state.rules.contains_key(&order.symbol);
        let needs_last = self.state.limits.needs_last_price(order) || self.must_follow(order);
        if !self.may_enter(&command, order) {
            return;
        }
        if !needs_rules && !needs_last {
            self.carry_out(&command, None);
            return;
        }
        let (venue, symbol) = (Arc::clone(&self.venue), order.symbol.clone());
        self.ask(async move {
            let rules = if needs_rules { venue.rules(&symbol).await.map(Some) } else { Ok(None) };
            let last = if needs_last { venue.last_price(&symbol).await.map(Some) } else { Ok(None) };
            Message::Prepared(command, Preparation { rules, last })
        });
    }

    pub fn prepared(&mut self, command: Box<Command>, preparation: Preparation) {
        let refusal = |error: VenueError| match error {
            VenueError::Refused { reason: Reason::UnknownSymbol, message, .. } => {
                Refusal::new(Code::UnknownSymbol, message)
            }
            error => Refusal::new(Code::NotReady, error.to_string()),
        };
        let last = match (preparation.rules, preparation.last) {
            (Err(error), _) | (_, Err(error)) => {
                let refusal = refusal(error);
                if refusal.code == Code::NotReady {
                    self.dismiss(command.id, &refusal);
                } else {
                    self.refuse(command.id, &refusal);
                }
                return;
            }
            (Ok(rules), Ok(last)) => {
                if let Some(rules) = rules {
                    self.record(Fact::Rules(rules));
                }
                last
            }
        };
        self.carry_out(&command, last);
    }

    fn carry_out(&mut self, command: &Command, last: Option<Decimal>) {
        match &command.action {
            Action::Place(place) => self.place(command, place, last),
            Action::PlaceOco(pair) => self.place_pair(command, pair, last),
            Action::Replace(change) => self.replace(command, change, last),
            _ => {}
        }
    }
}
