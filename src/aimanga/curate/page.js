const { title, options, reasons: reasonTitles, scores } = dataOf("report");
const pictures = dataOf("pictures");

// ---- words

const sized = ({ width, height }) => (width && height ? `${width} × ${height}` : "size unknown");
// A name breaks where its parts end, if it can.
const broken = (name) => name.split(/(?<=[/\\_\- ])/).flatMap((part) => [part, make("wbr")]);
const comparable = (text) => text.normalize("NFC").toLowerCase();

function reasonTitle(reason) {
  if (Object.hasOwn(reasonTitles, reason)) return reasonTitles[reason];
  const score = scores.find(({ name }) => name === reason);
  const name = (score ? score.title : reason).toLowerCase();
  const isOneSided = score && (score.low === null) !== (score.high === null);
  if (isOneSided) return `${score.low === null ? "High" : "Low"} ${name}`;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

const numberOf = (count) => make("span", { class: "number" }, counted(count));

// ---- scales: how a score is divided into the bars of its histogram

const BARS = 32;

// It spans where most pictures are, and the outermost bars take what lies beyond. A bar begins at the threshold, so
// that none straddles it.
function scaleOf(column) {
  const { low, high } = scores[column];
  const known = pictures.map((picture) => picture.scores[column]).filter((value) => value !== null);
  if (!known.length) return null;
  known.sort((a, b) => a - b);
  const at = (share) => known[Math.round(share * (known.length - 1))];
  let [least, most] = [at(0.005), at(0.995)];
  if (most === least) most = least + (Math.abs(least) || 1);
  // A threshold far from all pictures would leave no room for these.
  const [nearest, farthest] = [least - 4 * (most - least), most + 4 * (most - least)];
  const limits = [{ value: low, lower: true }, { value: high, lower: false }].filter(
    ({ value }) => value !== null && value >= nearest && value <= farthest,
  );
  const values = limits.map(({ value }) => value);
  [least, most] = [Math.min(least, ...values), Math.max(most, ...values)];
  const anchor = values[0] ?? 0;
  const step = roundStep((most - least) / BARS, anchor);
  const digits = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(step))));
  // A threshold is a sum of steps only up to rounding.
  const bar = (value) => Math.floor((value - anchor) / step + 1e-9);
  const first = bar(least);
  const count = bar(most) - first + 1;
  const start = anchor + first * step;
  // The first bar may begin below 0, which no score does that counts or measures.
  const floor = known[0] >= 0 ? 0 : -Infinity;
  const edge = (index) => Math.max(floor, Number((start + index * step).toFixed(digits)));
  const clamp = (index) => Math.max(0, Math.min(count - 1, index));
  const barOf = pictures.map((picture) => {
    const value = picture.scores[column];
    return value === null ? -1 : clamp(bar(value) - first);
  });
  const kept = new Array(count).fill(0);
  const rejected = new Array(count).fill(0);
  barOf.forEach((index, i) => index >= 0 && (pictures[i].kept ? kept : rejected)[index]++);
  const below = known[0] < edge(0);
  const above = known.at(-1) > edge(count);
  const range = (from, to) => {
    if (from === 0 && to === count - 1) return "any";
    if (from === 0 && below) return `below ${rounded(edge(to + 1))}`;
    if (to === count - 1 && above) return `${rounded(edge(from))} and above`;
    return `${rounded(edge(from))} to ${rounded(edge(to + 1))}`;
  };
  const position = (value) => (value - start) / step;
  return { count, edge, barOf, kept, rejected, range, position, limits, median: at(0.5), below, above };
}

// A round number, of which the anchor is a multiple if that can be had: then the bars begin at round numbers, too.
function roundStep(least, anchor) {
  const power = 10 ** Math.floor(Math.log10(least));
  const steps = [1, 2, 2.5, 5, 10, 20].map((factor) => factor * power).filter((step) => step >= least * (1 - 1e-9));
  const fits = (step) => Math.abs(anchor / step - Math.round(anchor / step)) < 1e-6;
  return steps.slice(0, 3).find(fits) ?? steps[0];
}

const scales = scores.map((_, column) => scaleOf(column));

// ---- what is looked for

const names = pictures.map((picture) => comparable(picture.name));
const everything = { status: "all", reason: "", words: "", ranges: new Map(), group: null };
const wanted = { ...everything, view: "beside", sort: "name", descending: false };

