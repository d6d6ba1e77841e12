// The bridge's answers: JSON, and one stream of server-sent events. The token goes in a header, so `fetch` reads the
// stream (an EventSource cannot send headers); it is kept in this tab alone.

const KEY = "mien-token";

export class Refused extends Error {
  constructor(status, why) { super(why); this.status = status; }
}

export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

export function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

const headers = () => ({ Authorization: `Bearer ${token() ?? ""}` });

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body.error ?? `error ${answer.status}`);
  return body;
}

export const me = () => ask("/api/me");
export const device = (name) => ask(`/api/devices/${encodeURIComponent(name)}`);
export const past = (name, sinceS) => ask(`/api/devices/${encodeURIComponent(name)}/history?since=${sinceS}`);
export const audit = (name) => ask(`/api/devices/${encodeURIComponent(name)}/audit`);
export const mute = (name, wanted) =>
  ask(`/api/devices/${encodeURIComponent(name)}/mute`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ mute: wanted }),
  });

// Follow the fleet and one device until `stop.abort()`; comes back by itself after a cut. `on` has fleet, moment, link.
export async function follow(name, on, stop) {
  let waitMs = 500;
  while (!stop.signal.aborted) {
    try {
      const path = name ? `/api/events?device=${encodeURIComponent(name)}` : "/api/events";
      const answer = await fetch(path, { headers: headers(), signal: stop.signal });
      if (!answer.ok) throw new Refused(answer.status, "refused");
      on.link(true);
      waitMs = 500;
      await read(answer.body.getReader(), on);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof Refused && error.status === 401) { on.link(false, true); return; }
    }
    on.link(false);
    await new Promise((done) => setTimeout(done, waitMs));
    waitMs = Math.min(waitMs * 2, 10_000);
  }
}

async function read(reader, on) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name && data && on[name]) on[name](JSON.parse(data));
    }
  }
}
