import { type FormEvent, useEffect, useState } from "react";
import { Navigate, useLocation, useNavigate } from "react-router";
import { Button, Field, Problem } from "../components/parts";
import { supabase, useSession } from "../session";

const MIN_PASSWORD = 12;

interface Link {
  token_hash: string;
  type: "invite" | "recovery";
}

/** A one-time link carries its token in the fragment, which no server and no log ever sees. */
function linkOf(hash: string): Link | null {
  const fields = new URLSearchParams(hash.slice(1));
  const token = fields.get("token_hash");
  return token ? { token_hash: token, type: fields.get("type") === "recovery" ? "recovery" : "invite" } : null;
}

function Frame({ title, children }: { title: string; children: React.ReactNode }) {
  useEffect(() => {
    document.title = `${title} · SMC Trading Agent`;
  }, [title]);
  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col justify-center p-4">
      <div className="mb-6 flex items-center gap-3">
        <img src="/icon.svg" alt="" width="40" height="40" />
        <div>
          <p className="font-semibold text-lg">SMC Trading Agent</p>
          <p className="text-soft text-xs">No repaint. No lost order. One truth for backtest and live.</p>
        </div>
      </div>
      <div className="rounded-lg border border-line bg-panel p-5">
        <h1 className="mb-4 font-semibold text-base">{title}</h1>
        {children}
      </div>
    </main>
  );
}

function explain(error: { message: string; code?: string | undefined; status?: number | undefined }): string {
  if (error.code === "invalid_credentials") return "E-mail or password is wrong.";
  if (error.status === 429) return "Too many attempts. Wait a minute, then try again.";
  if (error.code === "otp_expired")
    return "This link has been used or has expired. Make a new one with: smc admin link EMAIL";
  if (!error.status) return "Cannot reach the sign-in service. Is the agent running? Start it with: make up";
  return error.message;
}

function FirstPassword({ link }: { link: Link }) {
  const navigate = useNavigate();
  const [email, setEmail] = useState<string | null>(null);
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [pending, setPending] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (password.length < MIN_PASSWORD) return setProblem(`At least ${MIN_PASSWORD} characters.`);
    setPending(true);
    setProblem(null);
    const { auth } = await supabase();
    try {
      // The link is spent only here, not when the page opens: a preview or a reload must not burn it.
      if (!email) {
        const { data, error } = await auth.verifyOtp(link);
        if (error) return setProblem(explain(error));
        setEmail(data.user?.email ?? "");
      }
      const { error } = await auth.updateUser({ password });
      if (error) return setProblem(explain(error));
      window.history.replaceState(null, "", "/login");
      navigate("/", { replace: true });
    } finally {
      setPending(false);
    }
  };

  return (
    <Frame title="Welcome: choose your password">
      <form onSubmit={submit} className="space-y-4">
        <p className="text-soft">This link opens your account once. From then on you sign in with this password.</p>
        <Field
          label="New password"
          type="password"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          hint={`At least ${MIN_PASSWORD} characters`}
          autoFocus
          required
        />
        {problem && <Problem>{problem}</Problem>}
        <Button type="submit" variant="primary" className="w-full" disabled={pending}>
          {pending ? "One moment…" : "Set password and enter"}
        </Button>
      </form>
    </Frame>
  );
}

export default function Login() {
  const { session } = useSession();
  const location = useLocation();
  const [link] = useState(() => linkOf(window.location.hash));
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [pending, setPending] = useState(false);

  if (link) return <FirstPassword link={link} />;
  if (session) return <Navigate to={(location.state as { from?: string } | null)?.from ?? "/"} replace />;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setPending(true);
    setProblem(null);
    const { error } = await (await supabase()).auth.signInWithPassword({ email, password });
    setPending(false);
    if (error) setProblem(explain(error));
  };

  return (
    <Frame title="Sign in">
      <form onSubmit={submit} className="space-y-4">
        <Field
          label="E-mail"
          type="email"
          autoComplete="username"
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          required
        />
        <Field
          label="Password"
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          required
        />
        {problem && <Problem>{problem}</Problem>}
        <Button type="submit" variant="primary" className="w-full" disabled={pending}>
          {pending ? "Signing in…" : "Sign in"}
        </Button>
        <p className="text-soft text-xs">
          First time, or password forgotten? The agent prints a one-time link when it starts;{" "}
          <code>smc admin link EMAIL</code> makes a new one.
        </p>
      </form>
    </Frame>
  );
}
