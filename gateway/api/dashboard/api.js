// Asks the gateway, with the key that was given in this tab where it wants one, and follows what happens.

const key = () => sessionStorage.getItem("key");
const headers = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

// Who asks: its name, and its role: read, operate or admin. Nobody before `signIn`.
export let me = null;
const roles = ["read", "operate", "admin"];
export const may = (role) => me !== null && roles.indexOf(me.role) >= roles.indexOf(role);

// What is done when the key is not good any more.
let onRefused = () => {};
export const whenRefused = (then) => { onRefused = then; };

class Refused extends Error {}

async function send(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const text = problem.detail ?? `${answer.status} ${answer.statusText}`;
  if (answer.status !== 401) throw new Error(text);
  me = null;
  onRefused(text);
  throw new Refused(text);
}

// With a key, or with the one that the tab has, or with none. Throws where the gateway does not take it.
export async function signIn(given) {
  const before = key();
  if (given !== undefined) sessionStorage.setItem("key", given.trim());
  const answer = await fetch("/v1/me", { headers: headers() });
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) { me = told; return; }
  if (given !== undefined && before) sessionStorage.setItem("key", before);
  else if (given !== undefined) sessionStorage.removeItem("key");
  throw new Error(told.detail ?? answer.statusText);
}

export function signOut() {
  sessionStorage.removeItem("key");
  me = null;
}

export const withKey = () => key() !== null;

export async function get(path) {
  return (await send(path)).json();
}

export async function post(path, body = {}) {
  const answer = await send(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  return answer.json().catch(() => ({}));
}

export async function remove(path) {
  return (await send(path, { method: "DELETE" })).json();
}

// A file, for which neither a link nor an <audio> could show a key.
export async function blob(path) {
  return URL.createObjectURL(await (await send(path)).blob());
}

export async function download(path, name) {
  const link = document.createElement("a");
  link.href = await blob(path);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Server-sent events by fetch, for EventSource can show no key. Comes back by itself until it is stopped or refused.
export function follow(path, onEvent, onLink = () => {}) {
  const stop = new AbortController();
  (async () => {
    for (let pause = 500; !stop.signal.aborted; pause = Math.min(pause * 2, 8000)) {
      try {
        const answer = await send(path, { signal: stop.signal, headers: { Accept: "text/event-stream" } });
        onLink(true);
        pause = 500;
        await read(answer.body, onEvent);
      } catch (error) {
        if (stop.signal.aborted || error instanceof Refused) return;
      }
      onLink(false);
      await new Promise((done) => setTimeout(done, pause));
    }
  })();
  return () => stop.abort();
}

async function read(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data) onEvent(JSON.parse(data));
    }
  }
}
