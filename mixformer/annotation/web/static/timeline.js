// @ts-check
// The timeline: a row for each target with its score, its doubtful stretches, its key boxes and its absences.
import { lineOf, liveRows } from "./rows.js";
import { $, change, frameCount, isDamaged, state } from "./store.js";

const RULER = 18;
const ROW = 30;
const LEAST = 20; // frames that are shown at the largest

/** The frames that are shown: from `first` on, `span` of them; 0 shows all. */
const part = { first: 0, span: 0 };

/** The target whose row was brought into sight. @type {number | null} */
let sought = null;

/** What the page says of its looks, asked once for each drawing: asking costs more than drawing. */
const looks = { width: 50, /** @type {Map<string, string>} */ colors: new Map() };

function span() {
  return part.span && part.span < frameCount() ? part.span : frameCount();
}

/** Show fewer frames, or more, around one of them. @param {number} factor @param {number} [around] */
export function zoomTimeline(factor, around = state.frame) {
  const old = span();
  const made = Math.round(Math.min(frameCount(), Math.max(LEAST, old / factor)));
  const share = (around - part.first) / old;
  part.span = made >= frameCount() ? 0 : made;
  part.first = around - Math.round(share * made);
  change();
}

export function wholeTimeline() {
  part.first = part.span = 0;
  change();
}

/** Keep the shown part within the video, and the present frame within the part. */
function follow() {
  if (state.frame < part.first || state.frame >= part.first + span()) part.first = Math.round(state.frame - span() / 2);
  part.first = Math.max(0, Math.min(part.first, frameCount() - span()));
}

/** @param {(frame: number) => void} go */
export function startTimeline(go) {
  const line = $("line");
  let held = false;
  let begun = 0; // where a finger came down, -1 once it moves along the line; it may be about to scroll, which cancels
  const press = (/** @type {PointerEvent} */ event) => {
    const target = state.project.targets[Math.floor((event.offsetY - RULER) / ROW)];
    if (target && event.offsetY > $("timeline").scrollTop + RULER) change({ selected: target.id });
    go(frameAt(event.offsetX));
  };
  line.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    held = true;
    line.setPointerCapture(event.pointerId);
    begun = event.pointerType === "touch" ? event.offsetX : -1;
    if (begun < 0) press(event);
  });
  line.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    held &&= event.buttons > 0;
    if (Math.abs(event.offsetX - begun) > 8) begun = -1;
    if (held && begun < 0) go(frameAt(event.offsetX));
  });
  line.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
    if (held && begun >= 0) press(event);
    held = false;
  });
  line.addEventListener("pointercancel", () => (held = false));
  line.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) return zoomTimeline(event.deltaY > 0 ? 0.8 : 1.25, frameAt(event.offsetX));
    go(state.frame + (event.deltaY + event.deltaX > 0 ? 1 : -1) * (event.shiftKey ? 10 : 1));
  }, { passive: false });
  new ResizeObserver(() => drawTimeline()).observe($("timeline"));
  $("timeline").addEventListener("scroll", () => drawTimeline());
}

function width() {
  return looks.width;
}

/** The middle of a frame, in pixels. @param {number} frame */
function placeOf(frame) {
  return ((frame + 0.5 - part.first) / span()) * width();
}

/** @param {number} x */
function frameAt(x) {
  return Math.min(frameCount() - 1, Math.max(0, part.first + Math.floor((x / width()) * span())));
}

/** A color of the page, as the theme has it. @param {string} name */
function color(name) {
  let found = looks.colors.get(name);
  if (found === undefined) {
    $("names").style.setProperty("outline-color", `var(${name})`);
    found = getComputedStyle($("names")).outlineColor;
    looks.colors.set(name, found);
  }
  return found;
}

