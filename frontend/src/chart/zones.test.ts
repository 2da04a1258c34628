import { expect, test } from "vitest";
import { type DetectedEvent, isActive, zonesOf } from "./zones";

const event = (id: number, kind: string, at: number, ref: number | null = null): DetectedEvent =>
  ({
    id,
    kind,
    scale: "swing",
    direction: "bullish",
    anchor: at,
    confirmed: at,
    anchor_ms: at,
    confirmed_ms: at,
    top: 2,
    bottom: 1,
    ref,
    rule: "",
  }) as DetectedEvent;

test("a zone is active until an event ends it, and keeps what happened to it", () => {
  const touched = [event(0, "order_block", 10), event(1, "order_block_touched", 20, 0)];
  expect(isActive(zonesOf(touched).get(0) as never)).toBe(true);
  const ended = zonesOf([...touched, event(2, "order_block_mitigated", 30, 0)]).get(0);
  expect(ended?.untilMs).toBe(30);
  expect(ended?.events.map(({ kind }) => kind)).toEqual([
    "order_block",
    "order_block_touched",
    "order_block_mitigated",
  ]);
});

test("a later prefix never changes where a zone began", () => {
  const all = [event(0, "fvg", 5), event(1, "fvg_touched", 7, 0), event(2, "fvg_filled", 9, 0)];
  for (let n = 1; n <= all.length; n += 1) expect(zonesOf(all.slice(0, n)).get(0)?.fromMs).toBe(5);
});

test("a break is a finished line, and a breaker block is a zone of its own", () => {
  const zones = zonesOf([
    event(0, "bos", 5),
    event(1, "order_block", 5, 0),
    event(2, "order_block_mitigated", 8, 1),
    event(3, "breaker_block", 8, 1),
  ]);
  expect(isActive(zones.get(0) as never)).toBe(false);
  expect(zones.get(3)?.kind).toBe("breaker_block");
  expect(zones.get(1)?.events).toHaveLength(2);
});
