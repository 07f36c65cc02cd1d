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
  done.textContent = video.state === "done" ? "Mark as not done" : "Mark as done";
  done.setAttribute("aria-label", `${video.name}: ${done.textContent}`);
  done.disabled = video.state === "new";
  done.addEventListener("click", async () => {
    try {
      await askJson(`videos/${video.id}/done`, { method: "PUT", json: { done: video.state !== "done" } });
      await showLibrary();
    } catch (error) {
      warn(/** @type {Error} */ (error).message);
    }
  });
  item.append(link, text, state, done);
  return item;
}

export function startLibrary() {
  $("upload-file").addEventListener("change", () => upload([...$("upload-file").files]));
  // A browser opens a file that is dropped beside the field, in place of the page.
  for (const name of ["dragover", "drop"]) {
    addEventListener(name, (event) => {
      const { dataTransfer, target } = /** @type {DragEvent} */ (event);
      if (!dataTransfer?.types.includes("Files") || /** @type {Element} */ (target).closest?.("input[type=file]")) return;
      event.preventDefault();
      if (name === "dragover") return;
      if (document.body.dataset.place === "library" && !$("upload").hidden) upload([...dataTransfer.files]);
      else warn("A video is added in the list of videos; a file of boxes, with Import.");
    });
  }
}

/** Send files, one after the other. What is wrong with one does not stop the others. @param {File[]} files */
async function upload(files) {
  const progress = $("upload-progress");
  const sizes = files.reduce((sum, file) => sum + file.size, 0) || 1;
  const wrong = [];
  let sent = 0;
  progress.hidden = !files.length;
  for (const file of files) {
    try {
      await send("videos", file, (part) => (progress.value = (sent + part * file.size) / sizes));
      await showLibrary();
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      wrong.push(message.includes(file.name) ? message : `${file.name}: ${message}`);
    }
    sent += file.size;
  }
  if (wrong.length) warn(wrong.join(" "));
  progress.hidden = true;
  $("upload-file").value = "";
}
