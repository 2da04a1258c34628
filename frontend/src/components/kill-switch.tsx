import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { answer, api } from "../api/client";
import type { Portfolio } from "../live/rows";
import { Button, Problem } from "./parts";

/** On every page: stops new entries at once; flattening is a choice of its own. */
export function KillSwitch({ portfolio }: { portfolio: Portfolio }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const [flatten, setFlatten] = useState(false);
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const send = async () => {
    setPending(true);
    setProblem(null);
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    try {
      if (portfolio.killed)
        await answer(api().POST("/api/v1/risk/resume", { body: { portfolio_id: portfolio.id }, headers }));
      else await answer(api().POST("/api/v1/risk/kill", { body: { portfolio_id: portfolio.id, flatten }, headers }));
      await queries.invalidateQueries();
      dialog.current?.close();
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setPending(false);
    }
  };

  return (
    <>
      <Button
        variant={portfolio.killed ? "plain" : "danger"}
        onClick={() => {
          setFlatten(false);
          setProblem(null);
          dialog.current?.showModal();
        }}
      >
        {portfolio.killed ? "Resume trading" : "Kill switch"}
      </Button>
      <dialog
        ref={dialog}
        aria-labelledby="kill-title"
        className="m-auto w-[min(28rem,calc(100vw-2rem))] rounded-lg border border-line bg-panel p-5 text-ink backdrop:bg-black/60"
      >
        <h2 id="kill-title" className="mb-2 font-semibold text-lg">
          {portfolio.killed ? "Resume trading?" : "Stop all trading?"}
        </h2>
        {portfolio.killed ? (
          <p>The agent may open new positions in {portfolio.name} again, within its limits.</p>
        ) : (
          <>
            <p>
              No new entries in {portfolio.name}. Entry orders that wait are cancelled. Protective stops and targets
              stay.
            </p>
            <label className="mt-3 flex items-start gap-2">
              <input
                type="checkbox"
                className="mt-1"
                checked={flatten}
                onChange={(event) => setFlatten(event.target.checked)}
              />
              <span>Also sell everything that is held, at market</span>
            </label>
          </>
        )}
        {problem && (
          <div className="mt-3">
            <Problem>{problem}</Problem>
          </div>
        )}
        <div className="mt-5 flex justify-end gap-2">
          <Button onClick={() => dialog.current?.close()} disabled={pending}>
            Go back
          </Button>
          <Button variant={portfolio.killed ? "primary" : "danger"} onClick={send} disabled={pending}>
            {pending ? "Sending…" : portfolio.killed ? "Resume" : flatten ? "Stop and flatten" : "Stop trading"}
          </Button>
        </div>
      </dialog>
    </>
  );
}