const GROUPINGS = [
  { key: "group", view: "duplicates", title: "Duplicates", noun: "Group", total: "Duplicate groups" },
  { key: "scene", view: "scenes", title: "Scenes", noun: "Scene", total: "Scenes" },
].map((grouping) => ({ ...grouping, members: membersBy(grouping.key) })).filter(({ members }) => members.size);

function membersBy(key) {
  const members = Map.groupBy(pictures.keys(), (i) => pictures[i][key]);
  members.delete(null);
  for (const list of members.values()) list.sort((a, b) => pictures[b].kept - pictures[a].kept);
  return members;
}

// Each gives a test of a picture, or null where all pass.
const filters = {
  status: () => wanted.status !== "all" && ((i) => pictures[i].kept === (wanted.status === "kept")),
  reason: () => wanted.reason && ((i) => pictures[i].reasons.includes(wanted.reason)),
  words: () => {
    const words = comparable(wanted.words).split(/\s+/).filter(Boolean);
    return words.length && ((i) => words.every((word) => names[i].includes(word)));
  },
  ranges: () => {
    const ranges = [...wanted.ranges].map(([column, [from, to]]) => [scales[column].barOf, from, to]);
    return ranges.length && ((i) => ranges.every(([barOf, from, to]) => barOf[i] >= from && barOf[i] <= to));
  },
  group: () => wanted.group && ((i) => pictures[i][wanted.group.key] === wanted.group.number),
};

function matching(except) {
  const tests = Object.entries(filters).filter(([name]) => name !== except).map(([, test]) => test()).filter(Boolean);
  return inOrder().filter((i) => tests.every((test) => test(i)));
}

const orders = new Map();

function inOrder() {
  const key = `${wanted.sort} ${wanted.descending}`;
  if (!orders.has(key)) orders.set(key, sorted(wanted.sort, wanted.descending ? -1 : 1));
  return orders.get(key);
}

function sorted(by, direction) {
  const order = [...pictures.keys()];
  if (by === "name") {
    const { compare } = new Intl.Collator("en", { numeric: true });
    return order.sort((a, b) => direction * compare(pictures[a].name, pictures[b].name));
  }
  const value = by === "pixels" ? (i) => pictures[i].width * pictures[i].height || null : (i) => pictures[i].scores[by];
  // What is not known stands last, whatever the direction.
  return order.sort((a, b) => (value(a) === null) - (value(b) === null) || direction * (value(a) - value(b)));
}

// ---- a picture in its frame

const MARKS = { kept: "M4.5 9.5l3 3 6-7", rejected: "M5.5 5.5l7 7m0-7l-7 7" };
const verdict = (picture) => (picture.kept ? "kept" : "rejected");

function mark(picture) {
  const status = verdict(picture);
  const path = make("path", { d: MARKS[status] });
  return make("svg", { class: `mark ${status}`, viewBox: "0 0 18 18", "aria-hidden": "true" }, path);
}

// Thumbnails lie in the page as text: a picture is made only of what is shown.
function frame(i, numbered = false) {
  const picture = pictures[i];
  const source = byId(`thumbnail-${i}`);
  const content = source
    ? make("img", { src: source.textContent, alt: picture.name, decoding: "async", draggable: "false" })
    : make("span", { class: "nothing" }, picture.width ? "no thumbnail" : "cannot be read");
  const drawn = picture.crops.length && picture.width ? boxes(picture, numbered) : null;
  return make("span", { class: "frame" }, content, drawn);
}

function boxes(picture, numbered) {
  const size = 0.035 * Math.max(picture.width, picture.height);
  const drawn = picture.crops.map(([x, y, width, height], n) => {
    const at = { x, y, width, height };
    const place = { x: x + size * 0.4, y: y + size * 1.15, "font-size": size, "stroke-width": size * 0.18 };
    return [make("rect", { class: "under", ...at }), make("rect", at), numbered && make("text", place, String(n + 1))];
  });
  const viewBox = `0 0 ${picture.width} ${picture.height}`;
  return make("svg", { class: "boxes", viewBox, "aria-hidden": "true" }, drawn);
}

function ratio({ width, height }) {
  return width && height ? Math.max(0.4, Math.min(3, width / height)) : 4 / 3;
}

function spoken(picture) {
  return `${picture.name}, ${verdict(picture)}${picture.words.length ? `: ${picture.words.join("; ")}` : ""}`;
}

