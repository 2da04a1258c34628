"""Queues of zones: each waits in exactly one, under the price that makes the next thing happen to it.

Sorted, nearest price last: new prices to wait for lie near the market, so they find their place after a step or two.
Zones above the price are kept with negated prices: then "the price falls to the key" is the one test for both sides.
"""

from typing import Any

import numpy as np

from smc_agent.detection.kernel.layout import (
    BLOCK,
    BLOCKS,
    FVG,
    GAPS,
    GAPS_BY_CLOSE,
    LEVEL,
    LEVELS,
    LEVELS_BY_CLOSE,
    MITIGATION_BY_CLOSE,
    NEXT,
    ONE,
    QUEUES,
    Z_BOTTOM,
    Z_DIRECTION,
    Z_ID,
    Z_KIND,
    Z_STAGE,
    Z_TOP,
    Index,
    State,
    place_of,
)
from smc_agent.detection.marks import compiled, inlined


@inlined
def next_below(price: Any) -> Any:
    """np.nextafter towards -inf, for numbers that are neither 0 nor infinite; numba's calls a library."""
    bits = np.float64(price).view(np.int64)
    return np.int64(bits - 1 if price > 0.0 else bits + 1).view(np.float64)


@inlined
def waits_for(
    s: State, kind: Index, stage: Index, direction: Index, top: float, bottom: float
) -> tuple[Any, Any]:  # fmt: skip
    """-> the queue of a zone and its key there: the next thing happens when the price is at or below the key."""
    above = np.int64(0 if direction > 0 else 1)
    middle = (top + bottom) * 0.5
    near, half, far = (-bottom, -middle, -top) if above else (top, middle, bottom)
    if kind == FVG and stage < 2:
        return above + GAPS, near if stage == 0 else half
    if kind == BLOCK and stage == 0:
        return above + BLOCKS, near
    if kind == FVG:
        queue = above + (GAPS_BY_CLOSE if stage == 3 else GAPS)
    elif kind == LEVEL:
        queue = above + (LEVELS_BY_CLOSE if stage else LEVELS)
    else:
        queue = above + BLOCKS + 2 * s.settings_i[MITIGATION_BY_CLOSE]
    return queue, next_below(far)  # "below the far edge" is "at or below the next number"


@inlined
def put(s: State, queue: Index, key: float, slot: Index) -> None:
    keys, slots = s.queue_key[queue], s.queue_slot[queue]
    size = s.queue_size[queue] + 1
    s.queue_size[queue] = size
    at = place_of(size)
    while keys[at - ONE] > key:  # ends at the first place, which holds -inf
        keys[at], slots[at] = keys[at - ONE], slots[at - ONE]
        at -= ONE
    keys[at], slots[at] = key, slot
    s.floats[NEXT + queue] = keys[place_of(size)]


@inlined
def place(s: State, slot: Index) -> None:
    """Puts a zone into its queue."""
    slot = place_of(slot)
    kind, stage, direction = s.zones_i[slot, Z_KIND], s.zones_i[slot, Z_STAGE], s.zones_i[slot, Z_DIRECTION]
    queue, key = waits_for(s, kind, stage, direction, s.zones_f[slot, Z_TOP], s.zones_f[slot, Z_BOTTOM])
    put(s, queue, key, slot)


@inlined
def take_next(s: State, queue: Index) -> int:
    size = s.queue_size[queue]
    s.queue_size[queue] = size - 1
    s.floats[NEXT + queue] = s.queue_key[queue, place_of(size - 1)]
    return int(s.queue_slot[queue, place_of(size)])


@inlined
def due(s: State, queue: Index, falling: float, rising: float) -> bool:
    """Whether something waits in this queue or the next for a price like these (the second one negated)."""
    return bool((s.floats[NEXT + queue] >= falling) | (s.floats[NEXT + queue + 1] >= rising))


@compiled
def place_all(s: State) -> None:
    """Builds the queues of a state that has only its zones."""
    s.queue_size[:] = 0
    s.queue_key[:, 0] = -np.inf
    s.floats[NEXT : NEXT + QUEUES] = -np.inf
    for slot in range(len(s.zones_i)):
        if s.zones_i[slot, Z_ID] >= 0:
            place(s, slot)


@compiled
def leave_queues(s: State) -> None:
    """Closes the ranks where zones have ended that were not the next."""
    for queue in range(QUEUES):
        keys, slots, size = s.queue_key[queue], s.queue_slot[queue], 0
        for at in range(1, s.queue_size[queue] + 1):
            if s.zones_i[slots[at], Z_ID] >= 0:
                size += 1
                keys[size], slots[size] = keys[at], slots[at]
        s.queue_size[queue], s.floats[NEXT + queue] = size, keys[size]
