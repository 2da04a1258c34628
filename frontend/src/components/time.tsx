import { useEffect, useState } from "react";

/** Times are UTC, and say so once in a heading beside them. */
export function formatTime(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return new Date(value).toISOString().slice(0, 16).replace("T", " ");
}

export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** How old a live figure is: quiet while fresh, plain to see once stale. */
export function Freshness({ at, staleAfterMs, label }: { at: number | null; staleAfterMs: number; label: string }) {
  const now = useNow();
  if (at === null) return <span className="text-soft text-xs">{label}: waiting</span>;
  const age = now - at;
  if (age > staleAfterMs)
    return (
      <span className="rounded border border-warn px-1.5 py-0.5 text-warn text-xs">
        {label}: stale for {formatAge(age)}
      </span>
    );
  return (
    <span className="text-soft text-xs">
      {label}: {formatAge(age)} ago
    </span>
  );
}
