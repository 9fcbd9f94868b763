// One call: what it is, what was said, a picture of it, its recording, and what can be done about it.

import { blob, get, post } from "./api.js";
import { ask, duration, el, facts, state, table, tell, user, when } from "./dom.js";
import { meters } from "./live.js";
import { timeline } from "./timeline.js";

export async function callPage(main, id) {
  let [record, levels] = await Promise.all([get(`/v1/calls/${id}`), get(`/v1/calls/${id}/levels`)]);
  const places = Object.fromEntries(["head", "facts", "actions", "picture", "talk", "recording", "events"].map((name) => [name, el("div")]));
  const bars = meters();
  const talk = el("ol", { class: "talk", "aria-live": "polite", "aria-label": "What was said" });
  places.talk.append(el("h3", {}, "What was said"), talk);
  main.replaceChildren(...Object.values(places));

  function draw() {
    const answered = record.answered_at, end = record.ended_at ?? Date.now() / 1000;
    const media = record.media ?? {}, ms = (value) => (value === undefined ? undefined : `${value} ms`);
    places.head.replaceChildren(el("h2", {}, `${user(record.caller)} to ${user(record.called)} `, state(record.state)));
    places.facts.replaceChildren(facts([
      ["Call", record.call_id], ["Agent", record.agent], ["Provider", record.provider], ["Node", record.node], ["Trunk", record.trunk],
      ["Caller", record.caller], ["Called", record.called], ["Began", when(record.started_at)],
      ["Talked for", answered ? duration(end - answered) : "not answered"], ["Outcome", record.outcome],
      ["Codec", media.codec], ["MOS", media.mos], ["Round trip", ms(media.round_trip_ms)],
      ["Session after", ms(record.stages?.session_ms)], ["First words after", ms(record.stages?.first_audio_ms)],
      ["Answers after, median", ms(median(record.answer_ms))],
      ["Interruptions", record.interruptions], ["Tools called", record.tool_calls], ["Reconnects", record.reconnects],
      ["Cost", record.cost == null ? undefined : record.cost.toFixed(4)], ["Disposition", record.disposition],
    ]));
    talk.replaceChildren(...record.events.filter((event) => event.type === "transcript").map((event) => line(event, record.started_at)));
    places.actions.replaceChildren(...(record.state === "ended" ? [] : [bars.node, buttons(record)]));
    places.picture.replaceChildren(el("h3", {}, "Timeline"), timeline(record, levels));
    places.events.replaceChildren(el("details", {}, el("summary", {}, `${record.events.length} events`),
      table(["After", "Event", ""], record.events.map((event) => [`${(event.at - record.started_at).toFixed(2)} s`, event.type, JSON.stringify(event.data)]))),
      el("details", { ontoggle: trace }, el("summary", {}, "SIP messages")));
  }

  async function trace(event) {
    const place = event.target;
    if (!place.open || place.childElementCount > 1) return;
    const { data } = await get(`/v1/calls/${id}/sip`).catch((error) => ({ data: [{ what: "problem", peer: "", message: error.message }] }));
    place.append(...data.map((one) => el("pre", {}, `${one.what} ${one.peer}\n${one.message}`)));
  }

  async function recording() {
    const files = record.events.filter((event) => event.type === "recording_started").map((event) => event.data.file);
    if (record.state !== "ended" || !files.length || places.recording.childElementCount) return;
    places.recording.append(el("h3", {}, "Recording"));
    for (const file of files) {
      try {
        places.recording.append(el("audio", { controls: true, src: await blob(`/v1/calls/${id}/recording?file=${encodeURIComponent(file)}`), "aria-label": `Recording ${file}: the caller on the left, the agent on the right` }));
      } catch (error) {
        places.recording.append(el("p", { class: "bad" }, error.message));
      }
    }
  }

  async function refresh() {
    [record, levels] = await Promise.all([get(`/v1/calls/${id}`), get(`/v1/calls/${id}/levels`)]);
    draw();
    await recording();
  }
  draw();
  await recording();
  let later = null;
  const soon = () => { later ??= setTimeout(() => { later = null; refresh().catch(() => {}); }, 300); };
  const timer = setInterval(() => { if (record.state !== "ended") soon(); }, 5000);
  return {
    refresh: soon,
    leave: () => { clearInterval(timer); clearTimeout(later); },
    hear(event) {
      if (event.type === "levels") { if (event.levels[id]) bars.set(event.levels[id]); }
      else if (event.call_id === id) soon();
    },
  };
}

const median = (values) => (values?.length ? [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] : undefined);

const line = (event, began) => el("li", {}, el("span", { class: "soft num" }, duration(event.at - began)),
  el("span", { class: event.data.role }, event.data.role === "user" ? "Caller" : "Agent"), el("span", { class: "text" }, event.data.text));

function buttons(record) {
  const id = record.call_id;
  const last = (type) => record.events.filter((event) => event.type === type).at(-1);
  const held = last("hold")?.data.on === true;
  const muted = record.events.filter((event) => event.type === "mute" && event.data.who === "caller").at(-1)?.data.on === true;
  const tape = last("recording_started") && !(last("recording_stopped")?.at >= last("recording_started").at);
  async function act(verb, body, done) {
    try {
      await post(`/v1/calls/${id}/${verb}`, body);
      tell(done);
    } catch (error) {
      tell(error.message);
    }
  }
  const talking = record.state === "answered";
  const actions = [
    ["Hang up", "danger", true, async () => { if (await ask("Hang up?", `The call of ${user(record.caller)} ends at once.`, "Hang up")) act("hangup", {}, "The call was ended."); }],
    ["Transfer", "", talking, async () => {
      const given = await ask("Transfer the caller", "A number, a sip: or tel: URI, or a target of the agent's.", "Transfer", [{ name: "to", label: "To", required: true, maxlength: 200 }]);
      if (given) act("transfer", { to: given.to }, "The transfer has begun.");
    }],
    [held ? "Take back" : "Hold", "", talking, () => act("hold", { on: !held }, held ? "The caller is back." : "The caller hears music.")],
    [muted ? "Unmute caller" : "Mute caller", "", talking, () => act("mute", { on: !muted }, muted ? "The agent hears the caller." : "The agent hears silence.")],
    ["Say", "", talking, async () => {
      const given = await ask("Have the agent say something", "It says just this, when it has finished what it is saying.", "Say", [{ name: "text", label: "Words", required: true, maxlength: 4000 }]);
      if (given) act("say", { text: given.text }, "The agent was told.");
    }],
    ["Tell the model", "", talking, async () => {
      const given = await ask("Tell the model something", "The caller does not hear it.", "Tell", [{ name: "text", label: "Note", required: true, maxlength: 16000 }]);
      if (given) act("inject", { text: given.text }, "The model knows.");
    }],
    ["Keys", "", talking || record.state === "bridged", async () => {
      const given = await ask("Press keys", "0 to 9, *, #", "Press", [{ name: "digits", label: "Keys", required: true, maxlength: 40 }]);
      if (given) act("dtmf", { digits: given.digits }, "The keys were pressed.");
    }],
    [tape ? "Stop recording" : "Record", "", talking, () => act("recording", { action: tape ? "stop" : "start" }, tape ? "The recording has ended." : "The call is recorded.")],
  ];
  return el("p", { class: "buttons" }, actions.map(([name, look, can, act]) => el("button", { type: "button", class: look, disabled: !can, onclick: act }, name)));
}
