const page = dataOf("data");
const words = (name) => name.replaceAll("_", " ");
const iterationOf = (iteration) => `iteration ${counted(iteration)}`;

// Scores --------------------------------------------------------------------------------------------------------------

function scoreRow({ name, lower, points }) {
  const isBetter = (a, b) => (lower ? a < b : a > b);
  const [first, last] = [points[0][1], points.at(-1)[1]];
  const best = points.reduce((a, b) => (isBetter(b[1], a[1]) ? b : a));
  const mark = first === last ? "equal" : isBetter(last, first) ? "better" : "worse";
  const head = make("th", { scope: "row" }, words(name), " ", make("span", { class: "soft" }, lower ? "↓" : "↑"));
  const cells = [rounded(first), rounded(best[1]), counted(best[0]), rounded(last)];
  return make("tr", {}, head, cells.map((text) => make("td", {}, text)), make("td", { class: mark }, mark));
}

function scores() {
  const heads = ["Metric", "Start", "Best", "at iteration", "Last", "against the start"];
  return section("Scores", table("Scores", heads.map((head) => make("th", { scope: "col" }, head)), page.scores.map(scoreRow)));
}

// Pictures ------------------------------------------------------------------------------------------------------------

function picture({ data, width, height, path }, alt, attributes = {}) {
  if (!data) return make("p", { class: "soft", ...attributes }, `${alt}: ${path} is gone`);
  return make("img", { src: data, width, height, alt, ...attributes });
}

/** The sheets of one set of pictures, one validation at a time. */
function sheet([kind, grids]) {
  const pictures = grids.map(([iteration, grid]) => picture(grid, iterationOf(iteration)));
  const slider = make("input", { type: "range", min: 0, max: grids.length - 1, "aria-label": "Validation", input: () => show() });
  const readout = make("output");
  const show = () => {
    pictures.forEach((one, index) => { one.hidden = index !== Number(slider.value); });
    readout.textContent = iterationOf(grids[slider.value][0]);
  };
  slider.value = grids.length - 1;
  show();
  const controls = make("div", { class: "controls", hidden: grids.length < 2 }, make("h3", {}, words(kind)), slider, readout);
  return make("figure", { class: "panel sheet" }, controls, pictures);
}

// Curves --------------------------------------------------------------------------------------------------------------

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 170, 50, 8, 8, 22];
// With so many points a smoothed curve is drawn over them.
const SMOOTHED_FROM = 20;

/** The mean over a window of a tenth of the points. */
function smoothed(points) {
  const reach = Math.max(1, Math.floor(points.length / 20));
  return points.map(([iteration], index) => {
    const near = points.slice(Math.max(0, index - reach), index + reach + 1);
    return [iteration, near.reduce((sum, [, value]) => sum + value, 0) / near.length];
  });
}

/** The axis of some values: logarithmic where they are positive and span more than a decade and a half. */
function axisOf(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isLogarithmic = least > 0 && most > 30 * least;
  const transform = isLogarithmic ? Math.log10 : (value) => value;
  const margin = 0.04 * (transform(most) - transform(least)) || 0.05 * Math.abs(most) || 0.5;
  const [low, high] = [transform(least) - margin, transform(most) + margin];
  const yOf = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - transform(value))) / (high - low);
  if (least === most) return { yOf, ticks: [[least, rounded(least)]] };
  if (!isLogarithmic) return { yOf, ticks: ticksOf(low, high) };
  const powers = [];
  for (let power = Math.ceil(low); power <= high; power += Math.ceil((high - low) / 5)) powers.push(10 ** power);
  return { yOf, ticks: powers.map((value) => [value, rounded(value)]) };
}

function curve(title, series) {
  const values = series.map(([, value]) => value);
  const [first, last] = [series[0][0], series.at(-1)[0]];
  const { yOf, ticks } = axisOf(values);
  const xOf = (iteration) => LEFT + (WIDTH - LEFT - RIGHT) * (last > first ? (iteration - first) / (last - first) : 0.5);
  const line = (kind, points) => make("polyline", { class: kind, points: points.map(([x, y]) => `${xOf(x).toFixed(1)},${yOf(y).toFixed(1)}`).join(" ") });
  const isLong = series.length >= SMOOTHED_FROM;
  const cursor = make("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, hidden: true });
  const label = `${title}: ${rounded(values[0])} at ${counted(first)}, ${rounded(values.at(-1))} at ${counted(last)}`;
  const ends = last > first ? [[first, "start"], [last, "end"]] : [[first, "middle"]];
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: "0", "aria-label": label },
    ticks.map(([value, text]) => [
      make("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: yOf(value), y2: yOf(value) }),
      make("text", { x: LEFT - 6, y: yOf(value) + 3.5, "text-anchor": "end" }, text),
    ]),
    ends.map(([iteration, anchor]) => make("text", { x: xOf(iteration), y: HEIGHT - 6, "text-anchor": anchor }, counted(iteration))),
    isLong ? [line("raw", series), line("smooth", smoothed(series))] : line("smooth", series),
    !isLong && series.map(([x, y]) => make("circle", { class: "dot", r: 2.5, cx: xOf(x), cy: yOf(y) })),
    cursor);
  const readout = make("output", {}, rounded(values.at(-1)));
  readable(svg, series.map(([iteration, value]) => ({ x: xOf(iteration), iteration, value })), {
    distance: (x) => Math.abs(x),
    show: ({ x, iteration, value }) => {
      readout.textContent = `${counted(iteration)}: ${rounded(value)}`;
      for (const name of ["x1", "x2"]) cursor.setAttribute(name, x);
      cursor.removeAttribute("hidden");
    },
    hide: () => {
      readout.textContent = rounded(values.at(-1));
      cursor.setAttribute("hidden", "");
    },
  });
  return make("figure", { class: "plot" }, make("figcaption", {}, make("h3", {}, title), readout), svg);
}

function curves(title, series) {
  return series.length > 0 && section(title, make("div", { class: "plots" }, series.map(({ name, points }) => curve(words(name), points))));
}

// The page ------------------------------------------------------------------------------------------------------------

byId("main").before(masthead("aimanga train", page.title,
  make("p", { class: "state" }, `${page.state}: iteration ${counted(page.iteration)} of ${counted(page.iterations)}, ${plural(page.seen, "crop")} seen`),
  page.about.map((text) => make("p", { class: "soft small" }, text)),
  notices(page.notices.map(([iteration, message]) => `Iteration ${counted(iteration)}: ${message}`))));
const parts = [
  page.scores.length > 0 && scores(),
  page.sheets.length > 0 && section("Validation pictures", page.sheets.map(sheet)),
  curves("Losses", page.losses),
  curves("Scores at each validation", page.scores),
  curves("Learning rate, gradients and throughput", page.course),
  page.inputs.length > 0 && section("Network inputs", page.inputs.map(([iteration, sheetOf]) => {
    return foldable(`Iteration ${counted(iteration)}`, picture(sheetOf, `network inputs of iteration ${counted(iteration)}`));
  })),
  page.repeat.length > 0 && section("To repeat it", page.repeat.map(([title, text]) => foldable(title, make("pre", {}, text)))),
];
byId("main").append(...parts.filter(Boolean));
