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
- The ATR and the mean body take in the bars as the rules say: ATR(i) the bar itself, the mean body only bars before it.
- A window without volume has no share (NaN).
- ref: break -> pivot, order_block -> break, breaker_block -> order_block, breaker_block_invalidated -> breaker_block,
  other block events -> order_block, gap events and ifvg -> fvg; pivots, equal levels and gaps have none (None).
- The anchor of equal highs and lows is the later pivot.
- More than `max_zones` live zones: the oldest sixteenth of them (lowest ids, at least one) end with
  `order_block_expired`, `breaker_block_expired` or `fvg_expired`, right after the event that opened one too many.
"""

from smc_agent.detection.detector import Detector, detect
from smc_agent.detection.errors import DetectionInputError, DetectionStateError
from smc_agent.detection.events import ZONE_ENDS, ZONES, Event, Events, active_zones
from smc_agent.detection.kernel import KINDS
from smc_agent.detection.params import DetectionParams
from smc_agent.detection.rules import rule_text
from smc_agent.detection.timeframes import TimeframeDetector, TimeframeEvent, TimeframeEvents, detect_timeframes

__all__ = [
    "KINDS",
    "ZONES",
    "ZONE_ENDS",
    "DetectionInputError",
    "DetectionParams",
    "DetectionStateError",
    "Detector",
    "Event",
    "Events",
    "TimeframeDetector",
    "TimeframeEvent",
    "TimeframeEvents",
    "active_zones",
    "detect",
    "detect_timeframes",
    "rule_text",
]