export function drawTimeline() {
  if (!state.video) return;
  follow();
  const line = $("line");
  const height = RULER + ROW * Math.max(1, state.project.targets.length);
  const ratio = devicePixelRatio;
  line.style.height = `${height}px`;
  looks.width = Math.max(50, line.clientWidth);
  looks.colors.clear();
  const size = [Math.round(width() * ratio), Math.round(height * ratio)];
  if (line.width !== size[0] || line.height !== size[1]) [line.width, line.height] = size;
  const pen = line.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width(), height);
  drawLines(pen, height);
  state.project.targets.forEach((target, row) => drawTarget(pen, target, RULER + row * ROW));
  pen.fillStyle = color("--strong");
  pen.fillRect(placeOf(state.frame) - 1, 0, 2, height);
  pen.translate(0, $("timeline").scrollTop); // the ruler stays in sight
  drawRuler(pen);
  drawDamage(pen);
  drawNames();
  describe();
  if (state.selected !== sought) seek();
}

/** Bring the row of the selected target into sight, if there are more than fit. */
function seek() {
  sought = state.selected;
  const area = $("timeline");
  const top = RULER + ROW * state.project.targets.findIndex((target) => target.id === sought);
  area.scrollTop = Math.min(Math.max(area.scrollTop, top + ROW - area.clientHeight + 16), Math.max(0, top - RULER));
}

/** The frames that have a line and a number. */
function marks() {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000].find(
    (each) => (each / span()) * width() > 56) ?? 100000;
  const first = Math.ceil(part.first / step);
  return Array.from({ length: Math.ceil((part.first + span()) / step) - first }, (_, place) => (first + place) * step);
}

/** @param {CanvasRenderingContext2D} pen @param {number} height */
function drawLines(pen, height) {
  pen.fillStyle = color("--edge");
  for (const frame of marks()) pen.fillRect(Math.round(placeOf(frame)), RULER, 1, height);
}

/** The numbers, and a mark at the frame that is shown. @param {CanvasRenderingContext2D} pen */
function drawRuler(pen) {
  pen.fillStyle = color("--card");
  pen.fillRect(0, -4, width(), RULER + 4); // the timeline has a margin of 4 pixels
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = color("--quiet");
  for (const frame of marks()) {
    const x = Math.round(placeOf(frame));
    pen.fillRect(x, RULER - 4, 1, 4);
    pen.fillText(String(frame), x + 3.5, 12);
  }
  const x = placeOf(state.frame);
  pen.fillStyle = color("--strong");
  pen.fillRect(x - 1, 0, 2, RULER);
  pen.beginPath();
  for (const [dx, dy] of [[-5, 0], [5, 0], [0, 8]]) pen.lineTo(x + dx, dy);
  pen.fill();
}

/** Stripes on the ruler, so that no color has to tell it. @param {CanvasRenderingContext2D} pen */
function drawDamage(pen) {
  pen.strokeStyle = color("--lost");
  pen.lineWidth = 2;
  for (const [first, stop] of state.damage) {
    const [left, right] = [Math.max(0, placeOf(first - 0.5)), Math.min(width(), placeOf(stop - 0.5))];
    pen.beginPath();
    for (let x = left; x < Math.max(right, left + 2); x += 4) {
      pen.moveTo(x, RULER);
      pen.lineTo(x + 3, RULER - 8);
    }
    if (right > 0 && left < width()) pen.stroke();
  }
  pen.lineWidth = 1;
}

/** @param {CanvasRenderingContext2D} pen @param {import("./store.js").Target} target @param {number} top */
function drawTarget(pen, target, top) {
  const bottom = top + ROW - 3;
  if (target.id === state.selected) {
    pen.fillStyle = color("--chosen");
    pen.fillRect(0, top, width(), ROW - 1);
  }
  drawAbsences(pen, target, (top + bottom) / 2);
  const bins = Math.min(span(), Math.max(200, Math.floor(width())), 4096);
  const known = lineOf(target, bins, part.first, part.first + span());
  const total = known?.kinds?.length ?? 0;
  const each = (known?.stop - known?.first) / total;
  for (let bin = 0; bin < total; bin++) {
    if (known.kinds[bin] !== ".") drawPart(pen, target, known.first + bin * each, each, known.scores[bin], known.kinds[bin], top, bottom);
  }
  for (const [frame, row] of liveRows(target.id) ?? []) drawPart(pen, target, frame, 1, row.score, row.kind, top, bottom);
  for (const key of target.keys) drawKey(pen, target, placeOf(key.frame), (top + bottom) / 2, key.box !== null);
}

