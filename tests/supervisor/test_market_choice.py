"""Which market a start runs on."""

from pathlib import Path

import pytest

from smc_agent.local.market_choice import Asked, MarketChoice, MarketError, choose, remembered
from smc_agent.local.ports import free_ports
from smc_agent.local.state import State, StateError

BARS = "time,open,high,low,close,volume\n1640995200000,100,110,90,105,1\n1640995260000,105,111,95,106,2\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text(BARS)
    return path


def nowhere() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


async def test_a_replay_says_what_is_in_its_file(file: Path) -> None:
    market = await choose(Asked(kind="replay", replay=file, speed="max"), None)
    assert (market.symbol, market.timeframe, market.bars, market.exchange) == ("BTCUSDT", "1m", 2, "replay")
    assert "replay of BTCUSDT_1m.csv: BTCUSDT 1m, 2 bars, 2022-01-01 00:00 to 2022-01-01 00:01 UTC" in market.describe()


async def test_a_later_start_without_arguments_goes_on_with_it(file: Path, tmp_path: Path) -> None:
    state = State(tmp_path)
    first = await choose(Asked(kind="replay", replay=file, speed="max"), None)
    state.write("market.json", first.model_dump(mode="json"))
    before = remembered(state)
    assert before == first
    assert await choose(Asked(), before) == first
    # The pace may change, and so may the place of the file; the market may not.
    moved = tmp_path / "elsewhere" / "month.csv"
    _change(moved, BARS)
    again = await choose(Asked(kind="replay", replay=moved, speed="10"), before)
    assert (again.speed, again.replay, again.symbol) == ("10", moved, "BTCUSDT")


async def test_a_file_that_changed_since_is_refused(file: Path) -> None:
    before = await choose(Asked(kind="replay", replay=file), None)
    _change(file, BARS.replace("106", "107"))
    with pytest.raises(MarketError, match=r"is not the file that this state was started with .*smc reset"):
        await choose(Asked(), before)
    _change(file, None)
    with pytest.raises(MarketError, match="no such file"):
        await choose(Asked(), before)


@pytest.mark.parametrize(
    "other",
    [Asked(kind="synthetic"), Asked(kind="live"), Asked(symbol="ETHUSDT"), Asked(timeframe="5m")],
)
async def test_another_market_is_refused(other: Asked, file: Path) -> None:
    before = await choose(Asked(kind="replay", replay=file), None)
    with pytest.raises(MarketError, match="This state runs on replay BTCUSDT 1m; asked for"):
        await choose(other, before)


async def test_without_a_network_the_market_is_generated_and_says_so() -> None:
    market = await choose(Asked(exchange_url=nowhere()), None)
    assert (market.kind, market.exchange) == ("synthetic", "synthetic")
    assert market.describe().startswith("SYNTHETIC: generated bars, no market; BTCUSDT 1m")


async def test_an_exchange_that_was_asked_for_by_name_is_not_replaced() -> None:
    with pytest.raises(
        MarketError, match=r"binance does not answer \(\w+\)\. Check the network, or run on recorded bars"
    ):
        await choose(Asked(kind="live", exchange_url=nowhere()), None)


async def test_an_unknown_exchange_and_symbol_are_refused() -> None:
    with pytest.raises(MarketError, match="unknown exchange 'nosuch'"):
        await choose(Asked(kind="live", exchange="nosuch"), None)
    with pytest.raises(MarketError, match="unknown symbol"):
        await choose(Asked(kind="synthetic", symbol="???"), None)


def test_a_damaged_memory_is_said(tmp_path: Path) -> None:
    (tmp_path / "market.json").write_text('{"kind": "replay"}')
    with pytest.raises(StateError, match=r"market.json is damaged.*smc reset"):
        remembered(State(tmp_path))


async def test_the_agent_is_told_of_it(file: Path) -> None:
    market: MarketChoice = await choose(Asked(kind="replay", replay=file, speed="max"), None)
    assert market.environment() == {
        "SMC_MARKET": "replay",
        "SMC_REPLAY": str(file),
        "SMC_SYMBOL": "BTCUSDT",
        "SMC_TIMEFRAME": "1m",
        "SMC_SPEED": "max",
    }


def _change(file: Path, content: str | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
