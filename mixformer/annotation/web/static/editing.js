// @ts-check
// Drawing, moving and resizing boxes with a pointer or the keyboard; zoom and pan.
import { newTarget, setKey, settled } from "./edits.js";
import { placeOf } from "./rows.js";
import { draft, draw, fit, pan, shownFrame, toVideo, view, zoom } from "./stage.js";
import { $, change, frameCount, keyAt, say, selectedTarget, state, warn } from "./store.js";

const SMALLEST = 2; // pixels of the video
const STILL = 4; // pixels of the screen: a hand that clicks on a box does not move it

/** @type {any} */ let drag = null;
/** @type {Map<number, {x: number, y: number}>} */ const fingers = new Map();

/** @type {() => void} */ let hold = () => {};

/** The key box that is about to be replaced, as it was when that was begun. */
let replaced = { frame: -1, text: "" };

/** @param {number} id */
function keyText(id) {
  const target = state.project.targets.find((each) => each.id === id);
  return JSON.stringify((target && keyAt(target, state.frame)) ?? null);
}

/** Remember what is replaced. What this page has sent before belongs to it. @param {number} id */
function remember(id) {
  const mine = { frame: state.frame, text: keyText(id) };
  replaced = mine; // the next one may be begun before all is settled
  settled().then(() => (mine.text = keyText(id)));
}

/** Tell whether a box is being drawn or changed: the picture under it stays. */
export function drags() {
  return state.mode === "adjust" || (drag !== null && drag.what !== "pan");
}

/** @param {(frame: number) => void} go @param {() => void} holdPicture stay at the picture that is on the screen */
export function startEditing(go, holdPicture) {
  const stage = $("stage");
  hold = holdPicture;
  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", cancel);
  // Chromium lets a pointer go when a second button goes up.
  stage.addEventListener("lostpointercapture", (/** @type {PointerEvent} */ { pointerId, buttons }) => fingers.has(pointerId) && buttons && stage.setPointerCapture(pointerId));
  stage.addEventListener("contextmenu", (/** @type {Event} */ event) => drag && event.preventDefault());
  // Else the browser drags what is selected, and takes the pointer away.
  stage.addEventListener("dragstart", (/** @type {DragEvent} */ event) => event.preventDefault());
  stage.addEventListener("dblclick", () => {
    fit();
    change();
  });
  stage.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    if (event.shiftKey) {
      go(state.frame + (event.deltaY + event.deltaX > 0 ? 1 : -1));
      return;
    }
    const area = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 500), event.clientX - area.left, event.clientY - area.top);
    change();
  }, { passive: false });
  new ResizeObserver(() => change()).observe(stage);
}

/** Tell whether a drag over the background draws a box. */
export function draws() {
  return state.ready && (state.mode === "new" || state.mode === "box" || state.project.targets.length === 0);
}

/** @param {PointerEvent} event */
function down(event) {
  if (event.button > 1 || !state.video) return;
  $("stage").setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (fingers.size > 1) { // two fingers move and zoom
    if (drag?.moved) cancelDraft();
    drag = { what: "pan" };
    return;
  }
  const at = toVideo(event);
  const target = /** @type {Element} */ (event.target);
  const id = Number(target.closest("[data-id]")?.getAttribute("data-id") ?? 0);
  const handle = target.closest("[data-handle]")?.getAttribute("data-handle") ?? "";
  if (event.button === 1) drag = { what: "pan" };
  else if (draws()) {
    hold();
    remember(state.mode === "box" ? state.selected ?? 0 : 0);
    drag = { what: "draw", at };
  }
  else if (id) startChange(id, handle, at, event);
  else drag = { what: "pan" };
}

/** @param {number} id @param {string} handle @param {[number, number]} at @param {PointerEvent} event */
function startChange(id, handle, at, { clientX, clientY }) {
  change({ selected: id });
  hold();
  remember(id);
  const target = state.project.targets.find((each) => each.id === id);
  const box = target && boxOf(target);
  // A box may be changed only over the picture that it belongs to.
  drag = box && shownFrame() === state.frame ? { what: handle || "move", id, at, box, from: [clientX, clientY] } : null;
}

/** The box that is seen in this frame: a change on its way to the server counts. @param {import("./store.js").Target} target */
function boxOf(target) {
  return draft.id === target.id && draft.frame === state.frame && draft.box ? draft.box : placeOf(target, state.frame).box;
}

/** @param {PointerEvent} event */
function move(event) {
  const last = fingers.get(event.pointerId);
  if (!last) return;
  if (event.pointerType === "mouse" && !event.buttons) return up(event); // the button went up where nobody told us
  if (fingers.size > 1) pinch(event, last);
  else if (drag?.what === "pan") pan(event.clientX - last.x, event.clientY - last.y);
  else if (drag) follow(event);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  draw();
}

/** @param {PointerEvent} event @param {{x: number, y: number}} last */
function pinch(event, last) {
  const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
  if (!other) return;
  const area = $("stage").getBoundingClientRect();
  const before = Math.hypot(last.x - other.x, last.y - other.y) || 1;
  const after = Math.hypot(event.clientX - other.x, event.clientY - other.y) || 1;
  zoom(after / before, (event.clientX + other.x) / 2 - area.left, (event.clientY + other.y) / 2 - area.top);
  pan((event.clientX - last.x) / 2, (event.clientY - last.y) / 2);
}

