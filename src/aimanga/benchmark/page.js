// Without a prototype: a method may be called `constructor`, and must not have what all objects inherit.
const page = dataOf("data", (_, value) =>
  value instanceof Object && !Array.isArray(value) ? Object.setPrototypeOf(value, null) : value);
const methods = page.methods.map(([method]) => method);
for (const { shown: size } of page.sets.flatMap((set) => set.cases)) {
  if (size) size.pictures = new Map(size.pictures);
}
const colourOf = (method) => `m${methods.indexOf(method) % 8}`;
const arrowOf = (measure) => (measure.better === "lower" ? "↓" : "↑");
const titleOf = (measure) => `${measure.title} ${arrowOf(measure)}`;

/** A number as the page shows it; JSON has no infinity, which comes as text. */
function shown(value, digits) {
  if (value === undefined || value === null) return "–";
  const number = Number(value);
  return Number.isFinite(number) ? number.toFixed(digits) : number > 0 ? "∞" : "−∞";
}

/** Whether a value is better than another, by a measure. */
const isBetter = (measure, a, b) => (measure.better === "lower" ? a < b : a > b);

/** Names of those with the best value as it is shown; none where there is nothing to compare. */
function bestOf(measure, values) {
  const known = [...values].filter(([, value]) => value !== undefined && value !== null);
  if (known.length < 2) return new Set();
  const best = known.map(([, value]) => Number(value)).reduce((a, b) => (isBetter(measure, b, a) ? b : a));
  const text = shown(best, measure.digits);
  return new Set(known.filter(([, value]) => shown(value, measure.digits) === text).map(([name]) => name));
}

// Tables --------------------------------------------------------------------------------------------------------------

/**
 * A table with a label whose heads sort it. Columns: {title, better, tip}; rows: {head, cells: [{value, content}]}. The first click on a
 * head puts the best first, the second the worst; what has no value comes last.
 */
function sortableTable(label, columns, rows) {
  const heads = columns.map((column, index) => {
    const head = make("th", { scope: "col", "aria-sort": "none" });
    head.append(button(column.title, { title: column.tip || null }, () => sort(index)));
    return head;
  });
  const lines = rows.map((row) => {
    const cells = row.cells.map((cell) => make("td", { title: cell.tip || null, class: cell.best && "best" }, cell.content));
    return make("tr", {}, make("th", { scope: "row" }, row.head), cells);
  });

  function sort(index) {
    const natural = index && columns[index].better === "higher" ? "descending" : "ascending";
    const other = natural === "ascending" ? "descending" : "ascending";
    const direction = heads[index].getAttribute("aria-sort") === natural ? other : natural;
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === index ? direction : "none"));
    const sign = direction === "ascending" ? 1 : -1;
    const keyOf = (place) => (index ? rows[place].cells[index - 1].value : rows[place].name);
    const order = rows.map((_, place) => place).sort((a, b) => {
      const [x, y] = [keyOf(a), keyOf(b)];
      const missing = (x === undefined || x === null) - (y === undefined || y === null);
      if (missing) return missing;
      return sign * (index ? Number(x) - Number(y) || 0 : x.localeCompare(y)) || a - b;
    });
    whole.querySelector("tbody").replaceChildren(...order.map((place) => lines[place]));
  }

  const whole = table(label, heads, lines);
  return whole;
}

const methodHead = (method) => [make("span", { class: `swatch ${colourOf(method)}` }), method];

function meansTable(set) {
  const columns = [{ title: "Method" }];
  for (const measure of set.measures) {
    columns.push({ title: titleOf(measure), better: measure.better, tip: measure.about });
  }
  const rows = methods.map((method) => ({ name: method, head: methodHead(method), cells: set.measures.map((measure) => meanCell(set, method, measure)) }));
  return sortableTable(`${set.name}, means`, columns, rows);
}

