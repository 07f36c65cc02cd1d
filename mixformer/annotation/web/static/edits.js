// @ts-check
// Edits of the project: sent to the server, which saves them, and shown when it has answered.
import { askJson, Refused } from "./api.js";
import { clearLive, forgetRows } from "./rows.js";
import { $, change, keyAt, selectedTarget, state, warn } from "./store.js";

/** @typedef {import("./store.js").Project} Project */
/** @typedef {object | ((project: Project) => object | null | undefined | void)} Edit a function is asked when its turn comes, after the edits before it */

/** @type {Promise<unknown>} */ let last = Promise.resolve();
let unmade = 0; // edits that wait or are on their way
/** The newest state of each project that this page has seen. @type {Map<string, Project>} */ const newest = new Map();
/** The new target that is on its way: what a person does next in its video is meant for it. @type {{id: number | null, before: number | null, video: object | null} | null} */ let coming = null;

/** Make one edit after the other, also when the person has left the video by then. @param {Edit} what @returns {Promise<Project | null>} */
export function edit(what) {
  const video = state.video?.id;
  unmade++;
  const next = last.then(() => (video ? make(video, what) : null)).finally(() => unmade--);
  last = next.catch(() => {});
  return next;
}

/** Edit the target that is selected now, or the new one that is on its way. @param {(target: import("./store.js").Target) => object | null | undefined | void} what */
export function editSelected(what) {
  const chosen = coming && coming.video === state.video && coming.before === state.selected ? coming : { id: state.selected };
  return edit((/** @type {Project} */ project) => {
    const target = project.targets.find((each) => each.id === chosen.id);
    return target && what(target);
  });
}

/** Number of edits that are not saved yet. */
export function unsaved() {
  return unmade;
}

/** Wait until all edits so far are made. */
export function settled() {
  return last;
}

/** @param {string} video @param {Edit} what */
async function make(video, what) {
  const known = newest.get(video);
  const edit = typeof what === "function" ? known && what(known) : what;
  if (!edit) return null;
  const tell = (/** @type {string} */ text) => state.video?.id === video && ($("saved").textContent = text);
  tell("Saving …");
  try {
    const json = { edit, revision: known?.revision };
    const keepalive = JSON.stringify(edit).length < 30_000; // goes on if the tab is closed; browsers allow 64 kB
    const project = await askJson(`videos/${video}/edits`, { method: "POST", json, keepalive });
    if (project.revision > (newest.get(video)?.revision ?? 0)) newest.set(video, project);
    if (state.video?.id === video) takeProject(project);
    tell("Saved");
    return project;
  } catch (error) {
    tell("Not saved");
    if (error instanceof Refused && error.status === 412) {
      warn("Somebody else has changed this video. You see the new state now; your last step was not made.");
      await reload().catch(() => {}); // the server may be away by now, and later edits are made all the same
    } else {
      warn(error instanceof Refused && error.status === 0 ? "The server does not answer: your last step is not saved." : String(/** @type {Error} */ (error).message));
    }
    return null;
  }
}

/** Show a state of the project, unless a newer one is shown: answers may overtake each other. @param {import("./store.js").Project} project */
export function takeProject(project) {
  if (project.revision < state.project.revision) return;
  if (state.video) newest.set(state.video.id, project);
  const here = project.targets.some((target) => target.id === state.selected);
  change({ project, ready: true, selected: here ? state.selected : project.targets.at(-1)?.id ?? null });
}

/** Get the state of the project anew. @param {boolean} [fresh] the server may be another one */
export async function reload(fresh = false) {
  if (!state.video) return;
  const video = state.video.id;
  const known = newest.get(video);
  const project = await askJson(`videos/${video}/project`);
  if (state.video?.id !== video) return;
  if (fresh) {
    forgetRows();
    if (newest.get(video) === known) state.project.revision = 0; // else an edit has been made since
    $("saved").textContent = ""; // what is shown now is what is saved
  }
  if (!state.job) clearLive();
  takeProject(project);
}

/** @param {number} id @param {number[] | null} box @param {boolean} [occluded] */
export function setKey(id, box, occluded) {
  const { frame } = state;
  return edit((/** @type {Project} */ project) => {
    const target = project.targets.find((each) => each.id === id);
    const known = target && keyAt(target, frame);
    return { edit: "set_key", id, frame, box, occluded: occluded ?? known?.occluded ?? false };
  });
}

/** @param {number[]} box */
export async function newTarget(box) {
  const { frame, video } = state;
  const label = selectedTarget()?.label ?? state.project.targets.at(-1)?.label ?? "";
  const mine = { id: /** @type {number | null} */ (null), before: state.selected, video };
  coming = mine;
  const made = await edit((/** @type {Project} */ project) => {
    const id = Math.max(0, ...project.targets.map((target) => target.id)) + 1;
    mine.id = id;
    return { edit: "together", edits: [{ edit: "add_target", id, label }, { edit: "set_key", id, frame, box }] };
  });
  if (made && state.video === video) change({ selected: mine.id });
  if (coming === mine) coming = null;
  else if (coming?.video === state.video) coming.before = state.selected;
}
