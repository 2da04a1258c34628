"""`smc detect`: kinds, time frames, what was known at a bar, and the forms it is written in."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from tests.detection.series import generated

from smc_agent.cli.detect import detect as command
from smc_agent.detection import LEVELS, ZONES, DetectionParams, detect, detect_timeframes, resting_levels
from smc_agent.market import read_bars

SMALL = ["--swing", "9", "--internal", "3"]
PARAMS = DetectionParams(swing=9, internal=3)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv"
    _, *prices = generated(900, 3)
    rows = zip([1_704_067_200_000 + 60_000 * i for i in range(900)], *(c.tolist() for c in prices), strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


def lines(*arguments: Any) -> list[dict[str, Any]]:
    done = CliRunner().invoke(command, [*map(str, arguments), *SMALL])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_kinds_are_picked_from_the_same_events(file: Path) -> None:
    picked = lines(file, "--kinds", "bos, choch")
    assert {line["kind"] for line in picked} == {"bos", "choch"}
    assert picked == [line for line in lines(file) if line["kind"] in ("bos", "choch")]


def test_several_time_frames_at_once_each_event_with_both(file: Path) -> None:
    bars = read_bars(file)
    found = lines(file, "--tf", "1m,5m,15m")
    assert [line["known"] for line in found] == sorted(line["known"] for line in found)
    for one in detect_timeframes(bars, ["1m", "5m", "15m"], PARAMS):
        mine = [line for line in found if line["timeframe"] == one.timeframe]
        assert [(line["id"], line["known"]) for line in mine] == list(
            zip(one.events.id.tolist(), one.known.tolist(), strict=True)
        )
        assert {line["lower_timeframe"] for line in mine} == {"1m"}
        assert len(mine) > 20
    late = next(line for line in found if line["timeframe"] == "5m")
    assert late["confirmed_time"].endswith(("0:00Z", "5:00Z"))
    assert late["known_time"].endswith(("4:00Z", "9:00Z")), "the last minute of its five"


@pytest.mark.parametrize("at", ["400", "2024-01-01T06:41", "2024-01-01T06:41:59", "2024-01-01T07:41+01:00"])
def test_as_of_is_what_was_known_with_the_zones_that_stood(file: Path, at: str) -> None:
    bars = read_bars(file)
    events = detect(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume, PARAMS)
    found = lines(file, "--as-of", at)
    assert [line["id"] for line in found] == events.until(400).id.tolist()
    standing = {event.id for event in (*events.as_of(400), *resting_levels(events.until(400)))}
    assert {line["id"] for line in found if line.get("active")} == standing
    assert {line["kind"] for line in found if "active" in line} <= ZONES | LEVELS
    assert {line.get("active") for line in found} == {None, True, False}
    first = file.with_name("first_BTCUSDT_1m.csv")
    first.write_text("".join(file.read_text().splitlines(keepends=True)[:402]))
    bare = [{name: value for name, value in line.items() if name != "active"} for line in found]
    assert bare == lines(first), "as if the file had ended there"


def test_of_higher_time_frames_only_closed_bars_were_known(file: Path) -> None:
    found = lines(file, "--tf", "15m", "--as-of", "400")
    first = file.with_name("some_BTCUSDT_1m.csv")
    first.write_text("".join(file.read_text().splitlines(keepends=True)[:402]))
    assert found == lines(first, "--tf", "15m", "--as-of", "400")


def test_parquet_holds_the_same_events(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "events.parquet"
    assert lines(file, "--tf", "1m,5m", "--as-of", "800", "-o", output) == []
    table = pyarrow.parquet.read_table(output)
    rows = table.to_pylist()
    found = lines(file, "--tf", "1m,5m", "--as-of", "800")
    assert len(rows) == len(found)
    for row, line in zip(rows, found, strict=True):
        row["label"] = row["label"] or None
        for name, value in row.items():
            if name.endswith("_time"):
                value = value.isoformat().replace("+00:00", "Z")
            assert line.get(name) == value
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_into_a_file_whole_or_not_at_all(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "events.jsonl"
    lines(file, "-o", output)
    assert [json.loads(line) for line in output.read_text().splitlines()] == lines(file)
    done = CliRunner().invoke(command, [str(file), "-o", str(tmp_path / "none" / "events.jsonl")])
    assert isinstance(done.exception, FileNotFoundError)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--kinds", "bos,boss"], "--kinds: there is no boss; there are swing_high, swing_low"),
        (["--kinds", ","], "--kinds: name at least one of"),
        (["--tf", "7m"], "--tf: there is no 7m; there are 1m, 3m, 5m"),
        (["--timeframe", "3m"], "opens before the 3m bar in front of it has closed"),
        (["--as-of", "900"], "--as-of 900: there are bars 0 to 899. Name one of them, or a time."),
        (["--as-of", "yesterday"], "'yesterday' is no bar (0, 1, ...) and no time"),
        (["--as-of", "2023-12-31"], "no bar had closed by then. The first opens at 2024-01-01T00:00:00Z."),
        (["--format", "parquet"], "--format parquet goes into a file: add -o events.parquet"),
        (["--param", "max_zones"], "--param 'max_zones' has no value; write --param NAME=VALUE"),
        (["--param", "zones=3"], "--param: there is no zones; there are swing, internal"),
        (["--param", "mitigation=never"], "--mitigation: Input should be 'wick' or 'close'"),
        (["-o", "{file}"], "is the file of bars; name another"),
    ],
)
def test_what_cannot_be_asked_says_what_can(file: Path, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(command, [str(file), *(part.format(file=file) for part in arguments)])
    assert done.exit_code in (1, 2)
    assert says in done.output


def test_a_time_frame_that_these_bars_cannot_make_is_refused(file: Path) -> None:
    three = file.with_name("BTCUSDT_3m.csv")
    head, *rows = file.read_text().splitlines(keepends=True)
    three.write_text(head + "".join(rows[::3]))
    done = CliRunner().invoke(command, [str(three), "--tf", "5m"])
    assert done.exit_code == 2
    assert "5m bars cannot be made of 3m bars. Name other time frames with --tf." in done.output


def test_a_parameter_reaches_the_detector(file: Path) -> None:
    assert len(lines(file, "--param", "fvg_threshold=none")) > len(lines(file))


def test_colours_are_for_terminals_only(file: Path) -> None:
    smc = [str(Path(sys.executable).with_name("smc")), "detect", str(file), *SMALL, "--format", "table"]
    plain = subprocess.run(smc, capture_output=True, check=True).stdout
    assert b"\x1b" not in plain
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(smc, stdout=theirs, env=environment | extra) as run:
            os.close(theirs)
            said = b""
            while part := _read(ours):
                said += part
            assert run.wait() == 0
        os.close(ours)
        assert (b"\x1b[32m" in said) == coloured


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side of a terminal is gone
        return b""
