import Big from "big.js";

/** Groups a decimal string's integer digits and keeps or rounds its decimals: never through a float. */
export function formatDecimal(value: string | null | undefined, decimals?: number): string {
  if (value === null || value === undefined || value === "") return "–";
  const fixed = decimals === undefined ? new Big(value).toFixed() : new Big(value).toFixed(decimals, Big.roundHalfEven);
  const [whole = "0", fraction] = fixed.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const sign = fixed.startsWith("-") && /[1-9]/.test(fixed) ? "−" : "";
  return `${sign}${grouped}${fraction ? `.${fraction}` : ""}`;
}

export function formatSigned(value: string | null | undefined, decimals = 2): string {
  if (value === null || value === undefined || value === "") return "–";
  const text = formatDecimal(value, decimals);
  return new Big(value).gt(0) ? `+${text}` : text;
}

export function formatPercent(fraction: string | number | null | undefined, decimals = 2): string {
  if (fraction === null || fraction === undefined) return "–";
  return `${formatDecimal(new Big(fraction).times(100).toFixed(), decimals)} %`;
}

/** -1, 0 or 1. */
export function signOf(value: string | null | undefined): number {
  if (!value) return 0;
  const number = new Big(value);
  return number.gt(0) ? 1 : number.lt(0) ? -1 : 0;
}

/** What is wrong with a decimal that a user typed, or null: it must be a positive multiple of the step. */
export function decimalProblem(text: string, step?: string | null): string | null {
  if (!/^\d+(\.\d*)?$|^\.\d+$/.test(text.trim())) return "Enter a number, for example 0.25.";
  const value = new Big(text.trim());
  if (value.lte(0)) return "Must be more than zero.";
  if (step && !value.mod(step).eq(0)) return `Must be a multiple of ${step}.`;
  return null;
}
