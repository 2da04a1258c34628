"""`executor journal inspect|verify|export`: a journal as a person or a program sees it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.executor.running_executor import BINARY, Desk


def run(*arguments: Any) -> tuple[int, str, str]:
    done = subprocess.run([BINARY, "journal", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def with_orders(desk: Desk) -> Path:
    desk.executor.place(quantity="0.1", price="50000", stop_loss="49000")
    desk.bar("50100", "50200", "49900", "50100")
    desk.executor.place(price="45000")
    desk.executor.command("kill")
    desk.executor.drain()
    return Path(desk.executor.config["journal"])


def test_a_running_executor_s_journal_is_looked_at_without_disturbing_it(desk: Desk) -> None:
    path = with_orders(desk)
    status, text, _ = run("inspect", path)
    assert status == 0
    assert f"account   {desk.executor.account}:" in text
    assert "3 orders, 1 fills; killed" in text
    assert "bytes an order" in text
    status, text, _ = run("inspect", path, "--json")
    summary = json.loads(text)
    assert summary["accounts"][desk.executor.account]["orders"] == 3
    assert summary["kinds"]["placed"] == 3
    assert summary["tail"]["state"] in ("whole", "torn")
    assert desk.executor.place(price="45000")["code"] == "killed"


def test_export_gives_every_record_in_order(desk: Desk) -> None:
    path = with_orders(desk)
    desk.executor.stop()
    status, text, _ = run("export", path)
    records = [json.loads(line) for line in text.splitlines()]
    assert status == 0
    assert [record["record"] for record in records] == list(range(len(records)))
    assert records[0]["offset"] == 8
    placed = [record["fact"]["placed"]["order"]["kind"] for record in records if "placed" in record["fact"]]
    assert sorted(placed) == ["limit", "limit", "stop_loss"]


def test_verify_tells_a_torn_tail_from_damage(desk: Desk) -> None:
    path = with_orders(desk)
    desk.executor.stop(signal.SIGKILL)
    desk.executor.start()
    desk.executor.stop()
    assert run("verify", path)[0] == 0
    sound = path.read_bytes()
    count = json.loads(run("verify", path, "--json")[1])["records"]

    path.write_bytes(sound + b"\x30\x00\x00\x00half a rec")
    status, text, _ = run("verify", path)
    assert status == 0
    assert f"{count} whole records; torn at byte {len(sound)}: 14 bytes" in text

    # The very last acknowledged record: damage too, and named.
    last = [json.loads(line) for line in run("export", path)[1].splitlines()][-1]
    damaged = bytearray(sound)
    damaged[last["offset"] + 20] ^= 4
    path.write_bytes(damaged)
    status, _, text = run("verify", path)
    assert status == 1
    assert f"record {count - 1} at byte {last['offset']} is DAMAGED" in text
    status, text, _ = run("verify", path, "--json")
    assert (status, json.loads(text)["sound"], json.loads(text)["tail"]["record"]) == (1, False, count - 1)
    desk.executor.process = None
    refused = subprocess.run(
        [BINARY, "run", "--config", desk.executor.config_path], capture_output=True, text=True, timeout=20, check=False
    )
    assert refused.returncode == 1
    assert f"record {count - 1} at byte {last['offset']} is damaged" in refused.stderr
    assert path.read_bytes() == damaged, "nothing is changed"


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello, world")
    for name, complaint in (("x", "not a journal"), ("none", "No such file")):
        status, _, text = run("verify", tmp_path / name)
        assert (status, complaint in text) == (1, True), text
    assert "not understood" in run("shred", tmp_path / "x")[2]
