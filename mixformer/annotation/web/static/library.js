// @ts-check
// The list of videos with the state of the work, and uploads.
import { askJson, send } from "./api.js";
import { $, warn } from "./store.js";

const WORDS = { new: "new", begun: "begun", done: "done" };

export async function showLibrary() {
  const found = await askJson("videos");
  $("folder").textContent = found.folder || "Videos";
  const done = found.videos.filter((/** @type {any} */ video) => video.state === "done").length;
  $("library-note").textContent = found.videos.length
    ? `${counted(found.videos.length, "video")}, ${done} done. Choose one to draw boxes in it.`
    : "There is no video in this folder yet.";
  $("videos").replaceChildren(...found.videos.map(row));
  $("upload").hidden = !found.uploads;
  return found.videos;
}

/** @param {number} count @param {string} one @param {string} [many] */
function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** @param {any} video */
function row(video) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `#/v/${video.id}/0`;
  link.textContent = video.name;
  const text = document.createElement("span");
  text.textContent = video.targets ? `${counted(video.targets, "target")}, ${counted(video.keys, "key box", "key boxes")}` : "";
  const state = document.createElement("span");
  state.className = `state ${video.state}`;
  state.textContent = WORDS[/** @type {keyof typeof WORDS} */ (video.state)];
  const done = document.createElement("button");
  done.textContent = video.state === "done" ? "Not done" : "Done";
  done.title = video.state === "done" ? "Take it back: there is more to do" : "Call this video done";
  done.setAttribute("aria-label", `${video.name}: ${done.title}`);
  done.disabled = video.state === "new";
  done.addEventListener("click", async () => {
    await askJson(`videos/${video.id}/done`, { method: "PUT", json: { done: video.state !== "done" } });
    await showLibrary();
  });
  item.append(link, text, state, done);
  return item;
}

export function startLibrary() {
  const input = $("upload-file");
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    const progress = $("upload-progress");
    progress.hidden = false;
    try {
      await send("videos", file, (part) => (progress.value = part));
      await showLibrary();
    } catch (error) {
      warn(/** @type {Error} */ (error).message);
    } finally {
      progress.hidden = true;
      input.value = "";
    }
  });
}