// Opens the picture; `list` is what the arrows go through from there.
function opener(i, list, description = null) {
  const picture = pictures[i];
  const framed = frame(i);
  framed.append(mark(picture));
  const attributes = { class: `card ${verdict(picture)}`, "data-picture": i, "aria-label": spoken(picture) };
  const element = button([framed, description], attributes, () => openDetail(i, list, element));
  return element;
}

const card = (i, list) => opener(i, list, described(pictures[i]));

function described(picture) {
  const value = scores[wanted.sort] && picture.scores[wanted.sort];
  const known = value !== undefined && value !== null;
  const extra = known ? ` · ${scores[wanted.sort].title.toLowerCase()} ${rounded(value)}` : "";
  return [
    make("span", { class: "name", title: picture.name }, broken(picture.name)),
    make("span", { class: "facts number" }, sized(picture) + extra),
    picture.words.length > 0 && make("span", { class: "why clamped" }, picture.words.join("; ")),
  ];
}

// ---- shelves: lists of pictures, a page of them at a time

function shelf({ heading, tone, list, size, empty, layout, item }) {
  const pages = Math.max(1, Math.ceil(list.length / size));
  let page = 0;
  const content = make("ul", { class: layout });
  const pagers = [makePager(turn), makePager(turn)];
  const element = make("section", { class: "shelf", "aria-label": heading },
    make("header", {}, make("h2", { class: tone }, heading, numberOf(list.length)), pagers[0].element),
    list.length ? content : make("p", { class: "empty" }, empty),
    pagers[1].element);
  function turn(by) {
    page = Math.max(0, Math.min(pages - 1, page + by));
    show();
    element.scrollIntoView({ block: "start" });
  }
  function show() {
    const from = page * size;
    const part = list.slice(from, from + size);
    content.replaceChildren(...part.map(item));
    const where = `${counted(from + 1)}–${counted(from + part.length)} of ${counted(list.length)}`;
    for (const pager of pagers) pager.show(where, page > 0, page < pages - 1);
  }
  show();
  return element;
}

function makePager(turn, [previous, next] = ["Previous page", "Next page"]) {
  const step = (text, label, by) => {
    const press = (event) => event.currentTarget.ariaDisabled === "true" || turn(by);
    return button(text, { class: "plain", "aria-label": label, title: label }, press);
  };
  const [back, on] = [step("‹", previous, -1), step("›", next, 1)];
  const where = make("span", { class: "number" });
  const element = make("div", { class: "pager" }, back, where, on);
  // Not `disabled`: that would take the focus away from who pages by the keyboard.
  const show = (text, canBack, canOn) => {
    where.textContent = text;
    back.ariaDisabled = String(!canBack);
    on.ariaDisabled = String(!canOn);
    element.hidden = !canBack && !canOn;
  };
  return { element, show };
}

function cardShelf(status, list, size) {
  const heading = status === "kept" ? "Kept" : "Rejected";
  const empty = isFiltered() ? "None of these pictures match." : `No picture is ${status}.`;
  return shelf({ heading, tone: status, list, size, empty, layout: "cards", item: (i) => make("li", {}, card(i, list)) });
}

function sheetShelf(list) {
  const item = (i) => {
    const element = opener(i, list);
    const width = ratio(pictures[i]);
    element.title = spoken(pictures[i]);
    element.querySelector(".frame").style.aspectRatio = width;
    return make("li", { style: { flex: `${width} 1 ${width * 6.75}rem` } }, element);
  };
  return shelf({ heading: "Contact sheet", list, size: 180, layout: "sheet", item, empty: "No picture matches." });
}

const MEMBERS = 12;

function showOnly(group) {
  change({ ...everything, ranges: new Map(), group, view: "beside" });
}

function groupShelf({ key, title, noun, members }, found) {
  const matches = new Set(found);
  const numbers = [...new Set(found.map((i) => pictures[i][key]).filter((number) => number !== null))];
  const item = (number) => {
    const list = members.get(number);
    const kept = list.filter((i) => pictures[i].kept).length;
    const cards = list.slice(0, MEMBERS).map((i) => make("li", { class: !matches.has(i) && "other" }, card(i, list)));
    const all = button(`Show all ${counted(list.length)}`, { class: "link" }, () => showOnly({ key, number, noun }));
    const more = make("p", { class: "more" }, `${counted(list.length - MEMBERS)} more are not shown here. `, all);
    const count = `· ${plural(list.length, "picture")}, ${kept} kept`;
    const heading = make("h3", {}, `${noun} ${number} `, make("span", { class: "soft" }, count));
    return make("li", { class: list.length > 3 && "broad" }, heading, make("ul", { class: "cards" }, cards), list.length > MEMBERS && more);
  };
  return shelf({ heading: title, list: numbers, size: 16, layout: "groups", item, empty: "None of them match." });
}

