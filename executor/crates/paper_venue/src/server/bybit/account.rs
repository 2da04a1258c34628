//! What an account has.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::answers::category;
use super::refusals::Bad;
use super::rest::Call;
use crate::engine::{MARGIN_ASSET, Product, plain};

type Answer = Result<Value, Bad>;

pub(crate) fn wallet(call: &mut Call) -> Answer {
    let venue = &call.store.venue;
    let account = &venue.accounts[call.account];
    let coins: Vec<Value> = match account.product {
        Product::Spot => account
            .balances
            .iter()
            .map(|(coin, balance)| {
                let total = plain(balance.free + balance.locked);
                json!({"coin": coin, "walletBalance": total, "equity": total, "locked": plain(balance.locked),
                    "totalOrderIM": "0", "totalPositionIM": "0", "unrealisedPnl": "0"})
            })
            .collect(),
        Product::Swap => {
            let margin = venue.margin(call.account);
            vec![json!({
                "coin": MARGIN_ASSET, "walletBalance": plain(margin.wallet), "locked": "0",
                "equity": plain(margin.wallet + margin.unrealized), "unrealisedPnl": plain(margin.unrealized),
                "totalOrderIM": plain(margin.open_orders), "totalPositionIM": plain(margin.positions),
            })]
        }
    };
    Ok(json!({"list": [{"accountType": "UNIFIED", "coin": coins}]}))
}

pub(crate) fn positions(call: &mut Call) -> Answer {
    let venue = &call.store.venue;
    let symbol = call.params.text("symbol");
    let settles = call.params.text("settleCoin").is_none_or(|coin| coin == MARGIN_ASSET);
    let held = venue.accounts[call.account].positions.iter().filter(|_| settles);
    let list: Vec<Value> = held
        .filter(|(market, _)| symbol.is_none_or(|symbol| symbol == venue.symbol_of(**market)))
        .map(|(&market, position)| {
            let mark = venue.markets[market].last_price.unwrap_or_default();
            let side = match position.quantity {
                quantity if quantity > Decimal::ZERO => "Buy",
                quantity if quantity < Decimal::ZERO => "Sell",
                _ => "",
            };
            json!({
                "symbol": venue.symbol_of(market), "side": side, "size": plain(position.quantity.abs()),
                "avgPrice": plain(position.entry_price()), "positionValue": plain((position.quantity * mark).abs()),
                "leverage": position.leverage.to_string(), "markPrice": plain(mark), "positionIdx": 0, "tradeMode": 0,
                "unrealisedPnl": plain(position.unrealized(mark)), "cumRealisedPnl": plain(position.realized),
                "updatedTime": position.updated_ms.to_string(),
            })
        })
        .collect();
    Ok(json!({"category": category(call.product()), "list": list, "nextPageCursor": ""}))
}

/// Every account here is a unified one.
pub(crate) fn info(_: &mut Call) -> Answer {
    Ok(json!({"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN", "spotHedgingStatus": "OFF"}))
}

pub(crate) fn key(call: &mut Call) -> Answer {
    Ok(json!({"userID": call.account + 1, "note": call.name, "readOnly": 0, "uta": 1, "unified": 0}))
}
