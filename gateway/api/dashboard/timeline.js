// A call as a picture: both voices' envelopes, when the caller spoke, interruptions, tools and transfers.

import { el } from "./dom.js";

const WIDTH = 1000, LANE = 60, TOP = 18;

export function timeline(record, levels) {
  const began = record.answered_at ?? record.started_at;
  const until = record.ended_at ?? Date.now() / 1000;
  const total = Math.max(1, until - began);
  const x = (at) => Math.max(0, Math.min(WIDTH, ((at - began) / total) * WIDTH));
  const parts = [];
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((seconds) => total / seconds <= 12) ?? 3600;
  for (let second = 0; second <= total; second += step) {
    const at = x(began + second);
    parts.push(el("line", { class: "grid", x1: at, x2: at, y1: TOP, y2: TOP + 2 * LANE + 30 }), el("text", { x: at + 2, y: 12 }, `${Math.floor(second / 60)}:${String(second % 60).padStart(2, "0")}`));
  }
  for (const [from, to] of spans(record.events, until)) {
    parts.push(el("rect", { class: "speech", x: x(from), y: TOP, width: Math.max(1, x(to) - x(from)), height: LANE }));
  }
  parts.push(envelope(levels.caller, levels, TOP, total, "caller"), envelope(levels.agent, levels, TOP + LANE + 6, total, "agent"));
  parts.push(el("text", { x: 4, y: TOP + 12 }, "caller"), el("text", { x: 4, y: TOP + LANE + 18 }, "agent"));
  for (const event of record.events) {
    const kind = marks[event.type];
    if (!kind || event.at < began) continue;
    const at = x(event.at), low = TOP + 2 * LANE + 14;
    parts.push(el("g", { class: `mark ${kind}` },
      el("title", {}, `${event.type} at ${(event.at - began).toFixed(1)} s: ${says(event)}`),
      el("line", { x1: at, x2: at, y1: TOP, y2: low }), el("circle", { cx: at, cy: low + 5, r: 5 })));
  }
  const picture = el("svg", { class: "timeline", viewBox: `0 0 ${WIDTH} ${TOP + 2 * LANE + 34}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `Timeline of ${Math.round(total)} seconds: ${count(record, "transcript")} turns, ${count(record, "interrupted")} interruptions, ${count(record, "tool_call")} tool calls` }, parts);
  const key = el("p", { class: "key" }, [["caller", "caller's voice"], ["agent", "agent's voice"], ["bad", "interruption"], ["warn", "tool"], ["accent", "transfer"]]
    .map(([color, name]) => { const box = el("i"); box.style.background = `var(--${color})`; return el("span", {}, box, name); }));
  return el("div", {}, picture, key);
}

const marks = { interrupted: "barge", tool_call: "tool", tool_output: "tool", transfer_started: "transfer", transfer_failed: "transfer", bridged: "transfer" };
const says = (event) => event.data.name ?? event.data.target ?? (event.data.audio_end_ms !== undefined ? `${event.data.audio_end_ms} ms were heard` : "");
const count = (record, type) => record.events.filter((event) => event.type === type).length;

function spans(events, until) {
  const found = [];
  let from = null;
  for (const event of events) {
    if (event.type === "speech_started") from ??= event.at;
    else if (event.type === "speech_stopped" && from !== null) { found.push([from, event.at]); from = null; }
  }
  if (from !== null) found.push([from, until]);
  return found;
}

// The loudest sample of each step, so that a long call is no heavier than a short one.
function envelope(samples, { samples_a_second: rate, floor }, top, total, side) {
  const middle = top + LANE / 2, steps = Math.min(500, samples.length);
  let upper = "", lower = "";
  for (let step = 0; step < steps; step += 1) {
    const first = Math.floor((step * samples.length) / steps), last = Math.floor(((step + 1) * samples.length) / steps);
    const loudest = Math.max(...samples.slice(first, Math.max(last, first + 1)));
    const half = Math.max(0.5, ((loudest - Math.max(floor, -60)) / 60) * (LANE / 2));
    const at = Math.min(WIDTH, (first / rate / total) * WIDTH);
    upper += `${upper ? "L" : "M"}${at.toFixed(1)},${(middle - Math.max(0.5, half)).toFixed(1)}`;
    lower = `L${at.toFixed(1)},${(middle + Math.max(0.5, half)).toFixed(1)}${lower}`;
  }
  return el("path", { class: side, d: upper ? `${upper}${lower}Z` : "" });
}
