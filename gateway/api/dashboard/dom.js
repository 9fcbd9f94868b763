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
const svgNames = new Set(["g", "rect", "line", "path", "text", "circle", "title"]);

export const user = (uri) => (uri ?? "").replace(/^sips?:|^tel:/, "").replace(/@.*/, "") || "unknown";

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

export const when = (epoch) => (epoch ? new Date(epoch * 1000).toLocaleString() : "");

export const state = (name) => el("span", { class: `state ${name}` }, name);

export function facts(rows) {
  const shown = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el("dl", { class: "facts" }, shown.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value instanceof Node ? value : String(value)))));
}

export function table(columns, rows, name = "") {
  return el("div", { class: "scroll" }, el("table", { class: name },
    el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell ?? "")))))));
}

let hiding;
export function tell(text) {
  const told = document.getElementById("told");
  told.textContent = text;
  told.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { told.hidden = true; }, 5000);
}

// What is given, by the name of its field; null where it was cancelled.
export function ask(title, text, yes, fields = []) {
  const dialog = document.getElementById("ask");
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = text;
  document.getElementById("ask-yes").textContent = yes;
  const inputs = fields.map((field) => el("input", { name: field.name, type: field.type ?? "text", required: field.required, list: field.list, autocomplete: "off", maxlength: field.maxlength }));
  document.getElementById("ask-fields").replaceChildren(...fields.map((field, at) => el("label", {}, field.label, inputs[at])));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      done(dialog.returnValue === "yes" ? Object.fromEntries(inputs.map((input) => [input.name, input.value])) : null);
    }, { once: true });
  });
}
