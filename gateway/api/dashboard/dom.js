// Elements, words for numbers, and questions to whoever looks. Nothing that comes from a call is ever taken as HTML.

export function el(name, attributes = {}, ...children) {
  const node = name === "svg" || svgNames.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}
const svgNames = new Set(["g", "rect", "line", "path"]);

export const user = (uri) => (uri ?? "").replace(/^sips?:|^tel:/, "").replace(/@.*/, "") || "unknown";

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

export const when = (epoch) => (epoch ? new Date(epoch * 1000).toLocaleString() : "");

export const state = (name) => el("span", { class: `state ${name}` }, name);

// State and what else is seen of a call at once: who holds it, who is muted, whether it is recorded.
export function badges(record) {
  const held = record.held_by ?? [], over = record.state === "ended";
  return [
    state(record.state),
    !over && held.includes("gateway") && el("span", { class: "state held" }, "on hold"),
    !over && held.includes("transfer") && el("span", { class: "state held" }, "on hold for the transfer"),
    !over && held.includes("caller") && el("span", { class: "state held" }, "held by the caller"),
    !over && (record.muted ?? []).map((side) => el("span", { class: "state held" }, `${side} muted`)),
    !over && record.recording && record.recording !== "off" && el("span", { class: "state tape" }, { on: "recorded", paused: "recording paused", announcing: "recording is announced", asking: "asked whether it may be recorded" }[record.recording]),
  ].flat().filter(Boolean);
}

// Sets text only where it differs: what is selected or read aloud is left alone.
export function put(node, text) {
  if (node.textContent !== String(text ?? "")) node.textContent = text ?? "";
}

// Names and values that are updated where they stand; empty ones are not shown.
export function facts() {
  const known = new Map(), node = el("dl", { class: "facts" });
  return {
    node,
    set(rows) {
      for (const [name, value] of rows) {
        if (!known.has(name)) {
          const place = el("dd");
          known.set(name, { place, row: el("div", {}, el("dt", {}, name), place) });
          node.append(known.get(name).row);
        }
        const { place, row } = known.get(name), shown = value !== undefined && value !== null && value !== "";
        row.hidden = !shown;
        put(place, shown ? value : "");
      }
    },
  };
}

export function table(columns, rows, name = "") {
  return el("table", { class: `cards ${name}` },
    el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, at) => el("td", { "data-label": columns[at] }, cell ?? ""))))));
}

// Events that came after the one of that id, which may have been forgotten by now; ids rise.
export function after(events, id) {
  if (!id) return events;
  const [ms, number] = id.split("-").map(Number);
  return events.filter((event) => { const [at, its] = event.id.split("-").map(Number); return at > ms || (at === ms && its > number); });
}

let hiding;
export function tell(text) {
  const told = document.getElementById("told");
  told.textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => { told.textContent = ""; }, 8000);
}

// What is given, by the name of its field; null where it was cancelled. Enter is yes, Escape is no.
export function ask(title, text, yes, fields = [], danger = false) {
  const dialog = document.getElementById("ask"), agree = document.getElementById("ask-yes");
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = text;
  agree.textContent = yes;
  agree.className = danger ? "danger" : "primary";
  const inputs = fields.map((field) => el("input", { name: field.name, type: "text", required: field.required, pattern: field.pattern, title: field.title, autocomplete: "off", maxlength: field.maxlength }));
  document.getElementById("ask-fields").replaceChildren(...fields.map((field, at) => el("label", {}, field.label, inputs[at])));
  const before = document.activeElement;
  dialog.returnValue = "";
  document.getElementById("ask-no").onclick = () => dialog.close("");
  dialog.showModal();
  (inputs[0] ?? agree).focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      if (before?.isConnected) before.focus();
      done(dialog.returnValue === "yes" ? Object.fromEntries(inputs.map((input) => [input.name, input.value])) : null);
    }, { once: true });
  });
}
