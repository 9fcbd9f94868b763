// Asks the gateway, with a key where it wants one, and follows what happens.

import { ask } from "./dom.js";

const key = () => sessionStorage.getItem("key");
const headers = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

let asking = null;

function askForKey(why) {
  asking ??= ask("API key", why, "Use it", [{ name: "key", label: "Key", type: "password", required: true }])
    .then((given) => { if (given) sessionStorage.setItem("key", given.key.trim()); return Boolean(given); })
    .finally(() => { asking = null; });
  return asking;
}

async function send(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  if (answer.status === 401) {
    const problem = await answer.json().catch(() => ({}));
    if (await askForKey(problem.detail ?? "A key is needed.")) return send(path, options);
  }
  return answer;
}

export async function get(path) {
  const answer = await send(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? answer.statusText);
  return body;
}

export async function post(path, body = {}) {
  const answer = await send(path, {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail ?? answer.statusText);
  return told;
}

// A recording, for which an <audio> could show no key.
export async function blob(path) {
  const answer = await send(path);
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return URL.createObjectURL(await answer.blob());
}

// Server-sent events by fetch, for EventSource can show no key. Comes back by itself until it is stopped.
export function follow(path, onEvent, onLink = () => {}) {
  const stop = new AbortController();
  (async () => {
    for (let pause = 500; !stop.signal.aborted; pause = Math.min(pause * 2, 8000)) {
      try {
        const answer = await send(path, { signal: stop.signal, headers: { Accept: "text/event-stream" } });
        if (!answer.ok) throw new Error(answer.statusText);
        onLink(true);
        pause = 500;
        await read(answer.body, onEvent);
      } catch (error) {
        if (stop.signal.aborted) return;
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
