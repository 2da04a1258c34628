//! The public operations, derived from the bars.

use serde_json::{Value, json};

use super::book::{Book, levels};
use super::clock::now_ms;
use super::day::{Day, quote};
use super::error::ApiError;
use super::limits::rate_limits;
use super::operations::Call;
use super::reports::page;
use crate::engine::{Bar, Interval, Market, Refusal, fixed8};

type Answer = Result<Value, ApiError>;

impl Call<'_> {
    fn market(&self) -> Result<&Market, Refusal> {
        let venue = &self.store.venue;
        Ok(&venue.markets[venue.market_id(self.params.needed("symbol")?)?])
    }

    /// One object for `symbol`, a list for `symbols` or none of both.
    fn each(&self, of: impl Fn(&Market) -> Option<Value>) -> Answer {
        let venue = &self.store.venue;
        let one = self.params.text("symbol").is_some();
        let mut found = Vec::new();
        match self.params.symbols()? {
            Some(symbols) => {
                for symbol in symbols {
                    found.extend(of(&venue.markets[venue.market_id(&symbol)?]));
                }
            }
            None => found.extend(venue.markets.iter().filter_map(of)),
        }
        match (one, found.pop()) {
            (true, Some(answer)) => Ok(answer),
            (true, None) => Err(no_price().into()),
            (false, last) => {
                found.extend(last);
                Ok(Value::Array(found))
            }
        }
    }
}

fn no_price() -> Refusal {
    Refusal::new(-1013, "Market is closed.")
}

pub(crate) fn exchange_info(call: &mut Call) -> Answer {
    let venue = &call.store.venue;
    let symbol = |market: &Market| {
        let rules = &market.rules;
        json!({
            "symbol": rules.symbol, "status": "TRADING", "baseAsset": rules.base, "baseAssetPrecision": 8,
            "quoteAsset": rules.quote, "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                           "TAKE_PROFIT_LIMIT"],
            "icebergAllowed": false, "ocoAllowed": true, "otoAllowed": true, "quoteOrderQtyMarketAllowed": true,
            "allowTrailingStop": true, "cancelReplaceAllowed": false, "amendAllowed": false,
            "isSpotTradingAllowed": true, "isMarginTradingAllowed": false, "filters": rules.filters(),
            "permissions": [], "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
        })
    };
    let symbols: Vec<Value> = match call.params.symbols()? {
        Some(names) => names
            .iter()
            .map(|name| venue.market_id(name).map(|id| symbol(&venue.markets[id])))
            .collect::<Result<_, _>>()?,
        None => venue.markets.iter().map(symbol).collect(),
    };
    Ok(json!({
        "timezone": "UTC", "serverTime": now_ms(), "rateLimits": rate_limits(), "exchangeFilters": [], "symbols": symbols,
    }))
}

pub(crate) fn depth(call: &mut Call) -> Answer {
    let limit = call.params.limit(100, 5000)?;
    let market = call.market()?;
    let book = Book::now(market);
    Ok(json!({
        "lastUpdateId": Book::last_update(market), "bids": levels(&book.bids, limit), "asks": levels(&book.asks, limit),
    }))
}

pub(crate) fn trades(call: &mut Call) -> Answer {
    let limit = call.params.limit(500, 1000)?;
    let trades = &call.market()?.public_trades;
    let newest = trades.iter().skip(trades.len().saturating_sub(limit));
    Ok(newest
        .map(|trade| {
            json!({
                "id": trade.id, "price": fixed8(trade.price), "qty": fixed8(trade.quantity),
                "quoteQty": fixed8(quote(trade.price, trade.quantity)), "time": trade.time_ms,
                "isBuyerMaker": trade.buyer_is_maker, "isBestMatch": true,
            })
        })
        .collect())
}

