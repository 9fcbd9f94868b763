// Calls in progress on all nodes: levels that move, and the latest words.

import { get } from "./api.js";
import { badges, duration, el, put, user } from "./dom.js";

const scale = (dbm0) => Math.max(0, Math.min(1, (dbm0 + 60) / 60));

export const meters = () => {
  const bars = ["caller", "agent"].map((side) => el("div", { class: `meter ${side}` }, el("i")));
  return { node: el("div", { class: "meters", "aria-hidden": "true" }, bars), set: (both) => bars.forEach((bar, at) => { bar.firstChild.style.transform = `scaleX(${scale(both[at])})`; }) };
};

// Who has the call: an agent, or the place where it is without one.
const at = (record) => { const last = record.path?.at(-1); return last && !last.startsWith("agent:") ? last : record.agent; };

const columns = ["State", "Caller", "Called", "Agent", "Time", "Levels", "Latest words"];

export async function live(main) {
  const rows = new Map();
  const body = el("tbody");
  const count = el("span", {}, "0");
  const none = el("p", { class: "soft" }, "Nobody is on the telephone.");
  const table = el("table", { class: "cards calls" },
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))), body);

  function show(record) {
    if (record.state === "ended") return drop(record.call_id);
    let row = rows.get(record.call_id);
    if (!row) {
      const bars = meters(), link = el("a", { href: `#/calls/${record.call_id}` });
      const cells = [el("td"), el("td", {}, link), el("td"), el("td"), el("td", { class: "num" }), el("td", {}, bars.node), el("td", { class: "words", "aria-live": "off" })];
      cells.forEach((cell, at) => cell.setAttribute("data-label", columns[at]));
      row = { cells, bars, link, record, node: el("tr", { "data-call": record.call_id }, cells) };
      rows.set(record.call_id, row);
      body.prepend(row.node);
    }
    row.record = record;
    const [state, , called, agent] = row.cells, seen = badges(record);
    if (state.textContent !== seen.map((one) => one.textContent).join("")) state.replaceChildren(...seen);
    put(row.link, user(record.caller));
    put(called, user(record.called));
    put(agent, at(record));
    if (record.latest) words(record.call_id, record.latest);
    counted();
  }
  function words(id, said) {
    const row = rows.get(id);
    if (row && said.text) put(row.cells[6], `${said.role === "user" ? "Caller" : "Agent"}: ${said.text}`);
  }
  function drop(id) {
    rows.get(id)?.node.remove();
    rows.delete(id);
    counted();
  }
  function counted() {
    put(count, rows.size);
    none.hidden = rows.size > 0;
    table.hidden = rows.size === 0;
  }
  function tick() {
    for (const row of rows.values()) put(row.cells[4], duration(Date.now() / 1000 - (row.record.answered_at ?? row.record.started_at)));
  }
  async function refresh() {
    const { data } = await get("/v1/calls?live=true&limit=500");
    const there = new Set(data.map((record) => record.call_id));
    for (const id of [...rows.keys()]) if (!there.has(id)) drop(id);
    data.reverse().forEach(show);
    counted();
    tick();
  }
  await refresh();
  main.replaceChildren(el("h2", {}, "Live calls (", count, ")"), none, table);
  const timers = [setInterval(tick, 1000), setInterval(() => refresh().catch(() => {}), 30000)];
  return {
    refresh: () => refresh().catch(() => {}),
    leave: () => timers.forEach(clearInterval),
    hear(event) {
      if (event.type === "levels") {
        for (const [id, both] of Object.entries(event.levels)) rows.get(id)?.bars.set(both);
      } else if (event.type === "ended") {
        drop(event.call_id);
      } else {
        if (event.record) show(event.record);
        if (event.type === "transcript") words(event.call_id, event.data);
      }
    },
  };
}
