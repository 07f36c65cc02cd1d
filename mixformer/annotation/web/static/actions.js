// @ts-check
// Everything a person can do: one table with names, keys and texts. Buttons, keys, tooltips and the help read it.
import { beginAdjusting, cancelDrag, draws } from "./editing.js";
import { edit, editSelected, setKey, settled, unsaved } from "./edits.js";
import { askJson, Refused } from "./api.js";
import { placeOf } from "./rows.js";
import { draft, fit, pan, zoom } from "./stage.js";
import { wholeTimeline, zoomTimeline } from "./timeline.js";
import { $, change, frameCount, keyAfter, keyAt, keyBefore, say, selectedTarget, state, warn } from "./store.js";

/** @type {(frame: number) => void} */ let go = () => {};
/** @type {(speed: number) => void} */ let play = () => {};
/** @type {number[] | null} */ let copied = null;

/** @param {number} step */
const move = (step) => () => go(state.frame + step);
const here = () => {
  const target = selectedTarget();
  return target ? placeOf(target, state.frame) : null;
};

/**
 * @typedef {{name: string, keys: string, text: string, run: (event?: Event) => unknown, group: string}} Action
 * @type {Action[]}
 */
const ACTIONS = [];

/** @param {string} group @param {[string, string, string, (event?: any) => unknown][]} rows */
function add(group, rows) {
  for (const [name, keys, text, run] of rows) ACTIONS.push({ name, keys, text, run, group });
}

add("Go to", [
  ["following", "ArrowRight F", "Next frame", move(1)],
  ["previous", "ArrowLeft D", "Previous frame", move(-1)],
  ["forward-ten", "V Shift+ArrowRight", "Ten frames forward", move(10)],
  ["back-ten", "C Shift+ArrowLeft", "Ten frames back", move(-10)],
  ["first", "Home", "First frame", () => go(0)],
  ["last", "End", "Last frame", () => go(frameCount() - 1)],
  ["play", "Space", "Play or pause", () => play(state.speed ? 0 : 1)],
  ["play-back", "J", "Play backward; again: faster", () => play(Math.min(-1, state.speed * 2))],
  ["pause", "K", "Pause", () => play(0)],
  ["play-on", "L", "Play forward; again: faster", () => play(Math.max(1, state.speed * 2))],
  ["next-key", "R", "Next key box", () => toKey(keyAfter)],
  ["previous-key", "E", "Previous key box", () => toKey(keyBefore)],
  ["middle", "M", "Middle between key boxes", toMiddle],
  ["doubt", "X", "Next doubtful frame: uncertain or lost", () => toDoubt(false)],
  ["doubt-back", "Shift+X", "Previous doubtful frame", () => toDoubt(true)],
  ["number", "Ctrl+G", "Go to a frame by its number", () => $("number").select()],
]);

add("Boxes", [
  ["new", "N", "New target: draw a box", () => begin("new")],
  ["box", "B", "Draw the box of this target", () => begin(selectedTarget() ? "box" : "new")],
  ["adjust", "Enter", "Move or draw the box by keys", () => (selectedTarget() || draws()) && beginAdjusting()],
  ["absent", "O", "Absent from this frame on; again: take it back", absent],
  ["occluded", "Q", "Partly hidden from this frame on; again: take it back", occluded],
  ["confirm", "W", "Keep this box as a key box", () => here()?.box && setKey(/** @type {number} */ (state.selected), here()?.box ?? null)],
  ["remove-key", "Delete Backspace", "Remove this key box", removeKey],
  ["remove-target", "Shift+Delete", "Remove the target", () => editSelected(({ id }) => ({ edit: "remove_target", id }))],
  ["copy", "Ctrl+C", "Copy the box", () => (copied = here()?.box ?? copied)],
  ["paste", "Ctrl+V", "Paste the copied box", () => copied && selectedTarget() && setKey(/** @type {number} */ (state.selected), copied)],
  ["next-target", "] Tab-", "Next target", () => choose(1)],
  ["target-before", "[", "Previous target", () => choose(-1)],
  ["hide", "H", "Hide or show the boxes", () => change({ hidden: !state.hidden })],
  ["rename", "F2", "Type a label for the target", () => /** @type {HTMLElement | null} */ (document.querySelector("#targets .chosen input"))?.focus()],
]);

