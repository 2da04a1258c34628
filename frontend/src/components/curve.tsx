import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatTime } from "./time";

/** A curve over time; the table beside it is for those who do not see it. */
export function Curve({ times, values, label }: { times: number[]; values: number[]; label: string }) {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = holder.current;
    if (!element || times.length === 0) return;
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: of("--soft"), grid: { stroke: of("--line"), width: 1 }, ticks: { stroke: of("--line") } };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 220,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
        legend: { show: false },
        cursor: { y: false },
        series: [{}, { label, stroke: of("--accent"), width: 2, fill: `${of("--accent")}22` }],
        axes: [
          axis,
          { ...axis, size: 72, values: (_plot, ticks) => ticks.map((tick) => tick.toLocaleString("en-US")) },
        ],
      },
      [times.map((ms) => ms / 1000), values],
      element,
    );
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 220 }));
    resized.observe(element);
    return () => {
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