/// Each public trade is an aggregate of its own.
pub(crate) fn agg_trades(call: &mut Call) -> Answer {
    let (params, trades) = (call.params, &call.market()?.public_trades);
    let (from, start, end) = (params.id("fromId")?, params.integer("startTime")?, params.integer("endTime")?);
    let matching = trades.iter().filter(|trade| {
        from.is_none_or(|from| trade.id >= from)
            && start.is_none_or(|start| trade.time_ms >= start)
            && end.is_none_or(|end| trade.time_ms <= end)
    });
    let shown = page(matching, params.limit(500, 1000)?, from.is_some() || start.is_some());
    Ok(shown
        .into_iter()
        .map(|trade| {
            json!({
                "a": trade.id, "p": fixed8(trade.price), "q": fixed8(trade.quantity), "f": trade.id, "l": trade.id,
                "T": trade.time_ms, "m": trade.buyer_is_maker, "M": true,
            })
        })
        .collect())
}

pub(crate) fn klines(call: &mut Call) -> Answer {
    let (params, market) = (call.params, call.market()?);
    let invalid = || Refusal::new(-1120, "Invalid interval.");
    let interval = Interval::parse(params.needed("interval")?).ok_or_else(invalid)?;
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let limit = params.limit(500, 1000)?;
    let own = market.interval.unwrap_or(interval);
    if interval.ms % own.ms != 0 {
        return Err(invalid().into());
    }
    let span = (limit + 1) * usize::try_from(interval.ms / own.ms).unwrap_or(1);
    let bars = &market.bars;
    let last = end.map_or(bars.len(), |end| bars.partition_point(|bar| bar.open_time_ms <= end));
    let joined = match start {
        Some(start) => {
            let first = bars.partition_point(|bar| interval.open_of(bar.open_time_ms) < start).min(last);
            let mut joined = interval.join(&bars[first..last.min(first.saturating_add(span))]);
            joined.truncate(limit);
            joined
        }
        None => {
            let joined = interval.join(&bars[last.saturating_sub(span)..last]);
            joined[joined.len().saturating_sub(limit)..].to_vec()
        }
    };
    let row = |bar: Bar| {
        let quote_volume = fixed8(quote(bar.close, bar.volume));
        let zero = fixed8(0.into());
        json!([
            bar.open_time_ms,
            fixed8(bar.open),
            fixed8(bar.high),
            fixed8(bar.low),
            fixed8(bar.close),
            fixed8(bar.volume),
            bar.close_time_ms,
            quote_volume,
            1,
            zero,
            zero,
            "0"
        ])
    };
    Ok(joined.into_iter().map(row).collect())
}

pub(crate) fn ticker_price(call: &mut Call) -> Answer {
    call.each(|market| Some(json!({"symbol": market.rules.symbol, "price": fixed8(market.last_price?)})))
}

pub(crate) fn ticker_book(call: &mut Call) -> Answer {
    call.each(|market| {
        let (bid, ask) = Book::now(market).best()?;
        Some(json!({
            "symbol": market.rules.symbol, "bidPrice": fixed8(bid.0), "bidQty": fixed8(bid.1), "askPrice": fixed8(ask.0),
            "askQty": fixed8(ask.1),
        }))
    })
}

pub(crate) fn ticker_24hr(call: &mut Call) -> Answer {
    call.each(|market| {
        let day = Day::of(market)?;
        let (bid, ask) = Book::now(market).best()?;
        Some(json!({
            "symbol": market.rules.symbol, "priceChange": fixed8(day.change()), "priceChangePercent": day.percent(),
            "weightedAvgPrice": fixed8(day.average()), "prevClosePrice": fixed8(day.open),
            "lastPrice": fixed8(day.last), "lastQty": fixed8(day.last_volume), "bidPrice": fixed8(bid.0),
            "bidQty": fixed8(bid.1), "askPrice": fixed8(ask.0), "askQty": fixed8(ask.1), "openPrice": fixed8(day.open),
            "highPrice": fixed8(day.high), "lowPrice": fixed8(day.low), "volume": fixed8(day.volume),
            "quoteVolume": fixed8(day.quote_volume), "openTime": day.open_ms, "closeTime": day.close_ms,
            "firstId": -1, "lastId": -1, "count": day.bars,
        }))
    })
}
