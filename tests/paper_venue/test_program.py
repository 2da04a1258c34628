"""The program itself: its help, its config, its port, its state file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.paper_venue.running_venue import BINARY, SECRET, TOKEN, PaperVenue


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10, check=False)


def test_help(venue: PaperVenue) -> None:
    answer = run("--help")
    assert answer.returncode == 0
    assert "--config FILE" in answer.stdout
    assert run("--port", "1").returncode == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"control_token": "short"}, "control_token must have at least 16 characters"),
        ({"fees": {"maker": "0.1"}}, "missing field `taker`"),
        ({"fees": {"maker": "0.1", "taker": "2"}}, "fees.taker must be a fraction"),
        ({"fees": {"maker": 0.001, "taker": "0"}}, "expected a decimal in a string"),
        ({"symbols": []}, "at least one symbol"),
        ({"volume_share": "0"}, "volume_share must be above 0"),
        ({"colour": "red"}, "unknown field `colour`"),
        ({"listen": "nowhere"}, "invalid socket address"),
    ],
)
def test_a_bad_config_gets_one_clear_error_without_its_secrets(
    venue: PaperVenue, change: dict[str, Any], problem: str
) -> None:
    venue.stop()
    venue.config_path.write_text(json.dumps(venue.config | change))
    answer = run("--config", str(venue.config_path))
    assert answer.returncode == 1
    assert problem in answer.stderr
    assert str(venue.config_path) in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert SECRET not in answer.stderr
    assert TOKEN not in answer.stderr


def test_a_config_that_others_can_read_is_refused(venue: PaperVenue) -> None:
    venue.stop()
    venue.config_path.chmod(0o644)
    assert "chmod 600" in run("--config", str(venue.config_path)).stderr
    assert "cannot be read" in run("--config", str(venue.config_path) + "-gone").stderr


def test_a_port_in_use_is_named_with_the_cure(venue: PaperVenue) -> None:
    config = venue.config | {"listen": venue.address, "state": str(venue.state_path) + "-2"}
    venue.config_path.write_text(json.dumps(config))
    answer = run("--config", str(venue.config_path))
    assert answer.returncode == 1
    assert f"{venue.address} is in use" in answer.stderr
    assert "set another port" in answer.stderr


def test_two_venues_never_share_a_state_file(venue: PaperVenue) -> None:
    answer = run("--config", str(venue.config_path))
    assert answer.returncode == 1
    assert "another process has it open" in answer.stderr


def test_a_foreign_state_file_is_left_alone(start_venue: Callable[..., PaperVenue], tmp_path: Path) -> None:
    venue = start_venue()
    venue.stop()
    venue.state_path.write_text("my diary")
    assert "not a journal" in run("--config", str(venue.config_path)).stderr
    assert venue.state_path.read_text() == "my diary"


def test_the_log_has_no_secrets_and_the_state_is_private(venue: PaperVenue) -> None:
    venue.bar("100", "101", "99", "100")
    venue.signed("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
    venue.stop()
    written = venue.log.read_text() + venue.state_path.read_bytes().decode(errors="replace")
    assert SECRET not in written
    assert TOKEN not in written
    assert venue.state_path.stat().st_mode & 0o777 == 0o600
