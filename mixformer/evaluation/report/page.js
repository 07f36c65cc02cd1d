// Sort tables, show the numbers of plots, and draw the curves of one sequence. The page works without it too.
"use strict";
const $ = (id) => document.getElementById(id);
const tip = $("tip");

function tell(event, text) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const right = event.clientX + 14 + tip.offsetWidth < innerWidth;
  tip.style.left = `${right ? event.clientX + 14 : Math.max(0, event.clientX - 14 - tip.offsetWidth)}px`;
  tip.style.top = `${Math.max(0, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight))}px`;
}

function untell() {
  tip.hidden = true;
}

// Tables: a click on a heading sorts by its column, numbers from the largest on, words from A on; a second click turns round.
for (const head of document.querySelectorAll("thead th")) head.querySelector("button").addEventListener("click", () => {
  const column = head.cellIndex, body = head.closest("table").tBodies[0], words = head.className === "text";
  const usual = words ? "ascending" : "descending", other = words ? "descending" : "ascending";
  const way = head.getAttribute("aria-sort") === usual ? other : usual;
  const value = (row) => row.cells[column].textContent.trim();
  const number = (row) => { const read = parseFloat(value(row)); return isNaN(read) ? null : read; };
  const sign = way === "ascending" ? 1 : -1;
  const compare = (a, b) => {
    if (words) return value(a).localeCompare(value(b), "en", {numeric: true}) * sign;
    const [x, y] = [number(a), number(b)];
    if (x === null || y === null) return (x === null) - (y === null);  // what is missing stays at the end
    return (x - y) * sign;
  };
  for (const each of head.parentNode.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", way);
  body.append(...[...body.rows].sort(compare));
});

// Plots: the text of the nearest value, which has its place as fractions of width and height.
for (const plot of document.querySelectorAll(".plot")) {
  const values = JSON.parse(plot.dataset.values);
  plot.addEventListener("pointermove", (event) => {
    const frame = plot.getBoundingClientRect();
    const far = ([x, y]) => Math.hypot(x * frame.width - event.clientX + frame.left, y * frame.height - event.clientY + frame.top);
    const near = values.reduce((best, value) => (far(value) < far(best) ? value : best), values[0]);
    tell(event, near && far(near) < 40 ? near[2] : "");
  });
  plot.addEventListener("pointerleave", untell);
}

// Frames: the curves of the chosen sequence.
const data = JSON.parse($("data").textContent);
const hidden = new Set();
const LEFT = 40, TOP = 8, HIGH = 220, ROW = 8, NONE = 255, FULL = 200;
let drawn = null;

const numbers = (packed) => packed === null ? null : Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));

function part(name, looks, parent, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(looks)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

function path(values, x, y) {
  let steps = "", open = false;
  values.forEach((value, frame) => {
    if (value !== NONE) steps += `${open ? "L" : "M"}${x(frame).toFixed(1)} ${y(value / FULL).toFixed(1)}`;
    open = value !== NONE;
  });
  return steps;
}

function step(count, room) {
  const least = count / room, power = 10 ** Math.floor(Math.log10(least));
  return Math.max(1, power * [1, 2, 5, 10].find((each) => each * power >= least));
}

function draw() {
  const sequence = data.sequences[$("sequence").selectedIndex], count = sequence.frames;
  const curves = sequence[$("value").value].map(numbers);
  const wide = $("chart").clientWidth, right = wide - 10, rows = sequence.statuses.filter(Boolean).length;
  if (wide <= LEFT + 10) return;
  const high = TOP + HIGH + 22 + rows * ROW;
  const x = (frame) => LEFT + (right - LEFT) * frame / Math.max(1, count - 1), y = (value) => TOP + HIGH * (1 - value);
  $("chart").replaceChildren();
  const svg = part("svg", {viewBox: `0 0 ${wide} ${high}`, height: high, role: "img", "aria-label": `${$("value").value} over frames of ${sequence.name}`}, $("chart"));
  const half = (x(1) - x(0)) / 2;
  const band = (first, last) => ({x: Math.max(LEFT, x(first) - half), width: Math.min(right, x(last) + half) - Math.max(LEFT, x(first) - half)});
  for (const [first, last] of sequence.absent) part("rect", {...band(first, last), y: TOP, height: HIGH, class: "absent"}, svg);
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    part("line", {x1: LEFT, x2: right, y1: y(value), y2: y(value), class: "grid"}, svg);
    part("text", {x: LEFT - 6, y: y(value) + 4, "text-anchor": "end"}, svg, value.toFixed(2));
  }
  for (let frame = 0, by = step(count, wide / 70); frame < count; frame += by)
    part("text", {x: x(frame), y: high - 4, "text-anchor": frame ? "middle" : "start"}, svg, frame);
  let row = 0;
  data.trackers.forEach((name, number) => {
    for (const [first, last, status] of sequence.statuses[number] ?? [])
      if (!hidden.has(number)) part("rect", {...band(first, last), y: TOP + HIGH + 4 + row * ROW, height: ROW - 2, class: `status ${status} c${number}`}, svg);
    row += sequence.statuses[number] ? 1 : 0;
  });
  curves.forEach((values, number) => {
    if (values && !hidden.has(number)) part("path", {d: path(values, x, y), class: `line c${number}`}, svg);
  });
  const cursor = part("line", {y1: TOP, y2: TOP + HIGH, class: "cursor", visibility: "hidden"}, svg);
  drawn = {sequence, curves, count, x, cursor, across: right - LEFT};
}

function status(number, frame) {
  const found = (drawn.sequence.statuses[number] ?? []).find(([first, last]) => first <= frame && frame <= last);
  return found ? ` ${found[2]}` : "";
}

function point(event) {
  const place = (event.clientX - $("chart").getBoundingClientRect().left - LEFT) / drawn.across;
  const frame = Math.max(0, Math.min(drawn.count - 1, Math.round(place * (drawn.count - 1))));
  drawn.cursor.setAttribute("x1", drawn.x(frame));
  drawn.cursor.setAttribute("x2", drawn.x(frame));
  drawn.cursor.setAttribute("visibility", "visible");
  const lines = data.trackers.map((name, number) => {
    const value = drawn.curves[number]?.[frame] ?? NONE;
    return hidden.has(number) ? "" : `${value === NONE ? "   -" : (value / FULL).toFixed(2)}  ${name}${status(number, frame)}`;
  });
  const absent = drawn.sequence.absent.some(([first, last]) => first <= frame && frame <= last);
  tell(event, [`frame ${frame}${absent ? ", no true box" : ""}`, ...lines.filter(Boolean)].join("\n"));
}

if (data) {
  for (const id of ["sequence", "value"]) $(id).addEventListener("change", draw);
  $("chart").addEventListener("pointermove", point);
  $("chart").addEventListener("pointerleave", () => { untell(); drawn.cursor.setAttribute("visibility", "hidden"); });
  for (const [number, key] of [...$("keys").querySelectorAll("button")].entries()) key.addEventListener("click", () => {
    hidden.has(number) ? hidden.delete(number) : hidden.add(number);
    key.setAttribute("aria-pressed", !hidden.has(number));
    draw();
  });
  for (const button of document.querySelectorAll("button.go")) button.addEventListener("click", () => {
    $("sequence").value = button.textContent;
    draw();
    $("frames").scrollIntoView();
  });
  new ResizeObserver(draw).observe($("frames"));
}
