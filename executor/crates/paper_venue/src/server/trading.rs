//! The signed operations: orders, lists, trades, the account.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::error::ApiError;
use super::operations::Call;
use super::params::Params;
use super::reports::{self, page};
use crate::engine::{
    Input, Kind, MAX_TRAILING, MIN_TRAILING, Named, NewOrder, NewTrailing, Outcome, Refusal, Side, Status, Target,
    TimeInForce, Venue, fixed8, plain,
};

type Answer = Result<Value, ApiError>;

/// Parameters of Binance's that change an order's meaning and that are not built here.
const NOT_BUILT: [&str; 5] = ["icebergQty", "pegPriceType", "aboveIcebergQty", "belowIcebergQty", "workingIcebergQty"];

impl Call<'_> {
    fn account_id(&self) -> Result<usize, Refusal> {
        self.store.venue.account_id(self.account)
    }

    fn symbol(&self) -> Result<String, Refusal> {
        self.params.needed("symbol").map(str::to_owned)
    }

    fn market_id(&self) -> Result<usize, Refusal> {
        self.store.venue.market_id(self.params.needed("symbol")?)
    }

    fn venue(&self) -> &Venue {
        &self.store.venue
    }
}

/// The answer as it is written: an order's way is measured in microseconds.
pub(crate) fn place(call: &mut Call) -> Result<String, ApiError> {
    let params = call.params;
    refuse_not_built(params)?;
    let kind = needed_name::<Kind>(params, "type")?;
    let order = NewOrder {
        kind,
        time_in_force: time_in_force(params, "timeInForce")?,
        quantity: params.decimal("quantity")?,
        quote_quantity: params.decimal("quoteOrderQty")?,
        price: params.decimal("price")?,
        stop_price: params.decimal("stopPrice")?,
        client_id: params.client_id("newClientOrderId")?,
        trailing: trailing(params, "trailingDelta")?,
        ..NewOrder::market(params.needed("symbol")?, needed_name::<Side>(params, "side")?)
    };
    let instant = matches!(kind, Kind::Market | Kind::Limit);
    let form = params.text("newOrderRespType").unwrap_or(if instant { "FULL" } else { "ACK" });
    if !["ACK", "RESULT", "FULL"].contains(&form) {
        return Err(Refusal::new(-1100, "Illegal value for parameter 'newOrderRespType': ACK, RESULT or FULL.").into());
    }
    let account = call.account.to_owned();
    let Outcome::Placed(id) = call.store.submit(&Input::Place { account, order })? else {
        unreachable!("placing gives an order")
    };
    let (venue, account) = (call.venue(), call.account_id()?);
    let order = venue.order(id);
    Ok(match form {
        "ACK" => reports::ack(venue, order).to_string(),
        "RESULT" => reports::text(&reports::placed(venue, order)),
        _ => reports::text(&reports::full(venue, account, order)),
    })
}

pub(crate) fn cancel(call: &mut Call) -> Answer {
    let order = call.params.target("orderId", "origClientOrderId")?;
    let restriction = call.params.text("cancelRestrictions");
    if let Some(restriction) = restriction {
        let market = call.market_id()?;
        let found = call.venue().find_order(call.account_id()?, market, &order);
        let allowed = match restriction {
            "ONLY_NEW" => found.is_none_or(|order| order.status == Status::New),
            "ONLY_PARTIALLY_FILLED" => found.is_none_or(|order| order.status == Status::PartiallyFilled),
            _ => return Err(Refusal::new(-1145, "Invalid cancelRestrictions").into()),
        };
        if !allowed {
            return Err(Refusal::new(-2011, "Order was not canceled due to cancel restrictions.").into());
        }
    }
    let new_client_id = call.params.client_id("newClientOrderId")?;
    let input = Input::Cancel { account: call.account.to_owned(), symbol: call.symbol()?, order, new_client_id };
    let outcome = call.store.submit(&input)?;
    Ok(canceled(call.venue(), outcome))
}

pub(crate) fn cancel_list(call: &mut Call) -> Answer {
    let list = call.params.target("orderListId", "listClientOrderId")?;
    let input = Input::CancelList { account: call.account.to_owned(), symbol: call.symbol()?, list };
    let outcome = call.store.submit(&input)?;
    Ok(canceled(call.venue(), outcome))
}

