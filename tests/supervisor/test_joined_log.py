"""The one log of all parts: on the terminal, in a file, and never in the way."""

import os
import re
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

from smc_agent.local.joined_log import JoinedLog


def test_lines_carry_their_part_on_the_screen_and_a_time_in_the_file(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = JoinedLog(tmp_path / "smc.log", stdout=writer)
    log.line("executor", "ready \n")
    log.banner("one-time link\n")
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 1
    assert os.read(reader, 1000) == b"executor  | ready\none-time link\n"
    written = (tmp_path / "smc.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z executor  \| ready\n", written), "the link stays out"
    assert stat.S_IMODE((tmp_path / "smc.log").stat().st_mode) == 0o600


def test_a_reader_that_stops_reading_does_not_stop_the_parts(tmp_path: Path) -> None:
    reader, writer = os.pipe()  # holds 64 KiB, then writes to it wait
    log = JoinedLog(tmp_path / "smc.log", stdout=writer)
    began = time.monotonic()
    for n in range(20_000):
        log.line("agent", f"line {n}")
    assert time.monotonic() - began < 10
    assert (tmp_path / "smc.log").read_text().count("\n") == 20_000
    os.close(reader)  # `smc up | head`
    log.line("agent", "still here")
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 5
    assert "still here" in (tmp_path / "smc.log").read_text()


def test_a_slow_reader_is_told_what_it_missed(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = JoinedLog(tmp_path / "smc.log", stdout=writer)
    for n in range(20_000):
        log.line("agent", f"line {n}")
    seen = b""
    while b"line 10\n" not in seen:
        seen += os.read(reader, 65536)
    time.sleep(0.2)  # the writer takes up again
    log.line("agent", "the last")
    while b"the last" not in seen:
        seen += os.read(reader, 65536)
    # More than one such line, when the writer found the time to take up again in between.
    missed = re.findall(rb"smc       \| (\d+) lines not shown here; they are in ", seen)
    assert missed
    assert seen.count(b"agent     | line ") + sum(map(int, missed)) == 20_000
    log.close()


def test_the_file_is_rotated_by_size(tmp_path: Path) -> None:
    log = JoinedLog(tmp_path / "smc.log", max_bytes=1_000, keep=2, stdout=os.open(os.devnull, os.O_WRONLY))
    for n in range(100):
        log.line("agent", f"line {n}")
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["smc.log", "smc.log.1", "smc.log.2"]
    assert all(path.stat().st_size <= 1_000 for path in tmp_path.iterdir())
    lines = "".join((tmp_path / name).read_text() for name in ("smc.log.2", "smc.log.1", "smc.log")).splitlines()
    numbers = [int(line.rpartition(" ")[2]) for line in lines]
    assert numbers == list(range(numbers[0], 100)), "a rotation must lose no line"


def test_a_full_disk_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    program = f"""
import resource, signal
from pathlib import Path
from smc_agent.local.joined_log import JoinedLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, {resource.RLIM_INFINITY}))
log = JoinedLog(Path({str(tmp_path)!r}) / "smc.log")
for n in range(50):
    log.line("agent", f"line {{n}}")
log.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.count("| line ") == 50
    assert done.stdout.count("smc.log: File too large; lines are missing there") == 1
