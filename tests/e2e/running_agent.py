"""`smc up` as a process of its own, watched from outside as its user would."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BTC_MONTH = ROOT.parent / "shared" / "data" / "crypto" / "BTC-PERP_1m.csv"
SMC = Path(sys.executable).with_name("smc")


def slice_of_month(path: Path, first: int, count: int) -> Path:
    """Writes rows first .. first+count of the recorded month to a file that a replay can read."""
    lines = BTC_MONTH.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[1 + first : 1 + first + count]]))
    return path


class RunningAgent:
    """A started agent; `log` is all it has printed so far."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """The first match of `pattern` in the log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.log):
                return match
            if self.process.poll() is not None:
                raise AssertionError(f"smc up ended with {self.process.returncode}:\n{self.log[-4000:]}")
            time.sleep(0.05)
        raise AssertionError(f"nothing matched {pattern!r} in {seconds} s:\n{self.log[-4000:]}")

    def status(self) -> dict[str, Any]:
        answer = subprocess.run(
            [SMC, "status", "--json", "--state", self.state], capture_output=True, text=True, timeout=60, check=False
        )
        if not answer.stdout:
            raise AssertionError(f"smc status said nothing: {answer.stderr}")
        status: dict[str, Any] = json.loads(answer.stdout)
        return status

    def progress(self) -> dict[str, Any]:
        """What the agent last wrote about its own progress; empty before it did."""
        try:
            progress: dict[str, Any] = json.loads((self.state / "agent.json").read_text())
        except FileNotFoundError:
            return {}
        return progress

    def wait_for_bars(self, count: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.progress().get("bars_done", 0) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"not at bar {count} after {seconds} s: {self.progress()}\n{self.log[-4000:]}")
            time.sleep(0.05)

    def wait_until_finished(self, seconds: float) -> dict[str, Any]:
        """Waits for the replay's end, then for the rows that are still on their way to Postgres."""
        deadline = time.monotonic() + seconds
        while not self.progress().get("finished"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"not finished after {seconds} s: {self.progress()}\n{self.log[-4000:]}")
            time.sleep(0.1)
        while not (status := self.status())["equal"] and time.monotonic() < deadline:
            time.sleep(0.5)
        return status

    def part(self, name: str) -> dict[str, Any]:
        """What the supervisor says of a part: its pid, its restarts."""
        run = json.loads((self.state / "run.json").read_text())
        part: dict[str, Any] = next(part for part in run["parts"] if part["name"] == name)
        return part

    def kill_part(self, name: str, seconds: float = 30) -> None:
        """Kills a part with SIGKILL and waits until the supervisor has started it again."""
        before = self.part(name)
        os.kill(before["pid"], signal.SIGKILL)
        deadline = time.monotonic() + seconds
        while (now := self.part(name))["restarts"] == before["restarts"] or not now["pid"]:
            assert time.monotonic() < deadline, f"{name} was not started again:\n{self.log[-4000:]}"
            time.sleep(0.02)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"did not stop within 60 s of SIGTERM:\n{self.log[-4000:]}") from None
        self.reader.join(5)
        return self.process.returncode


@contextmanager
def running_agent(state: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> Iterator[RunningAgent]:
    """Starts `smc up` with its state in `state` and stops it at the end."""
    process = subprocess.Popen(
        [SMC, "up", "--state", state, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    agent = RunningAgent(process, state)
    try:
        yield agent
    finally:
        agent.stop()
