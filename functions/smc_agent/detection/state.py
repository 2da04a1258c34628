"""The detector's state: made, grown, and turned into bytes and back."""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from smc_agent.detection.errors import DetectionStateError
from smc_agent.detection.kernel import layout as k
from smc_agent.detection.params import DetectionParams

MAGIC = b"smc-detector"
VERSION = 3  # raised whenever the layout or the rules change: old state would continue as something else
_HEAD = struct.Struct("<12sHII")  # magic, version, bytes of parameters, number of zones
_DIGEST = 16
_NO_DATE = -(1 << 63)  # before every bar


def new_state(params: DetectionParams, slots: int = 64) -> k.State:
    """The state before the first bar."""
    longest = max(params.swing, params.internal, params.equal)
    history = longest + 2  # bars that the next one may look back at
    tape = history + max(history, k.BLOCK_BARS)
    settings_i = np.zeros(k.SETTINGS_I, np.int64)
    settings_i[k.SIZES : k.SIZES + 3] = params.swing, params.internal, params.equal
    settings_i[k.LONGEST] = longest
    settings_i[k.ATR_PERIOD] = params.atr_period
    settings_i[k.BREAK_BY_WICK] = params.break_by == "wick"
    settings_i[k.MITIGATION_BY_CLOSE] = params.mitigation == "close"
    settings_i[k.FVG_AUTO] = params.fvg_threshold == "auto"
    settings_i[k.MAX_ZONES] = params.max_zones
    settings_i[k.HISTORY] = history
    settings_f = np.zeros(k.SETTINGS_F)
    settings_f[[k.EQUAL_THRESHOLD, k.WILD_FACTOR, k.FVG_FACTOR]] = (
        params.equal_threshold, params.wild_factor, params.fvg_factor
    )  # fmt: skip
    settings_f[[k.PREMIUM, k.EQUILIBRIUM, k.OTE_FROM, k.OTE_TO, k.DISPLACEMENT_FACTOR]] = (
        params.premium, params.equilibrium, params.ote_from, params.ote_to, params.displacement_factor
    )  # fmt: skip
    ints = np.zeros(k.INTS, np.int64)
    ints[k.LEG : k.LEG + 3] = -1  # the leg starts bearish
    ints[[k.FREE, k.BREAK_ID, k.OTE_TOP, k.OTE_BOTTOM, k.TOLD, k.TOLD + 1]] = -1
    ints[k.ZONE] = 3  # in none
    ints[k.WINDOW : k.WINDOW + k.WINDOWS] = k.OUTSIDE
    ints[k.DATE_ENDS] = _NO_DATE
    ints[k.ORIGIN] = history
    floats = np.zeros(k.FLOATS)
    floats[[k.ATR, k.EQUAL_LEVEL, k.EQUAL_LEVEL + 1, k.TOP, k.BOTTOM]] = np.nan
    floats[[k.NEAREST, k.NEAREST + 1]] = np.inf
    floats[k.NEXT : k.NEXT + k.QUEUES] = -np.inf
    floats[k.STANDING : k.STANDING + 4] = np.inf, -np.inf, np.inf, -np.inf
    periods_i = np.zeros((6, k.PERIOD_I), np.int64)
    periods_i[:, k.R_ID] = -1
    periods_f = np.full((6, k.PERIOD_F), -np.inf)
    pivots_i = np.zeros((4, k.PIVOT_I), np.int64)
    pivots_i[:, k.P_ID] = -1
    pivots_f = np.zeros((4, k.PIVOT_F))
    pivots_f[:, [k.P_LEVEL, k.P_BEFORE]] = np.nan
    empty = k.State(
        settings_i,
        settings_f,
        ints,
        floats,
        tape=np.zeros((k.TAPE, tape)),
        ahead_i=np.zeros((k.AHEAD_I, k.BLOCK_BARS), np.int64),
        ahead_f=np.zeros((k.AHEAD_F, k.BLOCK_BARS)),
        reach=np.zeros((k.REACH, longest + k.BLOCK_BARS)),
        pivots_i=pivots_i,
        pivots_f=pivots_f,
        periods_i=periods_i,
        periods_f=periods_f,
        zones_i=np.empty((0, k.ZONE_I), np.int64),
        zones_f=np.empty((0, k.ZONE_F)),
        queue_key=np.full((k.QUEUES, 1), -np.inf),
        queue_slot=np.zeros((k.QUEUES, 1), np.int64),
        queue_size=np.zeros(k.QUEUES, np.int64),
        hits=np.empty((0, 2), np.int64),
        calendar=np.full((1, k.WINDOW_BEGAN + k.WINDOWS), _NO_DATE),
        out_i=np.empty((0, k.OUT_I), np.int32),
        out_f=np.empty((0, k.OUT_F)),
        blocks_f=np.empty((0, k.BLOCK_F)),
        blocks_size=np.zeros(1, np.int64),
    )
    return with_slots(empty, slots)