pub(crate) fn cancel_all(call: &mut Call) -> Answer {
    let (symbol, account, market) = (call.symbol()?, call.account_id()?, call.market_id()?);
    let mut answers = Vec::new();
    loop {
        // A leg takes its sibling with it, so the next one is asked for anew each time.
        let next =
            call.venue().open_orders(account).into_iter().find(|order| order.market == market).map(|order| order.id);
        let Some(id) = next else { break };
        let order = Target::Id(id);
        let (account, symbol) = (call.account.to_owned(), symbol.clone());
        let outcome = call.store.submit(&Input::Cancel { account, symbol, order, new_client_id: None })?;
        answers.push(canceled(call.venue(), outcome));
    }
    if answers.is_empty() {
        return Err(Refusal::unknown_order_to_cancel().into());
    }
    Ok(Value::Array(answers))
}

pub(crate) fn order(call: &mut Call) -> Answer {
    let target = call.params.target("orderId", "origClientOrderId")?;
    let market = call.market_id()?;
    let order = call.venue().find_order(call.account_id()?, market, &target).ok_or_else(Refusal::no_such_order)?;
    Ok(reports::order(call.venue(), order))
}

pub(crate) fn open_orders(call: &mut Call) -> Answer {
    let market = if call.params.text("symbol").is_some() { Some(call.market_id()?) } else { None };
    let orders = call.venue().open_orders(call.account_id()?);
    let orders = orders.into_iter().filter(|order| market.is_none_or(|market| order.market == market));
    Ok(orders.map(|order| reports::order(call.venue(), order)).collect())
}

pub(crate) fn all_orders(call: &mut Call) -> Answer {
    let (account, market) = (call.account_id()?, call.market_id()?);
    let (from, start, end) =
        (call.params.id("orderId")?, call.params.integer("startTime")?, call.params.integer("endTime")?);
    let matching = call.venue().orders_of(account).filter(|order| {
        order.market == market
            && from.is_none_or(|from| order.id >= from)
            && start.is_none_or(|start| order.created_ms >= start)
            && end.is_none_or(|end| order.created_ms <= end)
    });
    let limit = call.params.limit(500, 1000)?;
    let from_oldest = from.is_some() || start.is_some();
    Ok(page(matching, limit, from_oldest).into_iter().map(|order| reports::order(call.venue(), order)).collect())
}

pub(crate) fn my_trades(call: &mut Call) -> Answer {
    let (account, market) = (call.account_id()?, call.market_id()?);
    let params = call.params;
    let (order, from) = (params.id("orderId")?, params.id("fromId")?);
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let matching = call.venue().accounts[account].trades.iter().filter(|trade| {
        trade.market == market
            && order.is_none_or(|order| trade.order == order)
            && from.is_none_or(|from| trade.id >= from)
            && start.is_none_or(|start| trade.time_ms >= start)
            && end.is_none_or(|end| trade.time_ms <= end)
    });
    let limit = params.limit(500, 1000)?;
    let from_oldest = from.is_some() || start.is_some();
    Ok(page(matching, limit, from_oldest).into_iter().map(|trade| reports::trade(call.venue(), trade)).collect())
}

pub(crate) fn order_list(call: &mut Call) -> Answer {
    let target = call.params.target("orderListId", "origClientOrderId")?;
    let list = call.venue().find_list(call.account_id()?, &target);
    let list = list.ok_or_else(|| Refusal::new(-2018, "Order list does not exist."))?;
    Ok(reports::list(call.venue(), list))
}

pub(crate) fn open_order_lists(call: &mut Call) -> Answer {
    let lists = call.venue().open_lists(call.account_id()?);
    Ok(lists.map(|list| reports::list(call.venue(), list)).collect())
}

