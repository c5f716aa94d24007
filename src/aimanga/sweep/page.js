const page = dataOf("data");
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 180, 50, 10, 10, 22];
const shown = (value, digits) => (value === null ? "–" : value.toFixed(digits));

/** The means of a metric over t. */
function curve({ title, values, digits }) {
  const points = page.points.map(({ t }, index) => ({ t, value: values[index] })).filter(({ value }) => value !== null);
  if (!points.length) return null;
  const found = points.map(({ value }) => value);
  const [least, most] = [Math.min(...found), Math.max(...found)];
  const margin = 0.06 * (most - least) || 0.05 * Math.abs(most) || 0.5;
  const [low, high] = [least - margin, most + margin];
  const xOf = (t) => LEFT + (WIDTH - LEFT - RIGHT) * t;
  const yOf = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
  for (const point of points) Object.assign(point, { x: xOf(point.t), y: yOf(point.value) });
  const ring = make("circle", { class: "ring", r: 5.5, hidden: true });
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: "0", "aria-label": `${title} over t` },
    ticksOf(low, high).map(([value, text]) => [
      make("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: yOf(value), y2: yOf(value) }),
      make("text", { x: LEFT - 6, y: yOf(value) + 3.5, "text-anchor": "end" }, text),
    ]),
    [[0, "start"], [0.5, "middle"], [1, "end"]].map(([t, anchor]) =>
      make("text", { x: xOf(t), y: HEIGHT - 6, "text-anchor": anchor }, `${t === 0.5 ? "" : "t = "}${t}`)),
    make("polyline", { class: "curve", points: points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ") }),
    points.map(({ x, y }) => make("circle", { class: "dot", r: 3.5, cx: x, cy: y })), ring);
  const readout = make("output", {}, " ");
  readable(svg, points, {
    distance: (x) => Math.abs(x),
    show: ({ x, y, t, value }) => {
      readout.textContent = `t = ${rounded(t)}: ${shown(value, digits)}`;
      for (const [name, at] of [["cx", x], ["cy", y]]) ring.setAttribute(name, at);
      ring.removeAttribute("hidden");
    },
    hide: () => {
      readout.textContent = " ";
      ring.setAttribute("hidden", "");
    },
  });
  return make("figure", { class: "plot" }, make("figcaption", {}, make("h3", {}, title), readout), svg);
}

function scores() {
  const heads = ["Mixture", ...page.measures.map(({ title }) => title)].map((title) => make("th", { scope: "col" }, title));
  heads.push(make("th", { scope: "col", class: "command" }, "Command that writes its weights"));
  const rows = page.points.map(({ name, command }, index) => {
    const cells = page.measures.map(({ values, digits, best }) => make("td", { class: best[index] && "best" }, shown(values[index], digits)));
    return make("tr", {}, make("th", { scope: "row" }, name), cells, make("td", { class: "command" }, command));
  });
  return table("Scores", heads, rows);
}

/** The same crop of LR, all mixtures, and HR, side by side. */
function strip({ name, width, height, crops }) {
  const size = { width, height };
  const figures = crops.map(([of, src]) =>
    make("figure", {}, make("figcaption", {}, of), make("img", { src, alt: `${name}, ${of}`, class: of === "LR" && "pixels", ...size })));
  return [make("h3", {}, name), make("div", { class: "strip", tabindex: "0", role: "region", "aria-label": name }, figures)];
}

byId("main").before(masthead("aimanga models sweep", page.title, make("p", { class: "soft" }, page.about), notices(page.notices)));
byId("main").append(
  section("Scores", make("div", { class: "plots" }, page.measures.map(curve).filter(Boolean)), scores()),
  section("Side by side, where the mixtures differ most", page.pictures.map(strip)),
  section("To repeat it", page.repeat.map(([title, text]) => foldable(title, make("pre", {}, text)))),
);
