"""The compiled machine: what it is loaded from, what is never run, and that it works on the arrays that are meant."""

import ast
import copy
import os
import pickle
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.detection.series import cut, generated

from smc_agent.cli.main import main
from smc_agent.detection import DetectionInputError, DetectionParams, Detector, compiling, detect, native
from smc_agent.detection.calendar import calendar
from smc_agent.detection.kernel.layout import State
from smc_agent.detection.kernel.queues import place_all
from smc_agent.detection.kernel.run import run
from smc_agent.detection.marks import FUNCTIONS
from smc_agent.detection.state import new_state, with_calendar, with_room

PACKAGE = Path(native.__file__).parents[1]
PARAMS = DetectionParams(swing=9, internal=3, equal=2, atr_period=14)
BARS = generated(600, seed=5)
FIRST = """
import sys
from smc_agent.detection import Detector
from smc_agent.detection.params import DetectionParams
detector = Detector(DetectionParams(swing=3, internal=2, equal=1, atr_period=5))
for i in range(300):
    price, body = 100.0 + (i * 37 % 23) + i % 7, 9.0 if i % 50 == 49 else 1.0
    for event in detector.push(60_000 * i, price, price + body + 1.0, price - 2.0, price + body, 1.0):
        print(event)
print("numba" in sys.modules)
"""


