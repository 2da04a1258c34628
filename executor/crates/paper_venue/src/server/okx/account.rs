//! What an account has.

use serde_json::{Value, json};

use super::instruments::{kind, name, size};
use super::rest::{Answer, Call};
use crate::engine::{MARGIN_ASSET, Product, plain};

pub(crate) fn balance(call: &mut Call) -> Answer {
    let venue = &call.store.venue;
    let account = &venue.accounts[call.account];
    let currency = |name: &str, total: String, free: String, frozen: String| json!({"ccy": name, "eq": total, "cashBal": total, "availBal": free, "availEq": free, "frozenBal": frozen});
    let details: Vec<Value> = match account.product {
        Product::Spot => account
            .balances
            .iter()
            .map(|(asset, b)| currency(asset, plain(b.free + b.locked), plain(b.free), plain(b.locked)))
            .collect(),
        Product::Swap => {
            let margin = venue.margin(call.account);
            vec![currency(MARGIN_ASSET, plain(margin.wallet), plain(margin.available()), plain(margin.initial()))]
        }
    };
    Ok(vec![json!({"uTime": account.updated_ms.to_string(), "totalEq": "", "details": details})])
}

pub(crate) fn positions(call: &mut Call) -> Answer {
    let (venue, only) = (&call.store.venue, call.market()?);
    let held = venue.accounts[call.account].positions.iter();
    Ok(held
        .filter(|(market, _)| only.is_none_or(|only| only == **market))
        .map(|(&market, position)| {
            let mark = venue.markets[market].last_price.unwrap_or_default();
            json!({
                "instType": kind(call.product), "instId": name(&venue.markets[market], call.product), "posSide": "net",
                "mgnMode": "cross", "pos": size(position.quantity, call.product), "avgPx": plain(position.entry_price()),
                "markPx": plain(mark), "upl": plain(position.unrealized(mark)), "lever": position.leverage.to_string(),
                "realizedPnl": plain(position.realized), "uTime": position.updated_ms.to_string(), "ccy": MARGIN_ASSET,
                "posId": market.to_string(),
            })
        })
        .collect())
}

/// One-way mode; spot accounts have no margin.
pub(crate) fn config(call: &mut Call) -> Answer {
    let level = if call.product == Product::Spot { "1" } else { "2" };
    Ok(vec![json!({"uid": (call.account + 1).to_string(), "acctLv": level, "posMode": "net_mode"})])
}
