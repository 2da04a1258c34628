"""Zones and levels: opened, hit by prices, and the oldest ended when there are too many."""

import numpy as np

from smc_agent.detection.kernel.emit import zone_event
from smc_agent.detection.kernel.layout import (
    BREAKER,
    BREAKER_BLOCK,
    BREAKER_BLOCK_INVALIDATED,
    EXPIRED,
    FREE,
    FVG,
    FVG_TOUCHED,
    HITS,
    LEVEL,
    LIQUIDITY_SWEEP,
    LIQUIDITY_TAKEN,
    LIVE,
    MAX_ZONES,
    NEXT,
    ORDER_BLOCK_MITIGATED,
    ORDER_BLOCK_TOUCHED,
    PRICE,
    Z_ANCHOR,
    Z_BOTTOM,
    Z_DIRECTION,
    Z_ID,
    Z_KIND,
    Z_SCALE,
    Z_STAGE,
    Z_TOP,
    Index,
    Int,
    State,
    place_of,
)
from smc_agent.detection.kernel.queues import leave_queues, place, put, take_next, waits_for
from smc_agent.detection.marks import compiled, inlined


@inlined
def free(s: State, slot: Index) -> None:
    s.zones_i[slot, Z_ID] = -1
    s.zones_i[slot, Z_ANCHOR] = s.ints[FREE]
    s.ints[FREE] = slot
    s.ints[LIVE] -= 1


@compiled
def sort_hits(hits: Int, size: int) -> None:
    """Shell sort by the first column: short as a rule, and far from quadratic on the bar that ends every zone."""
    gap = size // 2
    while gap > 0:
        for k in range(gap, size):
            key, slot = hits[k, 0], hits[k, 1]
            at = k
            while at >= gap and hits[at - gap, 0] > key:
                hits[at, 0], hits[at, 1] = hits[at - gap, 0], hits[at - gap, 1]
                at -= gap
            hits[at, 0], hits[at, 1] = key, slot
        gap //= 2


@compiled
def expire_oldest(s: State) -> None:
    """Ends the oldest sixteenth of the zones: many at once, so that one costs little even when every bar opens one."""
    live = 0
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0:
            s.hits[live, 0], s.hits[live, 1] = s.zones_i[slot, Z_ID], slot
            live += 1
    sort_hits(s.hits, live)
    for k in range(max(1, s.settings_i[MAX_ZONES] // 16)):
        slot = s.hits[k, 1]
        zone_event(s, slot, EXPIRED + s.zones_i[slot, Z_KIND])
        free(s, slot)
    leave_queues(s)


@inlined
def open_zone(
    s: State, event_id: Index, kind: Index, scale: Index, direction: Index, anchor: Index, top: float, bottom: float
) -> None:
    slot = s.ints[FREE]
    zone = s.zones_i[slot]
    s.ints[FREE] = zone[Z_ANCHOR]
    s.ints[LIVE] += 1
    zone[Z_ID], zone[Z_KIND], zone[Z_SCALE], zone[Z_DIRECTION] = event_id, kind, scale, direction
    zone[Z_ANCHOR], zone[Z_STAGE] = anchor, 0
    s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM] = top, bottom
    queue, key = waits_for(s, kind, np.int64(0), direction, top, bottom)  # not `place`: here the kind is a constant
    put(s, queue, key, slot)
    if s.ints[LIVE] > s.settings_i[MAX_ZONES]:
        expire_oldest(s)


@inlined
def apply_hits(s: State) -> None:
    """Writes the events of the zones that were hit, oldest zone first, each zone's in their order."""
    hits, size = s.hits, s.ints[HITS]
    if size > 1:
        sort_hits(hits, size)
    for k in range(size):
        stage, slot = hits[k, 0] & 3, hits[k, 1]
        zone = s.zones_i[slot]
        kind = zone[Z_KIND]
        if kind == FVG:
            event = FVG_TOUCHED + stage
        elif kind == BREAKER:
            event = BREAKER_BLOCK_INVALIDATED
        elif kind == LEVEL:
            event = LIQUIDITY_SWEEP if stage == 0 else LIQUIDITY_TAKEN
        else:
            event = ORDER_BLOCK_TOUCHED if stage == 0 else ORDER_BLOCK_MITIGATED
        zone_event(s, slot, event)
        if event == ORDER_BLOCK_MITIGATED:
            zone[Z_DIRECTION] = -zone[Z_DIRECTION]
            zone[Z_ID] = zone_event(s, slot, BREAKER_BLOCK)
            zone[Z_KIND], zone[Z_STAGE] = BREAKER, 0
            place(s, slot)
        elif kind == BREAKER or (kind >= FVG and stage == 3):
            free(s, slot)


@inlined
def settle(s: State, first: Index, end: Index) -> None:
    """Lets this bar's prices set off what waits in the queues `first` to `end`, wicks before closes."""
    s.ints[HITS] = 0
    for queue in range(first, end):
        price = s.floats[PRICE + (queue & 3)]
        while s.floats[NEXT + queue] >= price:
            slot = place_of(take_next(s, queue))
            zone, hit = s.zones_i[slot], place_of(s.ints[HITS])
            stage = zone[Z_STAGE]
            s.hits[hit, 0], s.hits[hit, 1] = zone[Z_ID] * 4 + stage, slot
            s.ints[HITS] += 1
            zone[Z_STAGE] = stage + 1
            if stage < (3 if zone[Z_KIND] == FVG else 1 - zone[Z_KIND]):
                place(s, slot)
    if s.ints[HITS] > 0:
        apply_hits(s)
