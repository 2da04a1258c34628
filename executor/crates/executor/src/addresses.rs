//! The exchanges' official addresses, so that an account in the configuration need not name them.

use orders::Market;
use venues::Protocol;

/// Base addresses: of REST, of order entry and the user stream, of the public streams.
#[derive(Debug, PartialEq, Eq)]
pub struct Addresses {
    pub rest: &'static str,
    pub ws_api: &'static str,
    pub market_ws: &'static str,
}

/// From the venues' documents. `testnet`: play money; Binance's and Bybit's test networks, OKX's demo trading.
pub fn official(protocol: Protocol, market: Market, testnet: bool) -> Addresses {
    let (rest, ws_api, market_ws) = match (protocol, market, testnet) {
        (Protocol::Binance, Market::Spot, false) => {
            ("https://api.binance.com", "wss://ws-api.binance.com/ws-api/v3", "wss://stream.binance.com:9443")
        }
        (Protocol::Binance, Market::Spot, true) => (
            "https://testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
            "wss://stream.testnet.binance.vision",
        ),
        (Protocol::Binance, Market::Swap, false) => {
            ("https://fapi.binance.com", "wss://ws-fapi.binance.com/ws-fapi/v1", "wss://fstream.binance.com")
        }
        (Protocol::Binance, Market::Swap, true) => (
            "https://demo-fapi.binance.com",
            "wss://testnet.binancefuture.com/ws-fapi/v1",
            "wss://fstream.binancefuture.com",
        ),
        (Protocol::Bybit, Market::Spot, false) => {
            ("https://api.bybit.com", "wss://stream.bybit.com/v5", "wss://stream.bybit.com/v5/public/spot")
        }
        (Protocol::Bybit, Market::Spot, true) => (
            "https://api-testnet.bybit.com",
            "wss://stream-testnet.bybit.com/v5",
            "wss://stream-testnet.bybit.com/v5/public/spot",
        ),
        (Protocol::Bybit, Market::Swap, false) => {
            ("https://api.bybit.com", "wss://stream.bybit.com/v5", "wss://stream.bybit.com/v5/public/linear")
        }
        (Protocol::Bybit, Market::Swap, true) => (
            "https://api-testnet.bybit.com",
            "wss://stream-testnet.bybit.com/v5",
            "wss://stream-testnet.bybit.com/v5/public/linear",
        ),
        (Protocol::Okx, _, false) => {
            ("https://www.okx.com", "wss://ws.okx.com:8443/ws/v5", "wss://ws.okx.com:8443/ws/v5/public")
        }
        // The same REST address; a header says that it is a demo.
        (Protocol::Okx, _, true) => {
            ("https://www.okx.com", "wss://wspap.okx.com:8443/ws/v5", "wss://wspap.okx.com:8443/ws/v5/public")
        }
    };
    Addresses { rest, ws_api, market_ws }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn play_money_is_never_sent_where_real_money_is() {
        for protocol in [Protocol::Binance, Protocol::Bybit, Protocol::Okx] {
            for market in [Market::Spot, Market::Swap] {
                let (real, play) = (official(protocol, market, false), official(protocol, market, true));
                assert_ne!(real.ws_api, play.ws_api);
                assert_ne!(real.market_ws, play.market_ws);
                assert!(real.rest != play.rest || protocol == Protocol::Okx);
                for address in [real.rest, play.rest] {
                    assert!(address.starts_with("https://"));
                }
                for address in [real.ws_api, play.ws_api, real.market_ws, play.market_ws] {
                    assert!(address.starts_with("wss://"));
                }
            }
        }
    }
}
