import { type FormEvent, useState } from "react";
import { answer, api, type Schemas } from "../api/client";
import { Button, Field, Problem } from "../components/parts";
import { decimalProblem, formatDecimal } from "../money";

type Preview = Schemas["Preview"];
type Side = "buy" | "sell";
type OrderType = "limit" | "market" | "stop_loss";

export interface Rules {
  symbol: string;
  tick: string | null;
  step: string | null;
  base: string;
  quote: string;
}

const types: [OrderType, string][] = [
  ["limit", "Limit"],
  ["market", "Market"],
  ["stop_loss", "Stop"],
];

export interface Draft {
  side: Side;
  type: OrderType;
  sizeBy: "risk" | "quantity";
  size: string;
  price: string;
  stop: string;
  target: string;
}

const empty: Draft = { side: "buy", type: "limit", sizeBy: "risk", size: "0.5", price: "", stop: "", target: "" };

/** What is wrong with each field, before anything is sent. */
export function problemsOf(draft: Draft, rules: Rules): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  const check = (field: "size" | "price" | "stop" | "target", step?: string | null) => {
    const problem = decimalProblem(draft[field], step);
    if (problem) problems[field] = problem;
  };
  check("size", draft.sizeBy === "quantity" ? rules.step : undefined);
  if (draft.type !== "market") check("price", rules.tick);
  if (draft.stop) check("stop", rules.tick);
  else if (draft.sizeBy === "risk") problems.stop = "Size by risk needs a stop.";
  if (draft.target) check("target", rules.tick);
  return problems;
}

function bodyOf(draft: Draft, rules: Rules, portfolio: string) {
  return {
    portfolio_id: portfolio,
    symbol: rules.symbol,
    side: draft.side,
    type: draft.type,
    ...(draft.type === "limit" ? { price: draft.price.trim() } : {}),
    ...(draft.type === "stop_loss" ? { stop_price: draft.price.trim() } : {}),
    ...(draft.stop ? { stop_loss: draft.stop.trim() } : {}),
    ...(draft.target ? { take_profit: draft.target.trim() } : {}),
  };
}

