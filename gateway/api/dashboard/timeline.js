// A call as a picture: both voices, when the caller spoke, who was on hold, and what happened. Only what may be stretched
// is drawn in SVG; words and marks stand on it as they are. With the pointer or the arrow keys one moves along it.

import { duration, el, put } from "./dom.js";

const WIDTH = 2000, LANE = 100;
const marks = {
  interrupted: ["barge", "interruption"], tool_call: ["tool", "tool"], transfer_started: ["transfer", "transfer begins"],
  transfer_failed: ["fault", "transfer failed"], bridged: ["transfer", "joined"], agent_updated: ["transfer", "another agent"],
  agent_update_refused: ["fault", "not another agent"],
  routed: ["transfer", "goes to"], route_failed: ["fault", "goes on"], voicemail_left: ["tape", "message left"], consent: ["key", "consent"], lookup_failed: ["fault", "not looked up"],
  dtmf: ["key", "key"], dtmf_sent: ["key", "keys sent"], hold: ["hold", "hold"],
  response_failed: ["fault", "answer failed"], provider_fault: ["fault", "provider's fault"], provider_broken: ["fault", "session broke"], trunk_failed: ["fault", "next trunk"],
  provider_failed: ["fault", "provider failed"], provider_restored: ["transfer", "provider is back"],
  echo_detected: ["fault", "echo"], tool_blocked: ["fault", "tool blocked all calls"],
  recording_started: ["tape", "recording begins"], recording_stopped: ["tape", "recording ends"], recording_failed: ["fault", "not recorded"],
};
const colors = [["caller", "caller's voice"], ["agent", "agent's voice"], ["bad", "interruption, fault"], ["warn", "tool"], ["accent", "transfer, other"]];

