// The timeline: valence and arousal as lines, looking away and incongruence as bands, events as dots.

import { draw } from "./dom.js";
import { affectOf, clock, day, event } from "./words.js";

const TOP = 12, LOW = 168, BAND = 180, EVENTS = 213, HEIGHT = 250, LEFT = 34;
const GAP_S = 15; // without a state for so long the line is broken: nothing was seen, so nothing is drawn

// `width` in CSS pixels; `cursorS` null: no cursor.
export function chart(moments, fromS, toS, cursorS, width) {
  const RIGHT = width - 8;
  const x = (atS) => LEFT + (RIGHT - LEFT) * (atS - fromS) / Math.max(1e-6, toS - fromS);
  const y = (value) => TOP + (LOW - TOP) * (100 - value) / 200;
  const states = moments.filter((one) => one.state && one.at_s >= fromS && one.at_s <= toS);
  const gapS = Math.max(GAP_S, (toS - fromS) / 60);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": told(states, moments, fromS, toS) });
  for (const [value, text] of [[100, "+1"], [0, "0"], [-100, "−1"]]) {
    svg.append(draw("line", { class: value ? "gridline" : "zero", x1: LEFT, x2: RIGHT, y1: y(value), y2: y(value) }),
      draw("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, text));
  }
  const format = toS - fromS > 20_000 ? day : clock;
  for (let part = 0; part <= 4; part++) {
    const atS = fromS + (toS - fromS) * part / 4;
    svg.append(draw("text", { x: x(atS), y: HEIGHT - 8, "text-anchor": part === 0 ? "start" : part === 4 ? "end" : "middle" }, format(atS)));
  }
  if (!states.length) svg.append(draw("text", { class: "none", x: (LEFT + RIGHT) / 2, y: y(30) }, "Nothing was read in this time"));
  band(svg, states, x, toS, gapS, BAND, "away", (state) => state.attention?.on_target === false);
  band(svg, states, x, toS, gapS, BAND + 12, "clash", (state) => (state.incongruence ?? []).some((one) => one.strength_pct >= 50));
  for (const name of ["arousal", "valence"]) {
    svg.append(draw("path", { class: name, d: path(states, name, x, y, gapS) }));
  }
  for (const one of moments) {
    if (one.at_s < fromS || one.at_s > toS) continue;
    for (const fired of firedIn(one)) {
      svg.append(draw("circle", { class: `event${fired.alert ? " alert" : ""}`, cx: x(one.at_s), cy: EVENTS, r: 4.5 },
        draw("title", {}, `${event(fired.name)}, ${clock(one.at_s)}`)));
    }
  }
  if (cursorS !== null) svg.append(draw("line", { class: "cursor", x1: x(cursorS), x2: x(cursorS), y1: TOP, y2: EVENTS + 8 }));
  return svg;
}

export function firedIn(one) {
  if (one.kind !== "event") return [];
  const events = one.events ?? (one.name ? [one] : []);
  return events.filter((fired) => fired.name !== "order" && !/^(speech|face)_/.test(fired.name));
}

function path(states, name, x, y, gapS) {
  let before = null;
  return states.filter((one) => affectOf(one.state)).map((one) => {
    const affect = affectOf(one.state);
    const broken = before === null || one.at_s - before > gapS;
    before = one.at_s;
    return `${broken ? "M" : "L"}${x(one.at_s).toFixed(1)} ${y(affect[name] ?? 0).toFixed(1)}`;
  }).join("");
}

function band(svg, states, x, toS, gapS, top, name, holds) {
  const spans = [];
  states.forEach((one, at) => {
    if (!holds(one.state)) return;
    const endS = Math.min(states[at + 1]?.at_s ?? one.at_s + 1, one.at_s + gapS, toS);
    if (spans.length && spans.at(-1)[1] >= one.at_s) spans.at(-1)[1] = endS;
    else spans.push([one.at_s, endS]);
  });
  for (const [beginS, endS] of spans) {
    svg.append(draw("rect", { class: name, x: x(beginS), y: top, width: Math.max(2, x(endS) - x(beginS)), height: 9, rx: 2 }));
  }
}

function told(states, moments, fromS, toS) {
  const read = states.filter((one) => affectOf(one.state));
  const fired = moments.filter((one) => one.at_s >= fromS && one.at_s <= toS).flatMap(firedIn).map((one) => event(one.name));
  const mean = (name) => (read.reduce((sum, one) => sum + (affectOf(one.state)[name] ?? 0), 0) / read.length / 100).toFixed(2);
  const numbers = read.length ? `mean valence ${mean("valence")}, mean arousal ${mean("arousal")}` : "no feelings were read";
  return `Timeline from ${clock(fromS)} to ${clock(toS)}: ${numbers}; events: ${fired.join(", ") || "none"}.`;
}

// The mood map: valence to the right, arousal up; the trail of the last states fades.
export function circle(svg, trail) {
  const at = (value) => (value / 100) * 96;
  svg.replaceChildren(
    ...[32, 64, 96].map((r) => draw("circle", { class: "ring", r })),
    draw("line", { class: "axis", x1: -96, x2: 96, y1: 0, y2: 0 }), draw("line", { class: "axis", x1: 0, x2: 0, y1: -96, y2: 96 }),
    ...[["activated", 0, -103], ["calm", 0, 113], ["pleasant", 126, 3], ["unpleasant", -131, 3]].map(([text, x, y]) => draw("text", { x, y }, text)),
    ...trail.slice(0, -1).map((affect, i) => draw("circle", { class: "trail", cx: at(affect.valence ?? 0), cy: -at(affect.arousal ?? 0), r: 2.6, "fill-opacity": (0.1 + 0.5 * i / trail.length).toFixed(2) })),
  );
  const now = trail.at(-1);
  if (now) svg.append(draw("circle", { class: "here", cx: at(now.valence ?? 0), cy: -at(now.arousal ?? 0), r: 7.5 }));
  svg.setAttribute("aria-label", now ? `Valence ${((now.valence ?? 0) / 100).toFixed(2)}, arousal ${((now.arousal ?? 0) / 100).toFixed(2)}` : "No feelings are read");
}