function meanCell(set, method, measure) {
  const mean = set.means[method]?.[measure.name];
  if (!mean || mean.value === null) return { content: ["–"] };
  const differs = mean.p !== null && mean.p < 0.05;
  const content = [shown(mean.value, measure.digits)];
  if (differs) content.push(make("span", { class: "star" }, "*"));
  if (mean.low !== null) {
    const interval = `${shown(mean.low, measure.digits)} – ${shown(mean.high, measure.digits)}`;
    content.push(make("span", { class: "interval" }, interval));
  }
  const probability = mean.p === null ? "" : `, p = ${mean.p < 0.001 ? mean.p.toExponential(1) : mean.p.toFixed(3)} against ${page.baseline}`;
  return { value: mean.value, content, best: mean.best, tip: `${mean.count} pictures${probability}` };
}

function legendOf(set) {
  const means = Object.values(set.means).flatMap((values) => Object.values(values));
  const parts = [];
  if (means.some((mean) => mean.low !== null)) parts.push("Below a mean: where it may lie, 95 %.");
  if (means.some((mean) => mean.p !== null)) {
    parts.push(`* differs from ${page.baseline}: p < 0.05, Wilcoxon's signed-rank test, Holm's correction.`);
  }
  return make("p", { class: "soft small legend" }, parts.join(" "));
}

// Plots ---------------------------------------------------------------------------------------------------------------

// Dots of more pictures than these hide one another, and are fainter.
const MANY = 60;

/** Every picture's score by a measure as a dot, a line of them for each method, with means and intervals. */
function plot(set, measure) {
  const scores = [];
  const infinite = new Map();
  for (const method of methods) {
    for (const entry of set.cases) {
      const value = Number(entry.scores[method]?.[measure.name] ?? NaN);
      if (Number.isFinite(value)) scores.push({ method, entry, value });
      if (value === Infinity) infinite.set(method, (infinite.get(method) ?? 0) + 1);
    }
  }
  if (!scores.length) return null;
  const values = scores.map((score) => score.value);
  const margin = (Math.max(...values) - Math.min(...values)) * 0.04 || Math.abs(values[0]) * 0.05 || 0.5;
  const [low, high] = [Math.min(...values) - margin, Math.max(...values) + margin];
  const longest = Math.max(...methods.map((method) => method.length));
  const [width, line, top] = [440, 30, 6];
  const left = Math.min(150, 14 + 6.2 * longest);
  const right = infinite.size ? 44 : 12;
  const bottom = top + line * methods.length;
  const xOf = (value) => left + ((width - left - right) * (value - low)) / (high - low);
  const yOf = (method) => top + line * (methods.indexOf(method) + 0.5);
  const svg = make("svg", {
    viewBox: `0 0 ${width} ${bottom + 20}`, role: "img", tabindex: "0",
    "aria-label": `${measure.title} of every picture`, class: set.cases.length > MANY ? "many" : null,
  });
  for (const [tick, text] of ticksOf(low, high)) {
    svg.append(make("line", { class: "rule", x1: xOf(tick), x2: xOf(tick), y1: top, y2: bottom }));
    svg.append(make("text", { x: xOf(tick), y: bottom + 14, "text-anchor": "middle" }, text));
  }
  const most = Math.floor((left - 14) / 6.2);
  for (const method of methods) {
    const name = method.length > most ? `${method.slice(0, most - 1)}…` : method;
    svg.append(make("text", { x: left - 8, y: yOf(method) + 4, "text-anchor": "end" }, name));
  }
  scores.forEach((score, index) => {
    // Beside one another where they would hide one another; the same page is always the same.
    score.x = xOf(score.value);
    score.y = yOf(score.method) + (((index * 0.618034) % 1) - 0.5) * 0.55 * line;
    svg.append(make("circle", { class: `dot ${colourOf(score.method)}`, cx: score.x, cy: score.y, r: 2.75 }));
  });
  for (const method of methods) {
    // What lies beyond any axis is counted.
    const beyond = { x: width - 4, y: yOf(method) + 4, "text-anchor": "end" };
    if (infinite.has(method)) svg.append(make("text", beyond, `∞: ${infinite.get(method)}`));
    const mean = set.means[method]?.[measure.name];
    if (!mean || mean.value === null || !Number.isFinite(Number(mean.value))) continue;
    const [y, kind] = [yOf(method), colourOf(method)];
    if (Number.isFinite(mean.low) && Number.isFinite(mean.high)) {
      const ends = { x1: xOf(mean.low), x2: xOf(mean.high), y1: y, y2: y };
      svg.append(make("line", { class: "halo", ...ends }), make("line", { class: `bar ${kind}`, ...ends }));
    }
    svg.append(make("circle", { class: `mean ${kind}`, cx: xOf(mean.value), cy: y, r: 5 }));
  }
  const readout = make("output", {}, " ");
  readScores(svg, readout, scores, set, measure);
  return make("figure", { class: "plot" }, make("figcaption", {}, titleOf(measure)), svg, readout);
}

