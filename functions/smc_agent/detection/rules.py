"""Why an event is there, in a sentence: the rule that fired."""

from smc_agent.detection.params import DetectionParams


def rule_text(kind: str, params: DetectionParams) -> str:
    """One sentence for a kind of event under these parameters; ValueError for a kind that detection does not know."""
    passes = "a close passes" if params.break_by == "close" else "a wick passes"
    ends = "a close passes" if params.mitigation == "close" else "the price passes"
    body = f", with a body over {params.fvg_factor:g} x the mean" if params.fvg_threshold == "auto" else ""
    equal = f"less than {params.equal_threshold:g} x ATR apart"
    full = f"More than {params.max_zones} zones are alive: of the oldest"
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
    }
    if kind not in texts:
        raise ValueError(f"unknown kind of event {kind!r}: one of {', '.join(texts)}")
    return texts[kind]
