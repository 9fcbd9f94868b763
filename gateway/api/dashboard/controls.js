// What can be done about a call that goes on. An action ends with its outcome, which the call's events tell.

import { post } from "./api.js";
import { ask, el, put, user } from "./dom.js";

const PATIENCE = 20000;  // ms

// What an event says of an action: text, whether it is bad, and whether something follows.
const outcomes = {
  hangup: { ended: () => ["The call was ended."] },
  transfer: {
    transfer_started: (data) => ["The caller is being put through to " + data.target + ".", false, true],
    transfer_dialing: (data) => [`Calling ${data.uri}.`, false, true],
    transfer_progress: (data) => [`Underway: ${data.status} ${data.reason ?? ""}`.trim(), false, true],
    transfer_failed: (data) => [`The transfer to ${data.target} failed: ${data.problem}${data.status && !String(data.problem).includes(data.status) ? ` (${data.status})` : ""}. The caller is with the agent again.`, true],
    bridged: (data) => [`The caller talks with ${data.target}.`],
    ended: (data) => (data.outcome === "transferred" ? ["The caller was transferred."] : [`The call ended before the transfer was done: ${data.outcome}.`, true]),
  },
  hold: { hold: (data) => (data.by === "gateway" ? [data.on ? "The caller is on hold." : "The caller is back."] : null) },
  mute: { mute: (data) => [data.on ? "The agent hears silence instead of the caller." : "The agent hears the caller."] },
  say: {
    say: () => ["The agent is told to say it.", false, true],
    transcript: (data) => (data.role === "assistant" ? [`The agent said: ${data.text}`] : null),
    response_failed: (data) => [`The agent did not say it: ${data.problem || data.status}`, true],
    provider_fault: (data) => [`The agent did not say it: ${data.message}`, true],
  },
  inject: { injected: () => ["The model knows."] },
  dtmf: { dtmf_sent: (data) => [`These keys were pressed: ${data.digits}`] },
  recording: {
    recording_started: () => ["The call is recorded from now on."],
    recording_stopped: (data) => [`The recording has ended: ${data.seconds} s.`],
    recording_failed: (data) => [`Nothing is recorded: ${data.problem}`, true],
  },
};

export function controls(id, refresh) {
  let record = null, pending = null;
  const outcome = el("p", { class: "outcome", role: "status" });

  function told(text, bad = false) {
    put(outcome, text);
    outcome.className = bad ? "outcome bad" : "outcome";
  }

  function settle() {
    clearTimeout(pending?.timer);
    pending = null;
    set(record);
  }

  async function act(verb, body, doing) {
    if (pending) { told(`${pending.doing} first: it has not ended yet.`); return; }
    pending = { verb, doing, early: [], timer: setTimeout(() => { told(`${doing}: nothing has been heard of it for ${PATIENCE / 1000} s.`, true); settle(); }, PATIENCE) };
    told(`${doing} …`);
    set(record);
    try {
      await post(`/v1/calls/${id}/${verb}`, body);
      refresh();
    } catch (error) {
      settle();
      told(`${doing} did not work: ${error.message}`, true);
    }
  }

  function hear(event) {
    const says = pending && outcomes[pending.verb][event.type]?.(event.data);
    if (says) {
      const [text, bad = false, more = false] = says;
      if (!more) settle();
      told(text, bad);
    } else if (pending && event.type === "ended") {
      settle();
      told(`The call has ended: ${event.data.outcome}.`, true);
    }
  }

  const held = () => (record.held_by ?? []).includes("gateway");
  const muted = () => (record.muted ?? []).includes("caller");
  const tape = () => (record.recording ?? "off") !== "off";
  const talking = () => record.state === "answered";
  const rows = [
    { name: () => "Hang up", look: "danger", can: () => true, do: async () => {
      if (await ask("Hang up?", `The call of ${user(record.caller)} ends at once.`, "Hang up", [], true)) act("hangup", {}, "Hanging up");
    } },
    { name: () => "Transfer", can: talking, do: async () => {
      const given = await ask("Transfer the caller", "A number, a sip: or tel: URI, or a target of the agent's.", "Transfer", [{ name: "to", label: "To", required: true, maxlength: 200 }]);
      if (given) act("transfer", { to: given.to }, `Transferring to ${given.to}`);
    } },
    { name: () => (held() ? "Take back" : "Hold"), can: talking, do: () => act("hold", { on: !held() }, held() ? "Taking the caller back" : "Putting the caller on hold") },
    { name: () => (muted() ? "Unmute caller" : "Mute caller"), can: talking, do: () => act("mute", { on: !muted() }, muted() ? "Unmuting" : "Muting") },
    { name: () => "Say", can: talking, do: async () => {
      const given = await ask("Have the agent say something", "It says just this, when it has finished what it is saying.", "Say", [{ name: "text", label: "Words", required: true, maxlength: 4000 }]);
      if (given) act("say", { text: given.text }, "Saying it");
    } },
    { name: () => "Tell the model", can: talking, do: async () => {
      const given = await ask("Tell the model something", "The caller does not hear it.", "Tell", [{ name: "text", label: "Note", required: true, maxlength: 16000 }]);
      if (given) act("inject", { text: given.text }, "Telling the model");
    } },
    { name: () => "Keys", can: () => talking() || record.state === "bridged", do: async () => {
      const given = await ask("Press keys", "0 to 9, * and #", "Press", [{ name: "digits", label: "Keys", required: true, maxlength: 40, pattern: "[0-9*#A-Da-d]+", title: "0 to 9, *, #, A to D" }]);
      if (given) act("dtmf", { digits: given.digits }, "Pressing keys");
    } },
    { name: () => (tape() ? "Stop recording" : "Record"), can: talking, do: () => act("recording", { action: tape() ? "stop" : "start" }, tape() ? "Ending the recording" : "Beginning to record") },
  ];
  for (const row of rows) {
    row.node = el("button", { type: "button", class: row.look ?? "", onclick: () => { if (row.node.getAttribute("aria-disabled") !== "true") row.do(); } });
  }
  const node = el("p", { class: "buttons" }, rows.map((row) => row.node));

  // Buttons say what they would do now. They are never taken away under a finger or from the keyboard.
  function set(found) {
    record = found;
    for (const row of rows) {
      put(row.node, row.name());
      row.node.setAttribute("aria-disabled", String(!row.can() || pending !== null));
    }
  }
  return { node, outcome, set, hear };
}
