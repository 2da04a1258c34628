//! What a swap account has, its settings, and the keys of its user streams.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::futures::{Answer, account_of, flag, market_asked, market_of, venue};
use super::operations::Call;
use super::reports::page;
use crate::engine::{Input, MARGIN_ASSET, Outcome, Refusal, Venue, plain};

/// No limit of its own: Binance's largest bracket for BTCUSDT.
const MAX_NOTIONAL: i64 = 1_000_000_000;

pub(crate) fn balance(call: &mut Call) -> Answer {
    let account = account_of(call)?;
    let (margin, updated_ms) = (venue(call).margin(account), venue(call).accounts[account].updated_ms);
    let wallet = plain(margin.wallet);
    Ok(json!([{
        "accountAlias": "paper", "asset": MARGIN_ASSET, "balance": wallet, "crossWalletBalance": wallet,
        "crossUnPnl": plain(margin.unrealized), "availableBalance": plain(margin.available()),
        "maxWithdrawAmount": plain(margin.available().min(margin.wallet)), "marginAvailable": true,
        "updateTime": updated_ms.max(1),
    }]))
}

pub(crate) fn account(call: &mut Call) -> Answer {
    let account = account_of(call)?;
    let venue = venue(call);
    let (margin, updated_ms) = (venue.margin(account), venue.accounts[account].updated_ms.max(1));
    let (wallet, unrealized, equity) =
        (plain(margin.wallet), plain(margin.unrealized), plain(margin.wallet + margin.unrealized));
    let (initial, maintenance) = (plain(margin.initial()), plain(margin.maintenance));
    let (positions, open_orders) = (plain(margin.positions), plain(margin.open_orders));
    let (available, withdrawable) = (plain(margin.available()), plain(margin.available().min(margin.wallet)));
    Ok(json!({
        "feeTier": 0, "canTrade": true, "canDeposit": false, "canWithdraw": false, "multiAssetsMargin": false,
        "tradeGroupId": -1, "updateTime": updated_ms, "totalInitialMargin": initial, "totalMaintMargin": maintenance,
        "totalWalletBalance": wallet, "totalUnrealizedProfit": unrealized, "totalMarginBalance": equity,
        "totalPositionInitialMargin": positions, "totalOpenOrderInitialMargin": open_orders,
        "totalCrossWalletBalance": wallet, "totalCrossUnPnl": unrealized, "availableBalance": available,
        "maxWithdrawAmount": withdrawable,
        "assets": [{
            "asset": MARGIN_ASSET, "walletBalance": wallet, "unrealizedProfit": unrealized, "marginBalance": equity,
            "maintMargin": maintenance, "initialMargin": initial, "positionInitialMargin": positions,
            "openOrderInitialMargin": open_orders, "crossWalletBalance": wallet, "crossUnPnl": unrealized,
            "availableBalance": available, "maxWithdrawAmount": withdrawable, "marginAvailable": true,
            "updateTime": updated_ms,
        }],
        "positions": positions_of(venue, account, None, false),
    }))
}

/// v3 lists what is held; v1 and v2 all symbols. Here every version lists the symbols ever traded by the account.
pub(crate) fn position_risk(call: &mut Call) -> Answer {
    let (account, market) = (account_of(call)?, market_asked(call)?);
    Ok(positions_of(venue(call), account, market, true))
}

/// `risk`: with the names of `positionRisk`, else with those of `account`.
fn positions_of(venue: &Venue, account: usize, only: Option<usize>, risk: bool) -> Value {
    let held = venue.accounts[account].positions.iter();
    held.filter(|(market, _)| only.is_none_or(|only| only == **market))
        .map(|(&market, position)| {
            let mark = venue.markets[market].last_price.unwrap_or_default();
            let notional = position.quantity * mark;
            let initial = (notional.abs() / Decimal::from(position.leverage)).round_dp(8);
            let maintenance = notional.abs() * venue.swap_rules().maintenance_margin;
            let liquidation = venue.liquidation_price(account, market).unwrap_or_default();
            let profit = if risk { "unRealizedProfit" } else { "unrealizedProfit" };
            json!({
                "symbol": venue.symbol_of(market), "positionSide": "BOTH", "positionAmt": plain(position.quantity),
                "entryPrice": plain(position.entry_price()), "breakEvenPrice": plain(position.entry_price()),
                "markPrice": plain(mark), profit: plain(position.unrealized(mark)),
                "liquidationPrice": plain(liquidation), "isolatedMargin": "0", "isolatedWallet": "0",
                "notional": plain(notional), "marginAsset": MARGIN_ASSET, "initialMargin": plain(initial),
                "maintMargin": plain(maintenance), "positionInitialMargin": plain(initial),
                "openOrderInitialMargin": "0", "adl": 0, "bidNotional": "0", "askNotional": "0",
                "leverage": position.leverage.to_string(), "maxNotionalValue": MAX_NOTIONAL.to_string(),
                "marginType": "cross", "isolated": false, "isAutoAddMargin": "false",
                "updateTime": position.updated_ms,
            })
        })
        .collect()
}

pub(crate) fn account_config(call: &mut Call) -> Answer {
    account_of(call)?;
    Ok(json!({
        "feeTier": 0, "canTrade": true, "canDeposit": false, "canWithdraw": false, "dualSidePosition": false,
        "multiAssetsMargin": false, "tradeGroupId": -1,
    }))
}

