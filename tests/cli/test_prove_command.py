"""`smc prove` on files of bars: what it says, and that it can fail."""

import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.detection.series import generated

from smc_agent.cli.prove import prove as command
from smc_agent.detection import Events
from smc_agent.detection import proof as proof_module

SMC = str(Path(sys.executable).with_name("smc"))


def written(path: Path, bars: int) -> Path:
    _, *prices = generated(bars, 3)
    rows = zip([1_704_067_200_000 + 60_000 * i for i in range(bars)], *(c.tolist() for c in prices), strict=True)
    path.write_text("time,open,high,low,close,volume\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("bars") / "BTCUSDT_1m.csv", 700)


def test_says_what_was_compared_and_ends_with_0(file: Path) -> None:
    done = CliRunner().invoke(command, [str(file), "--every", "10"])
    assert done.exit_code == 0, done.output
    first, stream, prefixes, verdict = done.stdout.splitlines()
    assert first.startswith("BTCUSDT 1m, 700 bars, 2024-01-01T00:00:00Z to 2024-01-01T11:39:00Z: ")
    assert "700 bars one by one, state saved and restored before each" in stream
    assert "of 699, one at random out of every 10" in prefixes
    assert verdict.strip().startswith("0 repaints")


def test_every_prefix_and_several_time_frames_for_machines(file: Path) -> None:
    done = CliRunner().invoke(command, [str(file), "--full", "--tf", "1m,5m", "--swing", "9", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["repaints"] == 0
    assert [(one["timeframe"], one["prefixes"], one["streamed"]) for one in said["proofs"]] == [
        ("1m", 699, 700),
        ("5m", 699, 700),
    ]
    assert all(one["events"] > 20 for one in said["proofs"])


def test_a_repaint_is_exit_code_1_and_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = proof_module.engine_of

    def taking_back(*given: Any) -> proof_module.Engine:
        engine = ours(*given)

        def batch(bars: Any) -> Any:
            found = engine.batch(bars)
            gone = np.array(
                [e.kind == "swing_low" and (bars.low[e.confirmed :] < e.top).any() for e in found.events], bool
            )
            return replace(
                found, events=Events(0, found.events._ints[~gone], found.events._floats[~gone], found.events._blocks)
            )

        return replace(engine, batch=batch)

    monkeypatch.setattr(proof_module, "engine_of", taking_back)
    done = CliRunner().invoke(command, [str(file)])
    assert done.exit_code == 1
    assert "vanished" in done.output
    assert "swing_low internal bullish, bar" in done.output
    said = json.loads(CliRunner().invoke(command, [str(file), "--json"]).stdout)
    assert said["repaints"] == said["proofs"][0]["vanished"] + said["proofs"][0]["appeared"] > 3
    assert said["proofs"][0]["examples"][0]["event"]["kind"] == "swing_low"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--full", "--every", "3"], "--full is --every 1"),
        (["--every", "0"], "0 is not in the range x>=1"),
        (["--tf", "2d"], "there is no 2d"),
    ],
)
def test_what_cannot_be_asked_is_said(file: Path, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(command, [str(file), *arguments])
    assert done.exit_code == 2
    assert says in done.output


def test_on_a_terminal_it_shows_how_far_it_is_and_stops_cleanly(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    long = written(tmp_path / "BTCUSDT_1m.csv", 100_000)
    with subprocess.Popen([SMC, "prove", str(long), "--full"], stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        said = b""
        while said.count(b"repaints") < 3:
            said += os.read(ours, 65536)
        run.send_signal(signal.SIGINT)
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # Linux: the other side is gone
            pass
        assert run.wait() == 130
        assert run.stdout is not None
        assert run.stdout.read() == b""
    os.close(ours)
    assert b"1m stream" in said
    assert b" bars  0 repaints" in said
    last = said.rpartition(b"\x1b[K")[2].decode().split()
    assert last == ["smc:", "Stopped."], "the line of progress is wiped, and nothing but this is left"


def test_elsewhere_it_is_silent_until_the_end(file: Path) -> None:
    done = subprocess.run([SMC, "prove", str(file)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
