"""`smc backtest`: a table for people, JSON for machines, one clear error for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smc_agent.cli.backtest import backtest


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv"
    rows = ["time,open,high,low,close,volume"]
    for i in range(400):
        at = 1000 + (i * 7) % 40
        rows.append(f"{i * 60_000 + 1_700_000_000_000},{at},{at + 3},{at - 3},{at + 1},5")
    path.write_text("\n".join(rows) + "\n")
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(backtest, [str(argument) for argument in arguments])


def test_the_verdict_is_the_first_line(file: Path) -> None:
    result = run(file, "--trades")
    assert result.exit_code == 0, result.output
    first = result.output.splitlines()[0]
    assert first.startswith(("The strategy made", "No trade was closed"))
    assert "buy and hold" in result.output
    assert "data sha256" in result.output


def test_json_is_one_object_and_repeats_itself(file: Path) -> None:
    first, second = run(file, "--json"), run(file, "--json")
    assert first.stdout_bytes == second.stdout_bytes
    report = json.loads(first.output)
    assert report["bars"] == 400
    assert len(report["equity_curve"]) == 400
    assert report["initial_capital"] == "100000"
    assert report["reproducibility"]["config"]["risk"]["fee_rate"] == "0.001"


def test_parameters_and_limits_reach_the_session(file: Path) -> None:
    result = run(file, "--json", "--param", "target=r_multiple", "--limit", "risk_per_trade=0.01", "--taker", "0.0005")
    config = json.loads(result.output)["reproducibility"]["config"]
    assert config["params"]["target"] == "r_multiple"
    assert config["risk"]["risk_per_trade"] == "0.01"
    assert config["fees"] == {"maker": "0.001", "taker": "0.0005"}


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--param", "zone=fvg"], "There is no zone"),
        (["--param", "zones"], "NAME=VALUE"),
        (["--limit", "risk_per_trade=2"], "risk_per_trade"),
        (["--capital", "0"], "more than 0"),
        (["--capital", "much"], "not a number"),
        (["--capital", "NaN"], "finite"),
        (["--taker", "1.5"], "fraction"),
        (["--timeframe", "7m"], "7m"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_or_two(file: Path, arguments: list[str], cause: str) -> None:
    result = run(file, *arguments)
    assert result.exit_code == 2
    assert cause in result.output
    assert "Traceback" not in result.output


def test_a_file_that_is_no_table_of_bars(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("hello\nworld\n")
    result = run(path)
    assert result.exit_code == 2
    assert "BTCUSDT_1m.csv" in result.output
