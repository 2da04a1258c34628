"""A recorded market, as Binance's WebSocket told it, fed to a paper venue message by message."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.paper_venue.running_venue import PaperVenue

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "l2"
SPOT = FOLDER / "hb_binance_spot_btcusdt_20240808_raw.gz"
SWAP = FOLDER / "hb_binance_usdm_btcusdt_20240808_raw.gz"
needs_recordings = pytest.mark.skipif(not SPOT.exists(), reason="needs ../shared/data/l2, the recorded order books")


def messages(path: Path) -> Iterator[dict[str, Any]]:
    """The messages in the order they came: snapshot, depthUpdate, trade, bookTicker."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            message = json.loads(line.split(" ", 1)[1])
            yield message.get("data", message)


def is_told(message: dict[str, Any]) -> bool:
    """Tells whether it makes the market; a bookTicker only sums it up."""
    return "lastUpdateId" in message or message.get("e") in ("depthUpdate", "trade")


def batches(events: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Cuts the events into lists of at most `size`."""
    rest = iter(events)
    while batch := list(islice(rest, size)):
        yield batch


def feed(venue: PaperVenue, events: list[dict[str, Any]]) -> int:
    """Posts events to the end, each stop answered by going on; returns how many stops there were."""
    stops = 0
    while events:
        answer = venue.control("POST", "/paper/v1/l2", {"symbol": "BTCUSDT", "events": events})
        assert not answer["gap"], answer
        stops += not answer["done"]
        events = events[answer["applied"] :]
    return stops
