// What needs no agent: messages at mailboxes, and opening hours.

import { blob, download, get, may, post, remove } from "./api.js";
import { ask, duration, el, put, tell, user, when } from "./dom.js";

const cells = (names, row) => row.map((cell, at) => el("td", { "data-label": names[at] }, cell ?? ""));

export async function voicemail(main, given) {
  const wanted = new URLSearchParams(given ?? "");
  const names = ["Left", "From", "Mailbox", "Length", "What was said", "Message"];
  const body = el("tbody"), place = el("div", { "aria-live": "polite" }), more = el("p");
  const opened = new Map();  // audio elements, by message
  let newest = 0;

  function row(message) {
    const player = el("div", { class: "player" }), line = el("tr", { "data-id": message.id });
    const fresh = el("strong", { class: "state ringing" }, "new");
    const marks = may("operate") && el("button", { type: "button", onclick: () => mark(message, !message.heard, draw) });
    function draw() {
      line.className = message.heard ? "" : "new";
      fresh.hidden = message.heard;
      if (marks) put(marks, message.heard ? "Mark as new" : "Mark as heard");
    }
    player.append(el("button", { type: "button", onclick: () => play(message, player, draw) }, "Listen"));
    const actions = el("div", { class: "buttons" },
      el("button", { type: "button", onclick: () => download(`/v1/voicemails/${message.id}/audio`, message.file).catch((error) => tell(error.message)) }, "Download"),
      marks, may("operate") && el("button", { type: "button", class: "danger", onclick: () => drop(message, line) }, "Delete"));
    line.append(...cells(names, [
      el("span", {}, when(message.at), " ", fresh),
      el("span", {}, message.caller_name ? `${message.caller_name} ` : "", el("a", { href: `#/calls/${message.call_id}` }, user(message.caller))),
      message.box, duration(Math.round(message.seconds)),
      message.transcript ? el("q", {}, message.transcript) : el("span", { class: "soft" }, message.transcript === "" ? "No words were understood." : "Not written down."),
      el("div", {}, player, actions)]));
    draw();
    return line;
  }

  async function play(message, player, draw) {
    try {
      const audio = el("audio", { controls: true, src: await blob(`/v1/voicemails/${message.id}/audio`), "aria-label": `Message from ${user(message.caller)}` });
      opened.set(message.id, audio);
      player.replaceChildren(audio);
      audio.focus();
      audio.addEventListener("ended", () => { if (may("operate") && !message.heard) mark(message, true, draw); });
      await audio.play().catch(() => {});
    } catch (error) {
      player.append(el("p", { class: "bad" }, error.message));
    }
  }

  async function mark(message, heard, draw) {
    try {
      Object.assign(message, await post(`/v1/voicemails/${message.id}/heard`, { heard }));
      draw();
    } catch (error) {
      tell(error.message);
    }
  }

  async function drop(message, line) {
    if (!await ask("Delete this message?", `From ${user(message.caller)}, ${duration(message.seconds)}; it cannot be had back.`, "Delete", [], true)) return;
    try {
      await remove(`/v1/voicemails/${message.id}`);
      line.remove();
      if (!body.children.length) await load();
    } catch (error) {
      tell(error.message);
    }
  }

  async function load(cursor = "") {
    const asked = new URLSearchParams({ limit: "25" });
    for (const name of ["box", "heard"]) if (wanted.get(name)) asked.set(name, wanted.get(name));
    if (cursor) asked.set("cursor", cursor);
    const { data, next } = await get(`/v1/voicemails?${asked}`);
    if (!cursor) body.replaceChildren();
    body.append(...data.map(row));
    newest = Math.max(newest, ...data.map((one) => one.at), 0);
    place.replaceChildren(body.children.length
      ? el("table", { class: "cards voicemail" }, el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))), body)
      : el("p", { class: "soft" }, "There are no messages."));
    more.replaceChildren(...(next ? [el("button", { type: "button", onclick: () => load(next).catch((error) => tell(error.message)) }, "More")] : []));
  }

  const box = el("input", { name: "box", type: "search", value: wanted.get("box") ?? "" });
  const heard = el("select", { name: "heard" }, [["", "all"], ["false", "new"], ["true", "heard"]].map(([value, text]) => el("option", { value, selected: wanted.get("heard") === value }, text)));
  const form = el("form", { class: "search", role: "search" }, el("label", {}, "Mailbox", box), el("label", {}, "Messages", heard),
    el("p", { class: "buttons" }, el("button", { class: "primary" }, "Show")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    location.hash = `#/voicemail${filled.size ? `?${filled}` : ""}`;
  });
  main.append(el("h2", {}, "Voicemail"), form, place, more);
  await load();
  // A message comes with its words; whoever listens or reads is left alone, and told.
  const hear = (event) => {
    if (event.type !== "voicemail_left") return;
    if (opened.size || more.contains(document.activeElement)) tell("There is a new message: show the page again.");
    else setTimeout(() => load().catch(() => {}), 1500);
  };
  return { hear, leave: () => { for (const audio of opened.values()) URL.revokeObjectURL(audio.src); } };
}