/** @param {PointerEvent} event */
function follow(event) {
  const [x, y] = toVideo(event);
  if (!drag.moved && drag.from && Math.hypot(event.clientX - drag.from[0], event.clientY - drag.from[1]) < STILL) return;
  drag.moved = true;
  draft.frame = state.frame;
  if (drag.what === "draw") {
    const [left, top] = drag.at.map((/** @type {number} */ from, /** @type {number} */ axis) => Math.min(from, [x, y][axis]));
    draft.id = state.mode === "box" && selectedTarget() ? /** @type {number} */ (state.selected) : 0;
    draft.box = inside([left, top, Math.abs(x - drag.at[0]), Math.abs(y - drag.at[1])]);
  } else {
    draft.id = drag.id;
    draft.box = changed(drag.box, drag.what, x - drag.at[0], y - drag.at[1]);
  }
}

/** A box moved or resized. @param {number[]} box @param {string} what "move" or a handle @param {number} dx @param {number} dy */
export function changed([x, y, w, h], what, dx, dy) {
  if (what === "move") return kept([x + dx, y + dy, w, h]);
  let [right, bottom] = [x + w, y + h];
  if (what.includes("w")) x = Math.min(x + dx, right - SMALLEST);
  if (what.includes("e")) right = Math.max(right + dx, x + SMALLEST);
  if (what.includes("n")) y = Math.min(y + dy, bottom - SMALLEST);
  if (what.includes("s")) bottom = Math.max(bottom + dy, y + SMALLEST);
  return kept([x, y, right - x, bottom - y]);
}

/** A box with two decimals that shares some pixels with the picture. @param {number[]} box */
function kept([x, y, w, h]) {
  const { width = 1, height = 1 } = state.video ?? {};
  const left = Math.min(Math.max(x, SMALLEST - w), width - SMALLEST);
  const top = Math.min(Math.max(y, SMALLEST - h), height - SMALLEST);
  return [left, top, w, h].map((value) => Math.round(value * 100) / 100);
}

/** The part of a drawn box inside the picture. @param {number[]} box */
function inside([x, y, w, h]) {
  const { width = 1, height = 1 } = state.video ?? {};
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const sides = [Math.min(width, x + w) - left, Math.min(height, y + h) - top];
  return [left, top, ...sides].map((value) => Math.round(value * 10) / 10);
}

/** @param {PointerEvent} event */
function up(event) {
  fingers.delete(event.pointerId);
  const done = drag;
  if (fingers.size === 0) drag = null;
  if (!done?.moved || !draft.box) return;
  const [, , w, h] = draft.box;
  if (done.what !== "draw" || (w * view.scale >= 4 && h * view.scale >= 4)) finish();
  else cancelDraft();
}

function cancel(/** @type {PointerEvent} */ event) {
  fingers.delete(event.pointerId);
  if (drag?.moved) cancelDraft();
  drag = null;
}

/** Keep the draft as a key box of this frame. */
async function finish() {
  const [id, box] = [draft.id, draft.box];
  if (!box) return;
  if (replaced.frame === state.frame && replaced.text !== keyText(id)) {
    warn("Somebody else has just changed this box. You see the new one now; yours was not kept.");
    cancelDraft();
    change({ mode: "" });
    return;
  }
  const saved = id ? setKey(id, box) : newTarget(box);
  change({ mode: "" });
  await saved;
  if (draft.box === box) cancelDraft(); // the next one may be begun by now
}

/** Forget a box that a pointer is drawing or changing, and do not go on with it. */
export function cancelDrag() {
  drag = null;
  fingers.clear();
  cancelDraft();
}

/** Forget a box that was not finished. */
export function cancelDraft() {
  draft.id = -1;
  draft.box = null;
  change(state.mode === "adjust" ? { mode: "" } : {});
}

/** Change the box of this frame, or draw one, with the arrow keys. */
export function beginAdjusting() {
  hold();
  const target = state.mode === "new" ? undefined : selectedTarget();
  const { width = 1, height = 1 } = state.video ?? {};
  const middle = [width * 0.4, height * 0.35, width * 0.2, height * 0.3].map(Math.round);
  draft.id = target?.id ?? 0;
  draft.box = [...((target && boxOf(target)) ?? middle)]; // another one than that which is on its way to the server
  draft.frame = state.frame;
  remember(draft.id);
  change({ mode: "adjust" });
  say("Arrows move the box, Alt or Shift with arrows change its size, with Control by ten pixels. Enter keeps the box, Escape gives it up.");
}

/** A key while a box is adjusted. @param {KeyboardEvent} event @returns {boolean} it was for us */
export function adjustKey(event) {
  if (state.mode !== "adjust" || !draft.box) return false;
  const step = event.ctrlKey || event.metaKey ? 10 : 1;
  const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const way = ways[/** @type {keyof typeof ways} */ (event.key)];
  if (event.key === "Enter") event.repeat || finish();
  else if (event.key === "Escape") cancelDraft();
  else if (way) draft.box = changed(draft.box, event.shiftKey || event.altKey ? "se" : "move", way[0], way[1]);
  else return false;
  if (draft.box) say(draft.box.map(Math.round).join(", "));
  draw();
  return true;
}

/** What a person may do now, in one line. */
export function hint() {
  if (state.mode === "adjust") return "Arrows: move · Shift+arrows: resize · with Ctrl: 10 pixels · Enter: keep · Esc: give up";
  if (!state.ready) return "";
  if (!draws()) return "";
  return `Drag a box around ${state.mode === "box" ? "the" : "a new"} target · Enter: draw it with the arrow keys`;
}

export { frameCount };
