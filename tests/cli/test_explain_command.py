"""`smc explain`: the rule, the numbers, and what happened later; for every kind of event the numbers hold."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.detection.series import generated

from smc_agent.cli.explain import explain as command
from smc_agent.detection import DetectionParams, Event, detect, detect_timeframes, rule_text
from smc_agent.detection.evidence import evidence
from smc_agent.market import Bars, read_bars

PARAMS = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
OPTIONS = ["--swing", "9", "--internal", "3", "--param", "equal=2", "--param", "atr_period=14"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv"
    _, *prices = generated(1500, 3)
    rows = zip([1_704_067_200_000 + 60_000 * i for i in range(1500)], *(c.tolist() for c in prices), strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


def asked(*arguments: Any) -> Any:
    return CliRunner().invoke(command, [*map(str, arguments), *OPTIONS])


def test_a_block_with_its_break_its_pivot_and_its_end(file: Path) -> None:
    bars = read_bars(file)
    events = list(detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, PARAMS))
    ended = next(e for e in events if e.kind == "breaker_block")
    assert ended.ref is not None
    block = events[ended.ref]
    assert block.ref is not None
    said = asked(file, block.id)
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[0].startswith(f"Event {block.id}: order_block {block.scale} {block.direction}, {block.bottom:.10g} to")
    assert rule_text("order_block", PARAMS) in said.stdout
    assert any(line.startswith(f"  Event {block.ref}: ") and ("bos" in line or "choch" in line) for line in lines)
    assert any(line.startswith(f"  Event {ended.id}: breaker_block") for line in lines)
    row = next(line.split() for line in lines if line.split()[:1] == [str(block.anchor)])
    assert [float(cell) for cell in row[2:7]] == list(bars[block.anchor])[1:]
    assert lines[-1] == "  At the last bar, 1499, it is over."


def test_for_machines_the_same_with_all_that_happened(file: Path) -> None:
    bars = read_bars(file)
    events = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, PARAMS)
    gap = next(event for event in events if event.kind == "ifvg").ref
    said = json.loads(asked(file, gap, "--json").stdout)
    assert said["event"]["kind"] == "fvg"
    assert [event["kind"] for event in said["later"]][-1] == "ifvg"
    assert said["active"] is False
    assert said["known"] == said["event"]["confirmed"]
    middle = next(bar for bar in said["bars"] if "the middle bar" in bar["note"])
    assert middle["bar"] == said["event"]["anchor"]
    assert middle["close"] == bars.close[middle["bar"]]


def test_of_a_higher_time_frame_with_the_bar_that_completed_it(file: Path) -> None:
    (found,) = detect_timeframes(read_bars(file), ["5m"], PARAMS)
    event = found.events[20]
    said = asked(file, 20, "--tf", "5m")
    assert f"Event 20: {event.kind}" in said.stdout
    assert f"that one closed with bar {event.confirmed * 5 + 4} of 1m." in said.stdout


NUMBER = r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
HOLDS: dict[str, Callable[..., bool]] = {  # sentence: what must be true of its numbers
    rf"highest high of the next \d+ bars is {NUMBER}": lambda e, x: x < e.top,
    rf"lowest low of the next \d+ bars is {NUMBER}": lambda e, x: x > e.top,
    rf"{NUMBER} apart; .*is {NUMBER}\.": lambda e, x, y: x < y,
    rf" is {NUMBER}, above the pivot's {NUMBER}": lambda e, x, y: x > y,
    rf" is {NUMBER}, below the pivot's {NUMBER}": lambda e, x, y: x < y,
    r"this break goes (with|against) it": lambda e, how: (e.kind == "bos") == (how == "with"),
    rf"has the lowest low, {NUMBER}": lambda e, x: x in (e.top, e.bottom),
    rf"has the highest high, {NUMBER}": lambda e, x: x in (e.top, e.bottom),
    rf"is {NUMBER}, above the (?:low|high) of bar \d+, {NUMBER}": lambda e, x, y: (x, y) == (e.top, e.bottom),
    rf"is {NUMBER}, below the (?:low|high) of bar \d+, {NUMBER}": lambda e, x, y: (x, y) == (e.bottom, e.top),
    rf"The body of bar \d+ is {NUMBER}% of .* is {NUMBER}%": lambda e, x, y: abs(x) > y,
    rf"is {NUMBER}; the .* of the zone is {NUMBER}: at or below": lambda e, x, y: x <= y,
    rf"is {NUMBER}; the .* of the zone is {NUMBER}: at or above": lambda e, x, y: x >= y,
    rf"is {NUMBER}; the .* of the zone is {NUMBER}: below": lambda e, x, y: x < y,
    rf"is {NUMBER}; the .* of the zone is {NUMBER}: above": lambda e, x, y: x > y,
    rf"is {NUMBER}, above the level {NUMBER}": lambda e, x, y: x > y,
    rf"is {NUMBER}, below the level {NUMBER}": lambda e, x, y: x < y,
    rf"lies at {NUMBER}% of it": lambda e, x: {
        "premium_entered": x >= 94.99, "equilibrium_entered": 47.49 <= x <= 52.51, "discount_entered": x <= 5.01,
    }.get(e.kind, 5 <= x <= 95),
    rf"has retraced {NUMBER}% of it": lambda e, x: 61.99 <= x <= 79.01,
    rf", {NUMBER} x ATR; .* is {NUMBER}\.": lambda e, x, y: x >= y,
}  # fmt: skip
SILENT = ("expired", "previous_", "inducement")  # what the rule and the bars say is all there is


def test_the_numbers_of_every_event_hold() -> None:
    _, o, h, lo, c, v = generated(1500, 11)
    bars = Bars(1_704_067_200_000 + 60_000 * np.arange(1500), o, h, lo, c, v, "BTCUSDT", "1m")
    events = detect(bars.time, o, h, lo, c, v, PARAMS)
    told: dict[str, int] = {}
    for event in events:
        case = evidence(bars, events, event.id, PARAMS)
        assert {event.anchor, event.confirmed} <= set(case.bars)
        assert max(case.bars) <= event.confirmed, "nothing of the reasons may lie in the future"
        checked = 0
        for fact in case.facts:
            for sentence, holds in HOLDS.items():
                if found := re.search(sentence, fact):
                    numbers = [float(x) if re.fullmatch(NUMBER, x) else x for x in found.groups()]
                    assert holds(event, *numbers), (event, fact)
                    checked += 1
        told[event.kind] = told.get(event.kind, 0) + checked
    assert len(told) > 14
    assert not [kind for kind, count in told.items() if not count and not exempt(kind)], "a kind without numbers"


def exempt(kind: str) -> bool:
    return any(part in kind for part in (*SILENT, "session", "kill_zone", "strong", "weak"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["999999"], "There is no event 999999: there are events 0 to "),
        (["x"], "'x' is not a valid integer"),
        (["-1"], "No such option"),
        (["3", "--tf", "5m,1h"], "--tf: an event is of one time frame; name one"),
    ],
)
def test_what_cannot_be_asked_is_said(file: Path, arguments: list[str], says: str) -> None:
    said = asked(file, *arguments)
    assert said.exit_code == 2
    assert says in said.output


def test_without_events_there_is_nothing_to_explain(file: Path) -> None:
    short = file.with_name("few_BTCUSDT_1m.csv")
    short.write_text("".join(file.read_text().splitlines(keepends=True)[:3]))
    said = asked(short, 0, "--tf", "1h")
    assert said.exit_code == 2
    assert "These 0 bars have no events." in said.output


def test_what_follows_is_by_reference(file: Path) -> None:
    bars = read_bars(file)
    events = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, PARAMS)
    rows: list[Event] = list(events)
    for event in rows[::17]:
        case = evidence(bars, events, event.id, PARAMS)
        family = {event.id}
        for later in case.later:
            assert later.ref in family
            family.add(later.id)
        assert all(row.ref not in family or row.id in family for row in rows)
