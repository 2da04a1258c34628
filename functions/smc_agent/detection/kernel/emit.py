"""Writes events."""

from smc_agent.detection.kernel.layout import (
    BARS,
    NEXT_ID,
    ROWS,
    Z_ANCHOR,
    Z_BOTTOM,
    Z_DIRECTION,
    Z_ID,
    Z_SCALE,
    Z_TOP,
    Index,
    State,
    place_of,
)
from smc_agent.detection.marks import inlined


@inlined
def emit(
    s: State, kind: Index, scale: Index, direction: Index, anchor: Index, top: float, bottom: float, ref: Index
) -> int:
    """Writes one event of the current bar; -> its id."""
    row, event_id = s.ints[ROWS], s.ints[NEXT_ID]
    s.ints[ROWS], s.ints[NEXT_ID] = row + 1, event_id + 1
    row = place_of(row)
    s.out_i[row, 0] = kind | scale << 8 | (direction + 1) << 12
    s.out_i[row, 1], s.out_i[row, 2], s.out_i[row, 3] = anchor, s.ints[BARS], ref
    s.out_f[row, 0], s.out_f[row, 1] = top, bottom
    return int(event_id)


@inlined
def zone_event(s: State, slot: Index, kind: Index) -> int:
    slot = place_of(slot)
    zone = s.zones_i[slot]
    top, bottom = s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM]
    return emit(s, kind, zone[Z_SCALE], zone[Z_DIRECTION], zone[Z_ANCHOR], top, bottom, zone[Z_ID])
