// What was said and done, in the order in which it was begun: words, tools with what they were given and gave, notes.

import { after, duration, el, put } from "./dom.js";

const reasons = { route: "its route", key: "a key", speech: "the caller speaks", no_input: "no key was pressed", wrong_keys: "no key that is known", failed: "otherwise", transfer: "it was sent there" };
const notes = {
  interrupted: (data) => (data.heard === undefined ? "The caller spoke: the agent stopped." : `The caller spoke: the agent stopped after “${data.heard}”`),
  hold: (data) => (data.by === "caller" ? (data.on ? "The caller's telephone holds the call." : "The caller's telephone is back.") : data.on ? "The caller is on hold." : "The caller was taken back."),
  mute: (data) => `The ${data.who} is ${data.on ? "muted" : "heard again"}.`,
  transfer_started: (data) => `Transfer to ${data.target} (${data.uri})`,
  transfer_failed: (data) => `The transfer to ${data.target} failed: ${data.problem}`,
  bridged: (data) => `The caller talks with ${data.target}.`,
  replaced: (data) => `The caller is now ${data.caller}.`,
  agent_updated: (data) => `${data.agent} has the call.`,
  agent_update_refused: (data) => `The provider refused that: ${data.agent} has the call.`,
  say: (data) => `The agent is told to say: ${data.text}`,
  injected: (data) => `The model is told (${data.role}): ${data.text}`,
  dtmf: (data) => `The caller presses ${data.digit}`,
  dtmf_sent: (data) => `Keys are sent: ${data.digits}`,
  routed: (data) => `The call goes to ${data.to}${data.by ? ` (${data.by})` : ""}: ${reasons[data.why] ?? data.why}.`,
  route_failed: (data) => `That could not be: ${data.problem}`,
  menu_wrong: (data) => `The menu ${data.menu} does not know ${data.keys}.`,
  voicemail_left: (data) => `A message of ${data.seconds} s is left in ${data.box}.`,
  voicemail_empty: (data) => `No message is left in ${data.box}.`,
  voicemail_failed: (data) => `A message for ${data.box} could not be kept: ${data.problem}`,
  consent: (data) => `May it be recorded? ${data.answer === "none" ? "No answer" : data.answer}${data.said ? ` (${data.by}: ${data.said})` : ""}.`,
  looked_up: (data) => `The caller is looked up in ${data.ms} ms${data.variables.length ? `: ${data.variables.join(", ")}` : ""}.`,
  lookup_failed: (data) => `The caller could not be looked up: ${data.problem}`,
  recording_started: () => "The recording begins.",
  recording_paused: () => "The recording pauses.",
  recording_resumed: () => "The recording goes on.",
  recording_stopped: (data) => `The recording ends after ${data.seconds} s.`,
  recording_failed: (data) => `Nothing is recorded: ${data.problem}`,
  response_failed: (data) => `The provider's answer came to nothing (${data.status}): ${data.problem}`,
  provider_fault: (data) => `The provider reports a fault: ${data.message}`,
  provider_failed: (data) => `${data.provider} could not be had: ${data.problem}`,
  provider_broken: (data) => `The session with ${data.provider} broke: ${data.problem}`,
  provider_restored: (data) => `${data.provider} has the conversation again.`,
  echo_detected: () => "The line sends the agent's own words back; they are kept from it.",
  tool_blocked: (data) => `${data.name} kept all calls waiting for ${data.ms} ms.`,
  no_input: () => "The caller says nothing.",
  disposition: (data) => `Disposition: ${data.disposition}${data.note ? `, ${data.note}` : ""}`,
  ended: (data) => `The call ends: ${data.outcome}${data.problem ? `, ${data.problem}` : ""}`,
};
const faults = new Set(["route_failed", "voicemail_failed", "lookup_failed", "transfer_failed", "recording_failed", "response_failed", "provider_fault", "provider_failed", "provider_broken", "echo_detected", "tool_blocked"]);

// `onTime` hears the moment that somebody wants to be taken to.
export function talk(onTime) {
  const list = el("ol", { class: "talk", "aria-label": "What was said and done" });
  const none = el("p", { class: "soft" }, "Nothing was said.");
  const lines = [];  // in order: at, node
  const tools = new Map();  // by the call of the tool: where its result goes
  let taken = "", current = null;

  function add(at, began, kind, who, ...what) {
    const time = el("button", { type: "button", class: "plain num", onclick: () => onTime(at), title: "Show this moment" }, duration(at - began));
    const node = el("li", { class: kind }, time, el("span", { class: `who ${kind}` }, who), el("span", { class: "text" }, what));
    const before = lines.findLastIndex((one) => one.at <= at);
    const next = lines[before + 1];
    list.insertBefore(node, next ? next.node : null);
    lines.splice(before + 1, 0, { at, node });
  }

  function set(record) {
    for (const { type, at, data } of after(record.events, taken)) {
      if (type === "transcript") {
        add(data.began_at ?? at, record.started_at, data.role, data.role === "user" ? "Caller" : "Agent", data.text);
      } else if (type === "tool_call") {
        const output = el("code", {}, "…");
        tools.set(data.tool_call_id ?? data.name, output);
        add(at, record.started_at, "tool", "Tool", el("code", {}, `${data.name}(${pretty(data.arguments)})`), " gives ", output);
      } else if (type === "tool_output") {
        const output = tools.get(data.tool_call_id ?? data.name);
        if (output) put(output, pretty(data.output));
      } else if (notes[type]) {
        add(at, record.started_at, faults.has(type) ? "note fault" : "note", "", notes[type](data));
      }
    }
    taken = record.events.at(-1)?.id ?? taken;
    none.hidden = lines.length > 0;
  }

  // Marks the line that is heard at a moment, and brings it into sight within the list.
  function follow(at) {
    const line = lines.findLast((one) => one.at <= at + 0.05) ?? lines[0];
    if (!line || line === current) return;
    current?.node.removeAttribute("aria-current");
    current = line;
    line.node.setAttribute("aria-current", "true");
    list.scrollTo({ top: line.node.offsetTop - list.clientHeight / 3, behavior: "auto" });
  }
  return { node: el("div", {}, none, list), set, follow };
}

function pretty(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "string" ? value : JSON.stringify(value);
  } catch {
    return text;
  }
}
