// @ts-check
// Where the targets are, frame by frame: chunks from the server, and what a tracker has found since.
import { askJson } from "./api.js";
import { keyAt, keyBefore, state } from "./store.js";

const CHUNK = 1000;

/** @typedef {{box: number[] | null, score: number | null, kind: string, occluded: boolean}} Place */

/** @type {Map<string, any>} */ const chunks = new Map();
/** @type {Set<string>} */ const coming = new Set();
/** @type {Map<number, Map<number, Place>>} */ const live = new Map();
/** @type {Map<number, any>} */ const lines = new Map();
/** @type {() => void} */ let changed = () => {};

/** @param {() => void} listener is called when more is known */
export function onRows(listener) {
  changed = listener;
}

export function forgetRows() {
  for (const map of [chunks, live, lines]) map.clear();
}

/** Where a target is in a frame, as far as it is known. @param {import("./store.js").Target} target @param {number} frame @returns {Place} */
export function placeOf(target, frame) {
  const key = keyAt(target, frame);
  if (key) return { box: key.box, score: null, kind: key.box ? "k" : "a", occluded: key.occluded };
  const before = keyBefore(target, frame);
  const occluded = before?.occluded ?? false;
  if (before && !before.box) return { box: null, score: null, kind: "a", occluded };
  const fresh = live.get(target.id)?.get(frame);
  if (fresh) return { ...fresh, occluded };
  const begin = Math.floor(frame / CHUNK) * CHUNK;
  const chunk = chunks.get(`${target.id} ${begin}`);
  if (!chunk || chunk.version < target.version) load(target, begin);
  if (!chunk) return { box: null, score: null, kind: ".", occluded };
  const place = frame - begin;
  return { box: chunk.boxes[place] ?? null, score: chunk.scores[place] ?? null, kind: chunk.kinds[place] ?? ".", occluded };
}

/** @param {import("./store.js").Target} target @param {number} begin */
async function load(target, begin) {
  const name = `${target.id} ${begin}`;
  if (coming.has(name) || !state.video) return;
  coming.add(name);
  const video = state.video.id;
  try {
    const found = await askJson(`videos/${video}/targets/${target.id}/boxes?first=${begin}&stop=${begin + CHUNK}`);
    if (state.video?.id === video) chunks.set(name, found);
  } catch {
    const none = { version: target.version, boxes: [], scores: [], kinds: "" }; // asked again after a change
    if (state.video?.id === video) chunks.set(name, none);
  } finally {
    coming.delete(name);
  }
  changed();
}

/** The score and the status of a target along some frames. @param {import("./store.js").Target} target @param {number} bins @param {number} first @param {number} stop */
export function lineOf(target, bins, first, stop) {
  const line = lines.get(target.id);
  const asked = `bins=${bins}&first=${first}&stop=${stop}`;
  if (!line || line.version < target.version || line.asked !== asked) loadLine(target, asked);
  return line;
}

/** @param {import("./store.js").Target} target @param {string} asked */
async function loadLine(target, asked) {
  const name = `line ${target.id}`;
  if (coming.has(name) || !state.video) return;
  coming.add(name);
  const video = state.video.id;
  try {
    const found = await askJson(`videos/${video}/targets/${target.id}/timeline?${asked}`);
    if (state.video?.id === video) lines.set(target.id, { ...found, asked });
  } catch {
    if (state.video?.id === video) lines.set(target.id, { version: target.version, asked, scores: [], kinds: "" });
  } finally {
    coming.delete(name);
  }
  changed();
}

/** Take what a tracker has found just now. @param {{id: number, first: number, boxes: number[][], scores: (number | null)[], kinds: string}[]} found */
export function addLive(found) {
  for (const each of found) {
    const rows = live.get(each.id) ?? new Map();
    live.set(each.id, rows);
    each.boxes.forEach((box, place) => {
      rows.set(each.first + place, { box, score: each.scores[place], kind: each.kinds[place], occluded: false });
    });
  }
}

/** The rows that came in while tracking. @param {number} id @returns {Map<number, Place> | undefined} */
export function liveRows(id) {
  return live.get(id);
}

export function clearLive() {
  live.clear();
}