/** Show the chosen picture's name and score below a plot; open it on a click. */
function readScores(svg, readout, scores, set, measure) {
  const ring = make("circle", { class: "ring", r: 5, hidden: true });
  svg.append(ring);
  readable(svg, [...scores].sort((a, b) => a.x - b.x), {
    show: ({ entry, method, value, x, y }) => {
      for (const [name, at] of [["cx", x], ["cy", y]]) ring.setAttribute(name, at);
      ring.removeAttribute("hidden");
      readout.textContent = `${entry.name}, ${method}: ${shown(value, measure.digits)}`;
    },
    hide: () => {
      ring.setAttribute("hidden", "");
      readout.textContent = " ";
    },
    open: ({ entry, method }) => entry.shown && openCase(set, entry, method),
  });
}

// Categories, the best and the worst ----------------------------------------------------------------------------------

const metricsOf = (set) => set.measures.filter((measure) => set.cases.some((entry) => methods.some((method) => entry.scores[method]?.[measure.name] !== undefined)));

function categories(set) {
  const names = [...new Set(set.cases.map((entry) => entry.category).filter((name) => name !== null))].sort();
  const measures = metricsOf(set);
  if (!names.length || !measures.length) return [];
  const place = make("div");
  const select = make("select", { "aria-label": "Measure", change: () => show() });
  fillSelect(select, measures.map((measure, index) => [index, titleOf(measure)]));

  function show() {
    const measure = measures[select.value];
    const rows = names.map((name) => {
      const entries = set.cases.filter((entry) => entry.category === name);
      const means = new Map(methods.map((method) => [method, meanOf(entries.map((entry) => entry.scores[method]?.[measure.name]))]));
      const best = bestOf(measure, means);
      const cells = methods.map((method) => ({ value: means.get(method), content: [shown(means.get(method), measure.digits)], best: best.has(method) }));
      return { name, head: [`${name} `, make("span", { class: "soft small" }, `${entries.length}`)], cells };
    });
    const columns = [{ title: "Category" }, ...methods.map((method) => ({ title: method, better: measure.better }))];
    place.replaceChildren(sortableTable(`${set.name}, ${measure.title} by category`, columns, rows));
  }

  show();
  return [make("h3", {}, "By category"), make("div", { class: "controls" }, make("label", {}, "Measure", select)), place];
}

function meanOf(values) {
  const known = values.filter((value) => value !== undefined).map(Number);
  return known.length ? known.reduce((a, b) => a + b) / known.length : null;
}

