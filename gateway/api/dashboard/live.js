// Calls in progress on all nodes: levels that move, and the latest words.

import { get } from "./api.js";
import { duration, el, state, user } from "./dom.js";

const scale = (dbm0) => Math.max(0, Math.min(1, (dbm0 + 60) / 60));

export const meters = () => {
  const bars = ["caller", "agent"].map((side) => el("div", { class: `meter ${side}` }, el("i")));
  return { node: el("div", { class: "meters", "aria-hidden": "true" }, bars), set: (both) => bars.forEach((bar, at) => { bar.firstChild.style.transform = `scaleX(${scale(both[at])})`; }) };
};

export async function live(main) {
  const rows = new Map();
  const body = el("tbody");
  const count = el("span", {}, "0");
  const none = el("p", { class: "soft" }, "Nobody is on the telephone.");
  main.replaceChildren(el("h2", {}, "Live calls (", count, ")"), none, el("table", { class: "calls" },
    el("thead", {}, el("tr", {}, ["State", "Caller", "Called", "Agent", "Time", "Levels", "Latest words"].map((name) => el("th", { scope: "col" }, name)))), body));

  function put(record) {
    if (record.state === "ended") return drop(record.call_id);
    let row = rows.get(record.call_id);
    if (!row) {
      const cells = { state: el("td"), caller: el("td"), called: el("td"), agent: el("td"), time: el("td", { class: "num" }), words: el("td", { class: "words", "aria-live": "off" }) };
      const bars = meters();
      const { words, ...others } = cells;
      row = { cells, bars, record, node: el("tr", { "data-call": record.call_id }, Object.values(others), el("td", {}, bars.node), words) };
      rows.set(record.call_id, row);
      body.prepend(row.node);
    }
    row.record = record;
    row.cells.state.replaceChildren(state(record.state));
    row.cells.caller.replaceChildren(el("a", { href: `#/calls/${record.call_id}` }, user(record.caller)));
    row.cells.called.textContent = user(record.called);
    row.cells.agent.textContent = record.agent ?? "";
    counted();
  }
  function drop(id) {
    rows.get(id)?.node.remove();
    rows.delete(id);
    counted();
  }
  function counted() {
    count.textContent = rows.size;
    none.hidden = rows.size > 0;
  }
  function tick() {
    for (const row of rows.values()) row.cells.time.textContent = duration(Date.now() / 1000 - (row.record.answered_at ?? row.record.started_at));
  }
  async function refresh() {
    const { data } = await get("/v1/calls?live=true&limit=500");
    const there = new Set(data.map((record) => record.call_id));
    for (const id of [...rows.keys()]) if (!there.has(id)) drop(id);
    data.reverse().forEach(put);
    tick();
  }
  await refresh();
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
        if (event.record) put(event.record);
        if (event.type === "transcript") {
          const words = rows.get(event.call_id)?.cells.words;
          if (words) words.textContent = `${event.data.role === "user" ? "Caller" : "Agent"}: ${event.data.text}`;
        }
      }
    },
  };
}
