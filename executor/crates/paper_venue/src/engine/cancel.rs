//! Cancels: an order, or a list and all its legs.

use super::events::{Execution, ListEvent};
use super::input::Target;
use super::order::{ListId, Status};
use super::refusal::Refusal;
use super::venue::{Outcome, Venue};

impl Venue {
    pub(crate) fn cancel(
        &mut self,
        account: usize,
        market: usize,
        target: &Target,
        new_client_id: Option<String>,
    ) -> Result<Outcome, Refusal> {
        let order = self.find_order(account, market, target).filter(|order| order.is_open());
        let order = order.ok_or_else(Refusal::unknown_order_to_cancel)?;
        if let Some(list) = order.list {
            // As at Binance, a leg takes the whole list with it.
            return self.cancel_legs(list);
        }
        let id = order.id;
        let client_id = new_client_id.unwrap_or_else(|| format!("paper-cancel-{id}"));
        self.close(id, Status::Canceled);
        self.report(id, Execution::Canceled { client_id: client_id.clone() });
        self.report_account(account, market);
        Ok(Outcome::Canceled { order: id, client_id })
    }

    pub(crate) fn cancel_list(&mut self, account: usize, market: usize, target: &Target) -> Result<Outcome, Refusal> {
        let list = self.find_list(account, target).filter(|list| list.market == market && !list.done);
        let list = list.ok_or_else(Refusal::unknown_order_to_cancel)?.id;
        self.cancel_legs(list)
    }

    fn cancel_legs(&mut self, list: ListId) -> Result<Outcome, Refusal> {
        let (account, market) = (self.list(list).account, self.list(list).market);
        for leg in self.list(list).orders.clone() {
            if self.order(leg).is_open() {
                self.close(leg, Status::Canceled);
                self.report(leg, Execution::Canceled { client_id: format!("paper-cancel-{leg}") });
            }
        }
        self.lists[(list - 1) as usize].done = true;
        self.report_list(list, ListEvent::Done);
        self.report_account(account, market);
        Ok(Outcome::CanceledList(list))
    }
}
