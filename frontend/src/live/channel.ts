import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { supabase } from "../session";

/**
 * Follows the user's private channel and refetches what changed. Nothing is replayed after a reconnect, and a number missing
 * in `seq` means a lost message: both refetch everything.
 */
export function useOwnChannel(userId: string): { connected: boolean } {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(false);

  useEffect(() => {
    let gone = false;
    let stop = () => {};
    let last: number | undefined;
    const changed = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;

    // A burst of fills is one refetch a table, not a hundred.
    const refetch = (table: string) => {
      changed.add(table);
      timer ??= setTimeout(() => {
        timer = undefined;
        for (const name of changed) queries.invalidateQueries({ queryKey: [name] });
        changed.clear();
      }, 150);
    };
    const tables = ["portfolios", "positions", "orders", "executions", "order_events", "risk_metrics"];

    supabase().then(async (client) => {
      // A private channel joins without the token unless it is set first.
      await client.realtime.setAuth();
      if (gone) return;
      const channel = client
        .channel(`user:${userId}`, { config: { private: true } })
        .on("broadcast", { event: "*" }, ({ event, payload }) => {
          const seq = Number(payload?.seq);
          if (last !== undefined && seq > last + 1) for (const table of tables) refetch(table);
          last = Math.max(last ?? 0, seq);
          refetch(event);
          // Figures are stored with the marks; they have no message of their own.
          if (event === "portfolios") refetch("risk_metrics");
        })
        .subscribe((status) => {
          setConnected(status === "SUBSCRIBED");
          if (status === "SUBSCRIBED") {
            last = undefined;
            for (const table of tables) refetch(table);
          }
        });
      stop = () => void client.removeChannel(channel);
    });

    const woken = async () => {
      if (document.visibilityState !== "visible") return;
      const client = await supabase();
      await client.auth.getSession();
      await client.realtime.setAuth();
      for (const table of tables) refetch(table);
    };
    document.addEventListener("visibilitychange", woken);
    return () => {
      gone = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", woken);
      stop();
    };
  }, [queries, userId]);

  return { connected };
}
