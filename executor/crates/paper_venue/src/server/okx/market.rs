//! The public operations.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::instruments::{code, contract, find, kind, name, size};
use super::refusals::Bad;
use super::rest::Answer;
use crate::engine::{Market, Product, Venue, plain};
use crate::server::book::Book;
use crate::server::clock::now_ms;
use crate::server::params::Params;

pub(crate) fn time(_: &Venue, _: &Params) -> Answer {
    Ok(vec![json!({"ts": now_ms().to_string()})])
}

pub(crate) fn instruments(venue: &Venue, params: &Params) -> Answer {
    let product = match params.text("instType") {
        Some("SPOT") => Product::Spot,
        Some("SWAP") => Product::Swap,
        Some(_) => return Ok(Vec::new()),
        None => return Err(Bad::parameter("instType")),
    };
    let only = params.text("instId").filter(|id| !id.is_empty());
    let told: Vec<Value> = venue
        .markets
        .iter()
        .enumerate()
        .filter(|(_, market)| only.is_none_or(|only| name(market, product) == only))
        .map(|(index, market)| instrument(market, code(index, product), product))
        .collect();
    if told.is_empty() && only.is_some() { Err(Bad::new(51_001, "Instrument ID does not exist")) } else { Ok(told) }
}

fn instrument(market: &Market, code: usize, product: Product) -> Value {
    let rules = &market.rules;
    let is_swap = product == Product::Swap;
    let of = |spot: &str, swap: &str| if is_swap { swap.to_owned() } else { spot.to_owned() };
    json!({
        "instType": kind(product), "instId": name(market, product), "instIdCode": code, "uly": of("", &format!("{}-{}", rules.base, rules.quote)),
        "baseCcy": of(&rules.base, ""), "quoteCcy": of(&rules.quote, ""), "settleCcy": of("", &rules.quote),
        "ctVal": of("", &plain(contract(product))), "ctMult": of("", "1"), "ctValCcy": of("", &rules.base),
        "ctType": of("", "linear"), "tickSz": plain(rules.tick), "lotSz": size(rules.step, product),
        "minSz": size(rules.min_quantity, product), "maxLmtSz": "100000000", "maxMktSz": "100000000",
        "lever": of("", "125"), "state": "live", "listTime": "1548133413000", "expTime": "",
    })
}

/// The market that `instId` names, in either book.
fn asked<'a>(venue: &'a Venue, params: &Params) -> Result<(&'a Market, Product), Bad> {
    let inst_id = params.text("instId").ok_or_else(|| Bad::parameter("instId"))?;
    let found =
        [Product::Spot, Product::Swap].into_iter().find_map(|product| Some((find(venue, inst_id, product)?, product)));
    let (market, product) = found.ok_or_else(|| Bad::new(51_001, "Instrument ID does not exist"))?;
    Ok((&venue.markets[market], product))
}

pub(crate) fn ticker(venue: &Venue, params: &Params) -> Answer {
    let (market, product) = asked(venue, params)?;
    let Some(last) = market.last_price else { return Ok(Vec::new()) };
    let best = Book::of(market, market.bars.len()).best();
    let (bid, ask) = best.map_or_else(Default::default, |(bid, ask)| (plain(bid.0), plain(ask.0)));
    Ok(vec![json!({"instType": kind(product), "instId": name(market, product), "last": plain(last), "bidPx": bid,
        "askPx": ask, "ts": venue.clock_ms.to_string()})])
}

pub(crate) fn book(venue: &Venue, params: &Params) -> Answer {
    let (market, product) = asked(venue, params)?;
    let depth = params.text("sz").and_then(|size| size.parse().ok()).unwrap_or(1);
    let book = Book::of(market, market.bars.len());
    let levels = |levels: &[(Decimal, Decimal)]| -> Vec<Value> {
        let told = |(price, quantity): &(Decimal, Decimal)| json!([plain(*price), size(*quantity, product), "0", "1"]);
        levels.iter().take(depth).map(told).collect()
    };
    Ok(vec![json!({"bids": levels(&book.bids), "asks": levels(&book.asks), "ts": venue.clock_ms.to_string()})])
}

pub(crate) fn trades(venue: &Venue, params: &Params) -> Answer {
    let (market, product) = asked(venue, params)?;
    let limit = params.limit(100, 500)?;
    Ok(market.public_trades.iter().rev().take(limit).map(|trade| print(market, product, trade)).collect())
}

pub(super) fn print(market: &Market, product: Product, trade: &crate::engine::PublicTrade) -> Value {
    json!({"instId": name(market, product), "tradeId": trade.id.to_string(), "px": plain(trade.price),
        "sz": size(trade.quantity, product), "side": if trade.buyer_is_maker { "sell" } else { "buy" },
        "ts": trade.time_ms.to_string()})
}
