//! The public operations.

use serde_json::{Value, json};

use super::refusals::Bad;
use crate::engine::{Market, PublicTrade, Venue, plain};
use crate::server::book::Book;
use crate::server::clock::now_ms;
use crate::server::params::Params;

type Answer = Result<Value, Bad>;

pub(crate) fn time(_: &Venue, _: &Params) -> Answer {
    let now = now_ms();
    Ok(json!({"timeSecond": (now / 1000).to_string(), "timeNano": format!("{now}000000")}))
}

/// The markets that are asked for. Every one is both a spot pair and a linear swap.
fn asked<'a>(venue: &'a Venue, params: &Params) -> Result<Vec<&'a Market>, Bad> {
    match params.text("category") {
        Some("spot" | "linear") => {}
        Some("inverse" | "option") => return Ok(Vec::new()),
        _ => return Err(Bad::parameter("category invalid")),
    }
    let symbol = params.text("symbol").filter(|symbol| !symbol.is_empty());
    Ok(venue.markets.iter().filter(|market| symbol.is_none_or(|symbol| market.rules.symbol == symbol)).collect())
}

fn one<'a>(venue: &'a Venue, params: &Params) -> Result<&'a Market, Bad> {
    asked(venue, params)?.first().copied().ok_or_else(|| Bad::parameter("Not supported symbols"))
}

pub(crate) fn instruments(venue: &Venue, params: &Params) -> Answer {
    let is_spot = params.text("category") == Some("spot");
    let list: Vec<Value> = asked(venue, params)?.into_iter().map(|market| instrument(market, is_spot)).collect();
    Ok(json!({"category": params.text("category"), "list": list, "nextPageCursor": ""}))
}

fn instrument(market: &Market, is_spot: bool) -> Value {
    let rules = &market.rules;
    let (tick, step) = (plain(rules.tick), plain(rules.step));
    let (smallest, notional) = (plain(rules.min_quantity), plain(rules.min_notional));
    let mut instrument = json!({
        "symbol": rules.symbol, "baseCoin": rules.base, "quoteCoin": rules.quote, "status": "Trading",
        "marginTrading": "none", "priceFilter": {"tickSize": tick},
    });
    if is_spot {
        instrument["lotSizeFilter"] = json!({
            "basePrecision": step, "quotePrecision": "0.00000001", "minOrderQty": smallest, "minOrderAmt": notional,
            "maxOrderQty": "100000000", "maxOrderAmt": "1000000000",
        });
    } else {
        instrument["contractType"] = json!("LinearPerpetual");
        instrument["settleCoin"] = json!(rules.quote);
        instrument["launchTime"] = json!("1584230400000");
        instrument["deliveryTime"] = json!("0");
        instrument["leverageFilter"] = json!({"minLeverage": "1", "maxLeverage": "125", "leverageStep": "1"});
        instrument["lotSizeFilter"] = json!({
            "qtyStep": step, "minOrderQty": smallest, "minNotionalValue": notional, "maxOrderQty": "100000000",
            "maxMktOrderQty": "100000000",
        });
    }
    instrument
}

pub(crate) fn tickers(venue: &Venue, params: &Params) -> Answer {
    let list: Vec<Value> = asked(venue, params)?
        .into_iter()
        .map(|market| {
            let price = market.last_price.map(plain).unwrap_or_default();
            let best = Book::of(market, market.bars.len()).best();
            let (bid, ask) = best.map_or_else(Default::default, |(bid, ask)| (plain(bid.0), plain(ask.0)));
            json!({"symbol": market.rules.symbol, "lastPrice": price, "bid1Price": bid, "ask1Price": ask})
        })
        .collect();
    Ok(json!({"category": params.text("category"), "list": list}))
}

pub(crate) fn book(venue: &Venue, params: &Params) -> Answer {
    let market = one(venue, params)?;
    let limit = params.limit(25, 200).map_err(|refusal| Bad::parameter(refusal.msg))?;
    let book = Book::of(market, market.bars.len());
    let levels = |levels: &[(rust_decimal::Decimal, rust_decimal::Decimal)]| -> Vec<Value> {
        levels.iter().take(limit).map(|(price, size)| json!([plain(*price), plain(*size)])).collect()
    };
    Ok(json!({
        "s": market.rules.symbol, "b": levels(&book.bids), "a": levels(&book.asks), "ts": venue.clock_ms,
        "u": market.bars.len(), "seq": market.bars.len(),
    }))
}

pub(crate) fn trades(venue: &Venue, params: &Params) -> Answer {
    let market = one(venue, params)?;
    let limit = params.limit(60, 1000).map_err(|refusal| Bad::parameter(refusal.msg))?;
    let newest = market.public_trades.iter().rev().take(limit);
    let list: Vec<Value> = newest
        .map(|trade| {
            json!({"execId": trade.id.to_string(), "symbol": market.rules.symbol, "price": plain(trade.price),
                "size": plain(trade.quantity), "side": taker(trade), "time": trade.time_ms.to_string(),
                "isBlockTrade": false})
        })
        .collect();
    Ok(json!({"category": params.text("category"), "list": list}))
}

/// The side that took.
pub(super) fn taker(trade: &PublicTrade) -> &'static str {
    if trade.buyer_is_maker { "Sell" } else { "Buy" }
}
