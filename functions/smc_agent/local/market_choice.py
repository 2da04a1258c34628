"""Which market `smc up` runs on: what was asked for, what the state folder remembers, what can be had."""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from smc_agent.local.state import State, StateError
from smc_agent.market import SymbolRules, read_bars, rules_of, with_cure
from smc_agent.market.generated import generated_chunks

FILE = "market.json"
LIVE_SECONDS = 8.0  # how long an exchange may take to answer before the market is generated instead


class MarketError(Exception):
    """The market that was asked for cannot be run; the message names cause and cure."""


class Asked(BaseModel):
    """What the command line and the environment ask for; None: not said."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["live", "replay", "synthetic"] | None = None
    replay: Path | None = None
    exchange: str = "binance"
    exchange_url: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    speed: str | None = None


class MarketChoice(BaseModel):
    """A market, as `market.json` keeps it from the first start on."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["live", "replay", "synthetic"]
    exchange: str  # where bars are said to come from: 'binance', 'replay', 'synthetic'
    exchange_url: str | None = None
    symbol: str
    timeframe: str
    speed: str
    rules: SymbolRules
    replay: Path | None = None
    sha256: str | None = None  # of the replayed file
    bars: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None

    def environment(self) -> dict[str, str]:
        """The settings that tell the agent and the API of it."""
        settings = {
            "SMC_MARKET": self.kind,
            "SMC_SYMBOL": self.symbol,
            "SMC_TIMEFRAME": self.timeframe,
            "SMC_SPEED": self.speed,
        }
        if self.kind == "live":
            settings["SMC_EXCHANGE"] = self.exchange
        if self.exchange_url:
            settings["SMC_EXCHANGE_URL"] = self.exchange_url
        if self.replay:
            settings["SMC_REPLAY"] = str(self.replay)
        return settings

    def describe(self) -> str:
        """For people: 'replay of BTC-PERP_1m.csv: BTCUSDT 1m, 45,031 bars, 2021-12-31 23:01 to ...'."""
        if self.kind == "live":
            return f"live from {self.exchange}: {self.symbol} {self.timeframe}, public data"
        pace = "as fast as it is worked off" if self.speed == "max" else f"{self.speed} times faster than life"
        if self.kind == "synthetic":
            return f"SYNTHETIC: generated bars, no market; {self.symbol} {self.timeframe}, {pace}"
        assert self.replay is not None
        assert self.first_ms is not None
        assert self.last_ms is not None
        return (
            f"replay of {self.replay.name}: {self.symbol} {self.timeframe}, {self.bars:,} bars, "
            f"{_minute(self.first_ms)} to {_minute(self.last_ms)} UTC, {pace}"
        )


def remembered(state: State) -> MarketChoice | None:
    """The market of this state folder; None before the first start. Raises StateError when the file is damaged."""
    content = state.read(FILE)
    if content is None:
        return None
    try:
        return MarketChoice.model_validate(content)
    except ValidationError:
        path = state.folder / FILE
        raise StateError(f"{path} is damaged. Restore it, or start over with `smc reset`.") from None


async def choose(asked: Asked, before: MarketChoice | None) -> MarketChoice:
    """The market to run; checks that it can be had, and that it is the one from `before`. Raises MarketError."""
    if before is not None:
        _refuse_change(asked, before)
        asked = asked.model_copy(
            update={
                "kind": before.kind,
                "replay": asked.replay or before.replay,
                "exchange": before.exchange if before.kind == "live" else asked.exchange,
                "exchange_url": asked.exchange_url or before.exchange_url,
                "symbol": before.symbol,
                "timeframe": before.timeframe,
                "speed": asked.speed or before.speed,
            }
        )
    if asked.kind == "replay":
        market = _replay(asked)
    elif asked.kind == "synthetic":
        market = _synthetic(asked)
    elif before is not None:
        market = before  # the feed waits for the exchange by itself
    else:
        market = await _live(asked)
    if before is not None and market.sha256 != before.sha256:
        raise MarketError(
            f"{market.replay} is not the file that this state was started with (its content differs). "
            "Bring that file back, start over with `smc reset`, or give this one another folder with --state."
        )
    return market


def _refuse_change(asked: Asked, before: MarketChoice) -> None:
    wanted = {
        "market": (asked.kind, before.kind),
        "exchange": (asked.exchange if asked.kind == "live" else None, before.exchange),
        "symbol": (asked.symbol, before.symbol),
        "time frame": (asked.timeframe, before.timeframe),
    }
    for what, (new, old) in wanted.items():
        if new is not None and new != old:
            raise MarketError(
                f"This state runs on {before.kind} {before.symbol} {before.timeframe}; asked for {what} {new}. "
                "Name no market to go on with it, start over with `smc reset`, "
                "or give the new one another folder with --state."
            )


def _replay(asked: Asked) -> MarketChoice:
    if asked.replay is None:
        raise MarketError("A replay needs its file. Name it with --replay FILE.")
    path = asked.replay.absolute()
    try:
        bars = read_bars(path, asked.symbol, asked.timeframe)
        rules = rules_of(bars)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise MarketError(f"{path}: {error.strerror}. Name a file of bars with --replay FILE.") from None
    except ValueError as error:
        raise MarketError(f"Bad bars: {with_cure(error)}") from None
    return MarketChoice(
        kind="replay",
        exchange="replay",
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        speed=asked.speed or "60",
        rules=rules,
        replay=path,
        sha256=digest,
        bars=len(bars),
        first_ms=int(bars.time[0]),
        last_ms=int(bars.time[-1]),
    )


def _synthetic(asked: Asked) -> MarketChoice:
    symbol, timeframe = asked.symbol or "BTCUSDT", asked.timeframe or "1m"
    try:
        rules = rules_of(next(generated_chunks(symbol=symbol, timeframe=timeframe)))
    except ValueError as error:
        raise MarketError(f"{str(error).rstrip('.')}. Name another with --symbol and --timeframe.") from None
    return MarketChoice(
        kind="synthetic",
        exchange="synthetic",
        symbol=symbol,
        timeframe=timeframe,
        speed=asked.speed or "60",
        rules=rules,
    )


async def _live(asked: Asked) -> MarketChoice:
    """The exchange's market; the generated one where it was not asked for by name and nobody answers."""
    # A second of imports that nothing but a live market needs.
    import ccxt

    from smc_agent.market.exchange import ExchangeSource

    symbol, timeframe = asked.symbol or "BTCUSDT", asked.timeframe or "1m"
    try:
        source = ExchangeSource(asked.exchange, symbol, timeframe, asked.exchange_url)
    except ValueError as error:
        raise MarketError(f"{error}. Name another with --live.") from None
    try:
        await asyncio.wait_for(source.connect(), LIVE_SECONDS)
        rules = source.rules()
    except ValueError as error:
        raise MarketError(f"{error}. Name another with --symbol and --timeframe.") from None
    except (ccxt.NetworkError, ccxt.ExchangeError, OSError, TimeoutError) as error:  # each means: not from here
        if asked.kind == "live":
            raise MarketError(
                f"{asked.exchange} does not answer ({type(error).__name__}). Check the network, "
                "or run on recorded bars with --replay FILE or on generated ones with --synthetic."
            ) from None
        return _synthetic(asked)
    finally:
        await source.close()
    return MarketChoice(
        kind="live",
        exchange=asked.exchange,
        exchange_url=asked.exchange_url,
        symbol=symbol,
        timeframe=timeframe,
        speed="1",
        rules=rules,
    )


def _minute(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"
