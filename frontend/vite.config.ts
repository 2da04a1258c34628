import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// In development the page talks to a running `smc up`, whose address SMC_URL names.
const target = process.env.SMC_URL ?? "http://127.0.0.1:8700";
const paths = ["/api", "/auth", "/rest", "/realtime", "/config.json", "/readyz", "/healthz"];

export default defineConfig({
  plugins: [react(), tailwindcss()],
  server: { host: "127.0.0.1", proxy: Object.fromEntries(paths.map((path) => [path, { target, ws: true }])) },
  build: { target: "es2022", chunkSizeWarningLimit: 300 },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