export async function hours(main) {
  const place = el("div", { "aria-live": "polite" });
  const names = ["Calendar", "Now", "Until", "Time zone", "By", ...(may("operate") ? ["Action"] : [])];

  async function refresh() {
    const { data } = await get("/v1/hours");
    const at = document.activeElement?.dataset?.action;
    place.replaceChildren(data.length
      ? el("table", { class: "cards" }, el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, data.map((one) => el("tr", {}, cells(names, [
        one.name, el("span", { class: `state ${one.open ? "answered" : "ended"}` }, one.open ? "open" : "closed"),
        one.until_at ? new Date(one.until_at * 1000).toLocaleString(undefined, { timeZone: one.timezone, dateStyle: "medium", timeStyle: "short" }) : "no change within a year",
        one.timezone, one.overridden_by === null ? "the calendar" : `by hand: ${one.overridden_by || "somebody"}`,
        ...(may("operate") ? [el("div", { class: "buttons" },
          el("button", { type: "button", "data-action": `${one.name} turn`, onclick: () => turn(one) }, one.open ? "Close" : "Open"),
          one.overridden_by !== null && el("button", { type: "button", "data-action": `${one.name} off`, onclick: () => off(one) }, "As written"))] : [])])))))
      : el("p", { class: "soft" }, "The gateway's file has no hours."));
    if (at) place.querySelector(`[data-action="${CSS.escape(at)}"]`)?.focus();
  }

  async function turn(one) {
    const verb = one.open ? "Close" : "Open";
    const given = await ask(`${verb} ${one.name}?`, "On all nodes, for calls that come from now on. Left empty: until the calendar's own next change.", verb,
      [{ name: "until", label: `Until, in ${one.timezone} (2026-12-24T18:00)`, pattern: "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d", title: "as 2026-12-24T18:00", maxlength: 16 }]);
    if (!given) return;
    try {
      await post(`/v1/hours/${encodeURIComponent(one.name)}/override`, { open: !one.open, ...(given.until ? { until: epochIn(given.until, one.timezone) } : {}) });
    } catch (error) {
      tell(error.message);
    }
    await refresh();
  }

  async function off(one) {
    try {
      await remove(`/v1/hours/${encodeURIComponent(one.name)}/override`);
    } catch (error) {
      tell(error.message);
    }
    await refresh();
  }

  main.append(el("h2", {}, "Opening hours"), place);
  await refresh();
  const timer = setInterval(() => refresh().catch(() => {}), 15000);
  return { leave: () => clearInterval(timer) };
}

// Of a time on the wall of a place, in s: what UTC shows, less what that place's clock is ahead of it then.
export function epochIn(text, timeZone) {
  const wall = Date.parse(`${text}:00Z`) / 1000;
  const ahead = (at) => {
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" })
      .formatToParts(at * 1000).map((part) => [part.type, Number(part.value)]));
    return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 - at;
  };
  return wall - ahead(wall - ahead(wall));
}
