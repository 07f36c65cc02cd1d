// @ts-check
// The list of targets, and what is known of the selected one in this frame.
import { edit, settled } from "./edits.js";
import { placeOf } from "./rows.js";
import { $, change, keyAt, keyBefore, selectedTarget, state, warn } from "./store.js";

const WORDS = { k: "Key box, set by a person", t: "Tracked", u: "Tracked, uncertain", l: "Lost", i: "Interpolated", a: "Absent", ".": "Not annotated yet" };
const COLORS = ["#56b4e9", "#e69f00", "#58e8a0", "#f0e442", "#ff785a", "#e870d0", "#b8e888", "#d0b8b8", "#a070e8", "#a0e8e8"];

/** The target whose row was brought into sight. @type {number | null} */
let sought = null;

export function drawPanel() {
  drawTargets();
  const target = selectedTarget();
  $("no-targets").hidden = !state.ready || state.project.targets.length > 0;
  $("here").disabled = !target;
  $("tracking").disabled = !target;
  const place = target ? placeOf(target, state.frame) : null;
  const key = target && keyAt(target, state.frame);
  const score = place?.score == null ? "" : `, score ${place.score.toFixed(2)}`;
  $("here-text").textContent = place ? WORDS[/** @type {keyof typeof WORDS} */ (place.kind)] + score : "No target is selected";
  const absent = place?.kind === "a";
  press("absent", absent);
  press("occluded", Boolean((key ?? (target && keyBefore(target, state.frame)))?.occluded));
  button("occluded").disabled = !place?.box;
  button("adjust").disabled = !target;
  button("remove-key").disabled = !key;
}

/** @param {string} action @returns {HTMLButtonElement} */
function button(action) {
  return /** @type {HTMLButtonElement} */ (document.querySelector(`#panel [data-action="${action}"]`));
}

/** @param {string} action @param {boolean} on */
function press(action, on) {
  button(action).setAttribute("aria-pressed", String(on));
}

/** Rows are kept while a person types in one of them. */
function drawTargets() {
  const list = $("targets");
  const known = new Map([...list.children].map((row) => [Number(row.dataset.id), row]));
  const rows = state.project.targets.map((target) => known.get(target.id) ?? makeRow(target.id));
  if (rows.length !== list.children.length || rows.some((row, place) => list.children[place] !== row)) list.replaceChildren(...rows);
  state.project.targets.forEach((target, place) => fillRow(rows[place], target));
  if (state.selected !== sought) seek(list);
}

/** Bring the row of the selected target into sight, and leave the page where it is. @param {HTMLElement} list */
function seek(list) {
  sought = state.selected;
  const row = /** @type {HTMLElement | null} */ (list.querySelector(".chosen"));
  if (!row) return;
  const [area, place] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  list.scrollTop += Math.min(0, place.top - area.top) + Math.max(0, place.bottom - area.bottom);
}

/** @param {number} id */
function makeRow(id) {
  const row = document.createElement("li");
  row.dataset.id = String(id);
  const choose = document.createElement("button");
  choose.className = "choose";
  choose.addEventListener("click", () => change({ selected: id }));
  const label = document.createElement("input");
  label.placeholder = "label";
  label.maxLength = 200;
  label.setAttribute("aria-label", `Label of target ${id}`);
  let before = ""; // the label as it was when the person began to type
  const now = () => state.project.targets.find((target) => target.id === id)?.label ?? "";
  label.addEventListener("focus", () => {
    before = now();
    settled().then(() => (before = now()));
    change({ selected: id });
  });
  label.addEventListener("change", () => {
    if (label.value === now()) return;
    if (before === now()) edit({ edit: "change_target", id, label: label.value });
    else warn(`Somebody else has just named target ${id} "${now()}"; your label was not kept.`);
  });
  label.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && label.blur());
  const color = document.createElement("button");
  color.className = "swatch";
  color.title = "Next color";
  color.setAttribute("aria-label", `Next color for target ${id}`);
  color.addEventListener("click", () => {
    edit((/** @type {import("./store.js").Project} */ { targets }) => {
      const now = targets.find((target) => target.id === id)?.color ?? "";
      return { edit: "change_target", id, color: COLORS[(COLORS.indexOf(now) + 1) % COLORS.length] };
    });
  });
  const remove = document.createElement("button");
  remove.textContent = "✕";
  remove.title = "Remove this target (Shift+Delete)";
  remove.setAttribute("aria-label", `Remove target ${id}`);
  remove.addEventListener("click", () => edit({ edit: "remove_target", id }));
  row.append(color, choose, label, remove);
  return row;
}

/** @param {any} row @param {import("./store.js").Target} target */
function fillRow(row, target) {
  const [color, choose, label] = row.children;
  row.classList.toggle("chosen", target.id === state.selected);
  color.style.background = target.color;
  choose.textContent = String(target.id);
  choose.title = `Select target ${target.id}`;
  choose.setAttribute("aria-label", `Target ${target.id}${target.label ? `, ${target.label}` : ""}, ${target.keys.length} key boxes`);
  choose.setAttribute("aria-pressed", String(target.id === state.selected));
  label.defaultValue = target.label;
  if (document.activeElement !== label) label.value = target.label;
}
