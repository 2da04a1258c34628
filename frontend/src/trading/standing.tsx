import type { Schemas } from "../api/client";
import { isActive, lookOf, titleOf, type Zone } from "../chart/zones";

type Structure = Schemas["MarketStructure"];

interface Item {
  text: string;
  tone: Zone["direction"];
  zone: Zone | undefined;
}

const newestOf = (zones: readonly Zone[], kinds: string[]) => zones.findLast(({ kind }) => kinds.includes(kind));

/** Where the market is at the last closed bar, as the events say: trends, place in the range, strong and weak, hours. */
export function standing(structure: Structure | undefined, zones: readonly Zone[]): Item[] {
  const items: Item[] = [];
  const add = (text: string, zone: Zone | undefined, tone = zone?.direction ?? "") => items.push({ text, tone, zone });
  for (const scale of ["swing", "internal"] as const) {
    const { trend, last_break: last } = structure?.[scale] ?? {};
    const label = `${scale === "swing" ? "Swing" : "Internal"} ${trend === "bullish" ? "▲" : "▼"}`;
    const zone = zones.find(({ id }) => id === last?.id);
    if (trend) add(`${label} ${trend}`, zone, trend);
  }
  const range = structure?.range;
  if (range) {
    const zone = newestOf(zones, ["premium_entered", "equilibrium_entered", "discount_entered", "range_zone_left"]);
    const name = range.zone === "between" ? "Between" : titleOf(`${range.zone}_entered`);
    add(`${name}, ${(range.position * 100).toFixed(0)} % of ${range.low} – ${range.high}`, zone);
  }
  for (const side of ["high", "low"]) {
    const zone = newestOf(zones, [`strong_${side}`, `weak_${side}`]);
    if (zone) add(`${titleOf(zone.kind)} ${zone.top}`, zone);
  }
  for (const zone of zones) if (lookOf(zone.kind)?.shape === "band" && isActive(zone)) add(titleOf(zone.kind), zone);
  return items;
}

const tones = { bullish: "text-up", bearish: "text-down", "": "" };

/** The line above the chart; what it says is explained like what lies on the chart. */
export function Standing({
  structure,
  zones,
  explain,
}: {
  structure: Structure | undefined;
  zones: readonly Zone[];
  explain: (zone: Zone) => void;
}) {
  const items = standing(structure, zones);
  if (items.length === 0) return null;
  return (
    <ul className="mb-2 flex flex-wrap gap-x-3 gap-y-1 text-xs" data-testid="standing" aria-label="Where the market is">
      {items.map(({ text, tone, zone }) => (
        <li key={text} className={tones[tone]}>
          {zone ? (
            <button
              type="button"
              className="min-h-6 cursor-pointer text-left underline decoration-dotted underline-offset-4"
              title={zone.rule}
              onClick={() => explain(zone)}
              onMouseEnter={() => explain(zone)}
            >
              {text}
            </button>
          ) : (
            <span className="inline-block min-h-6 py-1">{text}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
