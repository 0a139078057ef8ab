// The public API, and nothing else. Every room calls the server by this file alone.

const KEY = "raconteur-key";
const AGAIN_MS = 1500;

/** An error as the API tells it: `code`, `message`, `param`, `retryable`, and what its kind adds (for example `faces`). */
export class Problem extends Error {
  constructor(told) {
    super(told.detail ?? told.message ?? "The server gave no reason.");
    Object.assign(this, { title: told.title, code: told.code, param: told.param, retryable: told.retryable, faces: told.faces });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** Answer of a call; JSON where the server sends it. Raises `Problem`, also where nobody answers. */
export async function call(method, path, { form, json, signal, headers = {} } = {}) {
  const sent = { method, signal, headers: { ...headers } };
  if (key.get()) sent.headers.Authorization = `Bearer ${key.get()}`;
  if (form) sent.body = form;
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, sent);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "Raconteur cannot be reached", code: "unreachable", detail: "Is it still running? Nothing of yours is lost.", retryable: true });
  }
  const isJson = answer.status !== 204 && (answer.headers.get("Content-Type") ?? "").includes("json");
  const told = isJson ? await answer.json() : null;
  if (!answer.ok) throw new Problem(told ?? { title: answer.statusText, code: "internal", detail: `HTTP ${answer.status}` });
  return told;
}

/** A form of files and fields; what is undefined, null or "" is left out, and objects travel as JSON. */
export function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null || value === "") continue;
    if (value instanceof Blob) form.append(name, value, value.name ?? name);
    else form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return form;
}

export const states = async () => {
  const answer = await fetch("/readyz");
  return (await answer.json()).parts;
};

/** Signed links to a job's `content` and `stream`: players cannot send a key. */
export const links = (job) => call("POST", `/v1/jobs/${job}/links`, { json: { expires_in_s: 86400 } });

/**
 * Follow a job to its end, or with `job` null all of the caller's jobs: `onJob(job)` on each change, `onLost(lost)` when
 * the connection goes and comes back. Server-sent events, read by fetch because EventSource cannot send a key.
 * Answers a function that stops following.
 */
export function follow(job, onJob, onLost = () => {}) {
  const path = job ? `/v1/jobs/${job}/events` : "/v1/jobs/events";
  const stopped = new AbortController();
  let seen = "";
  let over = false;

  async function go() {
    while (!stopped.signal.aborted && !over) {
      try {
        const headers = { ...(seen && { "Last-Event-ID": seen }), ...(key.get() && { Authorization: `Bearer ${key.get()}` }) };
        const answer = await fetch(path, { headers, signal: stopped.signal });
        if (answer.status === 204 || answer.status === 404) return;
        if (answer.ok) await read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
      } catch (error) {
        if (error.name === "AbortError") return;
      }
      if (over || stopped.signal.aborted) return;
      onLost(true);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async function read(reader) {
    let text = "";
    onLost(false);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
        if (fields.id) seen = fields.id;
        if (fields.event !== "job") continue;
        const told = JSON.parse(fields.data);
        over = Boolean(job) && isOver(told);
        onJob(told);
        if (over) return reader.cancel();
      }
    }
  }

  go();
  return () => stopped.abort();
}

export const isOver = (job) => ["succeeded", "failed", "canceled"].includes(job.status);
