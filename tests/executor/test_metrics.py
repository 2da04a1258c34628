"""What can be seen from outside: metrics, the status page, one order's way in the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.executor.faulty_proxy import FaultyProxy
from tests.executor.running_executor import TOKEN, Desk, Executor
from tests.paper_venue.running_venue import PaperVenue

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="[^"]*",?)*)\})? (-?[0-9.]+(?:e-?[0-9]+)?)$')


def samples(executor: Executor) -> dict[tuple[str, str], float]:
    """Every sample by name and labels; the format is checked on the way."""
    page: str = executor.get("/metrics")[1]
    found: dict[tuple[str, str], float] = {}
    types: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types, f"{name} twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            name = match[1]
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert types.get(family) == "histogram" or name in types, line
            labels = re.sub(r'account="[^"]*",exchange="[^"]*",?', "", match[2] or "")
            found[name, labels] = float(match[3])
    return found


def test_every_stage_of_an_order_is_timed(desk: Desk) -> None:
    for _ in range(3):
        assert desk.executor.place(price="45000")["status"] == "accepted"
    seen = samples(desk.executor)
    sums = []
    for stage in ("received", "verified", "journaled", "written", "acknowledged"):
        assert seen["smc_order_path_seconds_count", f'stage="{stage}"'] == 3, stage
        assert seen["smc_order_path_seconds_bucket", f'stage="{stage}",le="+Inf"'] == 3
        sums.append(seen["smc_order_path_seconds_sum", f'stage="{stage}"'])
    assert sums == sorted(sums), "each is reached after the one before"
    assert sums[-1] > 0
    assert seen["smc_journal_sync_seconds_count", ""] >= 3
    assert seen["smc_commands_total", 'action="place",code="accepted"'] == 3
    assert seen["smc_rate_budget_used_ratio", 'budget="weight_1m"'] > 0
    assert 0 < seen["smc_rate_budget_used_ratio", 'budget="orders_10s"'] < 0.5
    assert abs(seen["smc_clock_offset_seconds", ""]) < 1
    assert seen["smc_open_orders", ""] == 3
    assert seen["smc_unknown_orders", ""] == 0


def test_what_goes_wrong_shows(paper_venue: PaperVenue, make_executor: Callable[..., Executor]) -> None:
    proxy = FaultyProxy(paper_venue.url.removeprefix("http://"))
    executor = make_executor(venue_url=proxy.url).start()
    before = samples(executor)
    assert (before["smc_ready", ""], before["smc_stream_gaps_total", ""]) == (1, 0)
    proxy.pause()
    executor.until(lambda: samples(executor)["smc_ready", ""] == 0)
    proxy.resume()
    executor.until(lambda: samples(executor)["smc_ready", ""] == 1)
    after = samples(executor)
    assert after["smc_stream_gaps_total", ""] == 1
    assert after["smc_stream_connections_total", ""] == before["smc_stream_connections_total", ""] + 1
    assert executor.command("kill")["status"] == "accepted"
    assert samples(executor)["smc_killed", ""] == 1
    proxy.close()


def test_metrics_tell_nobody_what_is_held(desk: Desk) -> None:
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    page: str = desk.executor.get("/metrics")[1]
    for secret in ("USDT", "BTC", "50000", "49000", TOKEN, "secret"):
        assert secret not in page


def test_the_status_page_says_it_to_a_person(desk: Desk) -> None:
    assert desk.executor.get("/status")[0] == 401
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    status, page = desk.executor.get("/status", authorized=True)
    assert status == 200
    for line in (
        f"account {desk.executor.account}",
        "state +reconciled$",
        "lease +not taken: this is the only executor",
        "position +BTCUSDT 0.0999 at ",
        "balance +BTC 0 free, 0.0999 locked",
        "orders +1 open, 0 of unknown outcome",
        "order +BTCUSDT sell stop_loss 0.0999 stop 49000, 0 filled, open",
        "stream +came up 1 times, lost 0 times",
    ):
        assert re.search(line, page, re.MULTILINE), (line, page)
    desk.executor.command("kill")
    assert "reconciled, KILLED: no entries" in desk.executor.get("/status", authorized=True)[1]


def test_one_grep_follows_an_order(desk: Desk) -> None:
    envelope = desk.executor.envelope("place", {"symbol": "BTCUSDT", "side": "buy", "type": "limit",
                                                "quantity": "0.1", "price": "50000"})  # fmt: skip
    del envelope["signature"]
    answer = desk.executor.send(desk.executor.signed(envelope | {"trace_id": "req-0123456789"}))
    assert answer["status"] == "accepted"
    desk.bar("50100", "50200", "49900", "50100")
    lines = [line for line in desk.executor.text().splitlines() if "req-0123456789" in line]
    order = answer["order"]
    assert len(lines) == 2, lines
    for name in (envelope["command_id"], order["client_order_id"], order["external_order_id"], "accepted"):
        assert name in lines[0]
    for name in (order["client_order_id"], "filled"):
        assert name in lines[1]
    # The journal has it as well, for when the log is gone.
    assert b"req-0123456789" in Path(desk.executor.config["journal"]).read_bytes()
