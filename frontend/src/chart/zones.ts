import type { Schemas } from "../api/client";

export type DetectedEvent = Schemas["EventView"];
/** What opens something on the chart; other kinds of event say what became of it. */
export type Kind = Schemas["Pattern"]["pattern_type"];

/** What an event draws, with everything that happened to it: derived from the events, which never change. */
export interface Zone {
  id: number;
  kind: Kind;
  scale: string;
  direction: "bullish" | "bearish" | "";
  fromMs: number;
  /** Where it ended; null while it is active. */
  untilMs: number | null;
  top: number;
  bottom: number;
  /** Why it is there, in a sentence. */
  rule: string;
  events: DetectedEvent[];
}

export type Layer =
  | "swings"
  | "structure"
  | "order_blocks"
  | "gaps"
  | "liquidity"
  | "sweeps"
  | "context"
  | "sessions"
  | "kill_zones";

/** A filled area between two prices; a line at a price; a dot at a pivot; a sign beside one bar; a band of time. */
export type Shape = "box" | "line" | "dot" | "sign" | "band";

interface Look {
  layer: Layer;
  shape: Shape;
  title: string;
  /** What stands beside it on the chart. */
  short?: string;
}

export const looks: Record<Kind, Look> = {
  swing_high: { layer: "swings", shape: "dot", title: "Swing high" },
  swing_low: { layer: "swings", shape: "dot", title: "Swing low" },
  bos: { layer: "structure", shape: "line", title: "Break of structure", short: "BOS" },
  choch: { layer: "structure", shape: "line", title: "Change of character", short: "CHoCH" },
  order_block: { layer: "order_blocks", shape: "box", title: "Order block", short: "OB" },
  breaker_block: { layer: "order_blocks", shape: "box", title: "Breaker block", short: "BB" },
  fvg: { layer: "gaps", shape: "box", title: "Fair value gap", short: "FVG" },
  ifvg: { layer: "gaps", shape: "box", title: "Inverse fair value gap", short: "iFVG" },
  equal_highs: { layer: "liquidity", shape: "line", title: "Equal highs", short: "EQH" },
  equal_lows: { layer: "liquidity", shape: "line", title: "Equal lows", short: "EQL" },
  previous_day_high: { layer: "liquidity", shape: "line", title: "Previous day's high", short: "PDH" },
  previous_day_low: { layer: "liquidity", shape: "line", title: "Previous day's low", short: "PDL" },
  previous_week_high: { layer: "liquidity", shape: "line", title: "Previous week's high", short: "PWH" },
  previous_week_low: { layer: "liquidity", shape: "line", title: "Previous week's low", short: "PWL" },
  previous_month_high: { layer: "liquidity", shape: "line", title: "Previous month's high", short: "PMH" },
  previous_month_low: { layer: "liquidity", shape: "line", title: "Previous month's low", short: "PML" },
  liquidity_sweep: { layer: "sweeps", shape: "sign", title: "Liquidity sweep", short: "×" },
  liquidity_taken: { layer: "sweeps", shape: "sign", title: "Liquidity taken", short: "○" },
  premium_entered: { layer: "context", shape: "sign", title: "Premium", short: "P" },
  equilibrium_entered: { layer: "context", shape: "sign", title: "Equilibrium", short: "E" },
  discount_entered: { layer: "context", shape: "sign", title: "Discount", short: "D" },
  range_zone_left: { layer: "context", shape: "sign", title: "Between the zones of the range", short: "–" },
  strong_high: { layer: "context", shape: "sign", title: "Strong high", short: "S" },
  strong_low: { layer: "context", shape: "sign", title: "Strong low", short: "S" },
  weak_high: { layer: "context", shape: "sign", title: "Weak high", short: "W" },
  weak_low: { layer: "context", shape: "sign", title: "Weak low", short: "W" },
  ote_entered: { layer: "context", shape: "sign", title: "Optimal trade entry", short: "OTE" },
  displacement: { layer: "context", shape: "sign", title: "Displacement", short: "»" },
  inducement: { layer: "context", shape: "sign", title: "Inducement", short: "IDM" },
  asian_session_open: { layer: "sessions", shape: "band", title: "Asian session", short: "Asia" },
  london_session_open: { layer: "sessions", shape: "band", title: "London session", short: "London" },
  new_york_session_open: { layer: "sessions", shape: "band", title: "New York session", short: "New York" },
  asian_kill_zone_open: { layer: "kill_zones", shape: "band", title: "Asian kill zone", short: "Asia KZ" },
  london_kill_zone_open: { layer: "kill_zones", shape: "band", title: "London kill zone", short: "London KZ" },
  new_york_kill_zone_open: { layer: "kill_zones", shape: "band", title: "New York kill zone", short: "New York KZ" },
  london_close_kill_zone_open: { layer: "kill_zones", shape: "band", title: "London close", short: "London close" },
};

/** How an event of any kind looks; undefined for one that only says what became of another. */
export function lookOf(kind: string): Look | undefined {
  return looks[kind as Kind];
}

// Known when it is over: nothing ends it later. A break is a line from its pivot to the bar that broke it.
const finished = new Set<Kind>(["bos", "choch", "ifvg"]);
// A level of a day begins where the day is over; a sign stands where something happened. All else begins where it lies.
const late = /^(previous|liquidity|premium|equilibrium|discount|range|ote|displacement)_?/;
const ending = /_(mitigated|invalidated|filled|expired|taken|close)$/;

/** The zones of events in the order they were confirmed; later events attach to the zone they refer to. */
export function zonesOf({ events, rules }: Pick<Schemas["Detection"], "events" | "rules">): Map<number, Zone> {
  const zones = new Map<number, Zone>();
  const levels = new Map<string, Zone>();
  for (const event of events) {
    const look = lookOf(event.kind);
    if (look) {
      const kind = event.kind as Kind;
      const zone: Zone = {
        id: event.id,
        kind,
        scale: event.scale,
        direction: event.direction as Zone["direction"],
        fromMs: late.test(kind) ? event.confirmed_ms : event.anchor_ms,
        untilMs: finished.has(kind) || look.shape === "sign" ? event.confirmed_ms : null,
        top: event.top,
        bottom: event.bottom,
        rule: rules[kind] ?? "",
        events: [event],
      };
      zones.set(event.id, zone);
      if (kind.startsWith("previous_")) {
        const before = levels.get(kind);
        if (before && before.untilMs === null) before.untilMs = event.confirmed_ms;
        levels.set(kind, zone);
      }
    }
    if (event.ref === null || event.ref === undefined) continue;
    const parent = zones.get(event.ref);
    if (!parent || (look && look.layer !== "sweeps")) continue;
    parent.events.push(event);
    if (ending.test(event.kind) && parent.untilMs === null) parent.untilMs = event.confirmed_ms;
  }
  return zones;
}

export function isActive(zone: Zone): boolean {
  return zone.untilMs === null;
}

export function titleOf(kind: string): string {
  return lookOf(kind)?.title ?? kind.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
}