pub(crate) fn account(call: &mut Call) -> Answer {
    let id = call.account_id()?;
    let account = &call.venue().accounts[id];
    let fees = call.venue().fees();
    let basis_points = |rate: Decimal| i64::try_from(rate * Decimal::from(10_000)).unwrap_or_default();
    let omit_zero = call.params.text("omitZeroBalances") == Some("true");
    let balances: Vec<Value> = account
        .balances
        .iter()
        .filter(|(_, balance)| !(omit_zero && balance.free.is_zero() && balance.locked.is_zero()))
        .map(|(asset, balance)| json!({"asset": asset, "free": fixed8(balance.free), "locked": fixed8(balance.locked)}))
        .collect();
    Ok(json!({
        "makerCommission": basis_points(fees.maker), "takerCommission": basis_points(fees.taker),
        "buyerCommission": 0, "sellerCommission": 0,
        "commissionRates": {"maker": fixed8(fees.maker), "taker": fixed8(fees.taker), "buyer": fixed8(0.into()),
                            "seller": fixed8(0.into())},
        "canTrade": true, "canWithdraw": false, "canDeposit": false, "brokered": false,
        "requireSelfTradePrevention": false, "preventSor": true, "updateTime": account.updated_ms,
        "accountType": "SPOT", "balances": balances, "permissions": ["SPOT"], "uid": id + 1,
    }))
}

pub(crate) fn coins(call: &mut Call) -> Answer {
    let account = &call.venue().accounts[call.account_id()?];
    let mut assets: Vec<&String> =
        call.venue().markets.iter().flat_map(|market| [&market.rules.base, &market.rules.quote]).collect();
    assets.extend(account.balances.keys());
    assets.sort();
    assets.dedup();
    let coin = |asset: &String| {
        let balance = account.balance(asset);
        json!({
            "coin": asset, "name": asset, "depositAllEnable": false, "withdrawAllEnable": false, "trading": true,
            "isLegalMoney": false, "free": plain(balance.free), "locked": plain(balance.locked), "freeze": "0",
            "withdrawing": "0", "ipoing": "0", "ipoable": "0", "storage": "0", "networkList": [],
        })
    };
    Ok(assets.into_iter().map(coin).collect())
}

pub(crate) fn trade_fee(call: &mut Call) -> Answer {
    let fees = call.venue().fees();
    let wanted = call.params.text("symbol");
    let symbols = call.venue().markets.iter().map(|market| &market.rules.symbol);
    let fee = |symbol: &String| json!({"symbol": symbol, "makerCommission": plain(fees.maker), "takerCommission": plain(fees.taker)});
    Ok(symbols.filter(|symbol| wanted.is_none_or(|wanted| wanted == *symbol)).map(fee).collect())
}

fn canceled(venue: &Venue, outcome: Outcome) -> Value {
    match outcome {
        Outcome::Canceled { order, client_id } => {
            reports::canceled(reports::result(venue, venue.order(order)), &client_id)
        }
        Outcome::CanceledList(list) => reports::list_result(venue, venue.list(list)),
        other => unreachable!("a cancel gave {other:?}"),
    }
}

pub(crate) fn refuse_not_built(params: &Params) -> Result<(), Refusal> {
    match NOT_BUILT.into_iter().find(|name| params.text(name).is_some()) {
        Some(name) => Err(Refusal::new(-1106, format!("Parameter '{name}' is not supported by the paper venue."))),
        None => Ok(()),
    }
}

/// A trailing stop's distance, in basis points.
pub(crate) fn trailing(params: &Params, name: &str) -> Result<Option<NewTrailing>, Refusal> {
    let Some(delta) = params.integer(name)? else { return Ok(None) };
    if !(MIN_TRAILING..=MAX_TRAILING).contains(&delta) {
        return Err(Refusal::filter("TRAILING_DELTA"));
    }
    Ok(Some(NewTrailing { callback: Decimal::new(delta, 4), activation: None }))
}

pub(crate) fn needed_name<T: Named>(params: &Params, name: &str) -> Result<T, Refusal> {
    let code = if name == "side" { -1117 } else { -1116 };
    T::named(params.needed(name)?).ok_or_else(|| Refusal::new(code, format!("Invalid {name}.")))
}

pub(crate) fn time_in_force(params: &Params, name: &str) -> Result<Option<TimeInForce>, Refusal> {
    let Some(text) = params.text(name) else { return Ok(None) };
    TimeInForce::named(text).map(Some).ok_or_else(|| Refusal::new(-1115, "Invalid timeInForce."))
}
