import type { Layer } from "../chart/zones";

export interface LayerChoice {
  layers: Record<Layer, boolean>;
  ended: boolean;
  internal: boolean;
}

export const defaultLayers: LayerChoice = {
  layers: {
    swings: true,
    structure: true,
    order_blocks: true,
    gaps: true,
    liquidity: true,
    sweeps: false,
    context: false,
    sessions: false,
    kill_zones: false,
  },
  ended: false,
  internal: false,
};

const labels: [Layer, string][] = [
  ["swings", "Swings"],
  ["structure", "BOS / CHoCH"],
  ["order_blocks", "Order blocks"],
  ["gaps", "FVGs"],
  ["liquidity", "Levels"],
  ["sweeps", "Sweeps"],
  ["context", "Context"],
  ["sessions", "Sessions"],
  ["kill_zones", "Kill zones"],
];

function Switch({ label, on, set }: { label: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      onClick={() => set(!on)}
      className={`min-h-8 cursor-pointer rounded-full border px-2.5 text-xs ${on ? "border-accent text-ink" : "border-line text-soft"}`}
    >
      <span aria-hidden="true">{on ? "● " : "○ "}</span>
      {label}
    </button>
  );
}

export function Layers({ choice, change }: { choice: LayerChoice; change: (choice: LayerChoice) => void }) {
  return (
    <fieldset className="flex flex-wrap gap-1.5">
      <legend className="sr-only">Chart layers</legend>
      {labels.map(([layer, label]) => (
        <Switch
          key={layer}
          label={label}
          on={choice.layers[layer]}
          set={(on) => change({ ...choice, layers: { ...choice.layers, [layer]: on } })}
        />
      ))}
      <Switch label="Internal scale" on={choice.internal} set={(internal) => change({ ...choice, internal })} />
      <Switch label="Mitigated too" on={choice.ended} set={(ended) => change({ ...choice, ended })} />
    </fieldset>
  );
}
