import { expect, test } from "vitest";
import type { Schemas } from "../api/client";
import { type DetectedEvent, zonesOf } from "../chart/zones";
import { standing } from "./standing";

const event = (id: number, kind: string, scale = "", direction = "bullish", ref: number | null = null) =>
  ({ id, kind, scale, direction, ref, anchor_ms: id, confirmed_ms: id, top: id, bottom: id }) as DetectedEvent;

test("says trends, place in the range, strong and weak ends and open sessions, each by its newest event", () => {
  const zones = zonesOf({
    rules: {},
    events: [
      event(1, "weak_high", "swing", "bearish"),
      event(2, "strong_low", "swing"),
      event(3, "choch", "swing"),
      event(4, "discount_entered"),
      event(5, "strong_high", "swing", "bearish"),
      event(6, "asian_session_open", "", ""),
      event(7, "asian_session_close", "", "", 6),
      event(8, "london_session_open", "", ""),
      event(9, "premium_entered", "", "bearish"),
    ],
  });
  const broken = { id: 3, kind: "choch", direction: "bullish", level: 3, confirmed_ms: 3 };
  const structure = {
    swing: { trend: "bullish", last_break: broken },
    internal: { trend: null, last_break: null },
    range: { high: 200, low: 100, position: 0.96, zone: "premium" },
    last_close: 196,
  } as Schemas["MarketStructure"];
  expect(standing(structure, [...zones.values()]).map(({ text, zone }) => [text, zone?.id])).toEqual([
    ["Swing ▲ bullish", 3],
    ["Premium, 96 % of 100 – 200", 9],
    ["Strong high 5", 5],
    ["Strong low 2", 2],
    ["London session", 8],
  ]);
});

test("says nothing before there is anything to say", () => {
  expect(standing(undefined, [])).toEqual([]);
});
