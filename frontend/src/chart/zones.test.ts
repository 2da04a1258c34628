import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type DetectedEvent, isActive, lookOf, looks, titleOf, zonesOf } from "./zones";

const event = (id: number, kind: string, at: number, ref: number | null = null, anchor = at): DetectedEvent =>
  ({
    id,
    kind,
    scale: "swing",
    direction: "bullish",
    anchor,
    confirmed: at,
    anchor_ms: anchor,
    confirmed_ms: at,
    top: 2,
    bottom: 1,
    ref,
  }) as DetectedEvent;

const rules = { order_block: "The last candle against the break.", order_block_touched: "Price came back." };
const drawn = (events: DetectedEvent[]) => zonesOf({ events, rules });

test("a zone is active until an event ends it, and keeps what happened to it", () => {
  const touched = [event(0, "order_block", 10), event(1, "order_block_touched", 20, 0)];
  expect(isActive(drawn(touched).get(0) as never)).toBe(true);
  const ended = drawn([...touched, event(2, "order_block_mitigated", 30, 0)]).get(0);
  expect(ended?.untilMs).toBe(30);
  expect(ended?.rule).toBe(rules.order_block);
  expect(ended?.events.map(({ kind }) => kind)).toEqual([
    "order_block",
    "order_block_touched",
    "order_block_mitigated",
  ]);
});

test("a later prefix never changes where a zone began", () => {
  const all = [event(0, "fvg", 5), event(1, "fvg_touched", 7, 0), event(2, "fvg_filled", 9, 0)];
  for (let n = 1; n <= all.length; n += 1) expect(drawn(all.slice(0, n)).get(0)?.fromMs).toBe(5);
});

test("a break is a finished line, and a breaker block is a zone of its own", () => {
  const zones = drawn([
    event(0, "bos", 5),
    event(1, "order_block", 5, 0),
    event(2, "order_block_mitigated", 8, 1),
    event(3, "breaker_block", 8, 1),
  ]);
  expect(isActive(zones.get(0) as never)).toBe(false);
  expect(zones.get(3)?.kind).toBe("breaker_block");
  expect(zones.get(1)?.events).toHaveLength(2);
});

test("a sweep is a sign of its own and happens to its level; a take ends the level", () => {
  const zones = drawn([
    event(0, "equal_highs", 5),
    event(1, "liquidity_sweep", 7, 0, 5),
    event(2, "liquidity_taken", 9, 0, 5),
  ]);
  expect(zones.get(0)?.events.map(({ id }) => id)).toEqual([0, 1, 2]);
  expect(zones.get(0)?.untilMs).toBe(9);
  expect(zones.get(1)?.fromMs).toBe(7);
  expect(isActive(drawn([event(0, "equal_highs", 5), event(1, "liquidity_sweep", 7, 0)]).get(0) as never)).toBe(true);
});

test("a day's level lasts from the end of its day until it is taken or the next day is over", () => {
  const days = drawn([
    event(0, "previous_day_high", 10, null, 3),
    event(1, "previous_day_low", 10, null, 4),
    event(2, "liquidity_taken", 12, 0),
    event(3, "previous_day_high", 20, null, 13),
    event(4, "previous_day_low", 20, null, 14),
  ]);
  const spans = [0, 1, 3, 4].map((id) => [days.get(id)?.fromMs, days.get(id)?.untilMs]);
  expect(spans).toEqual([
    [10, 12],
    [10, 20],
    [20, null],
    [20, null],
  ]);
});

test("a session is open until it closes", () => {
  const open = [event(0, "london_session_open", 10)];
  expect(isActive(drawn(open).get(0) as never)).toBe(true);
  expect(drawn([...open, event(1, "london_session_close", 30, 0)]).get(0)?.untilMs).toBe(30);
});

test("every kind of pattern that the API tells of has its look and its name", () => {
  const openapi = JSON.parse(readFileSync("../docs/openapi.json", "utf8"));
  const kinds: string[] = openapi.components.schemas.Pattern.properties.pattern_type.enum;
  expect(kinds.length).toBeGreaterThan(30);
  expect(Object.keys(looks).sort()).toEqual([...kinds].sort());
  expect(kinds.map((kind) => titleOf(kind)).filter((title) => title.includes("_"))).toEqual([]);
  expect(lookOf("order_block_touched")).toBeUndefined();
});
