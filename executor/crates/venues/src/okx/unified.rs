//! OKX's requests for calls in ccxt's form; where ccxt makes choices of its own, so does this.

use orders::{Market, Order};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::requests::{self, OrderRef, PlaceAlgo, PlaceOrder, TradeMode, Triggers, instrument_type, is_algo};
use super::sign::Signer;
use crate::fields::number;
use crate::params::Params;
use crate::request::Request;
use crate::unified::{Attached, Call, Create, Precision, Symbol};

const AMEND: &str = "/api/v5/trade/amend-order";
const SET_LEVERAGE: &str = "/api/v5/account/set-leverage";

pub fn request(call: &Call, market: Market, base: &str, signer: &Signer, at: i64) -> Result<Request, String> {
    Ok(match call {
        Call::Create(create) => create_order(create, market, base, signer, at)?,
        Call::Edit { id, symbol, amount, price, .. } => {
            let cut = precision(market);
            let (size, price) = (number(cut.amount(*amount)), number(cut.price(*price)));
            let body = json!({"instId": name(symbol), "ordId": id, "newSz": size, "newPx": price});
            signer.post(base, AMEND, &body, at)
        }
        Call::Cancel { id, symbol, client_order_id } => {
            signer.post(base, requests::CANCEL, &reference(&name(symbol), id, client_order_id), at)
        }
        Call::Fetch { id, symbol, client_order_id } => {
            let params = reference(&name(symbol), id, client_order_id).params();
            signer.get(base, requests::ORDER, &params, at)
        }
        Call::OpenOrders { symbol } => signer.get(base, requests::OPEN_ORDERS, &by_symbol(symbol), at),
        Call::MyTrades { symbol } => {
            let mut params = by_symbol(symbol);
            params.add("instType", instrument_type(market));
            signer.get(base, requests::FILLS_OF_MONTHS, &params, at)
        }
        Call::Balance => signer.get(base, requests::BALANCE, &Params::default(), at),
        Call::SetLeverage { leverage, symbol } => {
            let mut body = Map::new();
            let leverage: Value = serde_json::from_str(&number(*leverage)).map_err(|error| error.to_string())?;
            body.insert("lever".into(), leverage);
            body.insert("mgnMode".into(), "cross".into());
            body.insert("instId".into(), name(symbol).into());
            signer.post(base, SET_LEVERAGE, &body, at)
        }
        Call::CancelAll { .. } => return Err("cancel_all_orders: OKX has no such request".into()),
    })
}

fn create_order(create: &Create, market: Market, base: &str, signer: &Signer, at: i64) -> Result<Request, String> {
    let (cut, extra) = (precision(market), &create.extra);
    let contract = contract(market);
    let plain = create.order();
    let waits = is_algo(plain.kind);
    if waits && extra.stop_loss_price.is_some() && extra.take_profit_price.is_some() {
        return Err("create_order: a stop and a target in one order are not among ours".into());
    }
    let order = Order {
        symbol: name(&create.symbol),
        market,
        quantity: cut.amount(create.amount) * contract,
        price: create.price.filter(|_| waits || !create.is_market).map(|price| cut.price(price)),
        stop_price: plain.stop_price.map(|price| cut.price(price)),
        ..plain
    };
    if waits {
        let is_trailing = extra.trailing_percent.is_some();
        // On a margin account OKX refuses conditional orders in cash mode; ccxt expects such an account.
        let cash = is_trailing && market == Market::Spot;
        let mut body = PlaceAlgo::new(&order, contract, if cash { TradeMode::Cash } else { TradeMode::Cross });
        body.algo_cl_ord_id = None;
        body.cl_ord_id = extra.client_order_id.clone();
        if is_trailing && market == Market::Spot {
            body.tgt_ccy = Some("base_ccy");
        }
        return Ok(signer.post(base, requests::PLACE_ALGO, &body, at));
    }
    let mut body = PlaceOrder::new(&order, contract);
    body.cl_ord_id = extra.client_order_id.clone();
    let attached = |leg: &Option<Attached>| leg.as_ref().and_then(|leg| leg.trigger_price);
    let (stop, target) = (attached(&extra.stop_loss), attached(&extra.take_profit));
    if stop.is_some() || target.is_some() {
        let mut triggers = Triggers::default();
        if let Some(at) = stop {
            triggers.stop(cut.price(at), None);
        }
        if let Some(at) = target {
            triggers.target(cut.price(at), None);
        }
        body.attach_algo_ords.push(triggers);
    }
    Ok(signer.post(base, requests::PLACE, &[body], at))
}

fn reference<'a>(inst_id: &'a str, id: &'a Option<String>, client_order_id: &'a Option<String>) -> OrderRef<'a> {
    let cl_ord_id = client_order_id.as_deref();
    OrderRef { inst_id, ord_id: id.as_deref().filter(|_| cl_ord_id.is_none()), cl_ord_id }
}

fn by_symbol(symbol: &Symbol) -> Params {
    let mut params = Params::default();
    params.add("instId", name(symbol));
    params
}

fn name(symbol: &Symbol) -> String {
    let swap = if symbol.settle.is_some() { "-SWAP" } else { "" };
    format!("{}-{}{swap}", symbol.base, symbol.quote)
}

/// BTC against USDT; a swap's amounts are contracts.
fn precision(market: Market) -> Precision {
    let step = match market {
        Market::Spot => Decimal::new(1, 8),
        Market::Swap => Decimal::new(1, 2),
    };
    Precision { tick: Decimal::new(1, 1), step }
}

/// Bitcoin in a contract.
fn contract(market: Market) -> Decimal {
    match market {
        Market::Spot => Decimal::ONE,
        Market::Swap => Decimal::new(1, 2),
    }
}
