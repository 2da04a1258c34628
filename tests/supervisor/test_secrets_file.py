"""Secrets are made once, whoever asks first and from wherever."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

from smc_agent.local.secrets_file import SecretsFile


def test_what_another_made_meanwhile_is_kept(tmp_path: Path) -> None:
    early = SecretsFile(tmp_path)
    other = SecretsFile(tmp_path).get("other")
    assert early.get("own") != other
    assert early.get("other") == other
    assert json.loads(early.path.read_text()) == {"other": other, "own": early.get("own")}
    assert stat.S_IMODE(early.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_a_secret_that_two_make_at_once_is_one(tmp_path: Path) -> None:
    first_makes, go_on = threading.Event(), threading.Event()
    got: dict[str, str] = {}

    def slowly() -> str:
        first_makes.set()
        go_on.wait(10)
        return "the first"

    one, two = SecretsFile(tmp_path / "new"), SecretsFile(tmp_path / "new")
    first = threading.Thread(target=lambda: got.update(one=one.get("name", slowly)))
    second = threading.Thread(target=lambda: got.update(two=two.get("name", lambda: "the second")))
    first.start()
    assert first_makes.wait(10)
    second.start()
    second.join(0.2)
    assert second.is_alive(), "it waits for the one who is making it"
    go_on.set()
    first.join(10)
    second.join(10)
    assert got == {"one": "the first", "two": "the first"}
