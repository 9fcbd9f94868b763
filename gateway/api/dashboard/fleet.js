// Past calls, agents, trunks and nodes.

import { download, get, may, post, remove } from "./api.js";
import { ask, duration, el, state, table, tell, user, when } from "./dom.js";

const texts = [["q", "Caller, called, agent or id"], ["agent", "Agent"], ["trunk", "Trunk"], ["node", "Node"]];

export async function history(main, given) {
  const wanted = new URLSearchParams(given ?? "");
  const [names, document_] = await Promise.all([choices(), get("/openapi.json")]);
  const listed = (name) => [document_.paths["/v1/calls"].get.parameters.find((one) => one.name === name).schema].flatMap((one) => one.anyOf ?? [one]).map((one) => (one.$ref ? document_.components.schemas[one.$ref.split("/").at(-1)] : one)).find((one) => one.enum)?.enum ?? [];
  const place = el("div", { "aria-live": "polite" });
  const fields = [
    ...texts.map(([name, label]) => [label, el("input", { name, type: "search", list: names[name] && `known-${name}`, value: wanted.get(name) ?? "" })]),
    ...["direction", "outcome"].map((name) => [name === "outcome" ? "Outcome" : "Direction", el("select", { name },
      el("option", { value: "" }, "any"), listed(name).map((value) => el("option", { value, selected: wanted.get(name) === value }, value.replaceAll("_", " "))))]),
    ["From", el("input", { name: "from", type: "date", value: wanted.get("from") ?? "" })],
    ["To", el("input", { name: "to", type: "date", value: wanted.get("to") ?? "" })],
  ];
  const form = el("form", { class: "search", role: "search" },
    fields.map(([label, input]) => el("label", {}, label, input)),
    Object.entries(names).map(([name, values]) => el("datalist", { id: `known-${name}` }, values.map((value) => el("option", { value })))),
    el("p", { class: "buttons" }, el("button", { class: "primary" }, "Search"), el("button", { type: "button", onclick: () => { location.hash = "#/history"; } }, "Clear"),
      el("button", { type: "button", onclick: () => download(`/v1/calls.csv?${query()}`, "calls.csv").catch((error) => tell(error.message)) }, "Export as CSV")));

  // Days are those of whoever looks; the last one is meant whole.
  function query() {
    const asked = new URLSearchParams({ state: "ended" });
    for (const [name, value] of wanted) if (value && !["from", "to"].includes(name)) asked.set(name, value);
    const day = (name, more) => { const [year, month, date] = wanted.get(name).split("-").map(Number); return new Date(year, month - 1, date + more).getTime() / 1000; };
    if (wanted.get("from")) asked.set("since", day("from", 0));
    if (wanted.get("to")) asked.set("until", day("to", 1));
    return asked;
  }

  async function search(cursor = "") {
    const asked = query();
    asked.set("limit", "50");
    if (cursor) asked.set("cursor", cursor);
    const { data, next } = await get(`/v1/calls?${asked}`);
    place.querySelector(".more")?.remove();
    const rows = table(["Began", "Caller", "Called", "Agent", "Talked", "Outcome"], data.map((record) => [
      when(record.started_at), el("a", { href: `#/calls/${record.call_id}` }, user(record.caller)), user(record.called), record.agent ?? "",
      record.answered_at ? duration(record.ended_at - record.answered_at) : "", record.outcome.replaceAll("_", " ")]), "calls");
    const before = place.querySelector("tbody");
    if (cursor && before) before.append(...rows.querySelectorAll("tbody tr"));
    else place.replaceChildren(data.length ? rows : el("p", { class: "soft" }, "None was found."));
    if (next && data.length) place.append(el("button", { class: "more", type: "button", onclick: () => search(next).catch((error) => tell(error.message)) }, "More"));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const to = `#/history${filled.size ? `?${filled}` : ""}`;
    if (to === location.hash) search().catch((error) => tell(error.message));
    else location.hash = to;
  });
  main.append(el("h2", {}, "Past calls"), form, place);
  try {
    await search();
  } catch (error) {
    place.replaceChildren(el("p", { class: "bad" }, error.message));
  }
}

// What may be looked for, as it is now; calls of the past may have had others.
async function choices() {
  const [agents_, trunks_, nodes_] = await Promise.all(["agents", "trunks", "nodes"].map((name) => get(`/v1/${name}`)));
  return { agent: agents_.data.map((one) => one.name), trunk: trunks_.data.map((one) => one.name), node: nodes_.data.map((one) => one.id) };
}

