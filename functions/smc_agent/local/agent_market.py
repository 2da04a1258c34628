"""Which market the agent follows: a recording, a generated series, or a live exchange."""

import asyncio
import logging

from smc_agent.market import milliseconds, read_bars
from smc_agent.market.exchange import ExchangeSource
from smc_agent.market.source import GeneratedSource, ReplaySource, Source
from smc_agent.platform.settings import Settings

log = logging.getLogger(__name__)

_PROBE_S = 8.0


async def open_source(settings: Settings) -> Source:
    """The source that the settings name; `auto` is a recording when one is named, else the exchange when it answers,
    else the generated series. ValueError (LookupError for a missing setting) says what is wrong and what to change."""
    market = settings.market
    if market == "replay" or (market == "auto" and settings.replay is not None):
        settings.require("replay")
        assert settings.replay is not None
        return ReplaySource(read_bars(settings.replay, settings.symbol, settings.timeframe), settings.pace)
    symbol, timeframe = settings.symbol or "BTCUSDT", settings.timeframe or "1m"
    milliseconds(timeframe)
    if market == "synthetic":
        return GeneratedSource(symbol, timeframe, settings.pace)
    live = ExchangeSource(settings.exchange, symbol, timeframe, settings.exchange_url)
    if market == "live":
        return live
    try:
        await asyncio.wait_for(live.connect(), _PROBE_S)
    except ValueError:
        # It answers, but has no such market: the settings are wrong.
        await live.close()
        raise
    except Exception as error:
        await live.close()
        log.warning("market: %s does not answer (%s); a generated series takes its place", settings.exchange,
                    type(error).__name__)  # fmt: skip
        return GeneratedSource(symbol, timeframe, settings.pace)
    return live
