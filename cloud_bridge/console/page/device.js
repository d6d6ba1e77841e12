// One device: now, timeline, conversation, health, consent, audit; live, or a session played again.

import * as api from "./api.js";
import { chart, circle } from "./chart.js";
import { draw, find, make, pairs, press } from "./dom.js";
import * as talk from "./talk.js";
import { affectOf, ago, attention, capital, clash, clock, day, event, lines, mood, signed, tired } from "./words.js";

const LIVE_S = 120, BEFORE_S = 900, KEPT = 3000, TRAIL = 24;
let name = null, rights = { control: false, history: false }, known = {}, live = [], kept = [], stop = null;
let remembers = false; // whether states are among what the bridge's history told last
let span = "live", cursorS = null, playing = null, due = false;

const spans = () => [...document.querySelectorAll("[data-span]")];
const moments = () => (span === "live" ? live : kept);

export function start(who) {
  rights = who;
  for (const button of spans()) {
    button.disabled = button.dataset.span !== "live" && !who.history;
    button.title = button.disabled ? "This bridge keeps no history" : "";
    button.addEventListener("click", () => choose(button));
  }
  find("mute").addEventListener("click", mute);
  find("scrub").addEventListener("input", () => { pause(); seek(find("scrub").value / 1000); });
  find("play").addEventListener("click", () => (playing ? pause() : play()));
  addEventListener("resize", later);
  setInterval(() => span === "live" && later(), 1000);
  pause();
}

export async function open(device, on) {
  stop?.abort();
  stop = new AbortController();
  [name, live, kept, known] = [device, [], [], {}];
  find("welcome").hidden = Boolean(device);
  find("device").hidden = !device;
  find("notice").hidden = true;
  api.follow(device, { ...on, moment: take, dropped: () => {} }, stop);
  if (!device) return;
  find("name").textContent = device;
  press(spans(), spans()[0]);
  [span, cursorS] = ["live", null];
  pause();
  try {
    const full = await api.device(device);
    if (name !== device) return;
    known = full;
    const before = rights.history ? await api.past(device, Date.now() / 1000 - BEFORE_S) : [];
    if (name !== device) return;
    const since = before.at(-1)?.at_s ?? 0, felt = before.findLast((one) => one.state)?.at_s ?? 0; // states may not be kept
    remembers = felt > 0;
    const until = live[0]?.at_s ?? Infinity; // what came by the stream meanwhile stands in `recent`, too
    const recent = full.recent.filter((one) => one.at_s > (one.state ? felt : since) && one.at_s < until);
    live = [...[...before, ...recent].sort((one, other) => one.at_s - other.at_s), ...live];
    await audit();
  } catch (error) { if (name === device) complain(error); }
  later();
}

function take(moment) {
  live.push(moment);
  if (live.length > KEPT) live = live.slice(-KEPT / 2);
  known.heard_s = moment.at_s;
  for (const key of ["state", "description", "health"]) if (moment[key]) known[key] = moment[key];
  for (const fired of moment.events ?? []) if (fired.name === "order" && fired.arguments?.muted) known.muted = fired.arguments.muted === "true";
  if (moment.kind === "online" || moment.kind === "offline") [known.online, known.since_s] = [moment.kind === "online", moment.at_s];
  if (["ordered", "online", "offline", "event"].includes(moment.kind)) audit().catch(complain);
  later();
}

function later() {
  if (due || !name) return;
  due = true;
  requestAnimationFrame(() => { due = false; show(); });
}

// ---------------------------------------------------------------- what is shown

function window_() {
  const nowS = Date.now() / 1000;
  if (span === "live") return [nowS - LIVE_S, nowS];
  const first = kept[0]?.at_s ?? nowS - Number(span);
  return [Math.max(first, nowS - Number(span)), Math.max(kept.at(-1)?.at_s ?? nowS, first + 10)];
}

function show() {
  const [fromS, toS] = window_();
  const atS = cursorS ?? toS;
  const seen = cursorS === null ? moments() : moments().filter((one) => one.at_s <= atS);
  const last = (key) => seen.findLast((one) => one[key])?.[key] ?? (span === "live" ? known[key] : null);
  const state = last("state"), affect = affectOf(state);
  const unread = span !== "live" ? (remembers ? "Not read" : "Not kept") : known.online === false ? "Offline" : "Not read";
  find("mood").textContent = capital(mood(affect)) ?? unread;
  find("sure").textContent = affect?.confidence_pct !== undefined ? `${affect.confidence_pct} % sure` : "";
  find("described").textContent = lines(span === "live" ? last("description") : last("lines")) || "No description yet.";
  const differ = clash(state);
  pairs(find("facts"), [["Valence", signed(affect ? affect.valence ?? 0 : null)], ["Arousal", signed(affect ? affect.arousal ?? 0 : null)],
    ["Attention", attention(state)], ["Tiredness", tired(state), tired(state) === "drowsy" ? "warn" : null],
    ["Incongruence", differ ?? (affect ? "none" : null), differ ? "warn" : null], ["Trend", state?.trend || null]]);
  circle(find("circle"), seen.filter((one) => one.state && affectOf(one.state)).slice(-TRAIL).map((one) => affectOf(one.state)));
  find("plot").replaceChildren(chart(moments(), fromS, toS, cursorS, find("plot").clientWidth || 900));
  talk.show(find("talk"), seen);
  health(span === "live" ? known.health : seen.findLast((one) => one.kind === "health"));
  consent(state);
  presence();
  find("at").textContent = cursorS === null ? "" : day(atS);
  find("scrub").setAttribute("aria-valuetext", clock(atS));
}

