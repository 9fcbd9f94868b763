// Which page is shown, who looks at it, and what happens in all calls while it is.

import { follow, me, signIn, signOut, whenRefused, withKey } from "./api.js";
import { callPage } from "./call.js";
import { hours, voicemail } from "./desk.js";
import { el } from "./dom.js";
import { agents, history, nodes, trunks } from "./fleet.js";
import { live } from "./live.js";

const pages = [
  [/^#\/calls\/([\w.-]+)$/, callPage, "Call"],
  [/^#\/history(?:\?(.*))?$/, history, "Past calls"],
  [/^#\/voicemail(?:\?(.*))?$/, voicemail, "Voicemail"],
  [/^#\/hours$/, hours, "Opening hours"],
  [/^#\/agents$/, agents, "Agents"],
  [/^#\/trunks$/, trunks, "Trunks"],
  [/^#\/nodes$/, nodes, "Nodes"],
  [/^/, live, "Live calls"],
];

const main = document.getElementById("main");
const link = document.getElementById("link");
const who = document.getElementById("who");
let leave = () => {};
let page = {};
let number = 0;
let unfollow = () => {};

function title(text) {
  document.title = `${text} · voice-agent-gateway`;
}

async function show() {
  leave();
  leave = () => {};
  page = {};
  const mine = ++number;
  if (me === null) { signInPage(); return; }
  const place = location.hash || "#/";
  for (const one of document.querySelectorAll("nav a")) {
    const here = one.hash !== "" && (one.hash === place.replace(/\?.*/, "") || (one.hash === "#/" && place.startsWith("#/calls/")));
    if (here) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  const [pattern, make, name] = pages.find(([one]) => one.test(place));
  title(name);
  try {
    const shown = el("div");
    const made = await make(shown, place.match(pattern)[1]);
    if (mine !== number) { made?.leave?.(); return; }
    main.replaceChildren(shown);
    page = made ?? {};
    if (page.title) title(page.title);
    leave = () => page.leave?.();
  } catch (error) {
    if (mine === number && me !== null) main.replaceChildren(el("h2", {}, "That did not work"), el("p", { class: "bad" }, error.message));
  }
}

// A page of its own, to which every page gives way where the gateway wants a key.
function signInPage(why = "") {
  title("Sign in");
  const problem = el("p", { class: "bad", role: "alert" }, why);
  const input = el("input", { name: "key", type: "password", required: true, autocomplete: "current-password", "aria-describedby": "key-help" });
  const form = el("form", { class: "sign-in" },
    el("h2", {}, "Sign in"),
    el("label", {}, "API key", input),
    el("p", { class: "soft", id: "key-help" }, "It stays in this tab. Who runs the gateway makes one by: gateway keys add NAME"),
    problem, el("p", { class: "buttons" }, el("button", { class: "primary" }, "Sign in")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await signIn(input.value);
      begin();
    } catch (error) {
      problem.textContent = error.message;
      input.select();
    }
  });
  main.replaceChildren(form);
  input.focus();
}

function begin() {
  who.replaceChildren();
  if (withKey()) who.append(`${me.name} (${me.role}) `, el("button", { type: "button", class: "plain", onclick: () => { signOut(); end(""); } }, "Sign out"));
  show();
  unfollow = follow("/v1/events", (event) => page.hear?.(event), (there) => {
    link.textContent = there ? "live" : "no connection";
    link.className = there ? "" : "away";
    if (there) page.refresh?.();
  });
}

function end(why) {
  unfollow();
  leave();
  leave = () => {};
  page = {};
  number += 1;
  link.textContent = "signed out";
  who.replaceChildren();
  signInPage(why);
}

whenRefused(end);
addEventListener("hashchange", () => { show().then(() => { if (me !== null && !main.contains(document.activeElement)) main.focus(); }); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
signIn().then(begin, (error) => end(withKey() ? error.message : ""));
