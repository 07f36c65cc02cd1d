// @ts-check
// Everything a person can do: one table with names, keys and texts. Buttons, keys, tooltips and the help read it.
import { adjustKey, beginAdjusting, cancelDrag, draws } from "./editing.js";
import { edit, setKey } from "./edits.js";
import { askJson, Refused } from "./api.js";
import { placeOf } from "./rows.js";
import { draft, fit, zoom } from "./stage.js";
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
 * @typedef {{name: string, keys: string, text: string, run: () => unknown, group: string}} Action
 * @type {Action[]}
 */
const ACTIONS = [];

/** @param {string} group @param {[string, string, string, () => unknown][]} rows */
function add(group, rows) {
  for (const [name, keys, text, run] of rows) ACTIONS.push({ name, keys, text, run, group });
}

add("Go to", [
  ["following", "ArrowRight F", "Next frame", move(1)],
  ["previous", "ArrowLeft D", "Frame before", move(-1)],
  ["forward-ten", "V Shift+ArrowRight", "Ten frames on", move(10)],
  ["back-ten", "C Shift+ArrowLeft", "Ten frames back", move(-10)],
  ["first", "Home", "First frame", () => go(0)],
  ["last", "End", "Last frame", () => go(frameCount() - 1)],
  ["play", "Space", "Play or pause", () => play(state.speed ? 0 : 1)],
  ["play-back", "J", "Play backward; again: faster", () => play(Math.min(-1, state.speed * 2))],
  ["pause", "K", "Pause", () => play(0)],
  ["play-on", "L", "Play forward; again: faster", () => play(Math.max(1, state.speed * 2))],
  ["next-key", "R", "Next key box", () => toKey(keyAfter)],
  ["previous-key", "E", "Key box before", () => toKey(keyBefore)],
  ["middle", "M", "Middle between two key boxes", toMiddle],
  ["doubt", "X", "Next doubtful frame", () => toDoubt(false)],
  ["doubt-back", "Shift+X", "Doubtful frame before", () => toDoubt(true)],
  ["number", "Ctrl+G", "Type the number of a frame", () => $("number").select()],
]);

add("Boxes", [
  ["new", "N", "New target: draw a box", () => change({ mode: state.mode === "new" ? "" : "new" })],
  ["box", "B", "Draw the box of this target anew", () => change({ mode: selectedTarget() ? (state.mode === "box" ? "" : "box") : "new" })],
  ["adjust", "Enter", "Adjust or draw the box with arrow keys", beginAdjusting],
  ["absent", "O", "Absent from here on; again: no more", absent],
  ["occluded", "Q", "Occluded from here on; again: no more", occluded],
  ["confirm", "W", "Keep this box as a key box", () => here()?.box && setKey(/** @type {number} */ (state.selected), here()?.box ?? null)],
  ["remove-key", "Delete Backspace", "Remove the key box of this frame", removeKey],
  ["remove-target", "Shift+Delete", "Remove the target", () => selectedTarget() && edit({ edit: "remove_target", id: state.selected })],
  ["copy", "Ctrl+C", "Copy the box", () => (copied = here()?.box ?? copied)],
  ["paste", "Ctrl+V", "Put the copied box into this frame", () => copied && selectedTarget() && setKey(/** @type {number} */ (state.selected), copied)],
  ["next-target", "] Tab-", "Next target", () => choose(1)],
  ["target-before", "[", "Target before", () => choose(-1)],
  ["hide", "H", "Hide or show the boxes", () => change({ hidden: !state.hidden })],
  ["rename", "F2", "Name the target", () => /** @type {HTMLElement | null} */ (document.querySelector("#targets .chosen input"))?.focus()],
]);

add("Track", [
  ["forward", "T", "Track forward, to the end", () => track("forward")],
  ["backward", "Shift+T", "Track backward, to the beginning", () => track("backward")],
  ["both", "Y", "Track both ways, all that is not tracked yet", () => track("both")],
  ["next", "U", "Track to the next key box, from both sides", () => track("next")],
  ["all-targets", "A", "All targets, or the selected one", () => ($("all").checked = !$("all").checked)],
  ["stop", "S Escape", "Stop tracking; leave a mode", stop],
]);

