"use strict";

// What all pages share. Data get into a page only as text, never as HTML.

const byId = (id) => document.getElementById(id);
const dataOf = (id, reviver) => JSON.parse(byId(id).textContent, reviver);

const counted = (count) => count.toLocaleString("en");
const plural = (count, noun) => `${counted(count)} ${noun}${count === 1 ? "" : "s"}`;
/** A number with four significant digits, or as a whole one. */
const rounded = (number) => (Math.abs(number) >= 1000 ? counted(Math.round(number)) : String(Number(number.toPrecision(4))));

const SVG = new Set(["svg", "g", "line", "rect", "circle", "path", "polyline", "text"]);

/**
 * Make an element. An attribute that is a function listens to the event of its name; `style` is an object, since the
 * page's policy forbids the attribute. Content is elements, text, and arrays of these. What is null, undefined or false
 * is left out.
 */
function make(tag, attributes = {}, ...content) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  const isGiven = (part) => part !== null && part !== undefined && part !== false;
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "style") Object.assign(element.style, value);
    else if (isGiven(value)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...content.flat(Infinity).filter(isGiven));
  return element;
}

const button = (content, attributes, press) => make("button", { type: "button", click: press, ...attributes }, content);
const section = (title, ...content) => make("section", {}, make("h2", {}, title), content);
const foldable = (title, ...content) => make("details", {}, make("summary", {}, title), content);
const notices = (messages) => messages.length > 0 && make("ul", { class: "notices" }, messages.map((message) => make("li", {}, message)));

/** The head of a page: the command that wrote it, its title, which is the window's, too, and more. */
function masthead(command, title, ...content) {
  document.title = `${title} – ${command}`;
  return make("header", {}, make("p", { class: "eyebrow" }, command), make("h1", {}, title), content);
}

/** A table of `th` and `tr` elements that scrolls within its frame. */
function table(label, heads, rows) {
  const whole = make("table", {}, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows));
  return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, whole);
}

function fillSelect(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
  if (chosen !== undefined) select.value = chosen;
}

// Plots ---------------------------------------------------------------------------------------------------------------

/** Round numbers between two values, about five, with their labels. */
function ticksOf(low, high) {
  const power = 10 ** Math.floor(Math.log10(high - low));
  const step = [0.1, 0.2, 0.5, 1, 2].map((part) => part * power).find((size) => (high - low) / size <= 6);
  const ticks = [];
  for (let n = Math.ceil(low / step); n * step <= high + step / 1e6; n += 1) ticks.push(n * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return ticks.map((tick) => [tick, tick.toFixed(digits)]);
}

/**
 * Let the pointer and the arrow keys choose points of a plot: {x, y, ...} in the units of its view box, in order of x.
 * `distance` says how far a point is from the pointer; `open` is called on a click or Enter.
 */
function readable(svg, points, { show, hide, distance = Math.hypot, open = () => {} }) {
  const last = points.length - 1;
  let chosen = -1;
  const choose = (index) => {
    chosen = Math.max(0, Math.min(last, index));
    show(points[chosen]);
  };
  const leave = () => {
    chosen = -1;
    hide();
  };
  const press = () => chosen >= 0 && open(points[chosen]);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const distances = points.map((point) => distance(point.x - x, point.y - y));
    choose(distances.indexOf(Math.min(...distances)));
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("click", press);
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen < 0 ? last : chosen - 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter") press();
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  });
}
