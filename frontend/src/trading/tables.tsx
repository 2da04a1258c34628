import { type ReactNode, useState } from "react";
import { answer, api } from "../api/client";
import { Button, Empty, Problem, Side, Signed, Skeleton } from "../components/parts";
import { formatTime } from "../components/time";
import { useOpenOrders, usePositions } from "../live/rows";
import { formatDecimal, signOf } from "../money";

const head = "whitespace-nowrap px-2 py-1.5 text-left font-normal text-soft text-xs";
const cell = "whitespace-nowrap px-2 py-1.5";
const number = `${cell} text-right`;

/** A table wider than its place: it can be scrolled by keyboard too. Relative, or hidden labels inside would widen the page. */
function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section aria-label={label} className="relative overflow-x-auto" tabIndex={0}>
      {children}
    </section>
  );
}

export function Positions({ portfolio }: { portfolio: string | undefined }) {
  const { data, error } = usePositions(portfolio);
  if (error) return <Problem>Cannot read positions: {error.message}. Your stops rest at the exchange.</Problem>;
  if (!data) return <Skeleton />;
  const held = data.filter((position) => signOf(position.quantity) !== 0);
  if (held.length === 0) return <Empty>Flat. A position opens when an entry order fills.</Empty>;
  return (
    <Scroll label="Positions, scrollable">
      <table className="w-full" data-testid="positions">
        <thead>
          <tr>
            <th className={head}>Symbol</th>
            <th className={`${head} text-right`}>Quantity</th>
            <th className={`${head} text-right`}>Entry</th>
            <th className={`${head} text-right`}>Last</th>
            <th className={`${head} text-right`}>Unrealised</th>
            <th className={`${head} text-right`}>Realised</th>
          </tr>
        </thead>
        <tbody>
          {held.map((position) => (
            <tr key={position.id} className="border-line border-t">
              <td className={cell}>{position.symbol}</td>
              <td className={number}>{formatDecimal(position.quantity)}</td>
              <td className={number}>{formatDecimal(position.entry_price, 2)}</td>
              <td className={number}>{formatDecimal(position.current_price, 2)}</td>
              <td className={number}>
                <Signed value={position.unrealized_pnl} />
              </td>
              <td className={number}>
                <Signed value={position.realized_pnl} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function CancelButton({ orderId }: { orderId: string }) {
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const cancel = async () => {
    setPending(true);
    setProblem(null);
    try {
      await answer(
        api().POST("/api/v1/orders/{order_id}/cancel", {
          params: { path: { order_id: orderId } },
          headers: { "Idempotency-Key": crypto.randomUUID() },
        }),
      );
    } catch (error) {
      setProblem((error as Error).message);
      setPending(false);
    }
  };
  return (
    <>
      <Button className="min-h-7 px-2 py-0.5 text-xs" onClick={cancel} disabled={pending}>
        {pending ? "Cancelling…" : "Cancel"}
      </Button>
      {problem && (
        <span role="alert" className="ml-2 text-down text-xs">
          {problem}
        </span>
      )}
    </>
  );
}

export function OpenOrders({ portfolio }: { portfolio: string | undefined }) {
  const { data, error } = useOpenOrders(portfolio);
  if (error) return <Problem>Cannot read orders: {error.message}. What rests at the exchange stays there.</Problem>;
  if (!data) return <Skeleton />;
  if (data.length === 0)
    return <Empty>No order is working. Place one with the ticket, or wait for the strategy.</Empty>;
  return (
    <Scroll label="Working orders, scrollable">
      <table className="w-full" data-testid="open-orders">
        <thead>
          <tr>
            <th className={head}>Side</th>
            <th className={head}>Type</th>
            <th className={`${head} text-right`}>Quantity</th>
            <th className={`${head} text-right`}>Filled</th>
            <th className={`${head} text-right`}>Price</th>
            <th className={`${head} text-right`}>Trigger</th>
            <th className={head}>Status</th>
            <th className={head}>Placed (UTC)</th>
            <th className={head}>
              <span className="sr-only">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {data.map((order) => (
            <tr key={order.id} className="border-line border-t" title={order.reason ?? undefined}>
              <td className={cell}>
                <Side side={order.side} />
              </td>
              <td className={cell}>
                {order.order_type.replace("_", " ")}
                {order.parent_id && <span className="text-soft text-xs"> · protects</span>}
              </td>
              <td className={number}>{formatDecimal(order.quantity)}</td>
              <td className={number}>{formatDecimal(order.filled_quantity)}</td>
              <td className={number}>{formatDecimal(order.price)}</td>
              <td className={number}>{formatDecimal(order.stop_price)}</td>
              <td className={cell}>{order.status.replace("_", " ")}</td>
              <td className={cell}>{formatTime(order.market_time ?? order.created_at)}</td>
              <td className={cell}>{!order.parent_id && <CancelButton orderId={order.id} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
