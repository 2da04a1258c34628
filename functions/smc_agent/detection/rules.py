"""Why an event is there, in a sentence: the rule that fired."""

from smc_agent.detection.params import DetectionParams
from smc_agent.detection.windows import WINDOWS


def rule_text(kind: str, params: DetectionParams) -> str:
    """One sentence for a kind of event under these parameters; ValueError for a kind that detection does not know."""
    passes = "a close passes" if params.break_by == "close" else "a wick passes"
    ends = "a close passes" if params.mitigation == "close" else "the price passes"
    body = f", with a body over {params.fvg_factor:g} x the mean" if params.fvg_threshold == "auto" else ""
    equal = f"less than {params.equal_threshold:g} x ATR apart"
    full = f"More than {params.max_zones} zones and levels are alive: of the oldest"
    days = f"{params.day_zone}, day from {params.day_start}"
    edge, middle = f"{params.premium * 100:g} %", f"{params.equilibrium * 100:g} %"
    sizes = f"{params.swing} (swing) or {params.internal} (internal) bars"
    texts = {
        "swing_high": f"The high stands above every high of the next {sizes}, and the leg turns bearish.",
        "swing_low": f"The low stands below every low of the next {sizes}, and the leg turns bullish.",
        "equal_highs": f"Two pivot highs of size {params.equal} in a row {equal}.",
        "equal_lows": f"Two pivot lows of size {params.equal} in a row {equal}.",
        "bos": f"Break of structure: {passes} the last unbroken pivot, with the trend or before there is one.",
        "choch": f"Change of character: {passes} the last unbroken pivot, against the trend.",
        "order_block": "The origin of a break: the most extreme bar from the broken pivot to the bar before the break"
        f" (bars taller than {params.wild_factor:g} x ATR count inverted).",
        "order_block_touched": "The price reaches the order block for the first time.",
        "order_block_mitigated": f"The order block ends: {ends} its far edge.",
        "breaker_block": "A mitigated order block acts in the other direction.",
        "breaker_block_invalidated": f"The breaker block ends: {ends} its far edge.",
        "fvg": f"Fair value gap: the bars around the middle bar do not overlap; its close passes the first{body}.",
        "fvg_touched": "The price reaches the gap for the first time.",
        "fvg_half_filled": "The price reaches the middle of the gap for the first time.",
        "fvg_filled": "The price passes the far edge of the gap.",
        "ifvg": "Inverse fair value gap: a close passes the far edge of a filled gap, which now acts the other way.",
        "order_block_expired": f"{full}, this order block is given up.",
        "breaker_block_expired": f"{full}, this breaker block is given up.",
        "fvg_expired": f"{full}, this fair value gap is given up.",
        "liquidity_expired": f"{full}, this level is given up.",
        "previous_day_high": f"The high of the day that has ended ({days}).",
        "previous_day_low": f"The low of the day that has ended ({days}).",
        "previous_week_high": f"The high of the week that has ended (from Monday; {days}).",
        "previous_week_low": f"The low of the week that has ended (from Monday; {days}).",
        "previous_month_high": f"The high of the month that has ended ({days}).",
        "previous_month_low": f"The low of the month that has ended ({days}).",
        "liquidity_sweep": "For the first time a wick passes the level, and the close is back on the near side.",
        "liquidity_taken": "A close passes the level, which ends it.",
        "premium_entered": f"The close comes into the top {edge} of the trailing swing range.",
        "equilibrium_entered": f"The close comes into the middle {middle} of the trailing swing range.",
        "discount_entered": f"The close comes into the bottom {edge} of the trailing swing range.",
        "range_zone_left": "The close is neither in premium nor in equilibrium nor in discount any more.",
        "strong_high": "The last swing high is strong: the swing trend is bearish.",
        "strong_low": "The last swing low is strong: the swing trend is bullish.",
        "weak_high": "The last swing high is weak: the swing trend is bullish.",
        "weak_low": "The last swing low is weak: the swing trend is bearish.",
        "ote_entered": "Optimal trade entry: the close has retraced"
        f" {params.ote_from * 100:g}-{params.ote_to * 100:g} % of the swing leg, for the first time.",
        "displacement": f"The body, in ATR, is at least {params.displacement_factor:g} x the mean of the bars before.",
        "inducement": "The first internal pivot that lies after a swing break.",
    }
    for name in WINDOWS:
        told = (
            name.replace("_", " ").replace("asian", "Asian").replace("london", "London").replace("new york", "New York")
        )
        hours = getattr(params.windows, name) or "left out"
        texts[f"{name}_open"] = f"The first bar in the {told} ({hours})."
        texts[f"{name}_close"] = f"The first bar after the {told} ({hours})."
    if kind not in texts:
        raise ValueError(f"unknown kind of event {kind!r}: one of {', '.join(texts)}")
    return texts[kind]
