import { type ReactNode, useState } from "react";
import { NavLink } from "react-router";
import { useOwnChannel } from "../live/channel";
import { usePortfolios } from "../live/rows";
import { supabase, useSession } from "../session";
import { KillSwitch } from "./kill-switch";
import { Button } from "./parts";

const pages = [
  { to: "/", label: "Overview" },
  { to: "/trading", label: "Trading" },
];

function toggleTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  window.dispatchEvent(new Event("themechange"));
}

/** Paper or live: the one thing that nobody may overlook. */
function ModeBadge({ mode }: { mode: "paper" | "live" | undefined }) {
  if (!mode) return <span className="h-7 w-20 rounded bg-raised" />;
  const look = mode === "live" ? "border-danger bg-danger text-white" : "border-warn text-warn";
  return (
    <span className={`rounded border-2 px-2 py-0.5 font-bold text-sm tracking-widest ${look}`} data-testid="mode">
      {mode === "live" ? "LIVE MONEY" : "PAPER"}
    </span>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const { session } = useSession();
  const portfolios = usePortfolios();
  const portfolio = portfolios.data?.[0];
  const { connected } = useOwnChannel(session?.user.id ?? "");
  const [menu, setMenu] = useState(false);

  return (
    <div className="min-h-dvh">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-2">
        Skip to content
      </a>
      <header className="sticky top-0 z-30 border-line border-b bg-panel">
        <div className="flex min-h-14 flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2">
          <span className="flex items-center gap-2 font-semibold">
            <img src="/icon.svg" alt="" width="24" height="24" />
            <span className="hidden sm:inline">SMC Agent</span>
          </span>
          <ModeBadge mode={portfolio?.trading_mode} />
          <nav aria-label="Pages" className="flex gap-1">
            {pages.map(({ to, label }) => (
              <NavLink
                key={to}
                to={to}
                end
                className={({ isActive }) =>
                  `rounded px-2.5 py-1.5 ${isActive ? "bg-raised font-medium text-ink" : "text-soft hover:text-ink"}`
                }
              >
                {label}
              </NavLink>
            ))}
          </nav>
          <div className="ml-auto flex items-center gap-2">
            <span
              role="status"
              className={`hidden text-xs sm:inline ${connected ? "text-soft" : "text-warn"}`}
              title="Orders, fills and positions arrive over this connection"
            >
              {connected ? "● account live" : "○ account reconnecting"}
            </span>
            {portfolio && <KillSwitch portfolio={portfolio} />}
            <Button
              aria-expanded={menu}
              aria-controls="account-menu"
              onClick={() => setMenu(!menu)}
              aria-label="Account menu"
            >
              ☰
            </Button>
          </div>
        </div>
        {menu && (
          <div id="account-menu" className="flex flex-wrap items-center gap-3 border-line border-t px-4 py-2">
            <span className="min-w-0 truncate text-soft">{session?.user.email}</span>
            <Button onClick={toggleTheme}>Dark / light</Button>
            <Button onClick={async () => void (await supabase()).auth.signOut()}>Sign out</Button>
          </div>
        )}
        {portfolio?.killed && (
          <p role="alert" className="bg-danger px-4 py-1.5 font-medium text-sm text-white">
            Kill switch is on: no new entries. Protective stops still rest at the exchange.
          </p>
        )}
      </header>
      <main id="main" className="mx-auto max-w-[1800px] p-3 sm:p-4">
        {portfolios.error && (
          <p role="alert" className="mb-3 rounded border border-danger p-3">
            Cannot read your portfolio: {portfolios.error.message}. Your stops rest at the exchange.
          </p>
        )}
        {children}
      </main>
    </div>
  );
}
