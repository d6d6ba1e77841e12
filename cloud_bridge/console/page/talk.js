// The conversation: turns with what was said (where it may be seen), the reply, and how long each stage took.

import { make } from "./dom.js";
import { clock } from "./words.js";

const STAGES = [["first_audio", "first sound"], ["answer_text", "answer"], ["answer_audio", "its sound"], ["done", "done"]];
const NOTES = { fallback: "spoken without the model", cancelled: "interrupted", broken: "failed" };

// Turns out of live moments and of the history alike, oldest first. A device that starts anew counts from 1 again.
export function turns(moments) {
  const found = new Map();
  let start = 0, newest = 0, came = false;
  const of = (one) => {
    const turn = one.turn ?? 0;
    if (came && turn > 0 && turn <= newest) [start, newest] = [start + 1, 0];
    if (turn > 0) [newest, came] = [Math.max(newest, turn), false];
    const key = `${start}/${turn}`;
    if (!found.has(key)) found.set(key, { turn, atS: one.at_s, words: null, reply: "", ms: null, outcome: null, tone: null });
    return found.get(key);
  };
  for (const one of moments) {
    came ||= one.kind === "online" || (one.kind === "link" && one.state === "connected");
    if (one.kind === "turn_end") {
      of(one).words = one.words ?? of(one).words;
    } else if (one.kind === "reply") {
      const turn = of(one);
      turn.reply = one.chunk === 0 ? one.text : `${turn.reply} ${one.text}`;
      turn.tone = one.tone;
    } else if (one.kind === "answered" || one.kind === "turn") {
      Object.assign(of(one), { ms: one.ms, outcome: one.outcome, tone: one.tone });
      if (one.words) of(one).words = one.words;
      if (one.answer) of(one).reply = one.answer;
    }
  }
  return [...found.values()];
}

export function show(list, moments) {
  const shown = turns(moments).reverse().slice(0, 60).map((turn) => make("li", {},
    make("span", { class: "meta" }, `Turn ${turn.turn} · ${clock(turn.atS)}`, turn.tone ? ` · tone ${turn.tone}` : null),
    turn.words ? make("span", { class: "said" }, turn.words) : make("span", { class: "said faint" }, "words are not shared"),
    turn.reply ? make("span", { class: "reply" }, turn.reply) : null,
    turn.ms ? make("span", { class: "stages" }, ...STAGES.filter(([key]) => turn.ms[key] !== undefined)
      .flatMap(([key, text]) => [make("span", {}, `${text} `, make("b", {}, `${turn.ms[key]} ms`))]),
      NOTES[turn.outcome] ? make("span", {}, NOTES[turn.outcome]) : null) : null,
  ));
  list.replaceChildren(...(shown.length ? shown : [make("li", { class: "faint" }, "Nothing was said yet.")]));
}
