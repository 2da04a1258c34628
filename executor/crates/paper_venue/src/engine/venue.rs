//! The state and its one way to change: [`Venue::apply`].

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::account::Account;
use super::bar::{Bar, Interval};
use super::depth::Diff;
use super::events::UserEvent;
use super::input::{Fees, Input, Setup, Target};
use super::market::{Market, PublicTrade};
use super::order::{ListId, Order, OrderId, OrderList};
use super::refusal::Refusal;

/// What an accepted input did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Setup,
    Bar(BarAnswer),
    Placed(OrderId),
    PlacedList(ListId),
    /// The id that the cancel request carries in its answer and event.
    Canceled {
        order: OrderId,
        client_id: String,
    },
    CanceledList(ListId),
    Leverage(u32),
    Tick {
        /// The book misses updates and is void until the next snapshot.
        gap: bool,
    },
    Funded {
        duplicate: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarAnswer {
    /// Nothing of the bar is left to work through.
    pub done: bool,
    /// The bar was known; nothing changed.
    pub duplicate: bool,
}

/// What the market streams show.
#[derive(Debug, Clone)]
pub enum MarketEvent {
    Trade {
        market: usize,
        trade: PublicTrade,
    },
    Depth {
        market: usize,
        diff: Diff,
    },
    /// The best bid or ask has moved.
    Touch {
        market: usize,
    },
    Closed {
        market: usize,
    },
}

#[derive(Debug, Default)]
pub struct Venue {
    pub(crate) setup: Option<Setup>,
    pub accounts: Vec<Account>,
    pub markets: Vec<Market>,
    pub(crate) orders: Vec<Order>,
    pub(crate) lists: Vec<OrderList>,
    account_ids: HashMap<String, usize>,
    market_ids: HashMap<String, usize>,
    last_trade_id: u64,
    last_execution_id: u64,
    /// Market time, epoch ms: the newest time any bar has shown.
    pub clock_ms: i64,
    /// User events since the last [`Venue::take_user_events`]: account and event.
    pub(crate) user_events: Vec<(usize, UserEvent)>,
    /// Orders that went live with the fill in hand.
    pub(crate) released: Vec<OrderId>,
    pub(crate) market_events: Vec<MarketEvent>,
}

impl Venue {
    /// Applies one input; a refused one changes nothing.
    ///
    /// # Errors
    /// A [`Refusal`] with Binance's code.
    pub fn apply(&mut self, input: &Input) -> Result<Outcome, Refusal> {
        match input {
            Input::Setup(setup) => {
                self.set_up(setup);
                Ok(Outcome::Setup)
            }
            Input::Bar { symbol, interval, bar } => self.begin_bar(self.market_id(symbol)?, *interval, bar),
            Input::Continue { symbol } => {
                let market = self.market_id(symbol)?;
                Ok(Outcome::Bar(BarAnswer { done: self.advance(market), duplicate: false }))
            }
            Input::Place { account, order } => self.place(self.account_id(account)?, order),
            Input::PlaceOco { account, list } => self.place_oco(self.account_id(account)?, list),
            Input::PlaceOto { account, list } => self.place_oto(self.account_id(account)?, list),
            Input::Cancel { account, symbol, order, new_client_id } => {
                let (account, market) = (self.account_id(account)?, self.market_id(symbol)?);
                self.cancel(account, market, order, new_client_id.clone())
            }
            Input::CancelList { account, symbol, list } => {
                let (account, market) = (self.account_id(account)?, self.market_id(symbol)?);
                self.cancel_list(account, market, list)
            }
            Input::Leverage { account, symbol, leverage } => {
                self.set_leverage(self.account_id(account)?, self.market_id(symbol)?, *leverage)
            }
            Input::Tick { symbol, tick } => self.tick(self.market_id(symbol)?, tick),
            Input::Funding { symbol, rate, time_ms } => self.fund(self.market_id(symbol)?, *rate, *time_ms),
        }
    }

    /// The set-up in force.
    #[must_use]
    pub fn setup(&self) -> Option<&Setup> {
        self.setup.as_ref()
    }

    fn set_up(&mut self, setup: &Setup) {
        for rules in &setup.symbols {
            match self.market_ids.get(&rules.symbol) {
                Some(&market) => self.markets[market].rules = rules.clone(),
                None => {
                    self.market_ids.insert(rules.symbol.clone(), self.markets.len());
                    self.markets.push(Market::new(rules.clone()));
                }
            }
        }
        for account in &setup.accounts {
            if !self.account_ids.contains_key(&account.name) {
                self.account_ids.insert(account.name.clone(), self.accounts.len());
                self.accounts.push(Account::new(account.market, &account.balances));
            }
        }
        self.setup = Some(setup.clone());
    }

    /// Index of a symbol.
    ///
    /// # Errors
    /// -1121 for a symbol that is not traded here.
    pub fn market_id(&self, symbol: &str) -> Result<usize, Refusal> {
        self.market_ids.get(symbol).copied().ok_or_else(Refusal::invalid_symbol)
    }

    /// Index of an account.
    ///
    /// # Errors
    /// -2015 for an account that does not exist.
    pub fn account_id(&self, name: &str) -> Result<usize, Refusal> {
        self.account_ids
            .get(name)
            .copied()
            .ok_or_else(|| Refusal::new(-2015, "Invalid API-key, IP, or permissions for action."))
    }

    #[must_use]
    pub fn order(&self, id: OrderId) -> &Order {
        &self.orders[(id - 1) as usize]
    }

    pub(crate) fn order_mut(&mut self, id: OrderId) -> &mut Order {
        &mut self.orders[(id - 1) as usize]
    }

    #[must_use]
    pub fn list(&self, id: ListId) -> &OrderList {
        &self.lists[(id - 1) as usize]
    }

    /// The account's order by either id.
    #[must_use]
    pub fn find_order(&self, account: usize, market: usize, target: &Target) -> Option<&Order> {
        let id = match target {
            Target::Id(id) => *id,
            Target::ClientId(client_id) => *self.accounts[account].client_ids.get(client_id)?,
        };
        let order = self.orders.get(usize::try_from(id.checked_sub(1)?).ok()?)?;
        (order.account == account && order.market == market).then_some(order)
    }

    /// The account's order by either id, in whatever symbol.
    #[must_use]
    pub fn find_order_anywhere(&self, account: usize, target: &Target) -> Option<&Order> {
        (0..self.markets.len()).find_map(|market| self.find_order(account, market, target))
    }

    /// The account's list by either id; of several with one client id, the newest.
    #[must_use]
    pub fn find_list(&self, account: usize, target: &Target) -> Option<&OrderList> {
        let of_account = self.lists.iter().rev().filter(|list| list.account == account);
        match target {
            Target::Id(id) => of_account.into_iter().find(|list| list.id == *id),
            Target::ClientId(client_id) => of_account.into_iter().find(|list| list.client_id == *client_id),
        }
    }

    /// The account's orders, oldest first.
    pub fn orders_of(&self, account: usize) -> impl DoubleEndedIterator<Item = &Order> {
        self.accounts[account].orders.iter().map(|&id| self.order(id))
    }

    /// The account's open orders, oldest first.
    pub fn open_orders(&self, account: usize) -> Vec<&Order> {
        let mut open: Vec<&Order> = self
            .markets
            .iter()
            .flat_map(|market| market.open.iter().chain(&market.pending))
            .map(|&id| self.order(id))
            .filter(|order| order.account == account)
            .collect();
        open.sort_unstable_by_key(|order| order.id);
        open
    }

    /// The account's open lists, oldest first.
    pub fn open_lists(&self, account: usize) -> impl Iterator<Item = &OrderList> {
        self.lists.iter().filter(move |list| list.account == account && !list.done)
    }

    #[must_use]
    pub fn symbol_of(&self, market: usize) -> &str {
        &self.markets[market].rules.symbol
    }

    #[must_use]
    pub fn has_user_events(&self) -> bool {
        !self.user_events.is_empty()
    }

    pub fn take_user_events(&mut self) -> Vec<(usize, Value)> {
        let events = std::mem::take(&mut self.user_events);
        events.into_iter().map(|(account, event)| (account, self.message(event))).collect()
    }

    /// Nobody was there to be told.
    pub(crate) fn forget_events(&mut self) {
        self.user_events.clear();
        self.market_events.clear();
    }

    pub fn take_market_events(&mut self) -> Vec<MarketEvent> {
        std::mem::take(&mut self.market_events)
    }

    pub(crate) fn fees(&self) -> Fees {
        self.setup.as_ref().map_or(Fees { maker: Decimal::ZERO, taker: Decimal::ZERO }, |setup| setup.fees)
    }

    pub(crate) fn volume_share(&self) -> Option<Decimal> {
        self.setup.as_ref().and_then(|setup| setup.volume_share)
    }

    pub(crate) fn latency_ms(&self) -> i64 {
        self.setup.as_ref().map_or(0, |setup| setup.latency_ms)
    }

    pub(crate) fn next_trade_id(&mut self) -> u64 {
        self.last_trade_id += 1;
        self.last_trade_id
    }

    pub(crate) fn next_execution_id(&mut self) -> u64 {
        self.last_execution_id += 1;
        self.last_execution_id
    }

    /// How a bar would be received, told without a change: the answer to a repeated one, or why it is refused.
    ///
    /// # Errors
    /// -1121 for the symbol; -1100 for a bar that breaks a rule or comes while another one is unfinished.
    pub fn foresee_bar(&self, symbol: &str, interval: Interval, bar: &Bar) -> Result<Option<BarAnswer>, Refusal> {
        let market = &self.markets[self.market_id(symbol)?];
        bar.check().map_err(|rule| Refusal::new(-1100, format!("Bar refused: {rule}.")))?;
        if market.newest_open_ms().is_some_and(|newest| bar.open_time_ms <= newest) {
            return Ok(Some(BarAnswer { done: !market.is_mid_bar(), duplicate: true }));
        }
        if market.depth.is_some() {
            return Err(Refusal::new(-1100, "Bar refused: this symbol goes by its order book and trades."));
        }
        if let Some(progress) = &market.progress {
            let unfinished = progress.bar.open_time_ms;
            let msg = format!("Bar refused: the bar of {unfinished} is not done; POST /paper/v1/continue first.");
            return Err(Refusal::new(-1100, msg));
        }
        if let Some(known) = market.interval.filter(|known| *known != interval) {
            let msg = format!("Bar refused: {symbol} goes by bars of {}, not {}.", known.name(), interval.name());
            return Err(Refusal::new(-1100, msg));
        }
        if market.bars.last().is_some_and(|last| bar.open_time_ms <= last.close_time_ms) {
            return Err(Refusal::new(-1100, "Bar refused: it overlaps the one before."));
        }
        Ok(None)
    }
}
