// @ts-check
// Edits of the project: sent to the server, which saves them, and shown when it has answered.
import { askJson, Refused } from "./api.js";
import { clearLive, forgetRows } from "./rows.js";
import { $, change, selectedTarget, state, warn } from "./store.js";

/** @type {Promise<unknown>} */ let last = Promise.resolve();
/** The newest state of each project that this page has seen. @type {Map<string, number>} */ const revisions = new Map();

/** Make one edit after the other, also when the person has left the video by then. @param {object} edit @returns {Promise<import("./store.js").Project | null>} */
export function edit(edit) {
  const video = state.video?.id;
  const next = last.then(() => (video ? make(video, edit) : null));
  last = next;
  return next;
}

/** Wait until all edits so far are made. */
export function settled() {
  return last;
}

/** @param {string} video @param {object} edit */
async function make(video, edit) {
  const tell = (/** @type {string} */ text) => state.video?.id === video && ($("saved").textContent = text);
  tell("Saving …");
  try {
    const json = { edit, revision: revisions.get(video) };
    const keepalive = JSON.stringify(edit).length < 30_000; // goes on if the tab is closed; browsers allow 64 kB
    const project = await askJson(`videos/${video}/edits`, { method: "POST", json, keepalive });
    revisions.set(video, project.revision);
    if (state.video?.id === video) takeProject(project);
    tell("Saved");
    return project;
  } catch (error) {
    tell("Not saved");
    if (error instanceof Refused && error.status === 412) {
      warn("Somebody else has changed this video. You see the new state now; your last step was not made.");
      await reload();
    } else {
      warn(error instanceof Refused && error.status === 0 ? "The server does not answer: your last step is not saved." : String(/** @type {Error} */ (error).message));
    }
    return null;
  }
}

/** @param {import("./store.js").Project} project */
export function takeProject(project) {
  if (state.video) revisions.set(state.video.id, project.revision);
  const here = project.targets.some((target) => target.id === state.selected);
  change({ project, ready: true, selected: here ? state.selected : project.targets.at(-1)?.id ?? null });
}

/** Get the state of the project anew. @param {boolean} [fresh] the server may be another one */
export async function reload(fresh = false) {
  if (!state.video) return;
  const video = state.video.id;
  const project = await askJson(`videos/${video}/project`);
  if (state.video?.id !== video) return;
  if (fresh) {
    forgetRows();
    $("saved").textContent = ""; // what is shown now is what is saved
  }
  if (!state.job) clearLive();
  takeProject(project);
}

/** @param {number} id @param {number[] | null} box @param {boolean} [occluded] */
export function setKey(id, box, occluded) {
  const target = state.project.targets.find((each) => each.id === id);
  const known = target?.keys.find((key) => key.frame === state.frame);
  return edit({ edit: "set_key", id, frame: state.frame, box, occluded: occluded ?? known?.occluded ?? false });
}

/** @param {number[]} box */
export async function newTarget(box) {
  const label = selectedTarget()?.label ?? state.project.targets.at(-1)?.label ?? "";
  const id = Math.max(0, ...state.project.targets.map((target) => target.id)) + 1;
  const edits = [{ edit: "add_target", id, label }, { edit: "set_key", id, frame: state.frame, box }];
  const made = await edit({ edit: "together", edits });
  if (made) change({ selected: id });
}