/** One part of the curve. Doubt is told by color and by form: gaps in the uncertain, a low dotted line for the lost. */
function drawPart(/** @type {CanvasRenderingContext2D} */ pen, /** @type {any} */ target, /** @type {number} */ frame, /** @type {number} */ frames, /** @type {number | null} */ score, /** @type {string} */ kind, /** @type {number} */ top, /** @type {number} */ bottom) {
  const x = placeOf(frame - 0.5);
  const wide = Math.max((frames / span()) * width(), 1) + 0.3;
  if (x + wide < 0 || x > width()) return;
  if (kind === "l") {
    pen.fillStyle = color("--lost");
    pen.fillRect(x, top + 2, wide, 4);
    pen.fillRect(x, bottom - 3, wide, 3);
    return;
  }
  const high = (bottom - top - 2) * Math.max(0.12, score ?? 0.7);
  pen.fillStyle = target.color;
  pen.globalAlpha = kind === "u" ? 0.35 : 0.7;
  pen.fillRect(x, bottom - high, wide, high);
  pen.globalAlpha = 1;
  if (kind === "u") {
    pen.fillStyle = color("--unsure");
    pen.fillRect(x, top + 1, wide, 4);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {any} target @param {number} y */
function drawAbsences(pen, target, y) {
  pen.strokeStyle = color("--quiet");
  pen.setLineDash([3, 4]);
  target.keys.forEach((/** @type {any} */ key, /** @type {number} */ place) => {
    const next = target.keys[place + 1];
    if (key.box && !next) return;
    pen.beginPath();
    pen.lineWidth = key.box ? 1 : 2;
    pen.moveTo(placeOf(key.frame), y);
    pen.lineTo(next ? placeOf(next.frame) : width(), y);
    pen.stroke();
  });
  pen.setLineDash([]);
  pen.lineWidth = 1;
}

/** A diamond for a box, a cross for an absence. */
function drawKey(/** @type {CanvasRenderingContext2D} */ pen, /** @type {any} */ target, /** @type {number} */ x, /** @type {number} */ y, /** @type {boolean} */ box) {
  pen.beginPath();
  if (box) {
    for (const [dx, dy] of [[0, -6], [6, 0], [0, 6], [-6, 0]]) pen.lineTo(x + dx, y + dy);
    pen.closePath();
    pen.fillStyle = target.color;
    pen.fill();
  } else {
    for (const [dx, dy] of [[-4, -4], [4, 4]]) pen.lineTo(x + dx, y + dy);
    pen.moveTo(x + 4, y - 4);
    pen.lineTo(x - 4, y + 4);
  }
  pen.strokeStyle = color("--text");
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.lineWidth = 1;
}

function drawNames() {
  const names = state.project.targets.map((target) => `${target.id} ${target.label}`.trim());
  const text = names.join("\n");
  if ($("names").dataset.text === text) return;
  $("names").dataset.text = text;
  $("names").replaceChildren(...names.map((name) => {
    const row = document.createElement("span");
    row.textContent = name;
    return row;
  }));
}

function describe() {
  const line = $("line");
  const { fps } = state.video ?? {};
  line.setAttribute("aria-valuemax", String(frameCount() - 1));
  line.setAttribute("aria-valuenow", String(state.frame));
  line.setAttribute("aria-valuetext", `frame ${state.frame} of ${frameCount()}${fps ? `, ${(state.frame / fps).toFixed(2)} seconds` : ""}${isDamaged(state.frame) ? ", damaged" : ""}`);
}
