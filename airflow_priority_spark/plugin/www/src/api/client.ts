// SPDX-License-Identifier: Apache-2.0
// Talks to the plugin's REST API. Addresses are resolved against the page's base, which Airflow sets to the path it
// is served under; the session cookie authenticates.

export type Params = Record<string, string | number | boolean | null | undefined | readonly string[]>;

/** A refusal as the API words it (RFC 9457), or a failure on the way with status 0. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail || title);
  }
}

export const apiUrl = (path: string, params: Params = {}): string => {
  const url = new URL(`priority-spark/api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) value.forEach((one: string) => url.searchParams.append(name, one));
    else if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
};

const problemOf = async (response: Response): Promise<Problem> => {
  const fallback = `${response.status} ${response.statusText}`.trim();
  try {
    const body = (await response.json()) as { title?: string; detail?: unknown };
    const detail = typeof body.detail === "string" ? body.detail : "";
    return new Problem(response.status, body.title ?? fallback, detail);
  } catch {
    return new Problem(response.status, fallback, "");
  }
};

const ask = async <T>(url: string, init: RequestInit): Promise<T> => {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, "The API server does not answer", String(error));
  }
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
};

export const read = <T>(url: string, signal?: AbortSignal): Promise<T> =>
  ask<T>(url, { headers: { Accept: "application/json" }, signal });

export const send = <T>(method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body: unknown): Promise<T> =>
  ask<T>(apiUrl(path), {
    method,
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
