import { titleOf, type Zone } from "../chart/zones";
import { formatTime } from "../components/time";

/** Why a zone is there: the rule, the bars, and what happened to it since. */
export function Explain({ zone }: { zone: Zone | null }) {
  if (!zone)
    return (
      <p className="min-h-16 text-soft text-xs" data-testid="explanation">
        Point at a zone or tap it to see why it is there and when it was first known.
      </p>
    );
  const [first, ...later] = zone.events;
  return (
    <div className="min-h-16 text-xs" aria-live="polite" data-testid="explanation">
      <p className="font-medium text-sm">
        {zone.direction && (
          <span className={zone.direction === "bullish" ? "text-up" : "text-down"}>
            {zone.direction === "bullish" ? "▲ " : "▼ "}
          </span>
        )}
        {titleOf(zone.kind)}
        {zone.scale && <span className="text-soft"> · {zone.scale}</span>} ·{" "}
        {zone.top === zone.bottom ? zone.top : `${zone.bottom} – ${zone.top}`}
      </p>
      <p className="mt-1">{zone.rule}</p>
      <p className="mt-1 text-soft">
        Lies at the bar of {formatTime(first?.anchor_ms)}; first known at the close of the bar of{" "}
        {formatTime(first?.confirmed_ms)} UTC. Event {zone.id}.
      </p>
      {later.length > 0 && (
        <ul className="mt-1 text-soft">
          {later.map((event) => (
            <li key={event.id}>
              {titleOf(event.kind)} at {formatTime(event.confirmed_ms)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
