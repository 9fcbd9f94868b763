// Which page is shown, and what happens in all calls while it is.

import { follow } from "./api.js";
import { callPage } from "./call.js";
import { el } from "./dom.js";
import { agents, history, nodes, trunks } from "./fleet.js";
import { live } from "./live.js";

const pages = [
  [/^#\/calls\/([\w.-]+)$/, callPage],
  [/^#\/history$/, history],
  [/^#\/agents$/, agents],
  [/^#\/trunks$/, trunks],
  [/^#\/nodes$/, nodes],
  [/^/, live],
];

const main = document.getElementById("main");
let leave = () => {};
let page = {};
let number = 0;

async function show() {
  leave();
  const place = location.hash || "#/";
  const mine = ++number;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === place || (link.hash === "#/" && place.startsWith("#/calls/"))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const [pattern, make] = pages.find(([one]) => one.test(place));
  page = {};
  leave = () => {};
  try {
    const made = await make(main, place.match(pattern)[1]);
    if (mine !== number) { made?.leave?.(); return; }
    page = made ?? {};
    leave = () => page.leave?.();
  } catch (error) {
    if (mine === number) main.replaceChildren(el("h2", {}, "That did not work"), el("p", { class: "bad" }, error.message));
  }
}

addEventListener("hashchange", () => { show(); main.focus(); });
show();

const link = document.getElementById("link");
follow("/v1/events", (event) => page.hear?.(event), (there) => {
  link.textContent = there ? "live" : "no connection";
  link.className = there ? "" : "away";
  if (there) page.refresh?.();
});
