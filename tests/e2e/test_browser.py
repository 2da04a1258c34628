"""The same replay at sixty times real time, while a browser is signed in: nothing there is reloaded by hand."""

import json
import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from tests.e2e.running_agent import BTC_MONTH, ROOT, running_agent, slice_of_month

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not BTC_MONTH.exists(), reason="needs ../shared/data/crypto/BTC-PERP_1m.csv"),
    pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"needs Chromium at {CHROMIUM}"),
]


@pytest.mark.timeout(300)
def test_chart_positions_and_orders_move_by_themselves(tmp_path: Path) -> None:
    pictures = Path(os.environ.get("SMC_PICTURES", tmp_path / "pictures"))
    bars = slice_of_month(tmp_path / "BTC-PERP_1m.csv", 0, 6000)
    # A past first, three hundred bars a second: a chart with zones, orders and decisions on it.
    with running_agent(tmp_path / "state", "--replay", bars, "--speed", "18000") as agent:
        agent.wait_for_bars(700, 120)
        agent.stop()
    done = agent.progress()["bars_done"]
    with running_agent(tmp_path / "state", "--speed", "60") as agent:
        link = agent.wait_for(r"(http://127\.0\.0\.1:\d+/login#\S+)", 120).group(1)
        agent.wait_for_bars(done + 3, 60)
        browser = subprocess.run(
            ["node", ROOT / "tests/e2e/browser.mjs", link, pictures],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert browser.returncode == 0, f"{browser.stderr[-3000:]}\n{agent.log[-3000:]}"
    seen = json.loads(browser.stdout)
    assert seen["mode"] == "PAPER"
    assert seen["barLater"] >= seen["barFirst"] + 3 * 60_000
    assert seen["zones"] > 10
    assert "first known at the close of the bar of 2022-01-" in seen["explanation"]
    assert seen["standing"].startswith(("Swing", "Internal"))
    assert "first known at the close of the bar of 2022-01-" in seen["standingExplained"]
    assert all(count > 0 for count in seen["families"].values())
    assert len(seen["families"]) == 4
    assert seen["orderRested"]
    assert "BTCUSDT" in seen["position"]
    assert Decimal(seen["quantityAfter"]) != Decimal(seen.get("quantityBefore", "0"))
    assert seen["killed"]
    assert seen["resumed"]
    assert seen["signedInAgain"]
    assert seen["refusal"] == "E-mail or password is wrong."
    assert seen["widths"] == {"trading": 390, "overview": 390, "login": 390}, seen.get("wide")
    assert all(not violations for violations in seen["accessibility"].values()), seen["accessibility"]
    # The browser itself reports the refused sign-in as a failed request; nothing else may be on the console.
    assert [error for error in seen["errors"] if "400" not in error] == []
