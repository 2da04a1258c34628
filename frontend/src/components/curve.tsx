import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatTime } from "./time";

const HEIGHT = 220;
const DAY = 86_400;

/** Axis labels in UTC: dates where days apart, else times. */
function labels(ticks: number[]): string[] {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  return ticks.map((tick) => {
    const text = formatTime(tick * 1000);
    return step >= DAY || tick % DAY === 0 ? text.slice(5, 10) : text.slice(11);
  });
}

function draw(element: HTMLDivElement, times: number[], values: number[], label: string): uPlot {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: of("--soft"),
    grid: { stroke: of("--line"), width: 1 },
    ticks: { stroke: of("--line"), width: 1 },
  };
  return new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      legend: { show: false },
      cursor: { y: false },
      series: [{}, { label, stroke: of("--accent"), width: 2, fill: `${of("--accent")}22`, points: { show: false } }],
      axes: [
        { ...axis, values: (_plot, ticks) => labels(ticks) },
        { ...axis, size: 72, values: (_plot, ticks) => ticks.map((tick) => tick.toLocaleString("en-US")) },
      ],
    },
    [times.map((ms) => ms / 1000), values],
    element,
  );
}

/** A curve over time; the table beside it is for those who do not see it. */
export function Curve({ times, values, label }: { times: number[]; values: number[]; label: string }) {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = holder.current;
    if (!element || times.length === 0) return;
    // Colours belong to the canvas once drawn: a change of theme draws it anew.
    let plot = draw(element, times, values, label);
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const repaint = () => {
      plot.destroy();
      plot = draw(element, times, values, label);
    };
    window.addEventListener("themechange", repaint);
    return () => {
      window.removeEventListener("themechange", repaint);
      resized.disconnect();
      plot.destroy();
    };
  }, [times, values, label]);

  const last = values.length - 1;
  const summary =
    last < 0
      ? label
      : `${label}: from ${values[0]} at ${formatTime(times[0])} to ${values[last]} at ${formatTime(times[last])} UTC`;
  return <div ref={holder} role="img" aria-label={summary} className="h-[220px] w-full min-w-0" />;
}
