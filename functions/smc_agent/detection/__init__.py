"""Detection of Smart Money Concepts: one causal state machine, the same bits in batch and in stream, no repaints.

The rules are the published definitions of this project; where they left a choice, this is what was decided:

- touched: the price reaches the near edge (`<=`, `>=`), half filled: it reaches the middle; filled, mitigated,
  invalidated: it passes the far edge (`<`, `>`).
- A bar that does several of these to one zone at once gives all of them, in that order.
- Within a step, what happens to older zones (lower id) comes first; pivots come as swing, internal, equal.
- In one bar all breaks come before the order blocks that they leave.
- Step 6 follows step 5: a block can be touched, even mitigated, by the bar whose break makes it.
- A breaker can be invalidated from the next bar on, by the price that `mitigation` names; the bar that makes it has
  usually passed both edges on its way.
- A gap filled by a wick waits: the first later close past its far edge makes it an `ifvg`. In the order of events ifvg
  comes after the new gap of the bar. It keeps the gap's direction (the table of the rules), and acts the other way.
- Only the last pivot of each scale and side can be broken. Equal levels are LH and HL; the first has no label.
- The ATR and the mean body take in the bars as the rules say: ATR(i) the bar itself, the mean body only bars before
  it.
- A window without volume has no share (NaN).
- The anchor of equal highs and lows is the later pivot.
- More than `max_zones` live zones and levels: the oldest sixteenth of them (lowest ids, at least one) end with
  `order_block_expired`, `breaker_block_expired`, `fvg_expired` or `liquidity_expired`, right after the event that
  opened one too many.

Liquidity (step 8):

- Every pivot (internal, swing) and every pool makes a level of its own, also on one bar; a pool's level is its outer
  edge.
- Swept: the wick passes, the close does not (on the level is the near side). Taken: the close passes. Never both in
  one bar. A swept level rests on until it is taken. Only that ends it: a break by a wick (`break_by`) does not.
- A day, week or month is over with the first bar that opens in another one. That bar makes its levels known
  (`previous_day_high`, ...; anchor: the first bar at that price), and may pass them itself. They rest until they are
  taken or the next of their kind is known, and never expire. One whose beginning the bars do not show makes no level:
  the first, unless the first bar opens with it.
- In order: the levels of what is over; sweeps and takes of these six in the order of `KINDS`; of the others by age.

Context (step 9), one event when it changes, in this order:

- The trailing swing range lies between the lowest low since the bar of the last swing low and the highest high since
  the bar of the last swing high, this bar included. `premium_entered`, `equilibrium_entered`, `discount_entered`: the
  close comes into that part of it, edges included; `range_zone_left`: into none of them, which is no zone.
- `strong_high` and `weak_low` in a bearish swing trend, `weak_high` and `strong_low` in a bullish one: told of the
  last swing pivot whenever pivot or trend is new; nothing before the first swing break.
- The leg runs from the end of the range that was reached first to the one reached last (first bar at that price);
  there is none while both are on one bar. `ote_entered`: the close's retracement is in the band, edges included, once
  a leg; a new end is a new leg.
- `displacement`: |close - open| / ATR of this bar against its mean over all earlier bars whose ATR is known and not 0.
- `inducement`: the first internal pivot, of either side, whose bar lies after the bar of the last swing break.
- A bar belongs to a session or kill zone when it opens in it: `..._open` with the first such bar, `..._close` with the
  first bar that is not in it or in the next day's. All closes of a bar come before all opens.
- top and bottom: the ends of the swing range for its zones and OTE, the level of a pivot twice for what tells of a
  pivot, else the high and low of the bar. anchor: the pivot's bar, for OTE the bar of the leg's end, else the bar
  itself.
- The direction of a high is bearish, of a low bullish; premium bearish, discount bullish; OTE that of the leg,
  displacement that of the body. Equilibrium, no zone, sessions and kill zones have none (empty).
- Clock changes: a time that does not exist counts as if the clock had not been changed, of two alike the first counts.

ref: break -> pivot, order_block -> break, breaker_block -> order_block, breaker_block_invalidated -> breaker_block,
other block events -> order_block, gap events and ifvg -> fvg, liquidity_sweep, liquidity_taken and liquidity_expired
-> what made the level, strong and weak -> pivot, ote_entered -> the pivot of the leg's beginning, inducement -> swing
break, ..._close -> its ..._open, previous_... -> the one that it replaces, if that still rested; the others have none
(None).
"""

from smc_agent.detection.context import Context
from smc_agent.detection.detector import Detector, detect
from smc_agent.detection.errors import DetectionInputError, DetectionStateError
from smc_agent.detection.events import LEVEL_ENDS, LEVELS, ZONE_ENDS, ZONES, Event, Events, active_zones, resting_levels
from smc_agent.detection.kernel.layout import KINDS
from smc_agent.detection.params import DetectionParams
from smc_agent.detection.rules import rule_text
from smc_agent.detection.timeframes import TimeframeDetector, TimeframeEvent, TimeframeEvents, detect_timeframes
from smc_agent.detection.windows import WINDOWS, Window, Windows

__all__ = [
    "KINDS",
    "LEVELS",
    "LEVEL_ENDS",
    "WINDOWS",
    "ZONES",
    "ZONE_ENDS",
    "Context",
    "DetectionInputError",
    "DetectionParams",
    "DetectionStateError",
    "Detector",
    "Event",
    "Events",
    "TimeframeDetector",
    "TimeframeEvent",
    "TimeframeEvents",
    "Window",
    "Windows",
    "active_zones",
    "detect",
    "detect_timeframes",
    "resting_levels",
    "rule_text",
]
