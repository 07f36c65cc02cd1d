// @ts-check
// Help, export and import.
import { ACTIONS, keysOf, keyText } from "./actions.js";
import { ask, askJson, send } from "./api.js";
import { settled, takeProject } from "./edits.js";
import { $, state } from "./store.js";

let closed = 0; // times that the dialog of exports was closed
/** @type {Promise<void>} */ let listed = Promise.resolve(); // until the formats are there

export function startDialogs() {
  fillHelp();
  $("export").addEventListener("begin", () => {
    listed = beginExport().catch((error) => void ($("export-text").textContent = error.message));
  });
  $("export-start").addEventListener("click", startExport);
  $("formats").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // which would close the dialog
    $("export-start").click();
  });
  $("export").addEventListener("close", () => closed++);
  $("import").addEventListener("begin", () => ($("import-text").textContent = ""));
  $("import-start").addEventListener("click", startImport);
  for (const dialog of document.querySelectorAll("dialog")) {
    let pressed = false; // beside the dialog; not if a person selects text in it and lets go outside
    dialog.addEventListener("pointerdown", (event) => (pressed = isBeside(dialog, event)));
    dialog.addEventListener("click", (event) => pressed && isBeside(dialog, event) && dialog.close());
  }
}

/** @param {HTMLDialogElement} dialog @param {MouseEvent} event */
function isBeside(dialog, { target, clientX: x, clientY: y }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return target === dialog && (x < left || x > right || y < top || y > bottom);
}

function fillHelp() {
  for (const group of new Set(ACTIONS.map((action) => action.group))) {
    const part = document.createElement("section");
    const head = document.createElement("h3");
    head.textContent = group;
    const list = document.createElement("dl");
    for (const action of ACTIONS.filter((each) => each.group === group)) {
      const keys = document.createElement("dt");
      keys.append(...keysOf(action).flatMap((key, place) => {
        const made = document.createElement("kbd");
        made.textContent = keyText(key);
        return place ? [" ", made] : [made];
      }));
      const text = document.createElement("dd");
      text.textContent = action.text;
      list.append(keys, text);
    }
    part.append(head, list);
    $("keys").append(part);
  }
}

async function beginExport() {
  $("export-text").textContent = "";
  $("export-progress").hidden = true;
  if ($("formats").children.length) return;
  const formats = await askJson("formats");
  $("formats").replaceChildren(...formats.map((/** @type {any} */ format, /** @type {number} */ place) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "format", value: format.name, checked: place === 0 });
    const text = document.createElement("span");
    const title = document.createElement("b");
    title.textContent = format.title;
    text.append(title, ` ${format.text}`);
    label.append(input, text);
    return label;
  }));
}

async function startExport() {
  const now = closed;
  $("export-start").disabled = true;
  try {
    await listed; // for those who are quicker than the list
    await settled();
    const chosen = /** @type {HTMLInputElement | null} */ (document.querySelector("#formats input:checked"));
    if (!chosen || !state.video || now !== closed) return; // it is closed when the video is left
    let made = await askJson(`videos/${state.video.id}/exports`, { method: "POST", json: { format: chosen.value } });
    while (now === closed && (made.state === "waiting" || made.state === "running")) {
      showExport(made);
      await new Promise((done) => setTimeout(done, 150));
      if (now === closed) made = await askJson(`exports/${made.id}`);
    }
    if (now !== closed) drop(made);
    else if (made.state === "done") await fetchExport(made);
    else $("export-text").textContent = `It failed: ${made.error}`;
  } catch (error) {
    if (now === closed) $("export-text").textContent = /** @type {Error} */ (error).message;
  } finally {
    $("export-start").disabled = false;
    $("export-progress").hidden = true;
  }
}

/** @param {any} made */
function showExport(made) {
  $("export-text").textContent = made.state === "waiting" ? "Waiting …" : "Writing …";
  $("export-progress").hidden = false;
  $("export-progress").value = made.done / Math.max(1, made.total);
}

/** @param {any} made */
async function fetchExport(made) {
  const content = await (await ask(`exports/${made.id}/file`)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = made.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  $("export-text").textContent = `Written: ${made.name}. Look in your downloads.`;
  drop(made);
}

/** Stop an export that nobody waits for, or remove its file. @param {any} made */
function drop(made) {
  ask(`exports/${made.id}`, { method: "DELETE" }).catch(() => {});
}

async function startImport() {
  const file = $("import-file").files[0];
  if (!file || !state.video) {
    $("import-text").textContent = "Choose a file first.";
    return;
  }
  $("import-start").disabled = true;
  $("import-text").textContent = "Reading …";
  const video = state.video.id;
  try {
    await settled(); // else a step on its way would be one of a state that is gone
    if (state.video?.id !== video || !$("import").open) return;
    const project = await send(`videos/${video}/import`, file, () => {});
    if (state.video?.id !== video) return; // the person has gone to another one
    takeProject(project);
    $("import").close();
  } catch (error) {
    $("import-text").textContent = /** @type {Error} */ (error).message;
  } finally {
    $("import-start").disabled = false;
  }
}