function presence() {
  const since = known.since_s ? ` since ${day(known.since_s)}` : "";
  find("presence").textContent = [known.online ? `Online${since}` : `Offline${since}`, known.software].filter(Boolean).join(" · ");
  const button = find("mute");
  button.textContent = known.muted ? "Unmute device" : "Mute device";
  button.disabled = !rights.control || !known.online;
  button.title = rights.control ? "" : "Your token may only read";
}

function health(told) {
  const dropped = Object.entries(told?.dropped ?? {}).filter(([, count]) => count).map(([what, count]) => `${what} ${count}`).join(", ");
  pairs(find("health"), [["Last heard", known.heard_s ? ago(known.heard_s) : null],
    ["Level", told ? told.level || "full" : null, told?.level && told.level !== "full" ? "warn" : null],
    ["Memory", told?.rss_mb ? `${told.rss_mb} MB` : null], ["Temperature", told?.temperature_c != null ? `${told.temperature_c} °C` : null],
    ["Waiting to be sent", told ? String(told.outbox_items ?? 0) : null], ["Dropped", told ? dropped || "none" : null],
    ["Failing", told ? (told.failing ?? []).join(", ") || "none" : null, told?.failing?.length ? "warn" : null]]);
}

// What the device lets the bridge see, over all that this page holds: not only up to the cursor of a replay.
function consent(state) {
  const all = [...live, ...kept];
  const words = Boolean(known.words) || all.some((one) => one.words), keeps = all.some((one) => one.kind === "turn" && one.words);
  const rows = [["Camera and microphone", known.muted === true ? "muted" : known.online ? "as the device is set" : "offline"],
    ["Feelings", affectOf(state ?? known.state) ? "agreed: they are read" : "not read"],
    ["Keeping of feelings", remembers ? "agreed: kept with every state" : "not kept"],
    ["Words", words ? "agreed: they leave the device" : "none left the device"],
    ["Keeping of words", keeps ? "agreed: kept with their turn" : "not kept"],
    ["Pictures and sound", "never leave the device"]];
  find("consent").replaceChildren(...rows.map(([what, how]) => make("li", {}, make("span", {}, what), make("b", {}, how))));
}

async function audit() {
  if (!rights.history) {
    find("audit").replaceChildren(make("li", { class: "faint" }, "This bridge keeps no history."));
    return;
  }
  const device = name;
  const found = (await api.audit(device)).slice(-80).reverse().filter((one) => one.name !== "order");
  if (device !== name) return;
  const text = (one) => ({
    link: () => (one.state === "connected" ? "Device connected" : "Device left"),
    ordered: () => `${capital(one.what)} ordered by ${one.by}: ${one.done ? "done" : one.done === false ? `refused, ${one.reason}` : "no answer"}`,
    event: () => `${event(one.name)}${one.alert ? " (alert)" : ""}`,
  }[one.kind]?.() ?? event(one.kind));
  find("audit").replaceChildren(...(found.length ? found : [null]).map((one) => (one
    ? make("li", {}, make("time", { datetime: new Date(one.at_s * 1000).toISOString() }, day(one.at_s)), make("span", {}, text(one)))
    : make("li", { class: "faint" }, "Nothing happened yet."))));
}

// ---------------------------------------------------------------- orders and replay

async function mute() {
  const device = name, wanted = !known.muted;
  find("mute").disabled = true;
  find("notice").hidden = true;
  try {
    const told = await api.mute(device, wanted);
    if (name !== device) return; // another is shown by now
    if (told.done) known.muted = wanted;
    else complain(new Error(told.reason || "The device did not obey."));
  } catch (error) { if (name === device) complain(error); }
  later();
}

function complain(error) {
  find("notice").textContent = capital(error.message);
  find("notice").hidden = false;
}

async function choose(button) {
  press(spans(), button);
  pause();
  [span, cursorS] = [button.dataset.span, null];
  find("replay").hidden = span === "live";
  if (span !== "live") {
    const asked = [name, span];
    const stale = () => asked[0] !== name || asked[1] !== span; // another device or time was chosen meanwhile
    try {
      const found = await api.past(name, Date.now() / 1000 - Number(span));
      if (stale()) return;
      kept = found;
      remembers = found.some((one) => one.state);
      find("scrub").value = 1000;
    } catch (error) { if (!stale()) complain(error); }
  }
  later();
}

function seek(part) {
  const [fromS, toS] = window_();
  cursorS = part >= 1 ? null : fromS + (toS - fromS) * part;
  later();
}

function play() {
  let [fromS, toS] = window_();
  if (cursorS === null) cursorS = fromS;
  let before = performance.now();
  playing = setInterval(() => {
    const now = performance.now();
    cursorS += (now - before) / 1000 * Number(find("speed").value);
    before = now;
    if (cursorS >= toS) { cursorS = null; pause(); }
    find("scrub").value = cursorS === null ? 1000 : 1000 * (cursorS - fromS) / (toS - fromS);
    later();
  }, 100);
  glyph("Pause", "M7 5h4v14H7zM13 5h4v14h-4z");
}

function pause() {
  clearInterval(playing);
  playing = null;
  glyph("Play", "M7 4.5v15l12-7.5z");
}

function glyph(label, d) {
  const button = find("play");
  button.setAttribute("aria-label", label);
  button.replaceChildren(draw("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" },
    draw("path", { d, fill: "currentColor" })));
}