def started(folder: Path, **environment: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", FIRST], env=environment, cwd=folder, text=True, stdout=subprocess.PIPE
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> tuple[list[str], bool]:
    """-> the events of a fresh process, and whether it compiled."""
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    *events, compiled = out.splitlines()
    return events, compiled == "True"


# --- in processes of their own, which really compile ---


def test_a_warm_start_imports_neither_numba_nor_what_frames_need() -> None:
    Detector().push(0, 1.0, 2.0, 0.5, 1.5, 1.0)
    code = FIRST + "print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.splitlines()[-1].split())
    assert {"numpy", "llvmlite"} <= loaded
    assert not loaded & {"numba", "pandas", "polars", "pyarrow"}
    assert "numpy.ma" not in loaded


def test_two_processes_compile_at_once_a_third_finds_it_and_a_changed_rule_is_compiled_anew(tmp_path: Path) -> None:
    copied = tmp_path / "smc_agent"
    copied.mkdir()
    shutil.copy(PACKAGE / "__init__.py", copied)
    for part in ("detection", "market"):
        shutil.copytree(PACKAGE / part, copied / part, ignore=shutil.ignore_patterns("__pycache__"))

    (events, first), (same, second) = (said(process) for process in [started(tmp_path), started(tmp_path)])
    assert first
    assert second
    assert events == same
    assert any("displacement" in line for line in events)
    cached = [path.name for path in (copied / "detection" / "__pycache__").glob("machine.*") if path.suffix != ".pyc"]
    assert cached == [f"machine.{sys.implementation.cache_tag}.bin"]
    assert said(started(tmp_path)) == (events, False)

    rules = copied / "detection" / "kernel" / "context.py"
    text = rules.read_text()
    assert text.count("emit(s, DISPLACEMENT,") == 1
    rules.write_text(text.replace("emit(s, DISPLACEMENT,", "emit(s, INDUCEMENT,"))
    now, compiled = said(started(tmp_path))
    assert compiled
    assert now == [line.replace("'displacement'", "'inducement'") for line in events]


# --- in this process, with the machine compiled once ---


class Compiler:
    """Stands in for the compiler: gives the true machine, and counts."""

    def __init__(self) -> None:
        self.called = 0
        self.code = b""

    def __call__(self, *_: Any) -> bytes:
        self.called += 1
        return self.code


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiler]:
    """An empty installation with an empty cache."""
    Detector().push(0, 1.0, 2.0, 0.5, 1.5, 1.0)
    made = Compiler()
    for folder in native._folders():
        path = folder / f"machine.{sys.implementation.cache_tag}.bin"
        if path.exists():
            made.code = path.read_bytes()[len(native.MAGIC) + 64 :]
    if not made.code:
        pytest.skip("nothing can be cached here: neither beside the package nor in the user's cache folder")
    for name in native.SOURCES:
        (tmp_path / "installed" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(native.FOLDER / name, tmp_path / "installed" / name)
    monkeypatch.setattr(native, "FOLDER", tmp_path / "installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiling, "machine_code", made)
    yield made
    native._machine.cache_clear()


def events_of_a_fresh_start() -> str:
    native._machine.cache_clear()
    return repr(list(detect(*BARS, params=PARAMS)))


def cached(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "installed" / "__pycache__").iterdir()
    return path


def damage(data: bytes) -> list[bytes]:
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    foreign = bytearray(data)
    foreign[len(native.MAGIC)] ^= 1
    return [bytes(flipped), bytes(foreign), data[:-1], data[:40], b"", data + b"\0", b"\x7fELF" + data[4:]]


def test_a_damaged_or_foreign_cache_is_never_run_but_replaced(compiler: Compiler, tmp_path: Path) -> None:
    events = events_of_a_fresh_start()
    assert compiler.called == 1
    assert events_of_a_fresh_start() == events
    assert compiler.called == 1
    whole = cached(tmp_path).read_bytes()
    for n, damaged in enumerate(damage(whole), 2):
        cached(tmp_path).write_bytes(damaged)
        assert events_of_a_fresh_start() == events
        assert compiler.called == n
        assert cached(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("source", native.SOURCES)
def test_every_source_counts(source: str, compiler: Compiler, tmp_path: Path) -> None:
    events_of_a_fresh_start()
    with (tmp_path / "installed" / source).open("a") as file:
        file.write("\n")
    events_of_a_fresh_start()
    assert compiler.called == 2


def test_a_folder_that_cannot_be_written_leaves_the_users_cache(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "installed" / "__pycache__").write_text("not a folder")
    events_of_a_fresh_start()
    events_of_a_fresh_start()
    assert compiler.called == 1
    (file,) = (tmp_path / "cache" / "smc-agent").glob("*/*")
    assert file.stat().st_mode & 0o777 == 0o644

    file.parent.chmod(0o777)  # now anybody could put code there
    events_of_a_fresh_start()
    assert compiler.called == 2


def test_smc_says_that_it_compiles_and_nothing_else_does(
    compiler: Compiler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "\n".join(",".join(repr(value.item()) for value in bar) for bar in zip(*BARS, strict=True))
    (tmp_path / "BTCUSDT_1m.csv").write_text("time,open,high,low,close,volume\n" + rows + "\n")
    said = []
    native._machine.cache_clear()
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["detect", str(tmp_path / "BTCUSDT_1m.csv"), "--swing", "9", "--internal", "3"])
        native._machine.cache_clear()
        said.append(capsys.readouterr())
    assert compiler.called == 1
    assert said[0].err == "smc: Compiling the rules of detection, once on this machine: about 10 s.\n"
    assert said[1].err == ""
    assert said[0].out == said[1].out
    assert said[0].out.startswith('{"id": 0,')


def test_where_nothing_can_be_written_it_is_compiled_each_time(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "installed" / "__pycache__").write_text("not a folder")
    (tmp_path / "cache").write_text("not a folder")
    assert events_of_a_fresh_start() == events_of_a_fresh_start()
    assert compiler.called == 2


def test_the_key_covers_every_file_that_the_machine_is_made_of() -> None:
    sources = {native.FOLDER / source for source in native.SOURCES}
    assert {Path(function.__code__.co_filename) for function in FUNCTIONS} <= sources
    for source in native.SOURCES:
        for node in ast.walk(ast.parse((native.FOLDER / source).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smc_agent"):
                assert node.module is not None
                assert (
                    native.FOLDER / f"{node.module.removeprefix('smc_agent.detection.').replace('.', '/')}.py"
                    in sources
                )


# --- the machine at work ---


def test_the_rules_run_as_plain_python_and_give_the_same() -> None:
    bars = cut(BARS, 0, 250)
    state = with_room(new_state(PARAMS, slots=400), 20_000, 1_000)
    state = with_calendar(state, calendar(PARAMS, int(bars[0][0]), int(bars[0][-1]), 250))
    place_all(state)
    with np.errstate(all="ignore"):
        row, count, _, rule = run(state, *bars, 0)
    assert (row, rule) == (250, 0)
    events = detect(*bars, params=PARAMS)
    assert count == len(events) > 100
    assert state.out_i[:count].tobytes() == events._ints.tobytes()
    assert state.out_f[:count].tobytes() == events._floats.tobytes()


def test_it_works_on_the_arrays_that_the_state_has_now() -> None:
    whole = detect(*BARS, params=PARAMS)
    for field in State._fields:
        detector = Detector(PARAMS)
        events = list(detector.extend(*cut(BARS, 0, 300)))
        for k in range(300, 303):
            events += detector.push(*(column[k].item() for column in BARS))
        old = getattr(detector._state, field)
        detector._state = detector._state._replace(**{field: old.copy()})
        old.fill(0)  # who still looks there goes wrong
        for k in range(303, 310):
            events += detector.push(*(column[k].item() for column in BARS))
        events += detector.extend(*cut(BARS, 310, 600))
        assert events == list(whole), field


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda detector: pickle.loads(pickle.dumps(detector))])
def test_a_copy_of_a_detector_goes_its_own_way(copied: Any) -> None:
    detector = Detector(PARAMS)
    detector.extend(*cut(BARS, 0, 300))
    twin = copied(detector)
    state = detector.save()
    rest = twin.extend(*cut(BARS, 300, 450))
    one = twin.push(*(column[450].item() for column in BARS))
    assert detector.save() == state
    assert detector.extend(*cut(BARS, 300, 450)) == rest
    assert detector.push(*(column[450].item() for column in BARS)) == one


@pytest.mark.parametrize("bad", [False, True])
def test_a_callers_arrays_are_let_go(bad: bool) -> None:
    columns = [column.copy() for column in BARS]
    if bad:
        columns[2][7] = np.nan
    detector = Detector(PARAMS)
    refs: list[weakref.ref[Any]] = [weakref.ref(column) for column in columns]
    try:
        refs.append(weakref.ref(detector.extend(*columns)._ints))
    except DetectionInputError:
        assert bad
    del columns
    assert [ref() for ref in refs] == [None] * (6 if bad else 7)


def test_any_columns_will_do_whatever_their_memory() -> None:
    odd = np.zeros((600, 6))
    odd[:, 1:] = np.array(BARS[1:]).T
    strided = BARS[0], *(odd[:, n] for n in range(1, 6))
    packed = b"".join(b"\0" + column.tobytes() for column in BARS)
    unaligned = [
        np.frombuffer(packed, column.dtype, 600, 1 + n * (1 + column.nbytes)) for n, column in enumerate(BARS)
    ]  # fmt: skip
    assert not unaligned[3].flags.aligned
    assert not unaligned[3].flags.writeable
    expected = detect(*BARS, params=PARAMS)
    for bars in (strided, unaligned):
        assert detect(*bars, params=PARAMS) == expected


def test_a_state_of_other_types_is_refused() -> None:
    detector = Detector(PARAMS)
    detector.extend(*cut(BARS, 0, 100))
    detector._state = detector._state._replace(zones_f=detector._state.zones_f.astype(np.float32))
    with pytest.raises(TypeError, match=r"array \d+ of the machine must be of \('<f8', 2\) and contiguous"):
        detector.extend(*cut(BARS, 100, 200))
