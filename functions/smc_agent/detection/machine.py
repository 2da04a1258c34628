"""The compiled machine at work on the arrays of a State."""

import ctypes
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smc_agent.detection.kernel.layout import State
from smc_agent.detection.native import Layout, machine

Float = NDArray[np.float64]
Columns = tuple[NDArray[np.int64], Float, Float, Float, Float, Float]

_BARS: Layout = ((np.dtype(np.int64).str, 1), *((np.dtype(np.float64).str, 1),) * 5)
_BAR = struct.Struct("=q5d")


class Machine:
    """Hands the addresses of a State's arrays, and of bars, to the compiled machine.

    An address is taken anew whenever its array is another object than before. That suffices: the arrays are held here,
    and NumPy moves no array that something refers to.
    """

    def __init__(self) -> None:
        self._state: State | None = None
        self._columns: Columns | None = None
        self._arrays: list[NDArray[Any] | None] = []
        self._result = (ctypes.c_int64 * 4)()
        self._row = bytearray(_BAR.size)
        prices = np.frombuffer(self._row, np.float64)
        self.bar: Columns = (
            np.frombuffer(self._row, np.int64, 1), prices[1:2], prices[2:3], prices[3:4], prices[4:5], prices[5:]
        )  # fmt: skip

    def __reduce__(self) -> tuple[type["Machine"], tuple[()]]:
        return Machine, ()  # the copy of a detector has arrays of its own

    def put(self, time: int, open: float, high: float, low: float, close: float, volume: float) -> None:
        """Makes this the one row of `bar`; struct.error or OverflowError when a number does not fit 64 bits."""
        _BAR.pack_into(self._row, 0, time, open, high, low, close, volume)

    def run(self, state: State, columns: Columns, start: int) -> tuple[int, int, int, int]:
        """`kernel.run.run`, compiled."""
        self.hold(state, columns)
        self._call(self._result, None, self._table, start)
        row, events, column, rule = self._result[:]
        return row, events, column, rule

    def place_all(self, state: State) -> None:
        """`kernel.queues.place_all`, compiled."""
        self.hold(state, self.bar)
        self._call(self._result, None, self._table, -1)

    def hold(self, state: State, columns: Columns) -> None:
        """Takes the addresses of these and lets go of the arrays held so far."""
        if state is not self._state:
            if self._state is None:
                self._begin(state)
            self._take(0, state)
            self._state = state
        if columns is not self._columns:
            self._take(len(state), columns)
            self._columns = columns

    def _begin(self, state: State) -> None:
        self._layout = *((array.dtype.str, array.ndim) for array in state), *_BARS
        self._call = machine(self._layout[: len(state)], _BARS)
        self._places = [0]
        for _, dimensions in self._layout:
            self._places.append(self._places[-1] + 1 + dimensions)
        self._table = (ctypes.c_int64 * self._places.pop())()
        self._arrays = [None] * len(self._layout)

    def _take(self, first: int, arrays: Iterable[NDArray[Any]]) -> None:
        for n, array in enumerate(arrays, first):
            if array is self._arrays[n]:
                continue
            if (array.dtype.str, array.ndim) != self._layout[n] or not array.flags.c_contiguous:
                raise TypeError(f"array {n} of the machine must be of {self._layout[n]} and contiguous")
            place = self._places[n]
            self._table[place : place + 1 + array.ndim] = [array.ctypes.data, *array.shape]
            self._arrays[n] = array
