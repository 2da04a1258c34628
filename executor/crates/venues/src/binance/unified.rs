//! Binance's requests for calls in ccxt's form; where ccxt makes choices of its own, so does this.

use hyper::Method;
use orders::{Market, Order, Side};
use rust_decimal::Decimal;

use super::sign::{Call as Signed, Signer};
use super::words::side_word;
use super::{spot, symbol_param, usdm};
use crate::fields::number;
use crate::params::Params;
use crate::request::Request;
use crate::unified::{Call, Create, Precision, Symbol};

pub fn request(call: &Call, market: Market, signer: &Signer, at: i64) -> Result<Request, String> {
    let (base, root) = match market {
        Market::Spot => ("https://api.binance.com", "/api/v3"),
        Market::Swap => ("https://fapi.binance.com", "/fapi/v1"),
    };
    let order = format!("{root}/order");
    let (method, path, params) = match call {
        Call::Create(create) => {
            let Signed { method, path, params, .. } = create_order(create, market)?;
            (method, path.to_owned(), params)
        }
        Call::Edit { id, symbol, side, amount, price } => {
            let cut = precision(market);
            let (quantity, price) = (number(cut.amount(*amount)), number(cut.price(*price)));
            edit(market, id, &name(symbol), *side, quantity, price)
        }
        Call::Cancel { id, symbol, client_order_id } => (Method::DELETE, order, one(symbol, id, client_order_id)?),
        Call::Fetch { id, symbol, client_order_id } => (Method::GET, order, one(symbol, id, client_order_id)?),
        Call::OpenOrders { symbol } => (Method::GET, format!("{root}/openOrders"), symbol_param(&name(symbol))),
        Call::CancelAll { symbol } => {
            let path = if market == Market::Spot { "openOrders" } else { "allOpenOrders" };
            (Method::DELETE, format!("{root}/{path}"), symbol_param(&name(symbol)))
        }
        Call::MyTrades { symbol } => {
            let path = if market == Market::Spot { "myTrades" } else { "userTrades" };
            (Method::GET, format!("{root}/{path}"), symbol_param(&name(symbol)))
        }
        Call::Balance => {
            let path = if market == Market::Spot { "/api/v3/account" } else { "/fapi/v3/balance" };
            (Method::GET, path.to_owned(), Params::default())
        }
        Call::SetLeverage { leverage, symbol } => {
            let mut params = symbol_param(&name(symbol));
            params.add("leverage", number(*leverage));
            (Method::POST, "/fapi/v1/leverage".to_owned(), params)
        }
    };
    Ok(signer.request(base, &method, &path, params, at))
}

fn create_order(create: &Create, market: Market) -> Result<Signed, String> {
    let extra = &create.extra;
    if extra.stop_loss.is_some() || extra.take_profit.is_some() {
        return Err("create_order: Binance attaches no stop or target to an order".into());
    }
    let cut = precision(market);
    let plain = create.order();
    let price = |price: Option<Decimal>| price.map(|price| cut.price(price));
    let order = Order {
        symbol: name(&create.symbol),
        quantity: cut.amount(plain.quantity),
        price: price(plain.price).filter(|_| !create.is_market),
        stop_price: price(plain.stop_price),
        ..plain
    };
    if market == Market::Swap {
        return Ok(usdm::orders::place(&order));
    }
    // A price turns a market order's amount into what it is to cost.
    let cost = create.price.filter(|_| create.is_market).map(|price| number(plain.quantity * price));
    Ok(spot::orders::place_for(&order, cost))
}

/// Spot replaces by cancelling first; futures change the order itself.
fn edit(
    market: Market,
    id: &str,
    symbol: &str,
    side: Side,
    quantity: String,
    price: String,
) -> (Method, String, Params) {
    let mut params = symbol_param(symbol);
    params.add("side", side_word(side)).add("quantity", quantity).add("price", price);
    match market {
        Market::Spot => {
            params.add("type", "LIMIT").add("timeInForce", "GTC").add("newOrderRespType", "FULL");
            params.add("cancelReplaceMode", "STOP_ON_FAILURE").add("cancelOrderId", id);
            (Method::POST, "/api/v3/order/cancelReplace".to_owned(), params)
        }
        Market::Swap => {
            params.add("orderId", id);
            (Method::PUT, "/fapi/v1/order".to_owned(), params)
        }
    }
}

fn one(symbol: &Symbol, id: &Option<String>, client_order_id: &Option<String>) -> Result<Params, String> {
    let mut params = symbol_param(&name(symbol));
    match (id, client_order_id) {
        (_, Some(id)) => params.add("origClientOrderId", id),
        (Some(id), None) => params.add("orderId", id),
        (None, None) => return Err("an order is named by its id, or by its client order id".into()),
    };
    Ok(params)
}

fn name(symbol: &Symbol) -> String {
    format!("{}{}", symbol.base, symbol.quote)
}

/// BTC against USDT.
fn precision(market: Market) -> Precision {
    match market {
        Market::Spot => Precision { tick: Decimal::new(1, 2), step: Decimal::new(1, 5) },
        Market::Swap => Precision { tick: Decimal::new(1, 1), step: Decimal::new(1, 3) },
    }
}