export function Ticket({
  rules,
  portfolio,
  lastPrice,
  live,
}: {
  rules: Rules;
  portfolio: string;
  lastPrice: number | null;
  live: boolean;
}) {
  const [draft, setDraft] = useState<Draft>(empty);
  const [review, setReview] = useState<{ preview: Preview; key: string } | null>(null);
  const [tried, setTried] = useState(false);
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const problems = tried ? problemsOf(draft, rules) : {};

  const edit = (change: Partial<Draft>) => {
    setDraft({ ...draft, ...change });
    setReview(null);
    setDone(null);
  };
  const field = (name: "size" | "price" | "stop" | "target") => ({
    inputMode: "decimal" as const,
    autoComplete: "off",
    value: draft[name],
    problem: problems[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => edit({ [name]: event.target.value }),
  });

  const ask = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setDone(null);
    if (Object.keys(problemsOf(draft, rules)).length > 0) return;
    setPending(true);
    setProblem(null);
    const size = draft.sizeBy === "risk" ? { risk_percent: draft.size.trim() } : { quantity: draft.size.trim() };
    try {
      const preview = await answer(
        api().POST("/api/v1/orders/preview", { body: { ...bodyOf(draft, rules, portfolio), ...size } }),
      );
      // The key belongs to what was reviewed: pressing twice, or after a lost answer, places one order.
      setReview({ preview, key: crypto.randomUUID() });
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setPending(false);
    }
  };

  const place = async () => {
    if (!review) return;
    setPending(true);
    setProblem(null);
    try {
      const order = await answer(
        api().POST("/api/v1/orders/create", {
          body: { ...bodyOf(draft, rules, portfolio), quantity: review.preview.quantity },
          headers: { "Idempotency-Key": review.key },
        }),
      );
      setDone(`Order ${order.status}. It is in the list of working orders until it fills.`);
      setReview(null);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setPending(false);
    }
  };

  return (
    <form onSubmit={ask} className="space-y-3" noValidate>
      <fieldset className="grid grid-cols-2 gap-2">
        <legend className="sr-only">Side</legend>
        {(["buy", "sell"] as const).map((side) => (
          <button
            key={side}
            type="button"
            aria-pressed={draft.side === side}
            onClick={() => edit({ side })}
            className={`min-h-10 cursor-pointer rounded border-2 font-semibold ${
              draft.side === side
                ? side === "buy"
                  ? "border-up text-up"
                  : "border-down text-down"
                : "border-line text-soft"
            }`}
          >
            {side === "buy" ? "▲ Buy" : "▼ Sell"}
          </button>
        ))}
      </fieldset>
      <fieldset className="flex gap-1">
        <legend className="sr-only">Order type</legend>
        {types.map(([type, label]) => (
          <Button
            key={type}
            aria-pressed={draft.type === type}
            className={`flex-1 ${draft.type === type ? "!border-accent !bg-accent/15 font-medium" : "text-soft"}`}
            onClick={() => edit({ type })}
          >
            {label}
          </Button>
        ))}
      </fieldset>
      {draft.type !== "market" && (
        <Field
          label={`${draft.type === "limit" ? "Limit" : "Stop"} price (${rules.quote})`}
          {...field("price")}
          hint={lastPrice === null ? undefined : `Last close ${formatDecimal(String(lastPrice))}`}
        />
      )}
      <div className="grid grid-cols-2 gap-2">
        <Field label="Stop loss" {...field("stop")} />
        <Field label="Take profit" {...field("target")} />
      </div>
      <div className="flex items-end gap-2">
        <Field
          className="flex-1"
          label={draft.sizeBy === "risk" ? "Risk (% of equity)" : `Quantity (${rules.base})`}
          {...field("size")}
        />
        <Button
          onClick={() =>
            edit(draft.sizeBy === "risk" ? { sizeBy: "quantity", size: "" } : { sizeBy: "risk", size: "0.5" })
          }
        >
          by {draft.sizeBy === "risk" ? "quantity" : "risk"}
        </Button>
      </div>

      {review ? (
        <div className="rounded border border-line bg-raised p-3" data-testid="review">
          <p className="font-medium">
            {draft.side === "buy" ? "Buy" : "Sell"} {formatDecimal(review.preview.quantity)} {rules.base}{" "}
            {draft.type.replace("_", " ")}
            {draft.type === "market" ? "" : ` at ${formatDecimal(draft.price)}`}
          </p>
          <dl className="mt-2 grid grid-cols-2 gap-x-4 gap-y-1 text-xs">
            <dt className="text-soft">Notional</dt>
            <dd className="text-right">{formatDecimal(review.preview.notional, 2)}</dd>
            <dt className="text-soft">Fee, estimated</dt>
            <dd className="text-right">{formatDecimal(review.preview.fee, 2)}</dd>
            <dt className="text-soft">Lost at the stop</dt>
            <dd className="text-right">{formatDecimal(review.preview.risk, 2)}</dd>
            <dt className="text-soft">Won at the target</dt>
            <dd className="text-right">{formatDecimal(review.preview.reward, 2)}</dd>
            <dt className="text-soft">Reward : risk</dt>
            <dd className="text-right">{formatDecimal(review.preview.risk_reward, 2)}</dd>
          </dl>
          {review.preview.refusals.map(({ code, reason }) => (
            <p key={code} className="mt-2 text-down text-xs">
              {reason}
            </p>
          ))}
          <Button
            variant={live ? "danger" : "primary"}
            className="mt-3 w-full"
            onClick={place}
            disabled={pending || review.preview.refusals.length > 0}
          >
            {pending ? "Placing…" : live ? "Place with live money" : "Place on paper"}
          </Button>
        </div>
      ) : (
        <Button type="submit" variant="primary" className="w-full" disabled={pending}>
          {pending ? "Checking…" : "Review order"}
        </Button>
      )}
      {problem && <Problem>{problem}</Problem>}
      {done && (
        <p role="status" className="text-up">
          ✓ {done}
        </p>
      )}
    </form>
  );
}
