// Small helpers. Text always goes in as text, never as markup: what devices and people say is not trusted.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function pairs(list, entries) {
  list.replaceChildren(...entries.flatMap(([term, value, kind]) => [
    make("dt", {}, term), make("dd", { class: kind }, value ?? "–"),
  ]));
}

export function press(group, chosen) {
  for (const button of group) button.setAttribute("aria-pressed", String(button === chosen));
}
