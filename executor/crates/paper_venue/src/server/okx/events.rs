//! User events, which come in Binance's words, in OKX's.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::answers;
use super::instruments::{kind, name, size};
use crate::engine::{MARGIN_ASSET, Order, Product, Venue, plain};

/// Which of the two sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Orders in the book, balances, positions.
    Private,
    /// Orders that wait for their trigger.
    Business,
}

pub(crate) fn events(venue: &Venue, event: &Value, side: Side) -> Vec<String> {
    let update = &event["o"];
    match (event["e"].as_str(), side) {
        (Some("executionReport"), _) => {
            let (Some(order), is_waiting) = (order_of(venue, event), event["W"].is_null()) else { return Vec::new() };
            let triggers = order.kind.has_trigger();
            match side {
                Side::Private if !(triggers && is_waiting) => vec![order_message(venue, order, event, Product::Spot)],
                Side::Business if triggers => vec![algo_message(venue, order, !is_waiting, event["X"].as_str(), "")],
                _ => Vec::new(),
            }
        }
        (Some("ORDER_TRADE_UPDATE"), Side::Private) => {
            let order = order_of(venue, update);
            order.map(|order| order_message(venue, order, update, Product::Swap)).into_iter().collect()
        }
        (Some("ALGO_UPDATE"), Side::Business) => {
            let Some(id) = update["aid"].as_u64().map(Order::of_algo_id) else { return Vec::new() };
            let state = update["X"].as_str();
            let is_triggered = matches!(state, Some("TRIGGERED" | "FINISHED"));
            vec![algo_message(venue, venue.order(id), is_triggered, state, update["rm"].as_str().unwrap_or_default())]
        }
        (Some("outboundAccountPosition"), Side::Private) => {
            let balances = event["B"].as_array().into_iter().flatten();
            let details: Vec<Value> = balances.map(|b| currency(&b["a"], &b["f"], &b["l"])).collect();
            vec![message("account", vec![json!({"details": details})])]
        }
        (Some("ACCOUNT_UPDATE"), Side::Private) => {
            let list = |name: &str| event["a"][name].as_array().cloned().unwrap_or_default();
            let positions: Vec<Value> = list("P").iter().filter_map(|p| position(venue, p)).collect();
            let wallet = list("B").first().map(|b| b["wb"].clone()).unwrap_or_default();
            let details = vec![json!({"ccy": MARGIN_ASSET, "cashBal": wallet, "availBal": wallet, "frozenBal": "0"})];
            vec![message("positions", positions), message("account", vec![json!({"details": details})])]
        }
        _ => Vec::new(),
    }
}

fn message(channel: &str, data: Vec<Value>) -> String {
    json!({"arg": {"channel": channel}, "data": data}).to_string()
}

fn order_of<'a>(venue: &'a Venue, o: &Value) -> Option<&'a Order> {
    o["i"].as_u64().map(|id| venue.order(id))
}

/// The order's own terms, and of its course what the event tells: the order itself may be further by now.
fn order_message(venue: &Venue, order: &Order, o: &Value, product: Product) -> String {
    let mut told = answers::order(venue, order);
    told["sz"] = json!(size(number(&o["q"]), product));
    told["accFillSz"] = json!(size(number(&o["z"]), product));
    told["state"] = json!(match o["X"].as_str() {
        Some("NEW" | "PENDING_NEW") => "live",
        Some("PARTIALLY_FILLED") => "partially_filled",
        Some("FILLED") => "filled",
        _ => "canceled",
    });
    told["uTime"] = json!(o["T"].to_string());
    let is_fill = o["x"] == "TRADE" || o["x"] == "CALCULATED";
    let of = |text: String| if is_fill { text } else { String::new() };
    told["tradeId"] = json!(of(o["t"].to_string()));
    told["fillSz"] = json!(if is_fill { size(number(&o["l"]), product) } else { "0".into() });
    told["fillPx"] = json!(of(plain(number(&o["L"]))));
    told["fillFee"] = json!(if is_fill { plain(-number(&o["n"])) } else { "0".into() });
    told["fillFeeCcy"] = json!(of(o["N"].as_str().unwrap_or_default().to_owned()));
    told["execType"] = json!(of(if o["m"] == true { "M" } else { "T" }.to_owned()));
    told["fillTime"] = json!(of(o["T"].to_string()));
    told["code"] = json!("0");
    told["msg"] = json!("");
    message("orders", vec![told])
}

fn algo_message(venue: &Venue, order: &Order, is_triggered: bool, state: Option<&str>, why: &str) -> String {
    let mut told = answers::algo(venue, order);
    let child = if is_triggered { order.id.to_string() } else { String::new() };
    told["state"] = json!(match state {
        _ if is_triggered => "effective",
        Some("NEW" | "PENDING_NEW") => "live",
        Some("REJECTED") => "order_failed",
        _ => "canceled",
    });
    told["ordIdList"] = json!(if child.is_empty() { Vec::new() } else { vec![&child] });
    told["ordId"] = json!(child);
    // Binance's words for why, as the nearest of OKX's codes.
    told["failCode"] = json!(if why.is_empty() {
        ""
    } else if why.contains("Margin") {
        "51008"
    } else {
        "51169"
    });
    message(if order.trailing.is_some() { "algo-advance" } else { "orders-algo" }, vec![told])
}

fn currency(asset: &Value, free: &Value, locked: &Value) -> Value {
    json!({"ccy": asset, "cashBal": plain(number(free) + number(locked)), "availBal": plain(number(free)),
        "frozenBal": plain(number(locked))})
}

fn position(venue: &Venue, p: &Value) -> Option<Value> {
    let market = venue.market_id(p["s"].as_str()?).ok()?;
    Some(
        json!({"instType": kind(Product::Swap), "instId": name(&venue.markets[market], Product::Swap), "posSide": "net",
        "pos": size(number(&p["pa"]), Product::Swap), "avgPx": p["ep"]}),
    )
}

fn number(value: &Value) -> Decimal {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}
