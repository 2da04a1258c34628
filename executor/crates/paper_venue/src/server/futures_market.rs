//! Public data of swaps, where it differs from spot.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::clock::now_ms;
use super::futures::{Answer, market_asked, venue};
use super::limits::rate_limits;
use super::market_data;
use super::market_messages::spot_message;
use super::operations::Call;
use super::reports::page;
use crate::engine::{MARGIN_ASSET, Market, MarketEvent, Refusal, SymbolRules, Venue, plain};

const FUNDING_EVERY_MS: i64 = 8 * 3_600_000;
/// Perpetual: the delivery date that Binance names.
const NEVER_MS: i64 = 4_133_404_800_000;

pub(crate) fn exchange_info(call: &mut Call) -> Answer {
    let venue = venue(call);
    let markets = venue.markets.iter().filter(|market| market.rules.quote == MARGIN_ASSET);
    Ok(json!({
        "timezone": "UTC", "serverTime": now_ms(), "futuresType": "U_MARGINED", "rateLimits": rate_limits(),
        "exchangeFilters": [],
        "assets": [{"asset": MARGIN_ASSET, "marginAvailable": true, "autoAssetExchange": "0"}],
        "symbols": markets.map(|market| symbol(venue, &market.rules)).collect::<Value>(),
    }))
}

fn symbol(venue: &Venue, rules: &SymbolRules) -> Value {
    let swap = venue.swap_rules();
    json!({
        "symbol": rules.symbol, "pair": rules.symbol, "contractType": "PERPETUAL", "deliveryDate": NEVER_MS,
        "onboardDate": 0, "status": "TRADING", "maintMarginPercent": plain(swap.maintenance_margin * Decimal::ONE_HUNDRED),
        "requiredMarginPercent": "5.0000", "baseAsset": rules.base, "quoteAsset": rules.quote,
        "marginAsset": MARGIN_ASSET, "pricePrecision": rules.tick.normalize().scale(),
        "quantityPrecision": rules.step.normalize().scale(), "baseAssetPrecision": 8, "quotePrecision": 8,
        "underlyingType": "COIN", "underlyingSubType": [], "triggerProtect": "0.0500",
        "liquidationFee": plain(swap.liquidation_fee), "marketTakeBound": "0.05", "maxMoveOrderLimit": 10000,
        "filters": rules.swap_filters(),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
                       "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"], "permissionSets": ["COPY"],
    })
}

pub(crate) fn depth(call: &mut Call) -> Answer {
    let mut book = market_data::depth(call)?;
    let clock_ms = venue(call).clock_ms;
    book["E"] = json!(clock_ms);
    book["T"] = json!(clock_ms);
    Ok(book)
}

pub(crate) fn premium_index(call: &mut Call) -> Answer {
    let only = market_asked(call)?;
    let venue = venue(call);
    let index = |market: &Market| -> Option<Value> { Some(premium(venue, market, plain(market.last_price?))) };
    Ok(match only {
        Some(market) => index(&venue.markets[market]).ok_or_else(|| Refusal::new(-1013, "Market is closed."))?,
        None => venue.markets.iter().filter_map(index).collect(),
    })
}

/// Mark and index price are the last price here.
fn premium(venue: &Venue, market: &Market, price: String) -> Value {
    let last = market.funding.last();
    let next_ms = (venue.clock_ms / FUNDING_EVERY_MS + 1) * FUNDING_EVERY_MS;
    json!({
        "symbol": market.rules.symbol, "markPrice": price, "indexPrice": price, "estimatedSettlePrice": price,
        "lastFundingRate": last.map_or("0".to_owned(), |funding| plain(funding.rate)), "interestRate": "0",
        "nextFundingTime": next_ms, "time": venue.clock_ms,
    })
}

/// The message of a market stream for an event, as futures tell it.
pub(crate) fn stream_message(venue: &Venue, event: &MarketEvent, stream: &str) -> Option<Value> {
    if let (Some((symbol, kind)), MarketEvent::Closed { market }) = (stream.split_once('@'), event)
        && kind.starts_with("markPrice")
    {
        let market = &venue.markets[*market];
        let meant = market.rules.symbol.eq_ignore_ascii_case(symbol);
        return if meant { mark_price_message(venue, market) } else { None };
    }
    let mut message = spot_message(venue, event, stream)?;
    if message["e"] == "depthUpdate" {
        message["T"] = message["E"].clone();
        if message["pu"].is_null() {
            message["pu"] = json!(message["U"].as_u64().unwrap_or_default().saturating_sub(1));
        }
    } else if message["e"] == "trade" {
        message["X"] = json!("MARKET");
    } else if message["e"].is_null() {
        message["e"] = json!("bookTicker");
        message["E"] = json!(venue.clock_ms);
        message["T"] = json!(venue.clock_ms);
    }
    Some(message)
}

/// As the stream `<symbol>@markPrice` tells it.
fn mark_price_message(venue: &Venue, market: &Market) -> Option<Value> {
    let price = plain(market.last_price?);
    let premium = premium(venue, market, price);
    Some(json!({
        "e": "markPriceUpdate", "E": venue.clock_ms, "s": market.rules.symbol, "p": premium["markPrice"],
        "i": premium["indexPrice"], "P": premium["estimatedSettlePrice"], "r": premium["lastFundingRate"],
        "T": premium["nextFundingTime"],
    }))
}

pub(crate) fn funding_rate(call: &mut Call) -> Answer {
    let (only, params) = (market_asked(call)?, call.params);
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let venue = venue(call);
    let markets = (0..venue.markets.len()).filter(|&id| only.is_none_or(|only| only == id));
    let mut all: Vec<(i64, Value)> = Vec::new();
    for market in markets.map(|id| &venue.markets[id]) {
        all.extend(market.funding.iter().map(|funding| {
            let report = json!({
                "symbol": market.rules.symbol, "fundingTime": funding.time_ms, "fundingRate": plain(funding.rate),
                "markPrice": plain(funding.mark),
            });
            (funding.time_ms, report)
        }));
    }
    all.sort_by_key(|(time_ms, _)| *time_ms);
    let matching = all
        .into_iter()
        .filter(|(time_ms, _)| start.is_none_or(|start| *time_ms >= start) && end.is_none_or(|end| *time_ms <= end));
    let shown = page(matching, params.limit(100, 1000)?, start.is_some());
    Ok(shown.into_iter().map(|(_, report)| report).collect())
}
