"""`smc detect` on files of bars."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from smc_agent.cli.detect import detect as command
from smc_agent.detection import DetectionParams, detect, rule_text

from .series import generated


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv"
    rows = zip(*(c.tolist() for c in generated(600, 3)), strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


def test_prints_every_event_with_its_times_and_its_rule(file: Path) -> None:
    said = CliRunner().invoke(command, [str(file), "--swing", "9", "--internal", "3"])
    assert said.exit_code == 0, said.output
    params = DetectionParams(swing=9, internal=3)
    bars = generated(600, 3)
    events = detect(*bars, params)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(lines) == len(events) > 100
    for line, event in zip(lines, events, strict=True):
        assert {name: line[name] for name in event._fields} == event._asdict()
        assert line["rule"] == rule_text(event.kind, params)
    assert lines[0]["anchor_time"].startswith("2020-09-13T")
    assert lines[0]["anchor_time"].endswith("Z")
    assert {line.get("label") for line in lines} == {None, "HH", "HL", "LH", "LL"}
    assert any("volume" in line and "share" in line for line in lines)


def test_as_a_table_every_line_starts_with_its_id(file: Path) -> None:
    said = CliRunner().invoke(command, [str(file), "--swing", "9", "--internal", "3", "--format", "table"])
    head, *lines = said.stdout.splitlines()
    assert head.split()[:4] == ["id", "confirmed", "confirmed_time", "kind"]
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines)))
    assert len(lines) > 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing_BTCUSDT_1m.csv"], "does not exist"),
        (["{file}", "--swing", "0"], "--swing: Input should be greater than or equal to 1"),
        (["{file}", "--format", "xml"], "xml"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file: Path, arguments: list[str], says: str) -> None:
    said = CliRunner().invoke(command, [argument.format(file=file) for argument in arguments])
    assert said.exit_code in (1, 2)
    assert says in said.output
    assert "Traceback" not in said.output


def test_a_bad_bar_is_named(file: Path, tmp_path: Path) -> None:
    lines = file.read_text().splitlines()
    lines[5] = ",".join([lines[5].split(",")[0], "1", "0.5", "1", "1", "1"])
    bad = tmp_path / "BTCUSDT_1m.csv"
    bad.write_text("\n".join(lines))
    said = CliRunner().invoke(command, [str(bad)])
    assert said.exit_code == 2
    assert "bar 5, column high" in said.output
    assert said.output.rstrip().endswith("Correct the file, or name another.")


def test_a_reader_who_leaves_early_is_no_error(file: Path) -> None:
    run = Path(sys.executable).parent / "smc"
    shell = f"{run} detect {file} --swing 9 --internal 3 | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["id"] == 0
    assert done.stderr == ""