function extremes(set) {
  const measures = metricsOf(set);
  if (!measures.length) return [];
  const place = make("div", { class: "extremes" });
  const method = make("select", { "aria-label": "Method", change: () => show() });
  const measure = make("select", { "aria-label": "Measure", change: () => show() });
  fillSelect(method, methods.map((name) => [name, name]), methods[methods.length - 1]);
  fillSelect(measure, measures.map((entry, index) => [index, titleOf(entry)]));

  function show() {
    const by = measures[measure.value];
    const scored = set.cases.filter((entry) => entry.scores[method.value]?.[by.name] !== undefined);
    const valueOf = (entry) => Number(entry.scores[method.value][by.name]);
    const ordered = scored.sort((a, b) => (isBetter(by, valueOf(a), valueOf(b)) ? -1 : isBetter(by, valueOf(b), valueOf(a)) ? 1 : 0));
    const count = Math.min(3, Math.floor(ordered.length / 2) || ordered.length);
    place.replaceChildren(
      column("Best", ordered.slice(0, count)),
      column("Worst", ordered.slice(ordered.length - count).reverse()),
    );

    function column(title, entries) {
      return make("div", {}, make("h4", {}, title), make("ul", { class: "cards" }, entries.map((entry) => make("li", {}, card(entry)))));
    }
    function card(entry) {
      const name = method.value;
      const data = entry.shown?.pictures.get(name);
      const size = entry.shown ? { width: entry.shown.width, height: entry.shown.height } : {};
      const picture = data ? make("img", { src: data, alt: `${entry.name}, ${name}`, ...size }) : make("span", { class: "none" }, "not in this page");
      const open = () => openCase(set, entry, name);
      const text = make("span", {}, entry.name);
      const score = make("span", { class: "soft" }, `${by.title} ${shown(valueOf(entry), by.digits)}`);
      return button([picture, text, score], { class: "card", disabled: !entry.shown }, open);
    }
  }

  show();
  const controls = make("div", { class: "controls" }, make("label", {}, "Method", method), make("label", {}, "Measure", measure));
  return [make("h3", {}, "The best and the worst"), controls, place];
}

// The viewer ----------------------------------------------------------------------------------------------------------

const seen = page.sets.map((set) => ({ ...set, cases: set.cases.filter((entry) => entry.shown) })).filter((set) => set.cases.length);
// What is shown: zoom 1 is the whole picture; x and y, from 0 to 1, are what lies in the middle.
const view = { set: null, entry: null, zoom: 1, x: 0.5, y: 0.5, divide: 50 };

function openCase(set, entry, method) {
  setView(set.name, entry.name);
  if (method && entry.shown.pictures.has(method)) byId("right").value = method;
  showPictures();
  remember();
  byId("viewer").scrollIntoView({ block: "start" });
  byId("slider").focus({ preventScroll: true });
}

function setView(setName, caseName) {
  const set = seen.find((candidate) => candidate.name === setName) || seen[0];
  view.set = set;
  view.entry = set.cases.find((candidate) => candidate.name === caseName) || set.cases[0];
  byId("view-set").value = set.name;
  fillSelect(byId("view-case"), set.cases.map((entry) => [entry.name, entry.name]), view.entry.name);
  const names = [...view.entry.shown.pictures.keys()];
  const [left, right] = [byId("left").value, byId("right").value];
  const last = names.filter((name) => methods.includes(name)).pop();
  fillSelect(byId("left"), names.map((name) => [name, name]), names.includes(left) ? left : names[0]);
  fillSelect(byId("right"), names.map((name) => [name, name]), names.includes(right) ? right : last || names[names.length - 1]);
}

function changeView(setName, caseName) {
  setView(setName, caseName);
  showPictures();
  remember();
}

/** Put what is shown into the address, so that a link leads there; not at first, as another part may have been asked for. */
function remember() {
  history.replaceState(null, "", `#view=${addressed(view.set.name)}/${addressed(view.entry.name)}`);
}

/** A name as a part of an address; half a character, which a file's name may have, is none there. */
const addressed = (name) => encodeURIComponent(name.replace(/\p{Surrogate}/gu, "\ufffd"));

