"""The detector: bars in, events out, bar by bar or many at once."""

import struct
from numbers import Real
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smc_agent.detection.calendar import calendar
from smc_agent.detection.context import Context, context_of_state
from smc_agent.detection.errors import DetectionInputError
from smc_agent.detection.events import Event, Events, rows
from smc_agent.detection.frames import columns_of_frame, is_frame
from smc_agent.detection.kernel import layout as k
from smc_agent.detection.machine import Columns, Float, Machine
from smc_agent.detection.params import DetectionParams
from smc_agent.detection.state import new_state, pack, unpack, with_calendar, with_room, with_slots

COLUMNS = ("time", "open", "high", "low", "close", "volume")
_RULES = {
    k.NOT_FINITE: "must be a finite number",
    k.NOT_POSITIVE: "must be greater than 0",
    k.HIGH_BELOW: "must be at least open and close",
    k.LOW_ABOVE: "must be at most open and close",
    k.NEGATIVE_VOLUME: "must not be negative",
    k.TIME_ORDER: "must be greater than the time of the bar before",
}


class Detector:
    """The state machine: events depend on the bars pushed so far and on nothing else.

    However bars are cut into `push` and `extend`, and wherever the state is saved and restored, the events are the
    same, bit for bit. Bars that break a rule raise DetectionInputError and leave the detector as it was.
    """

    def __init__(self, params: DetectionParams | None = None) -> None:
        self._begin(params or DetectionParams(), new_state(params or DetectionParams()))

    def _begin(self, params: DetectionParams, state: k.State) -> None:
        self._params = params
        self._state = state
        self._machine = Machine()
        self._make_room()

    def _begin_again(self, data: bytes) -> None:
        self._begin(*unpack(data))
        self._machine.place_all(self._state)

    @property
    def params(self) -> DetectionParams:
        return self._params

    @property
    def bars(self) -> int:
        """How many bars were pushed: the next one's index."""
        return int(self._state.ints[k.BARS])

    @property
    def last_time(self) -> int | None:
        """Open time of the last bar, epoch milliseconds; None before the first."""
        return int(self._state.ints[k.LAST_TIME]) if self.bars else None

    @property
    def live_zones(self) -> int:
        """Zones in the state: blocks, breakers, gaps, filled gaps that no close has passed yet, and resting levels.

        Without the levels of the last day, week and month, which are at most six and never expire.
        """
        return int(self._state.ints[k.LIVE])

    @property
    def context(self) -> Context:
        """Where the market stands at the close of the last bar."""
        return context_of_state(self._state)

    def push(self, time: int, open: float, high: float, low: float, close: float, volume: float) -> list[Event]:
        """Takes the next closed bar (open time in epoch milliseconds) and returns what it made known."""
        bar = time, open, high, low, close, volume
        if not (type(time) is int and float is type(open) is type(high) is type(low) is type(close) is type(volume)):
            for column, value in zip(COLUMNS, bar, strict=True):
                _check_type(column, value)
        try:
            self._machine.put(*bar)
        except (OverflowError, struct.error):
            raise DetectionInputError(0, _too_great(bar), "must fit 64 bits") from None
        before = self._before(1)
        first_id = int(self._state.ints[k.NEXT_ID])
        out_i, out_f = self._state.out_i, self._state.out_f
        row, count = self._run(self._machine.bar, 0)
        if row == 0:
            count = self._run(self._machine.bar, 0)[1]
        self._make_room()
        if before:
            self._refuse_too_many(before)
        return rows(first_id, out_i[:count], out_f[:count]) if count else []

    def extend(
        self, time: ArrayLike, open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike
    ) -> Events:
        """Takes many bars: columns of one length, time int64 in epoch milliseconds, the rest float64 or integers."""
        columns = _columns(time, open, high, low, close, volume)
        before = self._before(len(columns[0]))
        first_id = int(self._state.ints[k.NEXT_ID])
        ints: list[NDArray[np.int32]] = []
        floats: list[Float] = []
        blocks: list[Float] = []
        row = 0
        while row < len(columns[0]) or not ints:
            self._make_room(len(columns[0]) - row)
            row, count = self._run(columns, row)
            if count == 0 and (ints or row < len(columns[0])):
                continue  # such as the first time, when the calendar is not there yet: a second piece would cost a copy
            ints.append(self._state.out_i[:count])
            floats.append(self._state.out_f[:count])
            blocks.append(self._state.blocks_f[: self._state.blocks_size[0]])
            self._state = with_room(self._state, 0, 0)  # what was written belongs to the caller now
        self._let_go()
        if before:
            self._refuse_too_many(before)
        if len(ints) == 1:
            return Events(first_id, ints[0], floats[0], blocks[0])
        return Events(first_id, np.concatenate(ints), np.concatenate(floats), np.concatenate(blocks))

    def save(self) -> bytes:
        """The state, to continue from elsewhere; equal bytes for equal histories."""
        return pack(self._params, self._state)

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """A detector that continues where `save` was called; DetectionStateError for foreign or damaged bytes."""
        detector = cls.__new__(cls)
        detector._begin_again(data)
        return detector

    def _run(self, columns: Columns, start: int) -> tuple[int, int]:
        """-> next row, events written."""
        row, count, column, rule = self._machine.run(self._state, columns, start)
        if rule:
            self._let_go()
            raise DetectionInputError(row, COLUMNS[column], f"{_RULES[rule]} ({_shown(columns, row)})")
        time = columns[0]
        if row < len(time) and time[row] >= self._state.calendar[-1, k.FROM]:
            ahead = calendar(self._params, int(time[row]), int(time[-1]), len(time) - row)
            self._state = with_calendar(self._state, ahead)
        if len(self._state.zones_i) - self._state.ints[k.LIVE] < k.ZONES_PER_BAR:
            self._state = with_slots(self._state, 2 * len(self._state.zones_i))
        return row, count

    def _let_go(self) -> None:
        """Keeps no array of the caller's."""
        self._make_room()
        self._machine.hold(self._state, self._machine.bar)

    def _make_room(self, bars: int = 0) -> None:
        """Room for the events of any one bar, or of any block and of `bars` as they usually are."""
        block = max(1, min(bars, k.BLOCK_BARS))
        wanted = int(self._state.ints[k.LIVE]) + k.ZONES_PER_BAR * block
        if wanted > len(self._state.zones_i):
            self._state = with_slots(self._state, 1 << wanted.bit_length())
        needed = block * (k.EVENTS_PER_BAR + k.EVENTS_PER_ZONE * k.ZONES_PER_BAR) + 2 * bars
        needed += k.EVENTS_PER_ZONE * len(self._state.zones_i)
        if needed > len(self._state.out_i):
            self._state = with_room(self._state, needed, k.BLOCKS_PER_BAR * block + bars // 4)

    def _before(self, bars: int) -> bytes:
        """What to go back to, should the events of so many bars pass the numbers there are; empty where they cannot."""
        count = int(self._state.ints[k.BARS])
        if count + bars > k.MOST:
            raise DetectionInputError(k.MOST - count, "time", f"one detector takes {k.MOST:,} bars: begin another")
        possible = 2 * k.EVENTS_PER_BAR * bars + 2 * k.EVENTS_PER_ZONE * int(self._state.ints[k.LIVE])
        return self.save() if int(self._state.ints[k.NEXT_ID]) + possible > k.MOST else b""

    def _refuse_too_many(self, before: bytes) -> None:
        if self._state.ints[k.NEXT_ID] > k.MOST:
            self._begin_again(before)
            raise DetectionInputError(0, "time", f"one detector tells {k.MOST:,} events: begin another")


@overload
def detect(frame: Any, /, *, params: DetectionParams | None = None) -> Events: ...
@overload
def detect(
    time: ArrayLike, open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, volume: ArrayLike,
    params: DetectionParams | None = None,
) -> Events: ...  # fmt: skip
def detect(
    time: Any, open: Any = None, high: Any = None, low: Any = None, close: Any = None, volume: Any = None,
    params: DetectionParams | None = None,
) -> Events:  # fmt: skip
    """All events of a series of bars: columns as `Detector.extend` takes them, or one pandas or Polars frame.

    Of a frame the columns are found by name, as `frames.columns_of_frame` says; then only `params` may follow.
    """
    columns: tuple[Any, ...] = (time, open, high, low, close, volume)
    if is_frame(time):
        if any(column is not None for column in columns[1:]):
            raise TypeError("detect(frame) takes nothing after the frame but params=...")
        columns = columns_of_frame(time)
    return Detector(params).extend(*columns)


def _check_type(column: str, value: object) -> None:
    if column == "time":
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise DetectionInputError(0, column, f"must be an integer (epoch milliseconds), not {type(value).__name__}")
    elif not isinstance(value, Real) or isinstance(value, bool | np.float32 | np.float16):
        raise DetectionInputError(0, column, f"must be a float64 or an integer, not {type(value).__name__}")


def _too_great(bar: tuple[float, ...]) -> str:
    """The column of the first number that 64 bits do not hold."""
    for column, value in zip(COLUMNS, bar, strict=True):
        try:
            struct.pack("q" if column == "time" else "d", value)
        except (OverflowError, struct.error):
            return column
    raise AssertionError(f"all of {bar} fit")


def _columns(*given: ArrayLike) -> Columns:
    arrays = [np.asarray(column) for column in given]
    for name, array in zip(COLUMNS, arrays, strict=True):
        if array.ndim != 1 or len(array) != len(arrays[0]):
            raise DetectionInputError(0, name, f"must be a column as long as time, not of shape {array.shape}")
        legal = ("i",) if name == "time" else ("i", "u") if array.dtype != np.float64 else ("f",)
        if len(array) and array.dtype.kind not in legal:
            wanted = "integers (epoch milliseconds)" if name == "time" else "float64 or integers"
            raise DetectionInputError(0, name, f"must be {wanted}, not {array.dtype}")
    time = np.require(arrays[0], np.int64, ["C", "A"])
    o, h, lo, c, v = (np.require(array, np.float64, ["C", "A"]) for array in arrays[1:])
    return time, o, h, lo, c, v


def _shown(columns: Columns, row: int) -> str:
    return ", ".join(f"{name} {column[row]}" for name, column in zip(COLUMNS, columns, strict=True))
