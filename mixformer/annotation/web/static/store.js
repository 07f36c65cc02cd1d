// @ts-check
// The state of the page, and who wants to hear of its changes.

/**
 * @typedef {{frame: number, box: number[] | null, occluded: boolean}} Key
 * @typedef {{id: number, label: string, color: string, keys: Key[], tracked: number, version: number}} Target
 * @typedef {{revision: number, undo: number, redo: number, frame_count: number, targets: Target[], same_video?: boolean}} Project
 * @typedef {{id: string, name: string, stamp: string, width: number, height: number, fps: number | null, frame_count: number}} Video
 */

export const state = {
  /** @type {Video | null} */ video: null,
  /** @type {Project} */ project: { revision: 0, undo: 0, redo: 0, frame_count: 0, targets: [] },
  ready: false, // the project is loaded
  frame: 0,
  /** @type {number | null} */ selected: null,
  /** @type {"" | "new" | "box" | "adjust"} */ mode: "",
  hidden: false,
  speed: 0, // frames at a time while playing; 0 stands still
  /** @type {any} */ job: null,
  /** @type {[number, number][]} */ damage: [], // stretches of frames that cannot be read or may look wrong
};

/** @type {Set<() => void>} */
const listeners = new Set();
let waiting = false;

/** Call a function after changes, once for all of one moment. @param {() => void} listener */
export function watch(listener) {
  listeners.add(listener);
}

/** Change the state. @param {Partial<typeof state>} [changes] */
export function change(changes = {}) {
  Object.assign(state, changes);
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    for (const listener of listeners) listener();
  });
}

/** @returns {Target | undefined} */
export function selectedTarget() {
  return state.project.targets.find((target) => target.id === state.selected);
}

/** @param {Target} target @param {number} frame */
export function keyAt(target, frame) {
  return target.keys.find((key) => key.frame === frame);
}

/** @param {Target} target @param {number} frame @returns {Key | undefined} */
export function keyBefore(target, frame) {
  return target.keys.findLast((key) => key.frame < frame);
}

/** @param {Target} target @param {number} frame @returns {Key | undefined} */
export function keyAfter(target, frame) {
  return target.keys.find((key) => key.frame > frame);
}

/** Tell whether a frame cannot be read or may look wrong. @param {number} frame */
export function isDamaged(frame) {
  return state.damage.some(([first, stop]) => first <= frame && frame < stop);
}

/** Number of frames, as far as it is known. */
export function frameCount() {
  return state.project.frame_count || state.video?.frame_count || 1;
}

/** @param {string} id @returns {any} */
export function $(id) {
  return document.getElementById(id);
}

/** Show something to a person who listens to the page. @param {string} text */
export function say(text) {
  $("said").textContent = text;
}

let bannerTimer = 0;
let lasting = "";
/** Show a message above the page. @param {string} text @param {boolean} [stay] until `warn("")`, also after shorter ones */
export function warn(text, stay = false) {
  clearTimeout(bannerTimer);
  if (stay || !text) lasting = text;
  else bannerTimer = setTimeout(() => warn(lasting, true), 8000);
  $("banner").textContent = text;
  $("banner").hidden = text === "";
}
