"use strict";

// Curves: the point next to the pointer, or the one that the arrow keys lead to.
for (const curve of document.querySelectorAll(".curve")) {
  const svg = curve.querySelector("svg");
  const readout = curve.querySelector("output");
  const cursor = svg.querySelector(".cursor");
  const points = JSON.parse(svg.dataset.points);
  const rest = readout.textContent;
  let chosen = points.length - 1;

  const show = (index) => {
    chosen = Math.max(0, Math.min(points.length - 1, index));
    const [iteration, value, x] = points[chosen];
    readout.textContent = `${iteration.toLocaleString("en")}: ${value}`;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.removeAttribute("hidden");
  };
  const hide = () => {
    readout.textContent = rest;
    cursor.setAttribute("hidden", "");
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    let nearest = 0;
    points.forEach((point, index) => {
      if (Math.abs(point[2] - x) < Math.abs(points[nearest][2] - x)) nearest = index;
    });
    show(nearest);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(chosen + step);
  });
}

// Sheets: one validation at a time.
for (const sheet of document.querySelectorAll(".sheet")) {
  const slider = sheet.querySelector("input");
  const pictures = [...sheet.querySelectorAll("img")];
  const steps = sheet.querySelector(".steps");
  const show = () => {
    pictures.forEach((picture, index) => { picture.hidden = index !== Number(slider.value); });
    sheet.querySelector("output").textContent = pictures[slider.value].alt;
  };
  steps.hidden = pictures.length < 2;
  slider.addEventListener("input", show);
  show();
}
