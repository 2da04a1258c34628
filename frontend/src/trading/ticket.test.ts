import { expect, test } from "vitest";
import { type Draft, problemsOf, type Rules } from "./ticket";

const rules: Rules = { symbol: "BTCUSDT", base: "BTC", quote: "USDT", tick: "0.01", step: "0.00001" };
const draft: Draft = {
  side: "buy",
  type: "limit",
  sizeBy: "quantity",
  size: "0.01",
  price: "40000",
  stop: "",
  target: "",
};

test("an order that the venue would take has no problems", () => {
  expect(problemsOf(draft, rules)).toEqual({});
});

test("a limit order needs a price, a market order none", () => {
  expect(problemsOf({ ...draft, price: "" }, rules).price).toBeDefined();
  expect(problemsOf({ ...draft, type: "market", price: "" }, rules)).toEqual({});
});

test("prices and quantities finer than the market's steps are named before anything is sent", () => {
  expect(problemsOf({ ...draft, price: "40000.001" }, rules).price).toContain("0.01");
  expect(problemsOf({ ...draft, size: "0.000001" }, rules).size).toContain("0.00001");
  expect(problemsOf({ ...draft, stop: "39000.005" }, rules).stop).toContain("0.01");
});

test("size by risk needs a stop: without one the risk has no number", () => {
  expect(problemsOf({ ...draft, sizeBy: "risk", size: "0.5" }, rules).stop).toContain("needs a stop");
});