// `onTime` hears the moment that somebody chose.
export function timeline(onTime) {
  const speech = el("g"), holds = el("g"), voices = { caller: el("path", { class: "caller" }), agent: el("path", { class: "agent" }) };
  const svg = el("svg", { viewBox: `0 0 ${WIDTH} ${2 * LANE}`, preserveAspectRatio: "none", "aria-hidden": "true" }, holds, speech, Object.values(voices));
  const ticks = el("div", { class: "ticks", "aria-hidden": "true" }), dots = el("div", { class: "dots", "aria-hidden": "true" });
  const cursor = el("i", { class: "cursor" });
  const plot = el("div", { class: "plot", tabindex: "0", role: "slider", "aria-label": "Moment of the call", "aria-valuemin": "0", "aria-valuenow": "0" },
    svg, el("span", { class: "lane", style: "top:0", "aria-hidden": "true" }, "caller"), el("span", { class: "lane", style: "top:50%", "aria-hidden": "true" }, "agent"), cursor);
  const readout = el("p", { class: "readout", "aria-live": "off" });
  const key = el("p", { class: "key" }, colors.map(([color, name]) => { const box = el("i"); box.style.background = `var(--${color})`; return el("span", {}, box, name); }));
  const node = el("div", { class: "timeline" }, ticks, plot, dots, readout, key);
  let record = null, levels = null, began = 0, total = 1, at = null, happened = [], drawn = "";

  const share = (moment) => Math.max(0, Math.min(1, (moment - began) / total));

  function set(found, heard) {
    [record, levels] = [found, heard];
    began = record.answered_at ?? record.started_at;
    total = Math.max(1, (record.ended_at ?? Date.now() / 1000) - began);
    happened = record.events.filter((event) => marks[event.type] && event.at >= began - 1);
    draw();
    plot.setAttribute("aria-valuemax", total.toFixed(1));
    if (at === null) plot.setAttribute("aria-valuetext", say(began)); else look(at);
  }

  function draw() {
    const now = `${total.toFixed(1)} ${happened.length} ${levels.caller.length}`;
    if (now === drawn) return;
    drawn = now;
    const narrow = (node.clientWidth || 800) < 500, step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((seconds) => total / seconds <= (narrow ? 6 : 12)) ?? 3600;
    ticks.replaceChildren(...Array.from({ length: Math.floor((total * 0.96) / step) + 1 }, (_, count) => { const one = el("span", {}, duration(count * step).replace(/^0/, "")); one.style.left = `${(100 * count * step) / total}%`; return one; }));
    speech.replaceChildren(...spans("speech_started", "speech_stopped").map(([from, to]) => box("speech", from, to, 0, LANE)));
    holds.replaceChildren(...held().map(([from, to]) => box("onhold", from, to, 0, 2 * LANE)));
    voices.caller.setAttribute("d", envelope(levels.caller, 0));
    voices.agent.setAttribute("d", envelope(levels.agent, LANE));
    dots.replaceChildren(...happened.map((event) => { const one = el("i", { class: marks[event.type][0], title: what(event) }); one.style.left = `${100 * share(event.at)}%`; return one; }));
  }

  const box = (name, from, to, top, height) => el("rect", { class: name, x: WIDTH * share(from), y: top, width: Math.max(2, WIDTH * (share(to) - share(from))), height });

  function spans(first, last) {
    const found = [];
    let from = null;
    for (const event of record.events) {
      if (event.type === first) from ??= event.at;
      else if (event.type === last && from !== null) { found.push([from, event.at]); from = null; }
    }
    return from === null ? found : [...found, [from, began + total]];
  }

  function held() {
    const found = [], from = {};
    for (const { type, at: moment, data } of record.events) {
      if (type !== "hold") continue;
      if (data.on) from[data.by] ??= moment;
      else if (from[data.by] !== undefined) { found.push([from[data.by], moment]); delete from[data.by]; }
    }
    return [...found, ...Object.values(from).map((moment) => [moment, began + total])];
  }

  // The loudest of each step, as finely as was measured; a long call is no heavier than a short one.
  function envelope(samples, top) {
    const middle = top + LANE / 2, steps = Math.min(WIDTH, samples.length), rate = levels.samples_a_second;
    let upper = "", lower = "";
    for (let step = 0; step < steps; step += 1) {
      const first = Math.floor((step * samples.length) / steps), last = Math.max(first + 1, Math.floor(((step + 1) * samples.length) / steps));
      let loudest = levels.floor;
      for (let one = first; one < last; one += 1) loudest = Math.max(loudest, samples[one]);
      const half = Math.max(0.8, ((loudest + 60) / 60) * (LANE / 2 - 4)), x = Math.min(WIDTH, (first / rate / total) * WIDTH).toFixed(1);
      upper += `${upper ? "L" : "M"}${x},${(middle - half).toFixed(1)}`;
      lower = `L${x},${(middle + half).toFixed(1)}${lower}`;
    }
    return upper ? `${upper}${lower}Z` : "";
  }

  const level = (samples, moment) => {
    const value = samples[Math.round((moment - began) * levels.samples_a_second)];
    return value === undefined || value <= -60 ? "silent" : `${value} dBm0`;
  };
  const detail = (data) => data.name ?? data.target ?? data.to ?? data.answer ?? data.agent ?? data.problem ?? data.message ?? data.digit ?? data.digits ?? (data.by ? `${data.on ? "on" : "off"}, by the ${data.by}` : data.audio_end_ms !== undefined ? `${data.audio_end_ms} ms were heard` : "");
  const what = (event) => `${marks[event.type][1]} at ${(event.at - began).toFixed(1)} s${detail(event.data) ? `: ${detail(event.data)}` : ""}`;

  function say(moment) {
    const near = happened.filter((event) => Math.abs(event.at - moment) <= Math.max(0.3, total / 150)).map(what);
    const text = [`${(moment - began).toFixed(1)} s`, `caller ${level(levels.caller, moment)}`, `agent ${level(levels.agent, moment)}`, ...near].join(" · ");
    put(readout, text);
    return text;
  }

  // Shows a moment, without choosing it.
  function look(moment) {
    at = Math.max(began, Math.min(began + total, moment));
    cursor.style.left = `${100 * share(at)}%`;
    plot.setAttribute("aria-valuenow", (at - began).toFixed(1));
    plot.setAttribute("aria-valuetext", say(at));
  }
  const choose = (moment) => { look(moment); onTime(at); };
  const pointed = (event) => { const place = plot.getBoundingClientRect(); return began + (total * (event.clientX - place.left)) / place.width; };

  plot.addEventListener("pointermove", (event) => say(Math.max(began, Math.min(began + total, pointed(event)))));
  plot.addEventListener("pointerleave", () => say(at ?? began));
  plot.addEventListener("click", (event) => choose(pointed(event)));
  plot.addEventListener("keydown", (event) => {
    const now = at ?? began, events = happened.map((one) => one.at);
    const to = {
      ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: began, End: began + total,
      PageDown: events.find((one) => one > now + 0.05) ?? now, PageUp: events.findLast((one) => one < now - 0.05) ?? now,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  });
  return { node, set, look };
}
