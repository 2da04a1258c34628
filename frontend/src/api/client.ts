import createClient, { type Middleware } from "openapi-fetch";
import { config } from "../config";
import { accessToken } from "../session";
import type { components, paths } from "./schema.gen";

export type Schemas = components["schemas"];

/** An answer of the API that says no, in the words of its problem document. */
export class ApiProblem extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const authorise: Middleware = {
  async onRequest({ request }) {
    const token = await accessToken();
    if (!token) throw new ApiProblem("You are signed out. Sign in again.", "signed_out", 401);
    request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
};

let instance: ReturnType<typeof createClient<paths>> | undefined;

export function api() {
  if (!instance) {
    instance = createClient<paths>({ baseUrl: config().apiUrl || window.location.origin });
    instance.use(authorise);
  }
  return instance;
}

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  errors?: { field?: string; message?: string }[];
}

/** The data of an answer, or an ApiProblem that a trader can read. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let result: { data?: T; error?: unknown; response: Response };
  try {
    result = await call;
  } catch (error) {
    if (error instanceof ApiProblem) throw error;
    throw new ApiProblem("The agent cannot be reached. Your stops rest at the exchange.", "unreachable", 0);
  }
  if (result.response.ok && result.data !== undefined) return result.data;
  const problem = (result.error ?? {}) as Problem;
  const fields = (problem.errors ?? []).map((error) => [error.field, error.message].filter(Boolean).join(": "));
  const text = [problem.detail ?? problem.title ?? `The agent answered ${result.response.status}.`, ...fields].join(
    " ",
  );
  throw new ApiProblem(text, problem.code ?? "unknown", result.response.status);
}
