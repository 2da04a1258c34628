"""The `smc` command as its user meets it: real processes, real folders."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smc_agent.cli.status import describe

SMC = Path(sys.executable).with_name("smc")
BARS = "time,open,high,low,close,volume\n1640995200000,100,110,90,105,1\n1640995260000,105,111,95,106,2\n"


def smc(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    keep = {
        name: value for name, value in os.environ.items() if not name.startswith(("SMC_", "SUPABASE_", "DATABASE_"))
    }
    return subprocess.run(
        [SMC, *map(str, arguments)],
        cwd=cwd, env=keep | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_help_is_there_at_once_and_names_every_subcommand(tmp_path: Path) -> None:
    began = time.monotonic()
    done = smc("--help", cwd=tmp_path)
    assert time.monotonic() - began < 1.0  # 0.1 s alone; room for a busy machine
    for name in (
        "up", "status", "doctor", "config", "admin", "detect", "explain", "plot", "prove", "backtest", "paper", "reset",
    ):  # fmt: skip
        assert f"  {name} " in done.stdout
    heavy = (
        "import sys, smc_agent.cli.main; sys.exit(bool({'numpy', 'pydantic', 'asyncpg', 'numba'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "up",
        "status",
        "doctor",
        "config",
        "paper",
        "reset",
        "admin create",
        "admin link",
        "admin roles",
        "detect",
        "explain",
        "plot",
        "prove",
    ],
)
def test_every_subcommand_has_help_with_an_example(name: str, tmp_path: Path) -> None:
    done = smc(*name.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"  smc {name}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "smc: No such command 'nonsense'. See `smc --help`."),
        (("up", "--nonsense"), "smc: No such option '--nonsense'. See `smc up --help`."),
        (("up", "--replay", "x.csv", "--synthetic"), "smc: --replay, --live and --synthetic exclude each other."),
        (("up", "--speed", "0"), "smc: --speed: must be 'max' or a number above 0"),
        (("up", "--port", "70000"), "smc: Invalid value for '--port': 70000 is not in the range 1<=x<=65535."),
        (("up", "--email", "ada"), "smc: Invalid value for '--email': 'ada' is no e-mail address; write it like"),
        (("admin", "create", "ada@"), "smc: Invalid value for 'EMAIL': 'ada@' is no e-mail address; write it like"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = smc(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir()), "it left something behind"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("", "is empty"),
        ("a,b\n1,2\n", "no column time, open, high, low, close"),
        (BARS.replace("95", "120"), "bar 2"),
        (BARS.replace("1640995260000", "1640995200000"), "bar 2"),
        (BARS.replace("111", "nan"), "bar 2"),
        (BARS.replace("106", "-106"), "bar 2"),
        (BARS.splitlines()[0] + "\n", "has no bars"),
    ],
)
def test_a_bad_recording_is_refused_before_anything_starts(content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT_1m.csv"
    if content is not None:
        file.write_text(content)
    home = _home(tmp_path)
    done = smc("up", "--replay", file, "--state", tmp_path / "state", cwd=tmp_path, SMC_HOME=str(home))
    assert done.returncode == 2
    assert done.stderr.startswith("smc: Bad bars: ")
    assert said in done.stderr.lower()
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [("detect",), ("backtest",)])
def test_an_output_that_finds_no_room_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    bars = tmp_path / "BTCUSDT_1m.csv"
    rows = [
        f"{1640995200000 + 60000 * i},{100 + i % 7},{120 + i % 11},{80 - i % 13},{101 + i % 5},1" for i in range(300)
    ]
    bars.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [SMC, *command, bars], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("smc: The output cannot be written: No space left on device. Mend that")
    assert done.stderr.count("\n") == 1


def test_programs_that_are_not_built_are_named_with_the_cure(tmp_path: Path) -> None:
    done = smc("up", "--synthetic", cwd=tmp_path, SMC_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"smc: {tmp_path}/executor/target/release/executor is not built. "
        "Run `make setup` (SMC_HOME names the project's root, if it is elsewhere).\n"
    )
    assert not (tmp_path / ".smc").exists()


def test_a_missing_postgrest_is_named_with_the_cure_before_anything_starts(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from smc_agent.local import postgrest; from smc_agent.cli.main import main; "
        f"postgrest.PACKAGE = Path({str(tmp_path / 'package')!r}); main(['up', '--synthetic'])"
    )
    environment = os.environ | {"PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("smc: PostgREST is not")
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir()), "it left something behind"


def test_a_second_start_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with open(state / "lock", "w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"pid": 4711, "address": "http://127.0.0.1:8700"}))
        lock.flush()
        done = smc("up", "--synthetic", "--state", state, cwd=tmp_path, SMC_HOME=str(_home(tmp_path)))
        assert done.returncode == 1
        assert done.stderr.startswith(f"smc: Already running in {state}: pid 4711, http://127.0.0.1:8700. Use that one")
        refused = smc("reset", "--yes", "--state", state, cwd=tmp_path)
        assert refused.returncode == 1
        assert "Running in" in refused.stderr
    assert (state / "lock").exists()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = smc("up", "--synthetic", "--port", str(port), cwd=tmp_path, SMC_HOME=str(_home(tmp_path)))
    assert done.returncode == 2
    assert done.stderr == f"smc: Port {port} is in use by another program. Choose a free one with --port.\n"


def test_another_market_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    rules = {"symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick": "0.01", "step": "0.00001",
             "min_quantity": "0.00001", "min_notional": "5"}  # fmt: skip
    market = {"kind": "synthetic", "exchange": "synthetic", "symbol": "BTCUSDT", "timeframe": "1m", "speed": "60"}
    (state / "market.json").write_text(json.dumps({**market, "rules": rules}))
    bars = tmp_path / "BTCUSDT_1m.csv"
    bars.write_text(BARS)
    for asked in (("--replay", bars), ("--symbol", "ETHUSDT"), ("--timeframe", "5m"), ("--live", "binance")):
        done = smc("up", *asked, "--state", state, cwd=tmp_path, SMC_HOME=str(_home(tmp_path)))
        assert done.returncode == 2
        assert done.stderr.startswith("smc: This state runs on synthetic BTCUSDT 1m; asked for ")
        assert "smc reset" in done.stderr


def test_config_names_the_source_and_hides_secrets(tmp_path: Path) -> None:
    state = tmp_path / ".smc"
    state.mkdir()
    (state / "environment.json").write_text(
        json.dumps({"SMC_EXECUTOR_TOKEN": "hush-token", "SMC_EXECUTOR_URL": "http://127.0.0.1:1", "SMC_SPEED": "2"})
    )
    given = {"DATABASE_URL": "postgresql://u:hush-password@h/d", "SMC_SPEED": "max"}
    for arguments in (("config",), ("config", "--json")):
        done = smc(*arguments, cwd=tmp_path, **given)
        assert done.returncode == 0
        assert "hush" not in done.stdout + done.stderr
    rows = json.loads(done.stdout)
    assert rows["DATABASE_URL"] | {"means": ""} == {
        "value": "set, hidden", "source": "environment", "secret": True, "means": "",
    }  # fmt: skip
    assert (rows["SMC_EXECUTOR_URL"]["value"], rows["SMC_EXECUTOR_URL"]["source"]) == ("http://127.0.0.1:1", "state")
    assert (rows["SMC_SPEED"]["value"], rows["SMC_SPEED"]["source"]) == ("max", "environment")
    assert (rows["SMC_REPLAY"]["value"], rows["SMC_REPLAY"]["source"]) == (None, "default")
    assert rows["SMC_EXECUTOR_TOKEN"]["value"] == "set, hidden"
    assert all(row["means"] for row in rows.values())


def test_a_setting_that_cannot_be_meant_is_named_without_its_value(tmp_path: Path) -> None:
    done = smc("config", cwd=tmp_path, SMC_SPEED="hush", SMC_MARKET="bazaar")
    assert done.returncode == 2
    assert "SMC_SPEED: must be 'max' or a number above 0" in done.stderr
    assert "SMC_MARKET: Input should be 'auto', 'live', 'replay' or 'synthetic'" in done.stderr
    assert "hush" not in done.stderr
    assert "bazaar" not in done.stderr


def test_status_of_nothing_says_so(tmp_path: Path) -> None:
    done = smc("status", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, f"Not running in {tmp_path}/.smc. Start it with `smc up`.\n")
    found = json.loads(smc("status", "--json", cwd=tmp_path).stdout)
    assert (found["running"], found["equal"]) == (False, False)
    assert not any(tmp_path.iterdir())


def test_status_says_that_what_the_agent_decided_is_counted_over_all_runs() -> None:
    progress = {"bars_done": 1500, "bars_total": 3000, "bar_time_ms": 1640995200000, "finished": False, "stale": False,
                "signals": 7, "refusals": 3, "orders": 4}  # fmt: skip
    found = {"address": "http://127.0.0.1:8700", "pid": 1, "uptime_s": 5, "market": "replay BTCUSDT 1m", "parts": [],
             "portfolios": [], "problem": None, "disk": None, "progress": progress}  # fmt: skip
    assert (
        "agent: 1,500 of 3,000 bars, the last of 2022-01-01 00:00 UTC; in all runs: 7 signals, 3 refusals, 4 orders"
        in describe(found).splitlines()
    )


def test_doctor_says_what_is_broken_and_how_to_mend_it(tmp_path: Path) -> None:
    state = tmp_path / ".smc"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    (state / "secrets.json").write_text('{"jwt_secret": "hush"')
    (state / "secrets.json").chmod(0o644)
    home, path = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    path.mkdir()
    done = smc("doctor", "--json", cwd=tmp_path, SMC_HOME=str(home), PATH=str(path), SMC_REPLAY="gone.csv")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report["healthy"]
    failed = {check["name"]: check for check in report["checks"] if check["state"] == "failed"}
    assert {
        "node",
        "cargo",
        "executor",
        "paper_venue",
        "web app",
        "state",
        "secrets.json",
        "secrets",
        "settings",
    } == set(failed)
    assert failed["node"]["cure"].startswith("Install Node 20")
    assert failed["executor"]["cure"].startswith("Run `make setup`")
    assert failed["state"]["cure"] == f"chmod 700 {state}"
    assert failed["secrets.json"]["cure"] == f"chmod 600 {state}/secrets.json"
    assert "damaged" in failed["secrets"]["found"]
    assert "smc reset" in failed["secrets"]["cure"]
    assert all(check["cure"] for check in failed.values())
    assert "hush" not in done.stdout


def test_reset_asks_deletes_and_spares_folders_of_others(tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("x")
    done = smc("reset", "--yes", "--state", other, cwd=tmp_path)
    assert (done.returncode, (other / "cat.jpg").exists()) == (2, True)
    state = tmp_path / ".smc"
    state.mkdir()
    (state / "market.json").write_text("{}")
    assert smc("reset", cwd=tmp_path).returncode == 130  # nobody answers the question
    assert state.exists()
    assert smc("reset", "--yes", cwd=tmp_path).returncode == 0
    assert not state.exists()
    assert smc("reset", "--yes", cwd=tmp_path).returncode == 0


def test_admin_without_anything_running_says_what_to_start(tmp_path: Path) -> None:
    done = smc("admin", "roles", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == "smc: Nothing was started in .smc. Start it with `smc up`, or set SUPABASE_URL and its keys.\n"
    )


def _home(tmp_path: Path) -> Path:
    """A project's root where everything counts as built, and nothing would work."""
    home = tmp_path / "home"
    for name in ("executor/target/release/executor", "executor/target/release/paper_venue", "frontend/dist/index.html"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("#!/bin/false\n")
        (home / name).chmod(0o755)
    return home
