"""`smc backtest FILE`: what the strategy would have made of recorded bars."""

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import click
from pydantic import ValidationError

from smc_agent.backtest import BacktestResult, Fees, run_backtest
from smc_agent.cli.options import Refused, json_option
from smc_agent.execution import SessionConfig
from smc_agent.market import read_bars, rules_of, with_cure
from smc_agent.risk import RiskLimits
from smc_agent.strategy import SmcConfluenceParams


class Amount(click.ParamType[Decimal]):
    """A decimal number, taken as it was typed."""

    name = "number"

    def convert(self, value: str | Decimal, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number; write it like 0.001", param, ctx)
        if not amount.is_finite():
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return amount


@click.command(
    epilog="""\b
Examples:
  smc backtest BTC-PERP_1m.csv
  smc backtest bars.csv --symbol ETHUSDT --timeframe 5m --capital 10000
  smc backtest bars.csv --param target=r_multiple --param r_multiple=3 --limit risk_per_trade=0.01
  smc backtest bars.csv --json | jq .metrics.sharpe

\b
--param and --limit name the fields of the strategy and the risk limits:
  params: {params}
  limits: {limits}
""".format(params=", ".join(SmcConfluenceParams.model_fields), limits=", ".join(RiskLimits.model_fields))
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--symbol", help="For example BTCUSDT; by default from the file's name.")
@click.option("--timeframe", help="For example 1m; by default from the file's name or its spacing.")
@click.option("--capital", type=Amount(), default="100000", show_default=True, help="Starting capital, quote asset.")
@click.option("--maker", type=Amount(), default="0.001", show_default=True, help="Maker's fee, fraction.")
@click.option("--taker", type=Amount(), default="0.001", show_default=True, help="Taker's fee, fraction.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; repeatable.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A risk limit; repeatable.")
@click.option("--trades", "show_trades", is_flag=True, help="List every trade too.")
@json_option
def backtest(
    file: Path,
    symbol: str | None,
    timeframe: str | None,
    capital: Decimal,
    maker: Decimal,
    taker: Decimal,
    params: tuple[str, ...],
    limits: tuple[str, ...],
    show_trades: bool,
    as_json: bool,
) -> None:
    """Backtest the strategy on a file of bars (CSV, Parquet, Feather).

    The detector, strategy and risk are those that trade live; within a bar the adverse order of events is assumed.
    """
    if not (0 <= maker < 1 and 0 <= taker < 1):
        raise Refused("A fee is a fraction of the notional from 0 to below 1. Write 0.001 for 0.1 %.")
    try:
        bars = read_bars(file, symbol, timeframe)
    except ValueError as error:
        raise Refused(with_cure(error)) from None
    try:
        session = SessionConfig(
            # Ids of orders follow from the session's: named after the market, a repeat gives the same bytes.
            session_id=uuid5(NAMESPACE_URL, f"smc:backtest:{bars.symbol}:{bars.timeframe}"),
            portfolio_id=uuid5(NAMESPACE_URL, "smc:backtest"),
            exchange=bars.exchange,
            symbol=bars.symbol,
            timeframe=bars.timeframe,
            params=SmcConfluenceParams.model_validate(_pairs(params, "--param")),
            risk=RiskLimits.model_validate({"fee_rate": max(maker, taker), **_pairs(limits, "--limit")}),
        )
        result = run_backtest(bars, session, rules_of(bars), capital, Fees(maker, taker))
    except ValidationError as error:
        raise Refused(_first(error)) from None
    except ValueError as error:
        raise Refused(_sentence(str(error))) from None
    if as_json:
        sys.stdout.buffer.write(result.to_json() + b"\n")
        return
    click.echo(table(result))
    if show_trades:
        click.echo(trade_list(result))


def table(result: BacktestResult) -> str:
    """The result for people; the verdict comes first."""
    curve, held, trading = result.curve, result.benchmark.metrics, result.trading
    report = result.report()
    lines = [
        result.verdict,
        "",
        f"{result.symbol} {result.timeframe}, {len(result.time):,} bars, {report['from']} to {report['to']}",
        "",
        f"{'':<22}{'strategy':>14}{'buy and hold':>16}",
    ]
    for name, mine, theirs in (
        ("Return", _percent(curve.total_return), _percent(held.total_return)),
        ("CAGR", _percent(curve.cagr), _percent(held.cagr)),
        ("Max drawdown", _percent(curve.max_drawdown), _percent(held.max_drawdown)),
        ("Sharpe", _number(curve.sharpe), _number(held.sharpe)),
        ("Sortino", _number(curve.sortino), _number(held.sortino)),
        ("Calmar", _number(curve.calmar), _number(held.calmar)),
        ("VaR 95 (day)", _percent(curve.var_95), _percent(held.var_95)),
        ("CVaR 95 (day)", _percent(curve.cvar_95), _percent(held.cvar_95)),
    ):
        lines.append(f"{name:<22}{mine:>14}{theirs:>16}")
    lines += [
        "",
        f"{'Final equity':<22}{result.final_equity:>14,.2f} {result.quote}",
        f"{'Closed trades':<22}{trading.trades:>14}   {trading.wins} won, {trading.losses} lost",
        f"{'Win rate':<22}{_percent(trading.win_rate):>14}",
        f"{'Profit factor':<22}{_number(trading.profit_factor):>14}",
        f"{'Expectancy':<22}{_number(trading.expectancy):>14} {result.quote}, {_number(trading.expectancy_r)} R",
        f"{'Exposure':<22}{_percent(result.exposure):>14}   of the bars",
        f"{'Ambiguous bars':<22}{result.ambiguous_bars:>14}   the adverse order of events was assumed",
        f"{'Signals':<22}{result.signals:>14}",
        *(f"{'  refused':<22}{count:>14}   {code}" for code, count in result.refusals.items()),
    ]
    if result.open_trade is not None:
        opened = result.open_trade
        lines.append(f"{'Still open':<22}{opened.quantity:>14f}   bought at {opened.entry_price:f}, marked")
    made_of = result.reproducibility
    lines += ["", f"data sha256 {made_of.data_sha256}", f"version {made_of.version}, no random numbers"]
    return "\n".join(lines)


def trade_list(result: BacktestResult) -> str:
    """One line a trade, in order of exit."""
    lines = [
        "",
        f"{'entered (bar)':<22}{'left (bar)':<22}{'entry':>12}{'exit':>12}{'quantity':>12}{'pnl':>12}{'R':>7}  by",
    ]
    for trade, plain in zip(result.trades, result.report()["trades"], strict=True):
        doubt = " (ambiguous)" if trade.ambiguous else ""
        lines.append(
            f"{plain['entered']:<22}{plain['left']:<22}{trade.entry_price:>12f}{trade.exit_price:>12f}"
            f"{trade.quantity:>12f}{trade.pnl:>12.2f}{trade.r:>7.2f}  {trade.exit}{doubt}"
        )
    return "\n".join(lines)


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise Refused(f"{option} {item!r} has no value. Write {option} NAME=VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    name = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"There is no {name}. `smc backtest --help` names those there are."
    return f"{name}: {_sentence(found['msg'])} Give another value."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _percent(x: float | None) -> str:
    return "-" if x is None else f"{x:.2%}"


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.2f}"