add("Track", [
  ["forward", "T", "Track forward, to the end", () => track("forward")],
  ["backward", "Shift+T", "Track backward, to the start", () => track("backward")],
  ["both", "Y", "Track both ways, all that is not tracked yet", () => track("both")],
  ["next", "U", "Track to the next key box, from both sides", () => track("next")],
  ["all-targets", "A", "Track all targets, or this one", () => ($("all").checked = !$("all").checked)],
  ["stop", "S Escape", "Stop tracking; give up a box", stop],
]);

add("Page", [
  ["undo", "Ctrl+Z", "Undo your last step", (event) => again(event, "undo")],
  ["redo", "Ctrl+Shift+Z Ctrl+Y", "Redo", (event) => again(event, "redo")],
  ["save", "Ctrl+S", "Not needed: all is saved", () => say("All is saved already")],
  ["export", "Ctrl+E", "Export to a file", () => open("export")],
  ["import", "Ctrl+I", "Import from a file", () => open("import")],
  ["zoom-in", "+", "Enlarge the picture", () => enlarge(1.25)],
  ["zoom-out", "-", "Shrink the picture", () => enlarge(0.8)],
  ["pan", "Ctrl+Arrows", "Move the enlarged picture", shift],
  ["timeline-in", "Z", "Enlarge the timeline", () => zoomTimeline(2)],
  ["timeline-out", "Shift+Z", "Shrink the timeline", () => zoomTimeline(0.5)],
  ["timeline-all", "G", "Show the whole timeline", wholeTimeline],
  ["fit", "0", "Show the whole picture", () => { fit(); change(); }],
  ["videos", "Ctrl+Home", "Back to all videos", () => (location.hash = "#/")],
  ["finish", "Ctrl+Enter", "Mark the video as done", finish],
  ["theme", "Shift+D", "Light or dark colors", theme],
  ["help", "? F1", "Help: all keys", () => open("help")],
]);

/** @param {string} name of a dialog */
function open(name) {
  $(name).dispatchEvent(new Event("begin"));
  $(name).showModal();
}

/** @param {number} factor */
function enlarge(factor) {
  zoom(factor);
  change();
}

/** @param {KeyboardEvent} event */
function shift({ key }) {
  pan(key === "ArrowLeft" ? 60 : key === "ArrowRight" ? -60 : 0, key === "ArrowUp" ? 60 : key === "ArrowDown" ? -60 : 0);
  change();
}

/** @param {(target: import("./store.js").Target, frame: number) => import("./store.js").Key | undefined} which */
function toKey(which) {
  const target = selectedTarget();
  const key = target && which(target, state.frame);
  if (key) go(key.frame);
  else say("No further key box");
}

/** Make ready to draw; again: give it up. @param {"new" | "box"} mode */
function begin(mode) {
  if (state.mode === "adjust") cancelDrag();
  change({ mode: state.mode === mode ? "" : mode });
}

function toMiddle() {
  const target = selectedTarget();
  if (!target) return;
  const before = keyBefore(target, state.frame + 1)?.frame ?? 0;
  const after = keyAfter(target, state.frame)?.frame ?? frameCount() - 1;
  go(Math.floor((before + after) / 2));
}

/** @param {boolean} back */
async function toDoubt(back) {
  const video = state.video;
  if (!video) return;
  const only = $("all").checked || state.selected === null ? "" : `&target=${state.selected}`;
  const ask = (/** @type {number} */ from) => askJson(`videos/${video.id}/doubtful?frame=${from}&back=${back}${only}`);
  let found = await ask(state.frame);
  if (found.frame === null) { // after a run of the tracker, the page is at its end
    found = await ask(back ? frameCount() : -1);
    if (found.frame === null) return warn("No frame is doubtful.");
    if (found.frame === state.frame) return warn("No other frame is doubtful.");
    say(back ? "On from the end" : "On from the beginning");
  }
  if (state.video !== video) return; // the person has gone to another one
  change({ selected: found.id });
  go(found.frame);
}

