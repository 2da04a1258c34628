import { expect, test } from "vitest";
import { decimalProblem, formatDecimal, formatPercent, formatSigned, signOf } from "./money";

test("keeps every digit that a float would lose", () => {
  expect(formatDecimal("1234567890.12345678901234567890")).toBe("1,234,567,890.1234567890123456789");
  expect(formatDecimal("0.00000001")).toBe("0.00000001");
});

test("rounds only when asked, and writes no negative zero", () => {
  expect(formatDecimal("-0.004", 2)).toBe("0.00");
  expect(formatDecimal("-1234.5", 2)).toBe("−1,234.50");
  expect(formatSigned("12.345")).toBe("+12.34");
  expect(formatPercent("0.01234")).toBe("1.23 %");
});

test("says nothing where there is nothing", () => {
  expect(formatDecimal(null)).toBe("–");
  expect(signOf(undefined)).toBe(0);
});

test("names what is wrong with a typed amount", () => {
  expect(decimalProblem("0.25", "0.00001")).toBeNull();
  expect(decimalProblem("0.000001", "0.00001")).toContain("multiple of 0.00001");
  expect(decimalProblem("-1")).toContain("number");
  expect(decimalProblem("0")).toContain("more than zero");
  expect(decimalProblem("1e5")).toContain("number");
});
