"""Symbols: their names, the rules a venue sets for their prices and quantities, and the way from a price to money."""

import math
import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from smc_agent.market.bars import PRICES, Bars
from smc_agent.market.timeframes import TIMEFRAMES


def decimal_of(x: float) -> Decimal:
    """`x` by its shortest repr, the digits that were in the file: the only way from a price to money."""
    return Decimal(repr(float(x)))


class SymbolRules(BaseModel):
    """What a venue demands of orders in `symbol`: steps of price (`tick`) and quantity (`step`), least amounts."""

    model_config = ConfigDict(frozen=True)

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    min_notional: Decimal

    def round_price(self, price: Decimal) -> Decimal:
        """The multiple of `tick` that is nearest to `price`."""
        return (price / self.tick).to_integral_value(ROUND_HALF_EVEN) * self.tick

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """The greatest multiple of `step` that is not more than `quantity` (>= 0): rounding never adds risk."""
        return (quantity / self.step).to_integral_value(ROUND_DOWN) * self.step


# The least notional of an order in each quote asset: about five dollars, as large venues ask.
_MIN_NOTIONAL = {
    "USDT": Decimal(5), "USDC": Decimal(5), "FDUSD": Decimal(5), "BUSD": Decimal(5), "TUSD": Decimal(5),
    "USD": Decimal(5), "EUR": Decimal(5), "GBP": Decimal(5), "CHF": Decimal(5), "AUD": Decimal(5), "CAD": Decimal(5),
    "NZD": Decimal(5), "JPY": Decimal(500), "TRY": Decimal(50), "BRL": Decimal(10),
    "BTC": Decimal("0.0001"), "ETH": Decimal("0.001"), "BNB": Decimal("0.01"),
}  # fmt: skip
_NO_ASSETS = {"futures", "spot", "mark", "index", "binance", "bars", "ohlcv"}
_BASES = {"EUR", "GBP", "USD", "CHF", "AUD", "CAD", "NZD", "JPY", "XAU", "XAG"}


class Market(NamedTuple):
    """Where bars come from: `binance`, `replay`, ...; the venue's symbol; the time frame."""

    exchange: str
    symbol: str
    timeframe: str

    def __str__(self) -> str:
        return ":".join(self)


class Pair(NamedTuple):
    """The two assets of a symbol."""

    base: str
    quote: str

    @property
    def symbol(self) -> str:
        return self.base + self.quote


def split_symbol(symbol: str) -> Pair:
    """The assets of a venue's symbol (`BTCUSDT` -> BTC, USDT); ValueError when its quote asset is unknown."""
    for quote in sorted(_MIN_NOTIONAL, key=len, reverse=True):
        if symbol.endswith(quote) and len(symbol) > len(quote) and symbol.isalnum():
            return Pair(symbol.removesuffix(quote), quote)
    raise ValueError(f"unknown symbol {symbol!r}; expected base and quote asset in one word, such as BTCUSDT or EURUSD")


def market_of_name(path: str | Path) -> tuple[str | None, str | None]:
    """(symbol, time frame) as the name of a file of bars tells them; None for what it does not tell.

    `BTC-PERP_1m.csv` -> BTCUSDT, 1m. `EURUSD_15m` -> EURUSD, 15m. `ETH_BTC-5m` -> ETHBTC, 5m.
    `futures_XRP_USDT_USDT-1h-futures` -> XRPUSDT, 1h.
    """
    words = [word for word in re.split(r"[\s_\-.]+", Path(path).stem) if word]
    timeframe = next((word for word in words if word in TIMEFRAMES), None)
    assets = [word.upper() for word in words if word not in TIMEFRAMES and word.lower() not in _NO_ASSETS]
    for i, word in enumerate(assets):
        following = assets[i + 1] if i + 1 < len(assets) else ""
        if following == "PERP":
            return word + "USDT", timeframe
        if following in _MIN_NOTIONAL:
            return word + following, timeframe
        try:
            pair = split_symbol(word)
        except ValueError:
            continue
        # `USDBTC` is no word anybody writes; a lone quote asset is half of a pair.
        if pair.base in _BASES or pair.base not in _MIN_NOTIONAL or word not in _MIN_NOTIONAL:
            return word, timeframe
    return None, timeframe


def rules_of(bars: Bars) -> SymbolRules:
    """Rules for trading recorded or generated `bars` on paper: the prices' finest tick, a step of about a dollar."""
    pair = split_symbol(bars.symbol)
    if not len(bars):
        raise ValueError(f"no bars of {bars.symbol} to take its tick from")
    least = _MIN_NOTIONAL[pair.quote]
    step_power = math.floor(math.log10(float(least) / 5 / float(np.median(bars.close))))
    step = Decimal(1).scaleb(max(-8, min(0, step_power)))
    return SymbolRules(
        symbol=bars.symbol, base=pair.base, quote=pair.quote, tick=_finest_tick(bars), step=step, min_quantity=step,
        min_notional=least,
    )  # fmt: skip


def _finest_tick(bars: Bars) -> Decimal:
    prices = np.concatenate([getattr(bars, name) for name in PRICES])
    for digits in range(9):
        scaled = prices * 10**digits
        # Relative to the price: 0.09946999000000001 is 0.09946999 with the dust of somebody's float arithmetic.
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-9 * np.maximum(scaled, 1)):
            return Decimal(1).scaleb(-digits)
    return Decimal("1E-8")
