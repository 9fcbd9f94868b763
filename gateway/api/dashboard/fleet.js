// Past calls, agents, trunks and nodes.

import { get, post } from "./api.js";
import { ask, duration, el, state, table, tell, user, when } from "./dom.js";

export async function history(main) {
  const place = el("div");
  const form = el("form", { class: "search", role: "search" },
    [["q", "Caller, called, agent or id"], ["agent", "Agent"], ["outcome", "Outcome"]].map(([name, label]) => el("label", {}, label, el("input", { name, type: "search" }))),
    el("button", { class: "primary" }, "Search"));
  main.replaceChildren(el("h2", {}, "Past calls"), form, place);
  async function search(cursor = "") {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    query.set("state", "ended");
    query.set("limit", "50");
    if (cursor) query.set("cursor", cursor);
    const { data, next } = await get(`/v1/calls?${query}`);
    if (!cursor) place.replaceChildren();
    place.querySelector(".more")?.remove();
    place.append(data.length ? table(["Began", "Caller", "Called", "Agent", "Talked", "Outcome"], data.map((record) => [
      when(record.started_at), el("a", { href: `#/calls/${record.call_id}` }, user(record.caller)), user(record.called), record.agent ?? "",
      record.answered_at ? duration(record.ended_at - record.answered_at) : "", record.outcome]), "calls") : el("p", { class: "soft" }, "None was found."));
    if (next && data.length) place.append(el("button", { class: "more", type: "button", onclick: () => search(next) }, "More"));
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); search().catch((error) => tell(error.message)); });
  await search();
}

export async function agents(main) {
  const { data } = await get("/v1/agents");
  main.replaceChildren(el("h2", {}, "Agents"), table(["Name", "Calls", "Answers", "Provider", "Voice", "Tools"], data.map((agent) => [
    agent.name, agent.max_calls ? `${agent.calls} of ${agent.max_calls}` : String(agent.calls), agent.called.join(", "),
    [agent.provider, agent.model].filter(Boolean).join(" "), agent.voice, agent.tools.join(", ")])));
}

export async function trunks(main) {
  const { data } = await get("/v1/trunks");
  main.replaceChildren(el("h2", {}, "Trunks"), data.length ? table(["Name", "Calls", "Registered"], data.map((trunk) => [
    trunk.name, trunk.max_calls ? `${trunk.calls} of ${trunk.max_calls}` : String(trunk.calls),
    trunk.registered === undefined ? "not asked for" : trunk.registered ? "yes" : el("span", { class: "bad" }, trunk.problem)]))
    : el("p", { class: "soft" }, "There are none: whoever calls is answered."));
}

export async function nodes(main) {
  async function refresh() {
    const { data, me } = await get("/v1/nodes");
    main.replaceChildren(el("h2", {}, "Nodes"), table(["Node", "Calls", "State", "SIP", "Since", "Version", ""], data.map((node) => [
      node.id === me ? `${node.id} (this one)` : node.id, String(node.calls),
      node.problems.length ? el("span", { class: "bad" }, node.problems.join("; ")) : state(node.draining ? "draining" : "ready"),
      node.sip, when(node.started_at), node.version,
      el("button", { type: "button", onclick: () => drain(node) }, node.draining ? "Take calls again" : "Drain")])));
  }
  async function drain(node) {
    const on = !node.draining;
    if (on && !await ask(`Drain ${node.id}?`, `It takes no new calls; its ${node.calls} go on.`, "Drain")) return;
    await post(`/v1/nodes/${node.id}/drain`, { on }).catch((error) => tell(error.message));
    await refresh();
  }
  await refresh();
  const timer = setInterval(() => refresh().catch(() => {}), 5000);
  return { leave: () => clearInterval(timer) };
}
