//! The price stream against the paper venue's release build.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orders::Market;
use rust_decimal::Decimal;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use venues::{Access, Protocol, connect};

const TOKEN: &str = "control-token-of-the-test";
const MINUTE: i64 = 60_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct PaperVenue {
    process: Child,
    address: SocketAddr,
    bars: i64,
}

impl Drop for PaperVenue {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl PaperVenue {
    /// None, with the reason printed, where it is not built.
    fn start(folder: &Path) -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/paper_venue");
        if !program.exists() {
            eprintln!("skipped: the paper venue is not built: cargo build --release -p paper_venue");
            return None;
        }
        let config = json!({
            "listen": "127.0.0.1:0", "state": folder.join("state"), "control_token": TOKEN,
            "fees": {"maker": "0", "taker": "0"},
            "symbols": [{"symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick": "0.01", "step": "0.00001",
                "min_quantity": "0.00001", "min_notional": "5"}],
            "accounts": [{"name": "alice", "api_key": "key", "api_secret": "secret", "balances": {"USDT": "1000"}}],
        });
        let path = folder.join("config.json");
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.unwrap().write_all(config.to_string().as_bytes()).unwrap();
        let mut process = Command::new(program).arg("--config").arg(path).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log.find_map(|line| Some(line.ok()?.split_once("listening on ")?.1.trim().parse().unwrap()));
        // Whoever writes a log must find a reader.
        std::thread::spawn(move || log.for_each(drop));
        Some(Self { process, address: address.expect("it listens"), bars: 0 })
    }

    /// The next minute: all its prices are this one.
    fn bar(&mut self, price: &str) {
        let opened = 1_700_000_040_000 + self.bars * MINUTE;
        self.bars += 1;
        let body =
            json!({"symbol": "BTCUSDT", "interval": "1m", "open_time_ms": opened, "close_time_ms": opened + MINUTE - 1,
            "open": price, "high": price, "low": price, "close": price, "volume": "1"})
            .to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "POST /paper/v1/bar HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        assert!(status.contains("200"), "{status}");
    }
}

#[tokio::test]
async fn last_prices_come_from_the_spot_and_from_the_futures_streams() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut paper) = PaperVenue::start(folder.path()) else { return };
    for market in [Market::Spot, Market::Swap] {
        let access = Access {
            rest_url: format!("http://{}", paper.address),
            ws_api_url: format!("ws://{}/ws-api/v3", paper.address),
            market_ws_url: format!("ws://{}", paper.address),
            api_key: "key".into(),
            api_secret: "secret".into(),
            passphrase: String::new(),
            testnet: false,
        };
        let venue = connect(Protocol::Binance, market, access).unwrap();
        let (prices, mut told) = unbounded_channel();
        let (want, wanted) = unbounded_channel();
        let sink = Box::new(move |symbol: &str, price: Decimal, _| {
            let _ = prices.send((symbol.to_owned(), price));
        });
        let running = tokio::spawn(venue.price_stream(sink, wanted));
        want.send("BTCUSDT".to_owned()).unwrap();
        // The subscription takes a moment; prices that came before it are not told.
        let first = timeout(PATIENCE, async {
            loop {
                paper.bar("50000");
                if let Ok(Some(first)) = timeout(Duration::from_millis(50), told.recv()).await {
                    return first;
                }
            }
        });
        assert_eq!(first.await.expect("a price"), ("BTCUSDT".to_owned(), Decimal::from(50_000)), "{market:?}");
        paper.bar("50001");
        let moved = timeout(PATIENCE, async { while told.recv().await.unwrap().1 != Decimal::from(50_001) {} });
        moved.await.expect("the next price");
        running.abort();
    }
}
