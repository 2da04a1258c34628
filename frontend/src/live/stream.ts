import { useEffect, useRef, useState } from "react";
import { streamUrl } from "../config";
import { accessToken } from "../session";

export interface Kline {
  timeframe: string;
  time_ms: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  closed: boolean;
}

export interface StreamMessage {
  type: "market_data" | "smc_pattern" | "trade_signal" | "gap" | "subscribed" | "error" | "heartbeat";
  symbol?: string;
  data?: unknown;
  timestamp: number;
  seq: number;
}

export interface StreamState {
  connected: boolean;
  /** Wall-clock milliseconds of the last market message; null before the first. */
  lastMessageAt: number | null;
  /** Why the server refused the subscription; null while it has not. */
  problem: string | null;
}

/**
 * Follows the market stream of one symbol, and connects again with back-off. `onMessage` gets every message; a `gap` message
 * (also made up here after a reconnect) means: read the bars again.
 */
export function useMarketStream(symbol: string | undefined, onMessage: (message: StreamMessage) => void): StreamState {
  const [state, setState] = useState<StreamState>({ connected: false, lastMessageAt: null, problem: null });
  const handler = useRef(onMessage);
  handler.current = onMessage;

  useEffect(() => {
    if (!symbol) return;
    let socket: WebSocket | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let attempts = 0;
    let seq: number | undefined;
    let gone = false;

    const connect = async () => {
      const token = await accessToken();
      if (gone || !token) return;
      socket = new WebSocket(streamUrl("/api/v1/market/stream"));
      // The token goes in the first message: an address would put it into logs.
      socket.onopen = () => {
        socket?.send(JSON.stringify({ token }));
        socket?.send(JSON.stringify({ action: "subscribe", symbols: [symbol], data_types: ["kline", "smc_patterns"] }));
      };
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data) as StreamMessage;
        if (message.type === "subscribed") {
          if (attempts > 0) handler.current({ type: "gap", timestamp: message.timestamp, seq: message.seq });
          attempts = 0;
          setState((old) => ({ ...old, connected: true, problem: null }));
        }
        if (seq !== undefined && message.seq > seq + 1)
          handler.current({ type: "gap", timestamp: message.timestamp, seq: message.seq });
        seq = message.seq;
        if (message.type === "error") {
          const { detail } = (message.data ?? {}) as { detail?: string };
          setState((old) => ({ ...old, problem: detail ?? "The market stream refused the subscription." }));
        }
        if (message.type === "market_data") setState({ connected: true, lastMessageAt: Date.now(), problem: null });
        handler.current(message);
      };
      socket.onclose = () => {
        if (gone) return;
        seq = undefined;
        setState((old) => ({ ...old, connected: false }));
        attempts += 1;
        timer = setTimeout(connect, Math.min(15_000, 500 * 2 ** attempts));
      };
    };
    connect();
    return () => {
      gone = true;
      clearTimeout(timer);
      socket?.close();
    };
  }, [symbol]);

  return state;
}