export async function agents(main) {
  const { data } = await get("/v1/agents");
  main.append(el("h2", {}, "Agents"), table(["Name", "Calls", "Answers", "Provider", "Voice", "Tools"], data.map((agent) => [
    agent.name, agent.max_calls ? `${agent.calls} of ${agent.max_calls}` : String(agent.calls), agent.called.join(", "),
    [agent.provider, agent.model].filter(Boolean).join(" "), agent.voice, agent.tools.join(", ")])));
}

// Each server that is asked by OPTIONS, as the nodes find it.
function servers(trunk) {
  const found = Object.entries(trunk.nodes).flatMap(([node, state]) => state.servers.map((one) => ({ node, ...one })));
  if (!found.length) return "not asked";
  return el("ul", { class: "plain" }, ...found.map((one) => el("li", one.up === false ? { class: "bad" } : {},
    `${one.server} ${one.up === null ? "not asked yet" : one.up ? `answers in ${Math.round(one.ms)} ms` : "is silent"}`)));
}

// What the registrars said last, of each node.
function registered(trunk) {
  if (trunk.registered === null) return "not asked for";
  const told = Object.values(trunk.nodes).map((state) => state.registration).filter(Boolean);
  return el("ul", { class: "plain" }, ...told.map((one) => el("li", one.problem ? { class: "bad" } : {},
    one.problem ? "no" : `${one.contact || "somebody else"}, for ${one.seconds_left} s`)));
}

export async function trunks(main) {
  async function refresh() {
    const [{ data }, banned] = await Promise.all([get("/v1/trunks"), get("/v1/bans")]);
    main.replaceChildren(el("h2", {}, "Trunks"), data.length ? table(["Name", "Profile", "Calls", "Registered", "Servers", "Problem"], data.map((trunk) => [
      trunk.name, trunk.profile, trunk.max_calls ? `${trunk.calls}\u00a0of\u00a0${trunk.max_calls}` : String(trunk.calls),
      registered(trunk),
      servers(trunk), el("span", { class: "bad" }, trunk.problem)]))
      : el("p", { class: "soft" }, "There are none: see sip.open for who is answered."),
    el("h3", {}, "Not listened to"), banned.data.length ? table(["Address", "Account", "Why", "Still", "Node", ...(may("operate") ? ["Action"] : [])], banned.data.map((ban) => [
      ban.address, ban.account || "all", ban.reason, `${ban.seconds} s`, ban.node, ...(may("operate") ? [el("button", { type: "button", onclick: () => lift(ban) }, "Listen again")] : [])]))
      : el("p", { class: "soft" }, "Nobody is banned."));
  }
  async function lift(ban) {
    try {
      const { lifted } = await remove(`/v1/bans/${encodeURIComponent(ban.address)}?account=${encodeURIComponent(ban.account)}`);
      tell(`${ban.address} is listened to again (${lifted}).`);
    } catch (error) {
      tell(error.message);
    }
    await refresh();
  }
  await refresh();
}

export async function nodes(main) {
  const place = el("div");
  async function refresh() {
    const { data, me } = await get("/v1/nodes");
    const at = document.activeElement?.dataset?.node;
    place.replaceChildren(table(["Node", "Calls", "State", "SIP", "Since", "Version", ...(may("admin") ? ["Action"] : [])], data.map((node) => [
      node.id === me ? `${node.id} (this one)` : node.id, String(node.calls),
      el("span", {}, node.problems.length ? el("span", { class: "bad" }, node.problems.join("; ")) : state(node.draining ? "draining" : "ready"),
        node.warnings.map((warning) => el("p", { class: "warn" }, warning))),
      node.sip, when(node.started_at), node.version,
      ...(may("admin") ? [el("button", { type: "button", "data-node": node.id, onclick: () => drain(node) }, node.draining ? "Take calls again" : "Drain")] : [])])));
    if (at) place.querySelector(`[data-node="${CSS.escape(at)}"]`)?.focus();
  }
  async function drain(node) {
    const on = !node.draining;
    if (on && !await ask(`Drain ${node.id}?`, `It takes no new calls; its ${node.calls} go on.`, "Drain")) return;
    try {
      const { draining, calls } = await post(`/v1/nodes/${node.id}/drain`, { on });
      tell(draining ? `${node.id} takes no new calls; ${calls} go on.` : `${node.id} takes calls again.`);
    } catch (error) {
      tell(`${node.id}: ${error.message}`);
    }
    await refresh();
  }
  main.append(el("h2", {}, "Nodes"), place);
  await refresh();
  const timer = setInterval(() => refresh().catch(() => {}), 5000);
  return { leave: () => clearInterval(timer) };
}
