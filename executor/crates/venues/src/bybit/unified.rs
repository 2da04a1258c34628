//! Bybit's requests for calls in ccxt's form; where ccxt makes choices of its own, so does this.

use orders::{Market, Order};
use rust_decimal::Decimal;
use serde_json::json;

use super::requests::{self, CancelOrder, CreateOrder, category, orders_of};
use super::sign::Signer;
use crate::fields::number;
use crate::request::Request;
use crate::unified::{Attached, Call, Create, Precision, Symbol};

const CANCEL_ALL: &str = "/v5/order/cancel-all";
const AMEND: &str = "/v5/order/amend";
const SET_LEVERAGE: &str = "/v5/position/set-leverage";

pub fn request(call: &Call, market: Market, base: &str, signer: &Signer, at: i64) -> Result<Request, String> {
    let post = |path: &str, body: &serde_json::Value| signer.post(base, path, body, at);
    let category = category(market);
    Ok(match call {
        Call::Create(create) => signer.post(base, requests::CREATE, &create_order(create, market)?, at),
        Call::Edit { id, symbol, amount, price, .. } => {
            let cut = precision(market);
            let (qty, price) = (number(cut.amount(*amount)), number(cut.price(*price)));
            let body = json!({"symbol": name(symbol), "orderId": id, "category": category, "qty": qty, "price": price});
            post(AMEND, &body)
        }
        Call::Cancel { id, symbol, client_order_id } => {
            let body = CancelOrder {
                category,
                symbol: &name(symbol),
                order_id: id.as_deref(),
                order_link_id: client_order_id.as_deref(),
                order_filter: (market == Market::Spot).then_some(requests::PLAIN),
            };
            signer.post(base, requests::CANCEL, &body, at)
        }
        Call::Fetch { id, symbol, client_order_id } => {
            let mut params = orders_of(market, &name(symbol));
            match (id, client_order_id) {
                (Some(id), _) => params.add("orderId", id),
                (None, Some(id)) => params.add("orderLinkId", id),
                (None, None) => return Err("fetch_order: it needs an id".into()),
            };
            signer.get(base, requests::ORDERS, &params, at)
        }
        Call::OpenOrders { symbol } => signer.get(base, requests::ORDERS, &orders_of(market, &name(symbol)), at),
        Call::CancelAll { symbol } => post(CANCEL_ALL, &json!({"symbol": name(symbol), "category": category})),
        Call::MyTrades { symbol } => {
            let mut params = orders_of(market, &name(symbol));
            params.add("execType", "Trade");
            signer.get(base, requests::EXECUTIONS, &params, at)
        }
        Call::Balance => signer.get(base, requests::WALLET, &requests::wallet(), at),
        Call::SetLeverage { leverage, symbol } => {
            let leverage = number(*leverage);
            let body = json!({"symbol": name(symbol), "buyLeverage": leverage, "sellLeverage": leverage,
                "category": category});
            post(SET_LEVERAGE, &body)
        }
    })
}

fn create_order(create: &Create, market: Market) -> Result<CreateOrder, String> {
    let (cut, extra) = (precision(market), &create.extra);
    if extra.trailing_percent.is_some() {
        return Err("create_order: Bybit has no order that trails by a percentage".into());
    }
    let order = Order {
        symbol: name(&create.symbol),
        market,
        quantity: cut.amount(create.amount),
        price: create.price.filter(|_| !create.is_market).map(|price| cut.price(price)),
        stop_price: extra.stop_loss_price.or(extra.take_profit_price).map(|price| cut.price(price)),
        ..create.order()
    };
    let mut body = CreateOrder::new(&order);
    body.order_link_id = extra.client_order_id.clone();
    if body.trigger_price.is_some() {
        // ccxt takes stopLossPrice and takeProfitPrice for closing orders on either market.
        body.reduce_only = Some(true);
    }
    if let (Market::Spot, true, Some(price)) = (market, create.is_market, create.price) {
        // A price turns a market order's amount into what it is to cost.
        body.qty = number(order.quantity * cut.price(price));
        body.market_unit = (body.side == "Sell").then_some("quoteCoin");
    }
    let attached = |leg: &Option<Attached>| leg.as_ref().and_then(|leg| leg.trigger_price);
    let price = |price: Option<Decimal>| price.map(|price| number(cut.price(price)));
    body.stop_loss = price(attached(&extra.stop_loss));
    body.take_profit = price(attached(&extra.take_profit));
    if market == Market::Spot {
        body.sl_order_type = body.stop_loss.as_ref().map(|_| "Market");
        body.tp_order_type = body.take_profit.as_ref().map(|_| "Market");
    }
    Ok(body)
}

fn name(symbol: &Symbol) -> String {
    format!("{}{}", symbol.base, symbol.quote)
}

/// BTC against USDT.
fn precision(market: Market) -> Precision {
    match market {
        Market::Spot => Precision { tick: Decimal::new(1, 2), step: Decimal::new(1, 6) },
        Market::Swap => Precision { tick: Decimal::new(1, 1), step: Decimal::new(1, 3) },
    }
}