pub(crate) fn symbol_config(call: &mut Call) -> Answer {
    let (account, market) = (account_of(call)?, market_asked(call)?);
    let venue = venue(call);
    let each = (0..venue.markets.len()).filter(|&id| market.is_none_or(|market| market == id)).map(|id| {
        json!({
            "symbol": venue.symbol_of(id), "marginType": "CROSSED", "isAutoAddMargin": false,
            "leverage": venue.leverage(account, id), "maxNotionalValue": MAX_NOTIONAL.to_string(),
        })
    });
    Ok(each.collect())
}

pub(crate) fn leverage_bracket(call: &mut Call) -> Answer {
    let market = market_asked(call)?;
    let venue = venue(call);
    let rules = venue.swap_rules();
    let bracket = |id: usize| {
        json!({
            "symbol": venue.symbol_of(id),
            "brackets": [{
                "bracket": 1, "initialLeverage": rules.max_leverage, "notionalCap": MAX_NOTIONAL, "notionalFloor": 0,
                "maintMarginRatio": rules.maintenance_margin.normalize(), "cum": 0,
            }],
        })
    };
    Ok(match market {
        Some(market) => bracket(market),
        None => (0..venue.markets.len()).map(bracket).collect(),
    })
}

pub(crate) fn commission_rate(call: &mut Call) -> Answer {
    let market = market_of(call)?;
    let fees = venue(call).swap_rules().fees;
    Ok(json!({
        "symbol": venue(call).symbol_of(market), "makerCommissionRate": plain(fees.maker),
        "takerCommissionRate": plain(fees.taker),
    }))
}

pub(crate) fn income(call: &mut Call) -> Answer {
    let (account, market, params) = (account_of(call)?, market_asked(call)?, call.params);
    let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
    let venue = venue(call);
    let holder = &venue.accounts[account];
    let entry = |market: usize, kind: &str, amount: Decimal, time_ms: i64, id: u64, trade: String| {
        let report = json!({
            "symbol": venue.symbol_of(market), "incomeType": kind, "income": plain(amount), "asset": MARGIN_ASSET,
            "info": trade, "time": time_ms, "tranId": id, "tradeId": trade,
        });
        (time_ms, market, kind.to_owned(), report)
    };
    let mut all = Vec::new();
    for trade in &holder.trades {
        let id = trade.id.to_string();
        if !trade.realized.is_zero() {
            all.push(entry(trade.market, "REALIZED_PNL", trade.realized, trade.time_ms, trade.id, id.clone()));
        }
        if !trade.fee.is_zero() {
            all.push(entry(trade.market, "COMMISSION", -trade.fee, trade.time_ms, trade.id, id));
        }
    }
    for paid in &holder.funding {
        all.push(entry(paid.market, "FUNDING_FEE", paid.amount, paid.time_ms, paid.id, String::new()));
    }
    all.sort_by_key(|(time_ms, ..)| *time_ms);
    let wanted = params.text("incomeType");
    let matching = all.into_iter().filter(|(time_ms, of, kind, _)| {
        market.is_none_or(|market| market == *of)
            && wanted.is_none_or(|wanted| wanted == kind)
            && start.is_none_or(|start| *time_ms >= start)
            && end.is_none_or(|end| *time_ms <= end)
    });
    let shown = page(matching, params.limit(100, 1000)?, start.is_some());
    Ok(shown.into_iter().map(|(.., report)| report).collect())
}

pub(crate) fn position_mode(call: &mut Call) -> Answer {
    call.params.needed("dualSidePosition")?;
    Err(if flag(call.params, "dualSidePosition")? {
        Refusal::new(-4068, "Position side cannot be changed: the paper venue has one position a symbol.")
    } else {
        Refusal::new(-4059, "No need to change position side.")
    }
    .into())
}

pub(crate) fn margin_type(call: &mut Call) -> Answer {
    market_of(call)?;
    Err(match call.params.needed("marginType")? {
        "CROSSED" => Refusal::new(-4046, "No need to change margin type."),
        _ => Refusal::new(-4168, "Unable to adjust to isolated-margin mode: the paper venue has cross margin only."),
    }
    .into())
}

pub(crate) fn leverage(call: &mut Call) -> Answer {
    let market = market_of(call)?;
    let asked = call.params.id("leverage")?.ok_or_else(|| Refusal::missing("leverage"))?;
    let leverage = u32::try_from(asked).unwrap_or(u32::MAX);
    let (account, symbol) = (call.account.to_owned(), venue(call).symbol_of(market).to_owned());
    let Outcome::Leverage(leverage) = call.store.submit(&Input::Leverage { account, symbol, leverage })? else {
        unreachable!("setting the leverage gives it")
    };
    let symbol = venue(call).symbol_of(market);
    Ok(json!({"leverage": leverage, "maxNotionalValue": MAX_NOTIONAL.to_string(), "symbol": symbol}))
}

pub(crate) fn new_listen_key(call: &mut Call) -> Answer {
    let account = account_of(call)?;
    Ok(json!({"listenKey": call.store.hub.listen_keys.open(account)}))
}

pub(crate) fn keep_listen_key(call: &mut Call) -> Answer {
    let account = account_of(call)?;
    match call.store.hub.listen_keys.keep(account) {
        Some(key) => Ok(json!({"listenKey": key})),
        None => Err(Refusal::new(-1125, "This listenKey does not exist.").into()),
    }
}

pub(crate) fn end_listen_key(call: &mut Call) -> Answer {
    let account = account_of(call)?;
    call.store.hub.end_listen_key(account);
    Ok(json!({}))
}
