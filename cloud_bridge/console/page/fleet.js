// The list of devices: found by name, filtered, kept in order; only rows that changed are drawn again.

import { find, make, press } from "./dom.js";
import { MOODS, capital, event } from "./words.js";

const MOST = 400; // rows that are drawn; the search reaches the others
const rows = new Map();
const items = new Map();
let filter = "all";
let chosen = null;
let choose = () => {};

const passes = {
  all: () => true,
  online: (row) => row.online,
  alert: (row) => Boolean(row.alert),
  muted: (row) => row.muted === true,
};

export function start(onChoose) {
  choose = onChoose;
  find("search").addEventListener("input", show);
  const buttons = [...document.querySelectorAll("[data-filter]")];
  for (const button of buttons) {
    button.addEventListener("click", () => { filter = button.dataset.filter; press(buttons, button); show(); });
  }
}

export function take(changed) {
  for (const row of changed) {
    if (row.forgotten) { rows.delete(row.device); items.delete(row.device); } else { rows.set(row.device, row); }
    if (items.has(row.device)) render(row);
  }
  totals();
  show();
}

export const row = (device) => rows.get(device);

export function mark(device) {
  chosen = device;
  for (const [name, item] of items) item.firstChild.setAttribute("aria-current", String(name === device));
}

function show() {
  const wanted = find("search").value.trim().toLowerCase();
  const found = [...rows.values()]
    .filter((row) => passes[filter](row) && row.device.toLowerCase().includes(wanted))
    .sort((a, b) => Boolean(b.alert) - Boolean(a.alert) || b.online - a.online || a.device.localeCompare(b.device, undefined, { numeric: true }));
  const shown = found.slice(0, MOST).map((row) => items.get(row.device) ?? render(row));
  const list = find("devices");
  if (shown.length !== list.children.length || shown.some((item, at) => item !== list.children[at])) {
    const active = document.activeElement?.closest?.("li");
    list.replaceChildren(...shown);
    if (active?.isConnected) active.firstChild.focus({ preventScroll: true });
  }
  const more = find("more");
  more.hidden = found.length <= MOST && found.length > 0;
  more.textContent = found.length ? `${found.length - MOST} more: search for them` : "No device fits.";
}

function render(row) {
  let item = items.get(row.device);
  if (!item) {
    item = make("li", {}, make("button", { type: "button", onclick: () => choose(row.device) }));
    items.set(row.device, item);
  }
  const mood = row.online ? capital(MOODS[row.label] ?? row.label) ?? "Nobody read" : "Offline";
  const about = [mood, row.muted ? "muted" : null].filter(Boolean).join(" · ");
  const button = item.firstChild;
  button.setAttribute("aria-current", String(row.device === chosen));
  button.replaceChildren(
    make("span", { class: `dot ${row.alert ? "bad" : row.online ? "on" : "off"}`, "aria-hidden": "true" }),
    make("span", { class: "named" }, row.device),
    bar(row),
    make("span", { class: "mood-of" }, about),
    row.alert ? make("span", { class: "badge" }, event(row.alert)) : "",
  );
  return item;
}

function bar(row) {
  const outer = make("span", { class: "bar", "aria-hidden": "true" });
  if (row.online && row.valence !== null) {
    const inner = make("i");
    inner.style.left = `${row.valence < 0 ? 50 + row.valence / 2 : 50}%`;
    inner.style.width = `${Math.max(4, Math.abs(row.valence) / 2)}%`;
    outer.append(inner);
  }
  return outer;
}

function totals() {
  const all = [...rows.values()];
  const count = (name) => all.filter(passes[name]).length;
  find("totals").replaceChildren(...[["devices", all.length], ["online", count("online")], ["alerts", count("alert")], ["muted", count("muted")]]
    .map(([name, value]) => make("div", { class: name === "alerts" && value ? "alerting" : null }, make("dt", {}, name), make("dd", {}, String(value)))));
}
