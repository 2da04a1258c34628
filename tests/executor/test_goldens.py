"""`executor sign` reproduces the requests another client sends: those recorded from ccxt.

Compared are method, path and the set of parameters, to the letter; hmac checks the signature over the very bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.executor.running_executor import BINARY

GOLDENS = Path(__file__).parents[2].parent / "shared" / "goldens"
Case = dict[str, Any]
Params = frozenset[tuple[str, Any]]

pytestmark = pytest.mark.skipif(
    not os.access(BINARY, os.X_OK), reason="the executor is not built: cargo build --release -p executor, in executor/"
)


def recorded() -> Iterator[Any]:
    for venue in ("binance", "bybit", "okx"):
        golden = json.loads((GOLDENS / f"{venue}.json").read_text()) if GOLDENS.is_dir() else {"cases": []}
        common = {name: golden.get(name) for name in ("exchange", "timestamp", "credentials")}
        for case in golden["cases"]:
            yield pytest.param(common | case, id=f"{golden['exchange']}: {case['description']}")


CASES = list(recorded()) or [
    pytest.param({}, marks=pytest.mark.skip(reason=f"needs the recorded requests in {GOLDENS}"))
]


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_request_is_reproduced(case: Case, tmp_path: Path) -> None:
    request = signed(case, tmp_path)
    assert meaning(request, case) == meaning(case["request"], case)
    check_signature(request, case)


def signed(case: Case, folder: Path) -> Case:
    """What the executor would send."""
    path = folder / "case.json"
    path.write_text(json.dumps({name: value for name, value in case.items() if name != "request"}))
    command = [str(BINARY), "sign", "--venue", case["exchange"], "--market", market_of(case), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    request: Case = json.loads(done.stdout)
    return request


def market_of(case: Case) -> str:
    swap = any(isinstance(word, str) and word.endswith(":USDT") for word in case["input"])
    return "swap" if swap else "spot"


def meaning(request: Case, case: Case) -> tuple[str, str, str, list[Params]]:
    """Method, host, path and parameters, apart from what may differ: signatures, broker ids, ids made at random."""
    url = urlsplit(request["url"])
    body = request["body"] or ""
    if body[:1] in ("{", "["):
        entries = json.loads(body)
        entries = entries if isinstance(entries, list) else [entries]
    else:
        entries = [dict(parse_qsl(body or url.query, strict_parsing=bool(body or url.query)))]
    free = {"signature", "tag"} if "smc-0001" in json.dumps(case["input"]) else {"signature", "tag", "newClientOrderId"}
    kept = [{name: value for name, value in entry.items() if name not in free} for entry in entries]
    return request["method"], url.netloc, url.path, [frozenset((n, json.dumps(v)) for n, v in e.items()) for e in kept]


def check_signature(request: Case, case: Case) -> None:
    """The way each venue would."""
    credentials, headers, body = case["credentials"], request["headers"], request["body"] or ""
    url = urlsplit(request["url"])

    def mac(text: str) -> bytes:
        return hmac.new(credentials["secret"].encode(), text.encode(), hashlib.sha256).digest()

    if case["exchange"] == "binance":
        text, signature = (body or url.query).rsplit("&signature=", 1)
        assert signature == mac(text).hex()
        assert dict(parse_qsl(text))["timestamp"] == str(case["timestamp"])
        assert headers["X-MBX-APIKEY"] == credentials["apiKey"]
    elif case["exchange"] == "bybit":
        stamp, window = headers["X-BAPI-TIMESTAMP"], headers["X-BAPI-RECV-WINDOW"]
        assert headers["X-BAPI-SIGN"] == mac(stamp + credentials["apiKey"] + window + (body or url.query)).hex()
        assert stamp == str(case["timestamp"])
        assert headers["X-BAPI-API-KEY"] == credentials["apiKey"]
    else:
        target = url.path + (f"?{url.query}" if url.query else "")
        stamp = headers["OK-ACCESS-TIMESTAMP"]
        assert headers["OK-ACCESS-SIGN"] == base64.b64encode(mac(stamp + request["method"] + target + body)).decode()
        assert stamp == "2023-11-14T22:13:20.000Z"
        assert (headers["OK-ACCESS-KEY"], headers["OK-ACCESS-PASSPHRASE"]) == ("golden-key", "golden-pass")
    if body and case["exchange"] != "binance":
        assert headers["Content-Type"] == "application/json"
