"""The state folder: its lock, its files, and a disk that cannot take them."""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from smc_agent.local.state import State, StateError


def run(code: str) -> subprocess.CompletedProcess[str]:
    program = "from pathlib import Path\nfrom smc_agent.local.state import State, StateError\n" + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)


def test_the_folder_and_its_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    state = State(folder)
    state.open()
    state.write("run.json", {"pid": 1})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "run.json").stat().st_mode) == 0o600
    assert state.read("run.json") == {"pid": 1}
    state.close()


def test_only_one_process_holds_it_and_its_death_frees_it(tmp_path: Path) -> None:
    code = f"""
        import time
        state = State(Path({str(tmp_path)!r}))
        state.open(); state.announce("http://127.0.0.1:8700"); print("open", flush=True); time.sleep(600)
    """
    holds = "from pathlib import Path\nfrom smc_agent.local.state import State\n" + textwrap.dedent(code)
    holder = subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        state = State(tmp_path)
        assert state.holder() == {"pid": holder.pid, "address": "http://127.0.0.1:8700"}
        with pytest.raises(StateError, match=rf"Already running in .*: pid {holder.pid}, http://127.0.0.1:8700\. Use"):
            state.open()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert state.holder() is None
    state.open()
    state.close()


def test_too_little_room_is_said_with_the_cure(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(
        StateError, match=r"Only \d+ MB are free at .*\. Free \d+ MB, or choose another place with --state"
    ):
        state.open(min_free_bytes=shutil.disk_usage(tmp_path).total * 2)
    assert state.holder() is None, "a refused start must not keep the lock"


def test_a_disk_that_takes_nothing_more_is_said_at_start(tmp_path: Path) -> None:
    # Free space looks fine here, writing fails: as with a quota.
    done = run(f"""
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))
        try:
            State(Path({str(tmp_path)!r})).open()
        except StateError as error:
            print(error)
    """)
    assert done.stdout.startswith(f"No room to write at {tmp_path}")
    assert "--state" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root to mount a tiny disk")
def test_a_tiny_disk_is_refused(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounts")
    try:
        with pytest.raises(StateError, match="Only 0 MB are free"):
            State(tmp_path / "state").open()
        with pytest.raises(StateError, match="No room to write at"):
            State(tmp_path / "state").open(min_free_bytes=0)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="is a file, not a folder"):
        State(tmp_path / "state").open()


@pytest.mark.parametrize("content", ['{"pid": 1', "[]", ""])
def test_a_damaged_file_is_named_with_the_cure(content: str, tmp_path: Path) -> None:
    (tmp_path / "market.json").write_text(content)
    with pytest.raises(StateError, match=r"market.json is damaged .*smc reset"):
        State(tmp_path).read("market.json")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    done = run(f"""
        import resource, signal
        state = State(Path({str(tmp_path)!r}))
        state.write("run.json", {{"pid": 1}})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, {resource.RLIM_INFINITY}))
        try:
            state.write("run.json", {{"long": "x" * 10_000}})
        except StateError as error:
            print(error)
    """)
    assert "No room to write" in done.stdout
    assert json.loads((tmp_path / "run.json").read_text()) == {"pid": 1}