/** @param {KeyboardEvent | undefined} event @param {"undo" | "redo"} name */
function again(event, name) {
  if (event?.repeat && unsaved()) return; // a key that is held down goes back only as far as a person sees
  edit((/** @type {import("./store.js").Project} */ project) => (project[name] ? { edit: name } : say(`There is no step of yours to ${name}`)));
}

function absent() {
  const { frame } = state;
  editSelected((target) => {
    const key = keyAt(target, frame);
    return { edit: key && !key.box ? "remove_key" : "mark_absent", id: target.id, frame };
  });
}

function occluded() {
  const { frame, selected } = state;
  const shown = here()?.box;
  editSelected((target) => {
    const key = keyAt(target, frame);
    const box = key ? key.box : target.id === selected ? shown : null;
    const now = (key ?? keyBefore(target, frame))?.occluded ?? false;
    return box && { edit: "set_key", id: target.id, frame, box, occluded: !now };
  });
}

function removeKey() {
  const { frame } = state;
  editSelected((target) => (keyAt(target, frame) ? { edit: "remove_key", id: target.id, frame } : say("There is no key box in this frame")));
}

/** @param {number} step */
function choose(step) {
  const { targets } = state.project;
  if (!targets.length) return;
  const place = targets.findIndex((target) => target.id === state.selected);
  change({ selected: targets[(place + step + targets.length) % targets.length].id });
  say(`Target ${state.selected}`);
}

/** @type {Promise<void> | null} */
let asked = null; // a request to track, until the server answers

/** @param {string} way */
async function track(way) {
  const mine = asked = ask(way);
  try {
    await mine;
  } finally {
    if (asked === mine) asked = null;
  }
}

/** @param {string} way */
async function ask(way) {
  const { frame, video } = state;
  play(0);
  await settled(); // what was drawn before is tracked, too
  if (!video || state.video !== video) return;
  if (!selectedTarget()) return warn("Draw a box around a target first.");
  const ids = $("all").checked ? null : [state.selected];
  try {
    await askJson(`videos/${video.id}/tracking`, { method: "POST", json: { way, frame, ids } });
  } catch (error) {
    warn(/** @type {Refused} */ (error).message);
  }
}

async function stop() {
  if (state.mode || draft.box) {
    cancelDrag();
    change({ mode: "" });
  } else if ((state.job || asked) && state.video) {
    const { video } = state;
    await asked;
    await askJson(`videos/${video.id}/tracking`, { method: "DELETE" });
  }
}

async function finish() {
  const { video } = state;
  if (!video) return;
  await settled();
  await askJson(`videos/${video.id}/done`, { method: "PUT", json: { done: true } });
  if (state.video === video) location.hash = "#/";
}

function theme() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("mixformer-theme", dark ? "light" : "dark");
  change();
}

/** @param {string} key */
export function keyText(key) {
  const words = { ArrowLeft: "←", ArrowRight: "→" };
  return key.split("+").map((part) => words[/** @type {keyof typeof words} */ (part)] ?? part).join("+") || "+";
}

/** The keys of an action that are shown. @param {Action} action */
export function keysOf(action) {
  return action.keys.split(" ").filter((key) => key !== "Tab-");
}

export { ACTIONS };

/** Give every button its action and its tooltip, which is also the name of those with a symbol. @param {(frame: number) => void} goTo @param {(speed: number) => void} playAt */
export function startActions(goTo, playAt) {
  go = goTo;
  play = playAt;
  for (const button of document.querySelectorAll("[data-action]")) {
    const action = ACTIONS.find((each) => each.name === /** @type {HTMLElement} */ (button).dataset.action);
    if (!action) throw new Error(`no action for ${button.outerHTML}`);
    const keys = keysOf(action).map(keyText).join(" or ");
    button.setAttribute("title", `${action.text} (${keys})`);
    if (/[^\p{L}\s]/u.test(button.textContent ?? "")) button.setAttribute("aria-label", action.text);
    button.setAttribute("aria-keyshortcuts", keysOf(action).map((key) => key.replace("Ctrl", "Control")).join(" "));
    button.addEventListener("click", () => perform(action));
  }
}

/** Do what a person wants, and say so if the server does not. @param {Action} action @param {Event} [event] */
export async function perform(action, event) {
  try {
    await action.run(event);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    warn(error.message);
  }
}