def with_slots(state: k.State, slots: int) -> k.State:
    """The same state with room for more zones; new slots are chained in front of the free ones."""
    old = len(state.zones_i)
    zones_i = np.zeros((slots, k.ZONE_I), np.int64)
    zones_i[:old] = state.zones_i
    zones_i[old:, k.Z_ID] = -1
    zones_i[old:, k.Z_ANCHOR] = np.arange(old + 1, slots + 1)
    zones_i[-1, k.Z_ANCHOR] = state.ints[k.FREE]
    state.ints[k.FREE] = old
    zones_f = np.zeros((slots, k.ZONE_F))
    zones_f[:old] = state.zones_f
    wide = slots + 9  # rows of a power of two would share one set of the processor's cache; the first place is -inf
    queue_key, queue_slot = np.full((k.QUEUES, wide), -np.inf), np.zeros((k.QUEUES, wide), np.int64)
    queue_key[:, : old + 1] = state.queue_key[:, : old + 1]
    queue_slot[:, : old + 1] = state.queue_slot[:, : old + 1]
    hits = np.zeros((3 * slots, 2), np.int64)
    return state._replace(zones_i=zones_i, zones_f=zones_f, queue_key=queue_key, queue_slot=queue_slot, hits=hits)


def with_calendar(state: k.State, calendar: NDArray[np.int64]) -> k.State:
    """The same state with a calendar that reaches further."""
    state.ints[[k.DATE, k.DATE_ENDS]] = 0, _NO_DATE
    return state._replace(calendar=calendar)


def with_room(state: k.State, rows: int, blocks: int) -> k.State:
    """The same state with fresh memory for as many events, and for as many order blocks among them."""
    shares = 8 * k.OUT_F * rows
    ints = shares + 8 * k.BLOCK_F * blocks
    memory = np.empty(ints + 4 * k.OUT_I * rows, np.uint8)  # in one: NumPy asks for huge pages from 4 MB on
    return state._replace(
        out_i=memory[ints:].view(np.int32).reshape(rows, k.OUT_I),
        out_f=memory[:shares].view(np.float64).reshape(rows, k.OUT_F),
        blocks_f=memory[shares:ints].view(np.float64).reshape(blocks, k.BLOCK_F),
    )


def pack(params: DetectionParams, state: k.State) -> bytes:
    """Everything needed to continue; equal for equal histories, however the bars were cut into pieces."""
    live = np.flatnonzero(state.zones_i[:, k.Z_ID] >= 0)
    live = live[np.argsort(state.zones_i[live, k.Z_ID])]
    ints = state.ints.copy()
    end = int(ints[k.BARS] + ints[k.ORIGIN])
    tape = state.tape[:, end - state.settings_i[k.HISTORY] : end]
    ints[[k.FREE, k.ROWS, k.HITS, k.DATE, k.ORIGIN]] = 0  # slots and queues are rebuilt by `unpack`
    ints[k.DATE_ENDS] = _NO_DATE
    text = params.model_dump_json().encode()
    parts = [ints, state.floats, tape, state.pivots_i, state.pivots_f]
    parts += [state.periods_i, state.periods_f, state.zones_i[live], state.zones_f[live]]
    body = _HEAD.pack(MAGIC, VERSION, len(text), len(live)) + text
    body += b"".join(part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes() for part in parts)
    return body + hashlib.blake2b(body, digest_size=_DIGEST).digest()


def unpack(data: bytes) -> tuple[DetectionParams, k.State]:
    """What `pack` wrote, its zones not in their queues yet; DetectionStateError when it did not write these bytes."""
    if not data.startswith(MAGIC):
        raise DetectionStateError("not the state of a detector")
    if len(data) < _HEAD.size + _DIGEST:
        raise DetectionStateError("state is cut short: restore an older checkpoint or replay the bars")
    _, version, text_size, zones = _HEAD.unpack_from(data)
    if version != VERSION:
        raise DetectionStateError(f"state of version {version}, this program reads version {VERSION}: replay the bars")
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise DetectionStateError("state is damaged: restore an older checkpoint or replay the bars")
    try:
        params = DetectionParams.model_validate_json(body[_HEAD.size : _HEAD.size + text_size])
    except ValidationError as error:
        raise DetectionStateError(f"state with parameters that this program refuses: {error}") from error
    state = new_state(params, slots=max(64, 2 * zones))
    free = int(state.ints[k.FREE])
    offset = _HEAD.size + text_size
    zones_i, zones_f = state.zones_i[:zones], state.zones_f[:zones]
    history = int(state.settings_i[k.HISTORY])
    parts = (
        state.ints, state.floats, state.tape[:, :history], state.pivots_i, state.pivots_f, state.periods_i,
        state.periods_f, zones_i, zones_f,
    )  # fmt: skip
    if offset + sum(part.nbytes for part in parts) != len(body):
        raise DetectionStateError("state has another length than its head says: replay the bars")
    for part in parts:
        part[...] = np.frombuffer(body, part.dtype.newbyteorder("<"), part.size, offset).reshape(part.shape)
        offset += part.nbytes
    state.ints[k.FREE] = free + zones
    state.ints[k.ORIGIN] = history - state.ints[k.BARS]
    return params, state
