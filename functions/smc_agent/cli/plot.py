"""`smc plot`: a picture of the bars of a file with zones and breaks."""

import io
from pathlib import Path

import click

from smc_agent.cli.bar_file import BarFile, bar_file, first_open, last_closed, named
from smc_agent.cli.detect import replaced
from smc_agent.cli.options import Refused

BARS = 240  # drawn where nothing else is asked for
MOST_BARS = 3000
SHOWN = (
    "bos", "choch", "order_block", "breaker_block", "fvg", "equal_highs", "equal_lows", "swing_high", "swing_low",
)  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  smc plot BTC-PERP_1m.csv
  smc plot BTC-PERP_1m.csv --from 2022-01-03T08:00 --to 2022-01-03T14:00 -o monday.html
  smc plot BTC-PERP_1m.csv --tf 15m --to 2022-01-20 --dark -o january.svg
  smc plot BTC-PERP_1m.csv --kinds fvg,liquidity_sweep,london_session_open
"""
)
@bar_file
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A .png, .svg or .html file (default: the name of FILE with .png, here).")  # fmt: skip
@click.option("--from", "begin", metavar="BAR|TIME", help=f"The first bar (default: {BARS} bars before the last).")
@click.option("--to", "end", metavar="BAR|TIME", help="The last bar; nothing that was known later is drawn.")
@click.option("--kinds", metavar="KIND,...", help=f"What is drawn (default: {','.join(SHOWN)}).")
@click.option("--tf", "tf", metavar="15m", help="Bars of this time frame, made of those of the file.")
@click.option("--dark", is_flag=True, help="Light on dark (.html follows the reader's own choice).")
def plot(
    file: BarFile,
    output: Path | None,
    begin: str | None,
    end: str | None,
    kinds: str | None,
    tf: str | None,
    dark: bool,
) -> None:
    """Draw the bars of FILE with their zones and breaks, as they were known at the last bar drawn.

    A zone is outlined from the bar where it lies and filled from the bar on at which it was known; what has ended is
    faint. Internal pivots and breaks are thin. In .html and .svg files, pointing at something says what it is.
    """
    from smc_agent.cli.picture import DARK, LIGHT, draw, page, with_titles
    from smc_agent.detection import KINDS, detect_timeframes
    from smc_agent.market import TIMEFRAMES

    output = output or Path(f"{file.path.stem}.png")
    form = output.suffix.lower().lstrip(".")
    if form not in ("png", "svg", "html"):
        raise click.UsageError(f"-o {output}: a picture is a .png, .svg or .html file")
    wanted = frozenset(named("--kinds", kinds, KINDS)) if kinds is not None else frozenset(SHOWN)
    asked = named("--tf", tf, tuple(TIMEFRAMES)) if tf is not None else [file.bars.timeframe]
    if len(asked) > 1:
        raise click.UsageError("--tf: a picture is of one time frame; name one")
    try:
        (found,) = detect_timeframes(file.bars, asked, file.params)
    except ValueError as error:
        raise Refused(f"{error}. Name another time frame with --tf.") from None
    bars = found.bars
    if not len(bars):
        raise Refused(f"These bars complete no bar of {asked[0]}. Name a lower time frame with --tf.")
    last = last_closed(bars, "--to", end) if end is not None else len(bars) - 1
    first = first_open(bars, "--from", begin) if begin is not None else max(0, last - BARS + 1)
    if first > last:
        raise click.UsageError("--from lies after --to")
    if last - first >= MOST_BARS:
        raise Refused(
            f"That is {last - first + 1:,} bars, and a picture holds {MOST_BARS:,}. Bring --from and --to closer"
            " together, or name a higher time frame with --tf."
        )
    picture = draw(bars, found.events, file.params, first, last, wanted, DARK if dark and form != "html" else LIGHT)
    with replaced(output) as part:
        if form == "png":
            picture.figure.savefig(part, format="png", dpi=130)
        else:
            import matplotlib

            drawn = io.StringIO()
            # Text stays text, and the same bars give the same bytes.
            with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "smc", "font.family": "sans-serif"}):
                picture.figure.savefig(drawn, format="svg", metadata={"Date": None})
            svg = with_titles(drawn.getvalue(), picture.words)
            part.write_text(page(svg, f"{bars.symbol} {bars.timeframe}") if form == "html" else svg, "utf-8")
    click.echo(
        f"{output}: bars {first} to {last}, {len(picture.words)} of {len(found.events.until(last)):,} events drawn"
    )
