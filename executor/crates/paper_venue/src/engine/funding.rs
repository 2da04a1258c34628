//! Funding: what longs pay shorts, or shorts longs, at the times and rates that the control API tells.

use rust_decimal::Decimal;

use super::money::truncated;
use super::refusal::Refusal;
use super::swap::MARGIN_ASSET;
use super::venue::{Outcome, Venue};

/// One settlement of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funding {
    pub time_ms: i64,
    /// A fraction of the notional; above zero longs pay.
    pub rate: Decimal,
    pub mark: Decimal,
}

/// What an account received (or, below zero, paid) at a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingPayment {
    pub id: u64,
    pub(crate) market: usize,
    pub time_ms: i64,
    pub amount: Decimal,
}

impl Venue {
    /// A settlement at or before the symbol's last one is known, and changes nothing.
    pub(crate) fn fund(&mut self, market: usize, rate: Decimal, time_ms: i64) -> Result<Outcome, Refusal> {
        if self.markets[market].funding.last().is_some_and(|last| time_ms <= last.time_ms) {
            return Ok(Outcome::Funded { duplicate: true });
        }
        if self.markets[market].is_mid_bar() {
            let msg = "Funding refused: a bar is not done; POST /paper/v1/continue first.";
            return Err(Refusal::new(-1100, msg));
        }
        if rate.abs() >= Decimal::ONE || time_ms < 0 {
            return Err(Refusal::new(
                -1100,
                "Funding refused: the rate is a fraction within -1 and 1, such as \"0.0001\".",
            ));
        }
        let Some(mark) = self.markets[market].last_price else {
            return Err(Refusal::new(-1100, "Funding refused: the symbol has no price yet."));
        };
        self.clock_ms = self.clock_ms.max(time_ms);
        self.markets[market].funding.push(Funding { time_ms, rate, mark });
        for account in 0..self.accounts.len() {
            let Some(position) = self.position(account, market).filter(|held| !held.quantity.is_zero()) else {
                continue;
            };
            let amount = truncated(-position.quantity * mark * rate);
            let id = self.next_trade_id();
            let holder = &mut self.accounts[account];
            holder.balance_mut(MARGIN_ASSET).free += amount;
            holder.updated_ms = time_ms;
            holder.funding.push(FundingPayment { id, market, time_ms, amount });
            self.report_swap_account(account, &[], "FUNDING_FEE", amount);
        }
        self.liquidate_at(market, mark);
        Ok(Outcome::Funded { duplicate: false })
    }
}