function showPictures(found) {
  const grouping = GROUPINGS.find(({ view }) => view === wanted.view);
  const place = byId("pictures-found");
  place.className = "shelves";
  if (grouping) return place.replaceChildren(groupShelf(grouping, found));
  if (wanted.view === "sheet") return place.replaceChildren(sheetShelf(found));
  const lists = { kept: found.filter((i) => pictures[i].kept), rejected: found.filter((i) => !pictures[i].kept) };
  const shelves = Object.keys(lists).filter((status) => wanted.status === "all" || wanted.status === status);
  const beside = shelves.every((status) => lists[status].length) && shelves.length > 1;
  place.classList.toggle("beside", beside);
  // What is empty goes below.
  shelves.sort((a, b) => !lists[a].length - !lists[b].length);
  return place.replaceChildren(...shelves.map((status) => cardShelf(status, lists[status], beside ? 36 : 72)));
}

// ---- one picture in detail

const dialog = byId("detail");

function openDetail(i, list, from) {
  showDetail(i, list);
  if (!dialog.open) {
    dialog.addEventListener("close", () => focusCard(from), { once: true });
    dialog.showModal();
  }
  dialog.scrollTop = 0;
}

// The focus goes where the eyes are: to the picture that was looked at last, if it is on the page.
function focusCard(from) {
  const last = document.querySelector(`main [data-picture="${dialog.dataset.picture}"]`);
  (last ?? from).focus();
}

function showDetail(i, list) {
  const picture = pictures[i];
  const place = list.indexOf(i);
  const pager = makePager((by) => showDetail(list[place + by], list), ["Previous picture", "Next picture"]);
  pager.show(`${counted(place + 1)} of ${counted(list.length)}`, place > 0, place < list.length - 1);
  pager.element.hidden = false;
  const focused = dialog.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  dialog.dataset.picture = i;
  dialog.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && list[place + by] !== undefined) showDetail(list[place + by], list);
  };
  const close = button("✕", { class: "plain", "aria-label": "Close", autofocus: "" }, () => dialog.close());
  pager.element.append(close);
  const framed = frame(i, true);
  const width = picture.width && picture.height ? picture.width / picture.height : 4 / 3;
  Object.assign(framed.style, { aspectRatio: width, maxWidth: `calc(62vh * ${width})` });
  const heading = make("h2", { id: "detail-name" }, broken(picture.name));
  const left = make("div", {}, framed, cropsOf(picture), GROUPINGS.map((grouping) => membersOf(i, grouping)));
  const body = make("div", { class: "body" }, left, make("div", {}, verdictOf(picture), measuresOf(picture)));
  dialog.replaceChildren(make("article", { class: "detail" }, make("header", {}, heading, pager.element), body));
  // The buttons are new ones: who stepped on goes on stepping.
  const steps = [...dialog.querySelectorAll("header button")];
  const again = steps.find((step) => focused && step.getAttribute("aria-label") === focused);
  if (dialog.open) (again ?? close).focus();
}

function cropsOf({ crops }) {
  if (!crops.length) return null;
  const lines = crops.map(([x, y, width, height], n) => `${n + 1}. ${width} × ${height} at ${x}, ${y}`);
  const list = make("ol", { class: "crops" }, lines.map((line) => make("li", {}, line)));
  return make("section", {}, make("h3", {}, plural(crops.length, "crop")), list);
}

function verdictOf(picture) {
  const line = make("p", { class: `verdict ${verdict(picture)}` }, mark(picture), picture.kept ? "Kept" : "Rejected");
  const megapixels = (picture.width * picture.height) / 1e6;
  const area = megapixels ? ` · ${megapixels.toFixed(1)} megapixels` : "";
  const size = make("p", { class: "soft number" }, sized(picture) + area);
  const sentences = make("ul", { class: "sentences" }, picture.words.map((words) => make("li", {}, words)));
  return make("section", {}, line, size, picture.words.length > 0 && sentences);
}