add("Page", [
  ["undo", "Ctrl+Z", "Undo", () => state.project.undo && edit({ edit: "undo" })],
  ["redo", "Ctrl+Shift+Z Ctrl+Y", "Redo", () => state.project.redo && edit({ edit: "redo" })],
  ["save", "Ctrl+S", "Nothing to do: all is saved at once", () => say("All is saved already")],
  ["export", "Ctrl+E", "Export", () => open("export")],
  ["import", "Ctrl+I", "Import", () => open("import")],
  ["zoom-in", "+", "Larger", () => enlarge(1.25)],
  ["zoom-out", "-", "Smaller", () => enlarge(0.8)],
  ["timeline-in", "Z", "Timeline: fewer frames, larger", () => zoomTimeline(2)],
  ["timeline-out", "Shift+Z", "Timeline: more frames", () => zoomTimeline(0.5)],
  ["timeline-all", "G", "Timeline: all of the video", wholeTimeline],
  ["fit", "0", "Fit the picture", () => { fit(); change(); }],
  ["videos", "Ctrl+Home", "All videos", () => (location.hash = "#/")],
  ["finish", "Ctrl+Enter", "Call this video done, and show the videos", finish],
  ["theme", "Shift+D", "Light or dark", theme],
  ["help", "? F1", "This help", () => open("help")],
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

/** @param {(target: import("./store.js").Target, frame: number) => import("./store.js").Key | undefined} which */
function toKey(which) {
  const target = selectedTarget();
  const key = target && which(target, state.frame);
  if (key) go(key.frame);
  else say("No further key box");
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
  const found = await askJson(`videos/${video.id}/doubtful?frame=${state.frame}&back=${back}${only}`);
  if (found.frame === null) warn(back ? "No doubtful frame before this one." : "No doubtful frame after this one.");
  else {
    change({ selected: found.id });
    go(found.frame);
  }
}

function absent() {
  const target = selectedTarget();
  if (!target) return;
  const key = keyAt(target, state.frame);
  if (key && !key.box) edit({ edit: "remove_key", id: target.id, frame: state.frame });
  else edit({ edit: "mark_absent", id: target.id, frame: state.frame });
}

function occluded() {
  const target = selectedTarget();
  const place = here();
  if (!target || !place?.box) return;
  const now = (keyAt(target, state.frame) ?? keyBefore(target, state.frame))?.occluded ?? false;
  setKey(target.id, place.box, !now);
}

function removeKey() {
  const target = selectedTarget();
  if (target && keyAt(target, state.frame)) edit({ edit: "remove_key", id: target.id, frame: state.frame });
  else say("There is no key box in this frame");
}

/** @param {number} step */
function choose(step) {
  const { targets } = state.project;
  if (!targets.length) return;
  const place = targets.findIndex((target) => target.id === state.selected);
  change({ selected: targets[(place + step + targets.length) % targets.length].id });
  say(`Target ${state.selected}`);
}

/** @param {string} way */
async function track(way) {
  if (!state.video || !selectedTarget()) return;
  const ids = $("all").checked ? null : [state.selected];
  play(0);
  try {
    await askJson(`videos/${state.video.id}/tracking`, { method: "POST", json: { way, frame: state.frame, ids } });
  } catch (error) {
    warn(/** @type {Refused} */ (error).message);
  }
}

async function stop() {
  if (state.mode || draft.box) {
    cancelDrag();
    change({ mode: "" });
  } else if (state.job && state.video) {
    await askJson(`videos/${state.video.id}/tracking`, { method: "DELETE" });
  }
}

async function finish() {
  if (!state.video) return;
  await askJson(`videos/${state.video.id}/done`, { method: "PUT", json: { done: true } });
  location.hash = "#/";
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

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key)) ? "Shift+" : "";
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shift}${key}`;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.altKey && state.mode !== "adjust") return;
  if (document.querySelector("dialog[open]")) return;
  if (target.matches("input:not([type=checkbox]), select, textarea")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (document.body.dataset.place === "video" && adjustKey(event)) {
    event.preventDefault();
    return;
  }
  const name = nameOf(event);
  // A button that has the focus is pressed by these.
  if ((name === "Enter" || name === "Space") && target.matches("button, a, input, summary")) return;
  const action = ACTIONS.find((each) => each.keys.split(" ").includes(name));
  const anywhere = ["theme", "help"];
  if (!action || (document.body.dataset.place !== "video" && !anywhere.includes(action.name))) return;
  event.preventDefault();
  if (action.name === "adjust" && !selectedTarget() && !draws()) return;
  action.run();
}

/** Give every button its action and its tooltip. @param {(frame: number) => void} goTo @param {(speed: number) => void} playAt */
export function startActions(goTo, playAt) {
  go = goTo;
  play = playAt;
  for (const button of document.querySelectorAll("[data-action]")) {
    const action = ACTIONS.find((each) => each.name === /** @type {HTMLElement} */ (button).dataset.action);
    if (!action) throw new Error(`no action for ${button.outerHTML}`);
    const keys = keysOf(action).map(keyText).join(" or ");
    button.setAttribute("title", `${action.text} (${keys})`);
    button.setAttribute("aria-keyshortcuts", keysOf(action).map((key) => key.replace("Ctrl", "Control")).join(" "));
    button.addEventListener("click", (event) => {
      action.run();
      // After a click, the space bar plays again, and does not press the button once more. Keys (detail 0) stay there.
      if (/** @type {MouseEvent} */ (event).detail && document.body.dataset.place === "video" && button.matches("#transport button, #panel button")) /** @type {HTMLElement} */ (button).blur();
    });
  }
  document.addEventListener("keydown", onKey);
}
