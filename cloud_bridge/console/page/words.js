// From what the wire tells to words for people. What is absent is not known: it never becomes a zero.

const LABELS = ["neutral", "happy", "sad", "angry", "afraid", "disgusted", "surprised", "contemptuous"];
const BETWEEN = { WORDS_VOICE: "words and voice", VOICE_FACE: "voice and face", WORDS_FACE: "words and face" };
const LEVELS = { CALIBRATING: "calibrating", ALERT_: "alert", TIRED: "tired", DROWSY: "drowsy" };

export const mood = (affect) => {
  if (!affect?.probs_pct?.length) return null;
  if (affect.unclear) return "unclear";
  return LABELS[affect.probs_pct.indexOf(Math.max(...affect.probs_pct))];
};
export const MOODS = { ...Object.fromEntries(LABELS.map((l) => [l, l])), fear: "afraid", disgust: "disgusted", surprise: "surprised", contempt: "contemptuous" };

export const affectOf = (state) => state?.fused ?? state?.face ?? state?.voice ?? null;
export const capital = (text) => (text ? text[0].toUpperCase() + text.slice(1) : text);
export const lines = (description) => [description?.joint, description?.visual, description?.audio].filter(Boolean).join(" ");
export const signed = (value) => (value === undefined || value === null ? null : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value / 100).toFixed(2)}`);

export function attention(state) {
  const known = state?.attention;
  if (!known || known.on_target === undefined) return null;
  if (known.on_target) return "looks here";
  return known.away_ms ? `away for ${(known.away_ms / 1000).toFixed(0)} s` : "looks away";
}

export const tired = (state) => (state?.drowsiness ? LEVELS[state.drowsiness.level ?? "CALIBRATING"] : null);

export function clash(state) {
  const strongest = [...(state?.incongruence ?? [])].sort((a, b) => b.strength_pct - a.strength_pct)[0];
  return strongest ? `${BETWEEN[strongest.between] ?? "signals"} differ, ${strongest.strength_pct} %` : null;
}

export const event = (name) => capital(String(name).replaceAll("_", " "));
export const clock = (atS) => new Date(atS * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const day = (atS) => new Date(atS * 1000).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export function ago(atS) {
  const s = Math.max(0, Date.now() / 1000 - atS);
  if (!atS) return "";
  if (s < 90) return `${Math.round(s)} s ago`;
  return s < 5400 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
}
