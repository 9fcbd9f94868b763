// One call: what it is, what was said and done, a picture of it, its recording, its SIP, and what can be done about it.
// The page is built once; what happens then changes its parts where they stand.

import { blob, download, get, may, remove } from "./api.js";
import { controls } from "./controls.js";
import { after, ask, badges, duration, el, facts, put, tell, user, when } from "./dom.js";
import { ladder } from "./ladder.js";
import { meters } from "./live.js";
import { talk } from "./talk.js";
import { timeline } from "./timeline.js";

export async function callPage(main, id) {
  let [record, levels] = await Promise.all([get(`/v1/calls/${id}`), get(`/v1/calls/${id}/levels`)]);
  const bars = meters(), known = facts(), title = el("span"), marks = el("span", { class: "badges" });
  const actions = may("operate") ? controls(id, soon) : null;
  const picture = timeline((at) => { if (seek(at)) said.follow(at); });
  const said = talk((at) => { picture.look(at); seek(at); });
  const messages = ladder(id);
  const recordings = el("div");
  const happened = el("tbody"), counted = el("summary");
  const events = el("details", {}, counted, el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ["After", "Event", "What is known of it"].map((name) => el("th", { scope: "col" }, name)))), happened)));
  const live = el("div", { class: "now" }, bars.node, actions?.node);
  const erase = may("admin") && el("p", { class: "buttons" }, el("button", { type: "button", class: "danger", onclick: eraseAll }, "Erase this call"));
  main.append(el("h2", {}, title, " ", marks), live, actions?.outcome ?? "", known.node, el("h3", {}, "Timeline"), picture.node, recordings,
    el("h3", {}, "What was said and done"), said.node, events, messages.node, erase || "");

  const files = new Map();  // of recordings: when each began, and what plays it
  let shown = "";  // the id of the latest event that is

  function draw() {
    const answered = record.answered_at, end = record.ended_at ?? Date.now() / 1000, over = record.state === "ended";
    const media = record.media ?? {}, stages = record.stages ?? {}, ms = (value) => (value === undefined ? undefined : `${value} ms`);
    put(title, `${user(record.caller)} to ${user(record.called)}`);
    const seen = badges(record), before = marks.textContent;
    if (before !== seen.map((one) => one.textContent).join("")) marks.replaceChildren(...seen);
    const last = record.events.filter((event) => event.type === "ended").at(-1)?.data ?? {};
    known.set([
      ["Call", record.call_id], ["Agent", record.agent], ["Summary", record.summary], ["Score", record.score ?? undefined], ...Object.entries(record.fields ?? {}).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)]),
      ["Consent to recording", record.consent?.answer], ["Went to", (record.path ?? []).join(", ")], ["Provider", record.provider], ["Node", record.node], ["Trunk", record.trunk],
      ["Caller", record.caller], ["Caller's name", record.caller_name], ["Called", record.called], ["Direction", record.direction],
      ["Attestation", record.attestation], ["Began", when(record.started_at)],
      ["Talked for", answered ? duration(end - answered) : "not answered"], ["Outcome", record.outcome],
      ["Why", last.problem || last.reason], ["Status", last.status || undefined],
      ["Codec", media.codec], ["MOS", media.mos], ["Round trip", ms(media.round_trip_ms)],
      ["Session after", ms(stages.session_ms ?? stages.session)], ["First words after", ms(stages.first_audio_ms ?? stages.first_audio)],
      ["Answers after, median", ms(median(record.answer_ms))],
      ["Interruptions", record.interruptions || undefined], ["Tools called", record.tool_calls || undefined], ["Reconnects", record.reconnects || undefined],
      ["Provider's faults", record.provider_faults || undefined], ["Echoes", record.echoes || undefined],
      ["Blocked by tools", record.blocked_ms ? ms(record.blocked_ms) : undefined],
      ["Cost", record.cost == null ? undefined : record.cost.toFixed(4)], ["Disposition", record.disposition],
    ]);
    live.hidden = over;
    if (erase) erase.hidden = !over;
    actions?.set(record);
    picture.set(record, levels);
    said.set(record);
    messages.set(over);
    put(counted, `${record.events.length} events`);
    for (const event of after(record.events, shown)) {
      happened.append(el("tr", {}, el("td", { class: "num" }, `${(event.at - record.started_at).toFixed(2)} s`), el("td", {}, event.type), el("td", { class: "data" }, JSON.stringify(event.data))));
    }
    shown = record.events.at(-1)?.id ?? shown;
    if (over) tapes();
  }

  async function tapes() {
    const begun = record.events.filter((event) => event.type === "recording_started" && !files.has(event.data.file));
    for (const event of begun) {
      const name = event.data.file;
      files.set(name, null);
      if (files.size === 1) recordings.append(el("h3", {}, "Recording"));
      try {
        const audio = el("audio", { controls: true, src: await blob(`/v1/calls/${id}/recording?file=${encodeURIComponent(name)}`), "aria-label": `Recording ${name}: the caller on the left, the agent on the right` });
        audio.addEventListener("timeupdate", () => { const at = event.at + audio.currentTime; picture.look(at); said.follow(at); });
        files.set(name, { began: event.at, audio });
        recordings.append(el("p", {}, audio, " ", el("button", { type: "button", onclick: () => download(`/v1/calls/${id}/recording?file=${encodeURIComponent(name)}`, name) }, "Download")));
      } catch (error) {
        recordings.append(el("p", { class: "bad" }, `${name}: ${error.message}`));
      }
    }
  }

  // Plays from a moment on, where something was recorded then.
  function seek(at) {
    const there = [...files.values()].filter(Boolean).filter((one) => at >= one.began - 0.05 && at <= one.began + one.audio.duration);
    if (there.length) there.at(-1).audio.currentTime = Math.max(0, at - there.at(-1).began);
    return there.length > 0;
  }

  async function eraseAll() {
    if (!await ask("Erase this call?", "Its record, events, recording and SIP messages are deleted on all nodes, and cannot be had back.", "Erase", [], true)) return;
    try {
      const { failed } = await remove(`/v1/records/${id}`);
      const left = Object.entries(failed).map(([node, why]) => `${node}: ${why}`).join("; ");
      tell(left ? `The call was erased, but not all of it: ${left}` : "The call was erased.");
      location.hash = "#/history";
    } catch (error) {
      tell(`It was not erased: ${error.message}`);
    }
  }

  async function refresh() {
    const known = levels.caller.length;  // a long call is not fetched again and again
    const [now, more] = await Promise.all([get(`/v1/calls/${id}`), get(`/v1/calls/${id}/levels?after=${known}`)]);
    record = now;
    if (levels.caller.length === known) for (const side of ["caller", "agent"]) levels[side].push(...more[side]);
    draw();
  }
  let later = null;
  function soon() { later ??= setTimeout(() => { later = null; refresh().catch(() => {}); }, 300); }
  draw();
  const timer = setInterval(() => { if (record.state !== "ended") soon(); }, 3000);
  return {
    title: `${user(record.caller)} to ${user(record.called)}`,
    refresh: soon,
    leave: () => {
      clearInterval(timer);
      clearTimeout(later);
      for (const one of files.values()) if (one) URL.revokeObjectURL(one.audio.src);
    },
    hear(event) {
      if (event.type === "levels") { if (event.levels[id]) bars.set(event.levels[id]); return; }
      if (event.call_id !== id) return;
      if (event.record) { record = { ...record, ...event.record }; draw(); }
      actions?.hear(event);
      soon();
    },
  };
}

const median = (values) => (values?.length ? [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] : undefined);