function measuresOf(picture) {
  if (picture.scores.every((value) => value === null)) {
    return make("section", {}, make("p", { class: "soft" }, "It has no scores."));
  }
  const rows = scores.map((score, column) => {
    const value = picture.scores[column];
    const failed = value !== null && (value < (score.low ?? value) || value > (score.high ?? value));
    const number = make("b", {}, value === null ? "unknown" : rounded(value));
    return make("div", { class: failed ? "measure failed" : "measure" },
      make("dt", {}, score.title),
      make("dd", { class: "number" }, number, " ", make("span", { class: "soft small bound" }, limitWords(score))),
      value !== null && track(score, column, value),
      make("dd", { class: "meaning" }, score.meaning));
  });
  return make("section", { "aria-label": "Scores" }, make("dl", { class: "measures" }, rows));
}

function limitWords({ low, high }) {
  if (low === null && high === null) return "";
  if (high === null) return `at least ${rounded(low)}`;
  return low === null ? `at most ${rounded(high)}` : `${rounded(low)} to ${rounded(high)}`;
}

function track({ low, high }, column, value) {
  const { position, count } = scales[column];
  const percent = (number) => Math.max(0, Math.min(100, (100 * position(number)) / count));
  const from = low === null ? 0 : percent(low);
  const width = `${(high === null ? 100 : percent(high)) - from}%`;
  return make("dd", { class: "track", "aria-hidden": "true" },
    make("span", { class: "whole" }),
    make("span", { class: "passing", style: { left: `${from}%`, width } }),
    make("span", { class: "point", style: { left: `${percent(value)}%` } }));
}

function membersOf(i, { key, noun, members }) {
  const number = pictures[i][key];
  const others = number === null ? [] : members.get(number).filter((other) => other !== i);
  if (!others.length) return null;
  const list = members.get(number);
  const only = button(`Show only this ${noun.toLowerCase()}`, { class: "link" }, () => {
    dialog.close();
    showOnly({ key, number, noun });
  });
  const cards = others.slice(0, MEMBERS).map((other) => make("li", {}, card(other, list)));
  const more = others.length > MEMBERS ? `${counted(others.length - MEMBERS)} more are not shown here. ` : "";
  return make("section", { class: "members" },
    make("h3", {}, `${noun} ${number}: ${plural(others.length, "other picture")}`),
    make("ul", { class: "strip" }, cards),
    make("p", { class: "small soft" }, more, only));
}

// A click beside the dialog closes it; a selection of text that ends there does not.
let pressed = null;
dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
dialog.addEventListener("click", (event) => event.target === dialog && pressed === dialog && dialog.close());

// ---- summary

const keptCount = pictures.filter(({ kept }) => kept).length;
const rejectedCount = pictures.length - keptCount;

function showSummary() {
  const thumbnails = document.querySelectorAll('script[id^="thumbnail-"]').length;
  const readable = pictures.filter(({ width }) => width).length;
  // Neither 0 nor 100 where there are some of both.
  const edge = keptCount && rejectedCount ? 1 : 0;
  const percent = Math.max(edge, Math.min(100 - edge, Math.round((100 * keptCount) / Math.max(1, pictures.length))));
  const parts = [["kept", keptCount], ["rejected", rejectedCount]].filter(([, count]) => count)
    .map(([status, count]) => make("span", { class: status, style: { flex: `${count} 1 0` } }));
  const crops = pictures.reduce((sum, picture) => sum + picture.crops.length, 0);
  const copies = pictures.filter(({ reasons }) => reasons.includes("duplicate")).length;
  const numbers = [
    ["Pictures", pictures.length, ""],
    [`Kept, ${percent} %`, keptCount, "kept"],
    ["Rejected", rejectedCount, "rejected"],
    copies && ["Duplicates rejected", copies, ""],
    ...GROUPINGS.map(({ members, total }) => [total, members.size, ""]),
    crops && ["Crops", crops, ""],
    readable < pictures.length && ["Unreadable", pictures.length - readable, ""],
  ].filter(Boolean);
  const tiles = numbers.map(([name, count, status]) => make("div", { class: status }, make("dt", {}, name), make("dd", {}, counted(count))));
  const note = `${counted(thumbnails)} of ${plural(readable, "picture")} have a thumbnail on this page.`;
  byId("summary").replaceWith(make("div", {},
    make("div", { class: "share", role: "img", "aria-label": `${percent} % are kept` }, parts),
    make("dl", { class: "numbers number" }, tiles),
    thumbnails < readable && make("p", { class: "note" }, note)));
}

