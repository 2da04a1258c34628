import { expect, test } from "vitest";
import type { BarRow } from "../chart/candle-chart";
import type { Kline } from "../live/stream";
import { appended, timeframeMs } from "./chart-data";

const bar = (ms: number): BarRow => [ms, 1, 2, 0.5, 1.5, 10];
const kline = (ms: number): Kline => ({
  timeframe: "1m",
  time_ms: ms,
  open: 1,
  high: 3,
  low: 1,
  close: 2,
  volume: 1,
  closed: true,
});

test("the next bar is appended and the same one replaced", () => {
  expect(appended([bar(0)], kline(60_000), 60_000)).toHaveLength(2);
  expect(appended([bar(0)], kline(0), 60_000)).toEqual([[0, 1, 3, 1, 2, 1]]);
});

test("a bar that leaves a hole asks for a new read instead of drawing over it", () => {
  expect(appended([bar(0)], kline(120_000), 60_000)).toBeNull();
  expect(appended([], kline(0), 60_000)).toBeNull();
});

test("a late bar changes nothing", () => {
  const bars = [bar(0), bar(60_000)];
  expect(appended(bars, kline(0), 60_000)).toBe(bars);
});

test("time frames in milliseconds", () => {
  expect(["1m", "5m", "1h", "1d"].map(timeframeMs)).toEqual([60_000, 300_000, 3_600_000, 86_400_000]);
});
