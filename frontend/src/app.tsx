import { lazy, Suspense } from "react";
import { BrowserRouter, Navigate, Outlet, Route, Routes, useLocation } from "react-router";
import { Shell } from "./components/shell";
import { useSession } from "./session";

const Login = lazy(() => import("./pages/login"));
const Dashboard = lazy(() => import("./pages/dashboard"));
const Trading = lazy(() => import("./pages/trading"));

/** Comfort only: row-level security and the API decide what a user may see. */
function SignedIn() {
  const { session } = useSession();
  const location = useLocation();
  if (session === undefined) return <Waiting />;
  if (session === null) return <Navigate to="/login" replace state={{ from: location.pathname }} />;
  return (
    <Shell>
      <Suspense fallback={<Waiting />}>
        <Outlet />
      </Suspense>
    </Shell>
  );
}

function Waiting() {
  return <div className="h-96 p-6 text-soft">Loading…</div>;
}

function NotFound() {
  return (
    <main className="p-6">
      <h1 className="font-semibold text-lg">There is no such page</h1>
      <a className="text-accent underline" href="/">
        Go to the overview
      </a>
    </main>
  );
}

export function App() {
  return (
    <BrowserRouter>
      <Suspense fallback={<Waiting />}>
        <Routes>
          <Route path="/login" element={<Login />} />
          <Route element={<SignedIn />}>
            <Route path="/" element={<Dashboard />} />
            <Route path="/trading" element={<Trading />} />
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </BrowserRouter>
  );
}
