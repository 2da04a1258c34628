/** Where this page's server is: read once at start from /config.json, so that one build serves every installation. */
export interface Config {
  supabaseUrl: string;
  supabaseAnonKey: string;
  /** Base URL of the API; empty when it shares the page's origin. */
  apiUrl: string;
  version: string;
}

let loaded: Config | undefined;

export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json");
  if (!response.ok) throw new Error(`/config.json answered ${response.status}`);
  loaded = (await response.json()) as Config;
  return loaded;
}

export function config(): Config {
  if (!loaded) throw new Error("configuration is not loaded yet");
  return loaded;
}

/** The API's address as a WebSocket URL. */
export function streamUrl(path: string): string {
  const base = new URL(config().apiUrl || window.location.origin);
  base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  base.pathname = path;
  return base.toString();
}
