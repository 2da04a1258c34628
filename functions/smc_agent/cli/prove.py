"""`smc prove`: that no event repaints, shown on the user's own bars."""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from smc_agent.cli.bar_file import BarFile, bar_file, named
from smc_agent.cli.options import Refused, json_option

if TYPE_CHECKING:
    from smc_agent.detection.proof import Proof

PREFIXES = 1000  # batch runs over prefixes, where nothing else is asked for


@click.command(
    epilog="""\b
Examples:
  smc prove BTC-PERP_1m.csv
  smc prove BTC-PERP_1m.csv --full
  smc prove BTC-PERP_1m.csv --tf 5m,1h --every 10
  smc prove eurusd.csv --symbol EURUSD --timeframe 15m --swing 20 --json
"""
)
@bar_file
@click.option("--every", type=click.IntRange(1), help=f"A batch run for one prefix in N (default: {PREFIXES:,} runs).")
@click.option("--full", is_flag=True, help="A batch run for every prefix.")
@click.option("--tf", "timeframes", metavar="5m,1h", help="On bars of these time frames, made of those of the file.")
@json_option
def prove(file: BarFile, every: int | None, full: bool, timeframes: str | None, as_json: bool) -> None:
    """Prove on the bars of FILE that no event repaints. Exit code 1 when one does.

    1. The bars are pushed one by one, and the state is saved and restored before each. At every bar the events must be
    those that the run over the whole file has there. A stream does not know the next bar, so this alone means that no
    event of the whole run depends on a bar after the one at which it says it was known: for every prefix.

    2. Batch runs over prefixes of the file, each from nothing, must give the events of the whole run up to their last
    bar: one prefix at random out of each N (--every), or all (--full; the time grows with the square of the bars).

    A repaint is an event that was shown and is not in the whole run, or that the whole run has at a bar at which it was
    not shown.
    """
    from smc_agent.detection.proof import engine_of
    from smc_agent.detection.proof import prove as compare
    from smc_agent.market import TIMEFRAMES

    bars, params = file.bars, file.params
    if full and every not in (None, 1):
        raise click.UsageError("--full is --every 1; give one of them")
    every = 1 if full else every or max(1, -(-len(bars) // PREFIXES))
    asked = named("--tf", timeframes, tuple(TIMEFRAMES)) if timeframes is not None else [bars.timeframe]
    reports, repaints = [], 0
    for timeframe in asked:
        began = time.monotonic()
        with _Progress(timeframe) as progress:
            try:
                proof = compare(bars, engine_of(params, bars.timeframe, timeframe), every, progress)
            except ValueError as error:
                raise Refused(f"{error}. Name other time frames with --tf.") from None
        repaints += proof.repaints
        seconds = time.monotonic() - began
        if as_json:
            reports.append(_report(file, timeframe, every, proof, seconds))
        else:
            click.echo(_told(file, timeframe, every, proof, seconds))
    if as_json:
        click.echo(json.dumps({"file": file.path.name, "repaints": repaints, "proofs": reports}))
    sys.exit(1 if repaints else 0)


_HOW = {
    "vanished": "was shown, and is not in the whole run",
    "appeared": "was not shown, and the whole run has it",
    "renumbered": "had another id, ref, label or volume than in the whole run",
}


class _Progress:
    """One line on a terminal's standard error, at most ten times a second; nothing elsewhere."""

    def __init__(self, timeframe: str) -> None:
        self._timeframe = timeframe
        self._shown = sys.stderr.isatty()
        self._last = 0.0

    def __enter__(self) -> "_Progress":
        return self

    def __call__(self, stage: str, done: int, total: int, proof: "Proof") -> None:
        now = time.monotonic()
        if not self._shown or now - self._last < 0.1:
            return
        self._last = now
        what = f"{proof.streamed:,} bars" if stage == "stream" else f"{proof.prefixes:,} prefixes"
        percent = 100 * done // max(1, total)
        text = f"{self._timeframe} {stage} {percent:>3} %  {what}  {proof.repaints} repaints"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _told(file: BarFile, timeframe: str, every: int, proof: "Proof", seconds: float) -> str:
    from smc_agent.market.bars import moment

    bars = file.bars
    frame = timeframe if timeframe == bars.timeframe else f"{timeframe} of {bars.timeframe}"
    which = "each" if every == 1 else f"one at random out of every {every}, each"
    lines = [
        f"{bars.symbol} {frame}, {proof.bars:,} bars, {moment(int(bars.time[0]))} to {moment(int(bars.time[-1]))}:"
        f" {proof.events:,} events",
        f"  stream    {proof.streamed:,} bars one by one, state saved and restored before each, compared at each",
        f"  prefixes  {proof.prefixes:,} of {max(1, proof.bars - 1):,}, {which} from nothing in one go",
        f"  {proof.repaints:,} repaints"
        + (f": {proof.vanished:,} vanished, {proof.appeared:,} appeared at a bar of the past" if proof.repaints else "")
        + (f", {proof.renumbered:,} renumbered" if proof.renumbered else "")
        + f"  ({seconds:.1f} s)",
    ]
    for event, how, seen in proof.examples:
        verb = _HOW[how]
        lines.append(
            f"    {event.kind} {event.scale or '-'} {event.direction or '-'}, bar {event.anchor},"
            f" {event.bottom:g} to {event.top:g}, known at bar {event.confirmed}: at the close of bar {seen} it {verb}"
        )
    return "\n".join(lines)


def _report(file: BarFile, timeframe: str, every: int, proof: "Proof", seconds: float) -> dict[str, Any]:
    return {
        "symbol": file.bars.symbol,
        "timeframe": timeframe,
        "lower_timeframe": file.bars.timeframe,
        "bars": proof.bars,
        "events": proof.events,
        "streamed": proof.streamed,
        "restores": proof.streamed,
        "prefixes": proof.prefixes,
        "every": every,
        "repaints": proof.repaints,
        "vanished": proof.vanished,
        "appeared": proof.appeared,
        "renumbered": proof.renumbered,
        "examples": [{"how": how, "seen": seen, "event": event._asdict()} for event, how, seen in proof.examples],
        "seconds": round(seconds, 3),
    }
