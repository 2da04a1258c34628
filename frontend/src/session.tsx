import type { Session, SupabaseClient } from "@supabase/supabase-js";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { config } from "./config";

let client: Promise<SupabaseClient> | undefined;

/** The Supabase client, loaded when first needed: it is a third of the page's script. */
export function supabase(): Promise<SupabaseClient> {
  client ??= import("@supabase/supabase-js").then(({ createClient }) =>
    createClient(config().supabaseUrl || window.location.origin, config().supabaseAnonKey, {
      auth: { detectSessionInUrl: false },
    }),
  );
  return client;
}

/** The current access token, refreshed by the client when it is near its end; null when signed out. */
export async function accessToken(): Promise<string | null> {
  const { data } = await (await supabase()).auth.getSession();
  return data.session?.access_token ?? null;
}

interface SessionState {
  /** undefined: not known yet. */
  session: Session | null | undefined;
}

const Context = createContext<SessionState>({ session: undefined });

export function SessionProvider({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  useEffect(() => {
    let stop = () => {};
    let gone = false;
    supabase().then(async ({ auth }) => {
      const { data } = await auth.getSession();
      if (gone) return;
      setSession(data.session);
      // No Supabase call may be awaited inside this callback: it holds the client's lock.
      const listener = auth.onAuthStateChange((_event, next) => setSession(next));
      stop = () => listener.data.subscription.unsubscribe();
    });
    return () => {
      gone = true;
      stop();
    };
  }, []);
  return <Context.Provider value={{ session }}>{children}</Context.Provider>;
}

export const useSession = () => useContext(Context);
