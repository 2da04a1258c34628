"""Market data: bars, symbols, time frames, and the sources they come from."""

from smc_agent.market.bars import Bar, BarError, Bars, Gap, bars_of, check_bar, check_bars
from smc_agent.market.files import UnclearMarket, read_bars, with_cure
from smc_agent.market.symbols import Market, SymbolRules, decimal_of, market_of_name, rules_of, split_symbol
from smc_agent.market.timeframes import TIMEFRAMES, infer_timeframe, milliseconds

__all__ = [
    "TIMEFRAMES",
    "Bar",
    "BarError",
    "Bars",
    "Gap",
    "Market",
    "SymbolRules",
    "UnclearMarket",
    "bars_of",
    "check_bar",
    "check_bars",
    "decimal_of",
    "infer_timeframe",
    "market_of_name",
    "milliseconds",
    "read_bars",
    "rules_of",
    "split_symbol",
    "with_cure",
]
