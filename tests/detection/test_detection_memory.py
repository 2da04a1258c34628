"""The memory of a large batch's events, which comes in huge pages where the system has them."""

import gc
import mmap
import os
from typing import Any

import numpy as np
import pytest
from tests.detection.series import generated

from smc_agent.detection import Detector, Events, detect
from smc_agent.detection.state import _HUGE, _memory

LARGE = generated(40_000, seed=8)
huge_pages = pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages")


def memory_of(events: Events) -> Any:
    """What the events' columns lie in, under all the views."""
    owner: Any = events._ints
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return owner.obj if isinstance(owner, memoryview) else owner


@huge_pages
def test_events_keep_their_memory_when_the_detector_and_other_batches_are_gone() -> None:
    events = detect(*LARGE)
    assert isinstance(memory_of(events), mmap.mmap)
    ints, floats, shares = events._ints.copy(), events._floats.copy(), events.share
    for _ in range(3):
        again = detect(*LARGE)
        again._ints.fill(0)
        again._floats.fill(0)
        again._blocks.fill(0)
        del again
        gc.collect()
    assert events._ints.tobytes() == ints.tobytes()
    assert events._floats.tobytes() == floats.tobytes()
    assert np.array_equal(events.share, shares, equal_nan=True)
    with pytest.raises(BufferError):
        memory_of(events).close()


@huge_pages
def test_what_a_fork_writes_into_events_is_its_own() -> None:
    events = detect(*LARGE)
    before = events._ints.tobytes()
    child = os.fork()
    if child == 0:
        events._ints.fill(7)
        os._exit(0 if events._ints[0, 0] == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert events._ints.tobytes() == before


def test_few_events_take_no_huge_page() -> None:
    assert isinstance(memory_of(detect(*(column[:500] for column in LARGE))), np.ndarray)
    assert isinstance(memory_of(Detector().extend(*(column[:0] for column in LARGE))), np.ndarray)


def _without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)


def _refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any, **__: Any) -> None:
        raise OSError("no")

    monkeypatch.setattr(mmap, "mmap", no_memory)


@pytest.mark.parametrize("system", [_without, _refusing])
def test_without_huge_pages_the_events_are_the_same(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    events = detect(*LARGE)
    system(monkeypatch)
    plain = detect(*LARGE)
    assert isinstance(memory_of(plain), np.ndarray)
    assert plain == events


@huge_pages
def test_memory_is_as_large_as_asked_and_begins_with_a_huge_page() -> None:
    for size in (_HUGE, _HUGE + 4, 3 * _HUGE - 1):
        memory = _memory(size)
        assert len(memory) == size
        assert memory.ctypes.data % _HUGE == 0
