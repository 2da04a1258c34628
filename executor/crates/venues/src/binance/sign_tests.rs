use super::*;

const API_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

fn signer() -> Signer {
    Signer::new(API_KEY.into(), SECRET.into())
}

#[test]
fn binances_published_example_signs_to_its_published_signature() {
    let text = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
    assert_eq!(signer().sign(text), "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71");
}

#[test]
fn values_are_percent_encoded_before_signing() {
    let mut params = Params::default();
    params.add("symbol", "这是测试币456").add("x", "a b&c=d");
    let request = signer().request("https://host", &Method::GET, "/path", params, 7);
    let sent = request.url.strip_prefix("https://host/path?").unwrap();
    let (signed, signature) = sent.rsplit_once("&signature=").unwrap();
    assert_eq!(
        signed,
        "symbol=%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456&x=a%20b%26c%3Dd&recvWindow=5000&timestamp=7"
    );
    assert_eq!(signer().sign(signed), signature);
    assert_eq!(request.body, None);
}

/// The parameters of Binance's example of `order.place`.
#[test]
fn the_websocket_api_signs_the_pairs_sorted_by_name() {
    let mut params = Params::default();
    params.add("symbol", "BTCUSDT").add("side", "SELL").add("type", "LIMIT").add("timeInForce", "GTC");
    params.add("quantity", "0.01000000").add("price", "52000.00").add("newOrderRespType", "ACK");
    let sent: serde_json::Value = serde_json::from_str(&signer().signed_json(params, 1_645_423_376_532)).unwrap();
    let text = format!(
        "apiKey={API_KEY}&newOrderRespType=ACK&price=52000.00&quantity=0.01000000&recvWindow=5000&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    );
    assert_eq!(sent["signature"], signer().sign(&text));
    assert_eq!(sent["timestamp"], 1_645_423_376_532_i64);
    assert_eq!(sent["price"], "52000.00");
}
