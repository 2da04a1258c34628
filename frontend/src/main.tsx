import "./styles.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { loadConfig } from "./config";
import { SessionProvider } from "./session";

// Reads are retried by the query client; money actions are never mutations of it and are never retried by themselves.
const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 5_000, retry: 2 } } });
const root = createRoot(document.getElementById("root") as HTMLElement);

loadConfig().then(
  () =>
    root.render(
      <StrictMode>
        <QueryClientProvider client={queries}>
          <SessionProvider>
            <App />
          </SessionProvider>
        </QueryClientProvider>
      </StrictMode>,
    ),
  (error: Error) =>
    root.render(
      <main className="mx-auto mt-24 max-w-lg p-6">
        <h1 className="mb-2 font-semibold text-lg">Cannot reach the agent</h1>
        <p className="text-soft">
          {error.message}. Is it running? Start it with <code>make up</code>, then reload this page. Orders and stops
          that were placed rest at the exchange and are not affected.
        </p>
      </main>,
    ),
);
