// Starts the console: sign in, light or dark, the fleet, and the device that the address names.

import * as api from "./api.js";
import * as device from "./device.js";
import { find } from "./dom.js";
import * as fleet from "./fleet.js";

const THEME = "mien-theme";

function theme(chosen) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
}

function link(up, refused = false) {
  find("link").className = `link ${up ? "on" : "bad"}`;
  find("link-text").textContent = up ? "Live" : "Reconnecting";
  if (refused) signIn("The token is not valid any more.");
}

let begun = false;
const listeners = { fleet: fleet.take, link };

function choose(name) {
  const same = new URLSearchParams(location.search).get("device") === name;
  if (!same) history.pushState(null, "", name ? `?device=${encodeURIComponent(name)}` : "/");
  show(name);
  if (name) find("main").focus({ preventScroll: true });
}

function show(name) {
  fleet.mark(name);
  device.open(name, listeners);
}

function signIn(why = "") {
  api.keep(null);
  find("token").value = "";
  find("login-error").textContent = why;
  find("login-error").hidden = !why;
  if (!find("login").open) find("login").showModal();
}

async function begin() {
  let who;
  try {
    who = await api.me();
  } catch (error) {
    signIn(api.token() ? error.message : "");
    return;
  }
  begun = true;
  find("who").textContent = `${who.tenant} · ${who.name}${who.control ? "" : " (reads only)"}`;
  fleet.start(choose);
  device.start(who);
  addEventListener("popstate", () => show(new URLSearchParams(location.search).get("device")));
  show(new URLSearchParams(location.search).get("device"));
}

theme(localStorage.getItem(THEME));
find("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, next);
  theme(next);
});
find("login").addEventListener("cancel", (event) => event.preventDefault());
find("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.keep(find("token").value.trim());
  find("login").close();
  if (begun) location.reload(); // who comes next may be of another tenant: nothing of before may stay
  else begin();
});
begin();
