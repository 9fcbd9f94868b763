// The SIP messages of a call as a ladder: an arrow for each, and behind it the text.

import { download, get } from "./api.js";
import { el, put } from "./dom.js";

export function ladder(id) {
  const lanes = el("div", { class: "lanes", "aria-hidden": "true" }), list = el("ol", { class: "ladder" });
  const problem = el("p", { class: "bad", hidden: true });
  const save = el("button", { type: "button", onclick: () => download(`/v1/calls/${id}/pcap`, `${id}.pcap`).catch((error) => failed(error)) }, "Download pcap");
  const node = el("details", { class: "sip", ontoggle: () => { if (node.open) refresh(); } }, el("summary", {}, "SIP messages"), el("p", { class: "buttons" }, save), problem, lanes, list);
  let shown = 0, peers = [], over = false;

  function failed(error) {
    problem.hidden = false;
    put(problem, error.message);
  }

  async function refresh() {
    try {
      const { data } = await get(`/v1/calls/${id}/sip`);
      problem.hidden = true;
      draw(data);
    } catch (error) {
      failed(error);
    }
  }

  function draw(messages) {
    const known = [...new Set(messages.map((one) => one.peer))];
    if (known.join() !== peers.join()) {  // somebody else has come: the lanes are others
      const open = new Set([...list.children].flatMap((item, at) => (item.firstChild.open ? [at] : [])));
      [peers, shown] = [known, 0];
      lanes.replaceChildren(...["gateway", ...peers].map((name) => el("span", {}, name)));
      list.replaceChildren();
      list.append(...messages.map((one, at) => row(one, messages[0].at, open.has(at))));
      shown = messages.length;
    }
    list.append(...messages.slice(shown).map((one) => row(one, messages[0].at, false)));
    shown = messages.length;
    for (const place of [lanes, list]) place.style.setProperty("--lanes", peers.length + 1);
  }

  function row(one, began, open) {
    const to = peers.indexOf(one.peer) + 1, first = one.message.split("\r\n", 1)[0];
    const name = (/^SIP\/2\.0 (.*)$/.exec(first)?.[1] ?? first.split(" ")[0]) + (one.message.includes("\r\nv=0") || one.message.includes("\nv=0") ? " (SDP)" : "");
    const arrow = el("span", { class: `arrow ${one.what}` }, el("span", {}, name));
    arrow.style.setProperty("--to", to);
    const way = one.what === "sent" ? `to ${one.peer}` : `from ${one.peer}`;
    return el("li", {}, el("details", { open }, el("summary", { "aria-label": `${name}, ${one.what} ${way}, after ${(one.at - began).toFixed(3)} s` },
      el("span", { class: "num" }, (one.at - began).toFixed(3)), arrow), el("pre", { tabindex: "0" }, `${one.what} ${way} at ${one.time}\n\n${one.message}`)));
  }
  return {
    node,
    set(ended) {
      if (node.open && !(over && ended)) refresh();
      over = ended;
    },
  };
}
