"""The agent's own exchange feed (ccxt, ccxt.pro), pointed at the paper venue by its base URL."""

import asyncio
import json
import time

from tests.paper_venue.running_venue import MINUTE, TOKEN, PaperVenue, request

from smc_agent.market.exchange import ExchangeSource


def post_bar(venue: PaperVenue, open_time_ms: int, close: str) -> None:
    body = {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "open_time_ms": open_time_ms,
        "close_time_ms": open_time_ms + MINUTE - 1,
        "open": "40000.00",
        "high": "40010.00",
        "low": "39990.00",
        "close": close,
        "volume": "12.5",
    }
    answer = request(f"{venue.url}/paper/v1/bar", "POST", {"Authorization": f"Bearer {TOKEN}"}, json.dumps(body))[1]
    assert answer["done"], answer


async def test_history_then_a_live_bar(venue: PaperVenue) -> None:
    now = int(time.time() * 1000) // MINUTE * MINUTE
    past = [now - k * MINUTE for k in range(20, 1, -1)]
    for k, open_time in enumerate(past):
        post_bar(venue, open_time, f"{40000 + k % 7}.5")
    source = ExchangeSource("binance", "BTCUSDT", "1m", venue.url)
    try:
        await source.connect()
        assert (str(source.rules().tick), source.rules().base) == ("0.01", "BTC")
        feed = source.bars(after=None)
        bars = [await asyncio.wait_for(anext(feed), 20) for _ in past]
        assert [bar.time for bar in bars] == past
        assert [bar.close for bar in bars] == [40000 + k % 7 + 0.5 for k in range(len(past))]
        # A bar that closes while the feed listens arrives without being asked for.
        live = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(1)
        assert not live.done()
        post_bar(venue, past[-1] + MINUTE, "40009.25")
        bar = await asyncio.wait_for(live, 30)
        assert (bar.time, bar.close, bar.volume) == (past[-1] + MINUTE, 40009.25, 12.5)
        await feed.aclose()
    finally:
        await source.close()
