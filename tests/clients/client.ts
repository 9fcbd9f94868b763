// A program of somebody else's against the generated types: what it gets wrong the compiler says.

import createClient from "openapi-fetch";
import type { components, paths, webhooks } from "./api.js";

declare const process: { argv: string[] };
const [url, key, callId] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

const calls = await api.GET("/v1/calls", { params: { query: { live: true, state: "answered" } } });
const record: components["schemas"]["Record"] | undefined = calls.data?.data[0];
const one = await api.GET("/v1/calls/{call_id}", { params: { path: { call_id: callId } } });
const held = await api.POST("/v1/calls/{call_id}/hold", {
  params: { path: { call_id: callId }, header: { "idempotency-key": "once" } },
  body: { on: true },
});
const wrong = await api.POST("/v1/calls/{call_id}/dtmf", {
  params: { path: { call_id: callId } },
  body: { digits: "xyz" },
});
const gone = await api.GET("/v1/calls/{call_id}", { params: { path: { call_id: "nobody" } } });

type Ended = webhooks["call.ended"]["post"]["requestBody"]["content"]["application/json"];
const outcomeOf = (event: Ended): string => event.data.outcome;

console.log(JSON.stringify({
  live: record?.call_id,
  words: one.data?.transcript.map((words) => words.text),
  held: held.data?.state,
  wrong: wrong.error?.errors?.[0]?.field,
  gone: gone.error?.status,
  outcome: outcomeOf({ data: { outcome: "caller_hung_up" } } as Ended),
}));
