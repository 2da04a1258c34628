"""A disk that fills up under a running agent is told once, with what to do, and so is its end."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from smc_agent.local.disk_watch import DiskWatch, shortage

Usage = namedtuple("Usage", "total used free")


def test_each_stage_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    watch = DiskWatch(tmp_path, said.append)
    for megabytes in (500, 99, 60, 101, 99, 19, 0, 5, 60, 149, 151, 120, 99):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=megabytes * 1_000_000: Usage(0, 0, free))
        watch.look()
    assert [text.partition(f" at {tmp_path}")[0] for text in said] == [
        "The disk fills up: 99 MB free",
        "The disk is full: 19 MB free",
        "The disk fills up: 60 MB free",
        "There is room again",
        "The disk fills up: 99 MB free",
    ]
    assert said[1].endswith("nothing acknowledged is lost; make room, and it goes on.")


def test_a_folder_that_is_gone_is_not_the_watchs_to_tell(tmp_path: Path) -> None:
    assert shortage(tmp_path / "gone") is None