// ---- panels: reasons, histograms, options

function countedReasons(list) {
  const counts = new Map();
  for (const i of list) for (const reason of pictures[i].reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}

const reasonCounts = countedReasons(pictures.keys());
const reasons = [...reasonCounts.keys()].sort((a, b) => reasonCounts.get(b) - reasonCounts.get(a));

function reasonPanel() {
  const items = reasons.map((reason) => {
    const count = reasonCounts.get(reason);
    const bar = make("span", { class: "bar", style: { width: `calc(${count / reasonCounts.get(reasons[0])} * (100% - 1rem))` } });
    const press = () => change({ reason: wanted.reason === reason ? "" : reason });
    const content = [reasonTitle(reason), make("span", { class: "number soft" }, counted(count)), bar];
    return make("li", {}, button(content, { class: "reason", "data-reason": reason }, press));
  });
  const several = pictures.some((picture) => picture.reasons.length > 1);
  const note = several ? "A picture may have several reasons." : reasons.length ? null : "No picture is rejected.";
  return make("section", { class: "panel" },
    make("h2", {}, "Why pictures are rejected"),
    make("ul", { class: "reasons" }, items),
    note && make("p", { class: "small soft" }, note));
}

const histograms = [];

function withoutRange(column) {
  return { ranges: new Map([...wanted.ranges].filter(([other]) => other !== column)) };
}

function histogramPanel(column) {
  const score = scores[column];
  const scale = scales[column];
  const most = Math.max(...scale.kept.map((count, bar) => count + scale.rejected[bar]));
  const readout = make("p", { class: "readout number" });
  let focused = 0;
  const words = (bar) => {
    const counts = [[scale.kept[bar], "kept"], [scale.rejected[bar], "rejected"]].filter(([count]) => count);
    const parts = counts.map(([count, status]) => `${counted(count)} ${status}`);
    return `${scale.range(bar, bar)}: ${parts.join(", ") || "no picture"}`;
  };
  const rest = () => {
    const range = wanted.ranges.get(column);
    const whole = `Median ${rounded(scale.median)}, highest bar ${plural(most, "picture")}`;
    readout.textContent = range ? `Only ${scale.range(...range)}` : whole;
  };
  const select = (bar, extend) => {
    const now = wanted.ranges.get(column);
    const ranges = new Map(wanted.ranges);
    if (extend && now) ranges.set(column, [Math.min(now[0], bar), Math.max(now[1], bar)]);
    else if (now && now[0] === bar && now[1] === bar) ranges.delete(column);
    else ranges.set(column, [bar, bar]);
    change({ ranges });
  };
  const bins = Array.from({ length: scale.count }, (_, bar) => {
    // A single picture must be seen beside thousands.
    const height = (count) => count && Math.max(1.5, (100 * count) / most);
    const [kept, rejected] = [height(scale.kept[bar]), height(scale.rejected[bar])];
    const part = (status, y, size) => make("rect", { class: status, x: bar + 0.06, width: 0.88, y, height: size });
    const attributes = {
      class: "bin", role: "button", tabindex: bar ? -1 : 0, "aria-label": words(bar), "data-bin": bar,
      click: (event) => select(bar, event.shiftKey),
      pointerenter: () => (readout.textContent = words(bar)),
      pointerleave: rest,
      focus: () => move(bar, false),
      blur: rest,
    };
    return make("g", attributes,
      kept > 0 && part("kept", 100 - kept, kept),
      rejected > 0 && part("rejected", 100 - kept - rejected, rejected),
      make("rect", { class: "hit", x: bar, y: 0, width: 1, height: 100 }));
  });
  // One tab stop for all bars; the arrows go from bar to bar.
  const move = (bar, focus = true) => {
    bins[focused].setAttribute("tabindex", -1);
    focused = Math.max(0, Math.min(scale.count - 1, bar));
    bins[focused].setAttribute("tabindex", 0);
    if (focus) bins[focused].focus();
    readout.textContent = words(focused);
  };
  const key = (event) => {
    const to = { ArrowLeft: focused - 1, ArrowRight: focused + 1, Home: 0, End: scale.count - 1 }[event.key];
    if (to !== undefined) move(to);
    else if (event.key === "Enter" || event.key === " ") select(focused, event.shiftKey);
    else return;
    event.preventDefault();
  };
  const shades = [];
  const lines = [];
  const labels = [];
  for (const { value, lower } of scale.limits) {
    const x = scale.position(value);
    const beyond = lower ? { x: 0, width: x } : { x, width: scale.count - x };
    shades.push(make("rect", { class: "shade", y: 0, height: 100, ...beyond }));
    lines.push(make("line", { class: "threshold", x1: x, x2: x, y1: -4, y2: 100 }));
    const text = `${lower ? "at least" : "at most"} ${rounded(value)}`;
    labels.push(limitLabel(text, x / scale.count, lower, scale.limits.length));
  }
  const name = score.title.toLowerCase();
  const chart = make("svg", {
    viewBox: `0 0 ${scale.count} 100`, preserveAspectRatio: "none", role: "group", "aria-label": `Histogram of ${name}`, keydown: key,
  }, shades, bins, lines);
  const clear = button("clear", { class: "link small soft", "aria-label": `Clear the range of ${name}` }, () => {
    change(withoutRange(column));
    bins[focused].focus();
  });
  const [first, last] = [rounded(scale.edge(0)), rounded(scale.edge(scale.count))];
  const ends = [scale.below ? `below ${first}` : first, scale.above ? `above ${last}` : last];
  const section = make("section", { class: "panel histogram", "data-score": score.name },
    make("header", {}, make("h3", {}, score.title), clear),
    make("p", { class: "meaning" }, score.meaning),
    make("div", { class: "chart" }, chart, labels),
    make("div", { class: "axis number" }, ends.map((end) => make("span", {}, end))),
    readout);
  const show = () => {
    const range = wanted.ranges.get(column);
    section.classList.toggle("narrowed", Boolean(range));
    clear.hidden = !range;
    bins.forEach((bin, bar) => bin.setAttribute("aria-pressed", String(Boolean(range) && bar >= range[0] && bar <= range[1])));
    if (!section.contains(document.activeElement) && !section.matches(":hover")) rest();
  };
  rest();
  histograms.push(show);
  return section;
}

// A label stands at its line, within the panel; of two one stands left of the line and the other one right, so that they
// never meet.
function limitLabel(text, share, lower, count) {
  const room = 0.35;
  let side = lower ? "left" : "right";
  if (count === 1) side = share < room / 2 ? "right" : share > 1 - room / 2 ? "left" : "centred";
  const left = `${100 * (count === 1 ? share : Math.max(room, Math.min(1 - room, share)))}%`;
  return make("span", { class: `limit number ${side}`, style: { left } }, text);
}

function optionPanel() {
  const rows = Object.entries(options).map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  return make("section", { class: "panel" }, make("h2", {}, "Options"), make("dl", { class: "options" }, rows));
}

function showPanels() {
  const drawn = [...scores.keys()].filter((column) => scales[column]);
  const kinds = [["kept", "kept"], ["rejected", "rejected"], ["limits", "threshold"]];
  const legend = make("p", { class: "legend" }, kinds.map(([kind, text]) => make("span", { class: kind }, text)));
  const help = "A click on a bar shows only its pictures; with Shift it extends the range.";
  const note = make("p", { class: "small soft" }, help);
  const heading = make("section", { class: "panel" }, make("h2", {}, "Scores"), legend, note);
  const panels = [reasonPanel(), drawn.length > 0 && heading, ...drawn.map(histogramPanel), Object.keys(options).length > 0 && optionPanel()];
  byId("panels").append(...panels.filter(Boolean));
  const facets = byId("facets");
  const wide = matchMedia("(min-width: 64rem)");
  const fold = () => (facets.open = wide.matches);
  wide.addEventListener("change", fold);
  fold();
}

// ---- toolbar

function choices(label, entries, press) {
  const number = () => make("span", { class: "number" });
  const buttons = entries.map(([value, text]) => button([text, number()], { "data-value": value }, () => press(value)));
  return { element: make("div", { class: "choices", role: "group", "aria-label": label }, buttons), buttons };
}

const STATUSES = [["all", "All"], ["kept", "Kept"], ["rejected", "Rejected"]];
const statusChoices = choices("Kept or rejected", STATUSES, (status) => change({ status }));
const VIEWS = [["beside", "Side by side"], ["sheet", "Contact sheet"], ...GROUPINGS.map(({ view, title }) => [view, title])];
const viewChoices = choices("View", VIEWS, (view) => change({ view }));
const search = make("input", {
  type: "search", placeholder: "Search in names", "aria-label": "Search in names", autocomplete: "off", spellcheck: "false",
  input: () => change({ words: search.value }),
});
const reasonSelect = make("select", { "aria-label": "Reason", change: () => change({ reason: reasonSelect.value }) });
fillSelect(reasonSelect, [["", "Any reason"], ...reasons.map((reason) => [reason, ""])]);
const sortSelect = make("select", { "aria-label": "Sort by", change: () => change({ sort: sortSelect.value }) });
const titles = [["name", "name"], ["pixels", "pixels"], ...scores.map((score, column) => [column, score.title.toLowerCase()])];
fillSelect(sortSelect, titles.map(([value, text]) => [value, `Sort by ${text}`]));
const direction = button("", { class: "plain" }, () => change({ descending: !wanted.descending }));
const found = make("span", { role: "status", id: "found" });
const chips = make("span", { class: "chips" });

function showToolbar() {
  byId("toolbar").append(make("div", { class: "controls" },
    statusChoices.element,
    make("span", { class: "search" }, search),
    reasons.length > 0 && reasonSelect,
    make("span", { class: "sort" }, sortSelect, direction),
    viewChoices.element,
    pictures.some(({ crops }) => crops.length) && make("label", {}, make("input", { type: "checkbox", id: "boxes", checked: true }), "crop boxes"),
    make("div", { class: "state" }, found, chips)));
}

const isFiltered = () => Object.values(filters).some((test) => test());

function chipsNow() {
  const all = [];
  const add = (text, attributes, changes) => all.push(button(text, attributes, () => {
    change(changes());
    statusChoices.buttons[0].focus();
  }));
  const chip = (text, changes) => add(text, { class: "chip", "aria-label": `Remove the filter: ${text}` }, changes);
  if (wanted.status !== "all") chip(wanted.status, () => ({ status: "all" }));
  if (wanted.reason) chip(reasonTitle(wanted.reason), () => ({ reason: "" }));
  if (filters.words()) chip(`“${wanted.words.trim()}”`, () => ({ words: "" }));
  if (wanted.group) chip(`${wanted.group.noun} ${wanted.group.number}`, () => ({ group: null }));
  for (const [column, range] of wanted.ranges) {
    chip(`${scores[column].title} ${scales[column].range(...range)}`, () => withoutRange(column));
  }
  if (all.length) add("Clear all", { class: "link" }, () => ({ ...everything, ranges: new Map() }));
  return all;
}

// ---- from what is wanted to what is shown

function change(changes) {
  Object.assign(wanted, changes);
  const list = matching();
  showChoices();
  for (const show of histograms) show();
  const whole = plural(pictures.length, "picture");
  found.textContent = isFiltered() ? `${counted(list.length)} of ${whole}` : whole;
  chips.replaceChildren(...chipsNow());
  showPictures(list);
}

// The count beside a choice is what it would find together with the other filters.
function showChoices() {
  const ofAnyStatus = matching("status");
  const kept = ofAnyStatus.filter((i) => pictures[i].kept).length;
  const counts = { all: ofAnyStatus.length, kept, rejected: ofAnyStatus.length - kept };
  for (const one of statusChoices.buttons) {
    one.ariaPressed = String(one.dataset.value === wanted.status);
    one.lastChild.textContent = ` ${counted(counts[one.dataset.value])}`;
  }
  for (const one of viewChoices.buttons) one.ariaPressed = String(one.dataset.value === wanted.view);
  const byReason = countedReasons(matching("reason"));
  for (const option of [...reasonSelect.options].slice(1)) {
    option.textContent = `${reasonTitle(option.value)} (${counted(byReason.get(option.value) ?? 0)})`;
  }
  for (const one of document.querySelectorAll(".reason")) {
    one.ariaPressed = String(one.dataset.reason === wanted.reason);
  }
  reasonSelect.value = wanted.reason;
  sortSelect.value = wanted.sort;
  if (search.value !== wanted.words) search.value = wanted.words;
  direction.textContent = wanted.descending ? "↓" : "↑";
  direction.title = wanted.descending ? "Descending" : "Ascending";
  direction.ariaLabel = direction.title;
}

document.title = `${title} – aimanga curate`;
byId("title").textContent = title;
showSummary();
showPanels();
showToolbar();
change({});
byId("columns").hidden = false;
