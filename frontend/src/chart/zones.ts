import type { Schemas } from "../api/client";

export type DetectedEvent = Schemas["EventView"];

/** A box or a line on the chart, with everything that happened to it: derived from the events, which never change. */
export interface Zone {
  id: number;
  kind: string;
  scale: string;
  direction: "bullish" | "bearish";
  fromMs: number;
  /** Where it ended; null while it is active. */
  untilMs: number | null;
  top: number;
  bottom: number;
  events: DetectedEvent[];
}

export type Layer = "swings" | "structure" | "order_blocks" | "gaps" | "liquidity";

export const layerOf: Record<string, Layer> = {
  swing_high: "swings",
  swing_low: "swings",
  bos: "structure",
  choch: "structure",
  order_block: "order_blocks",
  breaker_block: "order_blocks",
  fvg: "gaps",
  ifvg: "gaps",
  equal_highs: "liquidity",
  equal_lows: "liquidity",
};

// A break is a line from its pivot to the bar that broke it, and an inverse gap is the fact that a gap was closed through:
// both are over when they are known, and no rule ends them later.
const finished = new Set(["bos", "choch", "ifvg"]);
const ends = new Set([
  "order_block_mitigated",
  "breaker_block_invalidated",
  "fvg_filled",
  "order_block_expired",
  "breaker_block_expired",
  "fvg_expired",
]);

/** The zones of a list of events in the order they were confirmed; later events attach to the zone they refer to. */
export function zonesOf(events: readonly DetectedEvent[]): Map<number, Zone> {
  const zones = new Map<number, Zone>();
  for (const event of events) {
    if (layerOf[event.kind]) {
      zones.set(event.id, {
        id: event.id,
        kind: event.kind,
        scale: event.scale,
        direction: event.direction as Zone["direction"],
        fromMs: event.anchor_ms,
        untilMs: finished.has(event.kind) ? event.confirmed_ms : null,
        top: event.top,
        bottom: event.bottom,
        events: [event],
      });
    }
    if (event.ref === null || event.ref === undefined) continue;
    const parent = zones.get(event.ref);
    if (!parent || parent.id === event.id || layerOf[event.kind]) continue;
    parent.events.push(event);
    if (ends.has(event.kind)) parent.untilMs = event.confirmed_ms;
  }
  return zones;
}

export function isActive(zone: Zone): boolean {
  return zone.untilMs === null;
}

const names: Record<string, string> = {
  swing_high: "Swing high",
  swing_low: "Swing low",
  bos: "Break of structure",
  choch: "Change of character",
  order_block: "Order block",
  breaker_block: "Breaker block",
  fvg: "Fair value gap",
  ifvg: "Inverse fair value gap",
  equal_highs: "Equal highs",
  equal_lows: "Equal lows",
};

export function titleOf(kind: string): string {
  return names[kind] ?? kind.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
}