/** A part of an address as it is meant, however those who passed the link on have encoded it. */
function meant(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const imageOf = (name) => make("img", {
  src: view.entry.shown.pictures.get(name), alt: `${view.entry.name}, ${name}`, width: view.entry.shown.width,
  height: view.entry.shown.height, draggable: "false", "data-of": name,
});

function showPictures() {
  const { shown: size, category } = view.entry;
  const parts = [category ? `Category: ${category}.` : "", size.part ? `${size.part}.` : `${size.width} x ${size.height} pixels.`];
  byId("view-about").textContent = parts.filter(Boolean).join(" ");
  const slider = byId("slider");
  byId("left-layer").replaceChildren(imageOf(byId("left").value));
  byId("right-layer").replaceChildren(imageOf(byId("right").value));
  slider.querySelector(".tag.left").textContent = byId("left").value;
  slider.querySelector(".tag.right").textContent = byId("right").value;
  slider.style.aspectRatio = `${size.width} / ${size.height}`;
  // As high as the window at most, and as wide as its picture is then.
  slider.style.maxWidth = byId("divide").style.maxWidth = `${(78 * size.width) / size.height}vh`;
  byId("panels").replaceChildren(...[...size.pictures.keys()].map(panel));
  for (const frame of byId("panels").querySelectorAll(".frame")) movable(frame);
  place();
}

function panel(name) {
  const { name: of, shown: size, scores, problems } = view.entry;
  const style = { aspectRatio: `${size.width} / ${size.height}` };
  const frame = make("div", { class: "frame", tabindex: "0", role: "group", "aria-label": `${of}, ${name}`, style }, imageOf(name));
  const head = methods.includes(name) ? methodHead(name) : name === "LR" ? "LR, the input" : "HR, the ground truth";
  const measured = view.set.measures.filter((measure) => scores[name]?.[measure.name] !== undefined);
  const list = measured.map((measure) => {
    const best = bestOf(measure, methods.map((method) => [method, scores[method]?.[measure.name]]));
    const value = shown(scores[name][measure.name], measure.digits);
    return [make("dt", {}, titleOf(measure)), make("dd", { class: best.has(name) && "best" }, value)];
  });
  const problem = problems[name] && make("p", { class: "problem" }, problems[name]);
  return make("div", { class: "panel" }, make("h3", {}, head), frame, list.length > 0 && make("dl", {}, list), problem);
}

/** Put all pictures to the same place. */
function place() {
  const half = 0.5 / view.zoom;
  byId("viewer").classList.toggle("zoomed", view.zoom > 1);
  view.x = Math.min(1 - half, Math.max(half, view.x));
  view.y = Math.min(1 - half, Math.max(half, view.y));
  for (const image of byId("viewer").querySelectorAll(".frame img")) {
    const frame = image.closest(".frame");
    const [x, y] = [(0.5 - view.x * view.zoom) * frame.clientWidth, (0.5 - view.y * view.zoom) * frame.clientHeight];
    image.style.transform = `translate(${x}px, ${y}px) scale(${view.zoom})`;
    // From there on single pixels can be judged, and nothing must smooth them; the input has larger ones at once.
    const large = frame.clientWidth * view.zoom * window.devicePixelRatio >= view.entry.shown.width;
    image.classList.toggle("pixels", image.dataset.of === "LR" || large);
  }
  byId("left-layer").style.clipPath = `inset(0 ${100 - view.divide}% 0 0)`;
  byId("slider").querySelector(".divider").style.left = `${view.divide}%`;
}

/** Zoom by a factor; what lies under (x, y), shares of the frame, stays there. */
function zoom(factor, x = 0.5, y = 0.5) {
  const before = view.zoom;
  view.zoom = Math.min(32, Math.max(1, before * factor));
  view.x += (x - 0.5) * (1 / before - 1 / view.zoom);
  view.y += (y - 0.5) * (1 / before - 1 / view.zoom);
  place();
}

function zoomBy(kind) {
  if (kind === "fit") {
    Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
    place();
  } else if (kind === "pixels") {
    // In the panels: one pixel of a result is one of the screen.
    const frame = byId("panels").querySelector(".frame");
    zoom(view.entry.shown.width / (frame.clientWidth * window.devicePixelRatio) / view.zoom);
  } else {
    zoom(kind === "in" ? 1.5 : 1 / 1.5);
  }
}

/** Let a frame be dragged, zoomed by the wheel once it is chosen, and moved by keys. */
function movable(frame) {
  let last = null;
  frame.addEventListener("pointerdown", (event) => {
    const box = frame.getBoundingClientRect();
    const divider = frame.id === "slider" && Math.abs(event.clientX - box.left - (view.divide / 100) * box.width) < 16;
    last = { x: event.clientX, y: event.clientY, divider };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!last) return;
    const box = frame.getBoundingClientRect();
    if (last.divider) {
      divide((100 * (event.clientX - box.left)) / box.width);
    } else {
      view.x -= (event.clientX - last.x) / (box.width * view.zoom);
      view.y -= (event.clientY - last.y) / (box.height * view.zoom);
      last = { x: event.clientX, y: event.clientY, divider: false };
      place();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => { last = null; });
  frame.addEventListener("wheel", (event) => {
    // Those who only scroll the page are not stopped here.
    if (!event.ctrlKey && document.activeElement !== frame) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(1.2 ** -Math.sign(event.deltaY), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const step = 0.1 / view.zoom;
    const keys = {
      "+": () => zoomBy("in"), "=": () => zoomBy("in"), "-": () => zoomBy("out"), 0: () => zoomBy("fit"),
      ArrowLeft: () => { view.x -= step; }, ArrowRight: () => { view.x += step; },
      ArrowUp: () => { view.y -= step; }, ArrowDown: () => { view.y += step; },
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
    place();
  });
}

function divide(share) {
  view.divide = Math.min(100, Math.max(0, share));
  byId("divide").value = view.divide;
  place();
}

function step(by) {
  const all = seen.flatMap((set) => set.cases.map((entry) => [set, entry]));
  const now = all.findIndex(([set, entry]) => set === view.set && entry === view.entry);
  const [set, entry] = all[(now + by + all.length) % all.length];
  changeView(set.name, entry.name);
}

/** Open the picture that the address names; tell whether it is there. */
function openHash() {
  const match = /^#view=([^/]*)\/(.*)$/.exec(location.hash);
  if (!match) return false;
  const isMeant = (name, part) => meant(addressed(name)) === meant(part);
  const set = seen.find((candidate) => isMeant(candidate.name, match[1]));
  const entry = set?.cases.find((candidate) => isMeant(candidate.name, match[2]));
  if (!entry) return false;
  setView(set.name, entry.name);
  showPictures();
  byId("viewer").scrollIntoView({ block: "start" });
  return true;
}

function startViewer() {
  if (!seen.length) return;
  byId("viewer").hidden = false;
  fillSelect(byId("view-set"), seen.map((set) => [set.name, set.name]));
  byId("view-set").addEventListener("change", (event) => changeView(event.target.value));
  byId("view-case").addEventListener("change", (event) => changeView(view.set.name, event.target.value));
  for (const side of ["left", "right"]) byId(side).addEventListener("change", showPictures);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("divide").addEventListener("input", (event) => divide(Number(event.target.value)));
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoomBy(button.dataset.zoom));
  movable(byId("slider"));
  new ResizeObserver(place).observe(byId("viewer"));
  window.addEventListener("hashchange", openHash);
  if (!openHash()) {
    setView(seen[0].name);
    showPictures();
  }
}

// The page ------------------------------------------------------------------------------------------------------------

function links() {
  const found = page.sets.map((set, index) => make("a", { href: `#set-${index}` }, set.name));
  if (seen.length) found.push(make("a", { href: "#viewer" }, "Side by side"));
  if (page.repeat.length) found.push(make("a", { href: "#repeat" }, "To repeat it"));
  return make("nav", { "aria-label": "On this page" }, found);
}

function setSection(set, index) {
  return make("section", { id: `set-${index}` },
    make("h2", {}, set.name), make("p", { class: "soft small" }, set.about), meansTable(set), legendOf(set),
    make("div", { class: "plots" }, set.measures.map((measure) => plot(set, measure))), categories(set), extremes(set));
}

byId("main").before(masthead("aimanga benchmark", page.title,
  page.description.split(/\n\s*\n/).filter(Boolean).map((part) => make("p", { class: "description" }, part)),
  make("dl", { class: "methods" }, page.methods.map(([method, words]) => [make("dt", {}, methodHead(method)), make("dd", {}, words)])),
  notices(page.notices), links()));
byId("sets").append(...page.sets.map(setSection));
startViewer();
byId("repeat").hidden = !page.repeat.length;
byId("repeat").append(...page.repeat.map(([title, text]) => foldable(title, make("pre", {}, text))));
