// @ts-check
// The picture and the boxes over it. Boxes stay in pixels of the video; they are scaled only when they are drawn.
import { placeOf } from "./rows.js";
import { $, isDamaged, state } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/** Screen pixels of a video pixel, and where the video's corner is. */
export const view = { scale: 1, x: 0, y: 0, fitted: true };

/** A box that a person is just drawing or changing: it is shown in place of what is known. */
export const draft = { /** @type {number} 0 for a new target */ id: -1, /** @type {number[] | null} */ box: null, frame: -1 };

/** @type {{number: number, picture: ImageBitmap} | null} */ let shown = null;

/** A frame that does not come. */
let failed = -1;

/** Say in place of a frame that it cannot be shown. @param {number} number */
export function failPicture(number) {
  failed = number;
  draw();
}

/** @param {number} number @param {ImageBitmap} picture */
export function showPicture(number, picture) {
  shown = { number, picture };
  if (failed === number) failed = -1;
  draw();
}

/** The frame whose picture is on the screen; -1 if there is none. */
export function shownFrame() {
  return shown?.number ?? -1;
}

export function forgetPicture() {
  shown = null;
  failed = -1;
  view.fitted = true;
}

/** Width in pixels of this screen that the whole picture takes. */
export function wantedWidth() {
  const wide = (state.video?.width ?? 1) * view.scale * devicePixelRatio;
  return Math.min(state.video?.width ?? 1, Math.ceil(wide / 160) * 160);
}

export function fit() {
  const area = $("stage").getBoundingClientRect();
  const { width = 1, height = 1 } = state.video ?? {};
  view.scale = Math.min(area.width / width, area.height / height) || 1;
  view.x = (area.width - width * view.scale) / 2;
  view.y = (area.height - height * view.scale) / 2;
  view.fitted = true;
}

/** Make the picture larger or smaller around a point of the screen. @param {number} factor @param {number} [x] @param {number} [y] */
export function zoom(factor, x, y) {
  const area = $("stage").getBoundingClientRect();
  const [px, py] = [x ?? area.width / 2, y ?? area.height / 2];
  const scale = Math.min(32, Math.max(0.05, view.scale * factor));
  view.x = px - ((px - view.x) * scale) / view.scale;
  view.y = py - ((py - view.y) * scale) / view.scale;
  view.scale = scale;
  view.fitted = false;
}

/** @param {number} dx @param {number} dy in pixels of the screen */
export function pan(dx, dy) {
  view.x += dx;
  view.y += dy;
  view.fitted = false;
}

/** Where a pointer is in the video. @param {{clientX: number, clientY: number}} event @returns {[number, number]} */
export function toVideo(event) {
  const area = $("stage").getBoundingClientRect();
  return [(event.clientX - area.left - view.x) / view.scale, (event.clientY - area.top - view.y) / view.scale];
}

export function draw() {
  if (!state.video) return;
  if (view.fitted) fit();
  drawPicture();
  drawBoxes();
}

function drawPicture() {
  const area = $("stage").getBoundingClientRect();
  const canvas = $("picture");
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(area.width * ratio), Math.round(area.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, width, height);
  $("waiting").textContent = failed === state.frame ? "This frame cannot be read" : shown ? `… frame ${shown.number}` : "…";
  const hurt = isDamaged(state.frame) && failed !== state.frame ? "Damaged video: this picture may be wrong" : "";
  if ($("damage").textContent !== hurt) $("damage").textContent = hurt; // it is read aloud when it changes
  if (!shown || !state.video) return;
  pen.imageSmoothingEnabled = view.scale * ratio < 4;
  const { width: w, height: h } = state.video;
  pen.drawImage(shown.picture, view.x * ratio, view.y * ratio, w * view.scale * ratio, h * view.scale * ratio);
  canvas.dataset.frame = String(shown.number);
  $("waiting").hidden = shown.number === state.frame;
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

function drawBoxes() {
  const made = [];
  // Boxes belong to the picture on the screen, which may be a little behind.
  const frame = shown ? shown.number : state.frame;
  const targets = [...state.project.targets].sort((a, b) => Number(a.id === state.selected) - Number(b.id === state.selected));
  for (const target of state.hidden ? [] : targets) {
    const place = placeOf(target, frame);
    const drafted = draft.id === target.id && draft.frame === frame ? draft.box : null;
    const box = drafted ?? place.box;
    if (box) made.push(boxShape(target, box, drafted ? "k" : place.kind, place));
  }
  if (draft.id === 0 && draft.box && draft.frame === frame) made.push(shape("rect", { class: "new", ...onScreen(draft.box) }));
  $("boxes").replaceChildren(...made);
}

/** @param {number[]} box */
function onScreen([x, y, w, h]) {
  const { scale } = view;
  return { x: x * scale + view.x, y: y * scale + view.y, width: Math.max(1, w * scale), height: Math.max(1, h * scale) };
}

const LONGEST = 40; // letters of a name over the picture; the list has all of it

const WORDS = { k: "key box", t: "tracked", u: "uncertain", l: "lost", i: "interpolated" };

/** @param {any} target @param {number[]} box @param {string} kind @param {any} place */
function boxShape(target, box, kind, place) {
  const chosen = target.id === state.selected;
  const { x, y, width, height } = onScreen(box);
  const group = shape("g", { class: `box ${chosen ? "chosen" : ""} kind-${kind} ${place.occluded ? "occluded" : ""}`, "data-id": target.id });
  group.style.color = target.color;
  const score = place.score === null || kind === "k" ? "" : ` ${place.score.toFixed(2)}`;
  const name = `${target.id}${target.label ? ` ${target.label}` : ""}`;
  group.setAttribute("aria-label", `Target ${name}, ${WORDS[/** @type {keyof typeof WORDS} */ (kind)] ?? ""}${score}`);
  group.setAttribute("role", "img");
  group.append(shape("rect", { class: "halo", x, y, width, height }), shape("rect", { class: "edge", x, y, width, height }));
  const text = shape("text", { x: x + 4, y: y > 22 ? y - 9 : y + height + 18 });
  const letters = [...name];
  const short = letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : name;
  text.textContent = `${short}${score}${kind === "u" ? " ?" : kind === "l" ? " lost" : ""}${place.occluded ? " occluded" : ""}`;
  group.append(text);
  if (chosen) group.append(...HANDLES.map((handle) => handleShape(handle, x, y, width, height)));
  return group;
}

/** @param {string} handle @param {number} x @param {number} y @param {number} w @param {number} h */
function handleShape(handle, x, y, w, h) {
  const px = x + (handle.includes("w") ? 0 : handle.includes("e") ? w : w / 2);
  const py = y + (handle.includes("n") ? 0 : handle.includes("s") ? h : h / 2);
  const group = shape("g", { class: "handle", "data-handle": handle });
  group.append(shape("circle", { class: "grip", cx: px, cy: py, r: 13 }), shape("rect", { x: px - 4, y: py - 4, width: 8, height: 8 }));
  return group;
}
