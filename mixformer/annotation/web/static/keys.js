// @ts-check
// The keyboard: which key does what, in the page and in its fields, and what has the focus after a click.
import { ACTIONS, perform } from "./actions.js";
import { adjustKey } from "./editing.js";

/** Actions that go on while their key is held down; all others are done once. */
const REPEATED = new Set(
  ("following previous forward-ten back-ten next-key previous-key doubt doubt-back next-target target-before " +
    "undo redo zoom-in zoom-out pan timeline-in timeline-out").split(" "),
);

/** Whether a sign is typed with the help of Alt, as [ and ] are on many keyboards. @param {KeyboardEvent} event */
function isComposed(event) {
  return /^[^a-z0-9]$/i.test(event.key) && (event.altKey || event.getModifierState("AltGraph"));
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  // A keyboard with other letters, such as Greek or Russian ones, has the keys at the places of the Latin letters.
  const other = /^Key[A-Z]$/.test(event.code) && event.key.length === 1 && event.key > "\x7f";
  const typed = other ? event.code.slice(3) : event.key;
  const key = typed === " " ? "Space" : typed.length === 1 ? typed.toUpperCase() : typed;
  const shift = event.shiftKey && (typed.length > 1 || /[a-z]/i.test(typed)) ? "Shift+" : "";
  return `${(event.ctrlKey && !isComposed(event)) || event.metaKey ? "Ctrl+" : ""}${shift}${key}`;
}

/** A key in a field: Escape puts back what was there. @param {KeyboardEvent} event @param {HTMLInputElement} field */
function onFieldKey(event, field) {
  if (event.key !== "Escape" || event.isComposing) return;
  if (field.type === "text") field.value = field.defaultValue;
  field.blur();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  const inVideo = document.body.dataset.place === "video";
  if (document.querySelector("dialog[open]")) return;
  // A dialog that has just closed keeps the focus until the next picture is drawn.
  if (target.matches("input:not([type=checkbox]), select, textarea") && !target.closest("dialog")) {
    onFieldKey(event, /** @type {HTMLInputElement} */ (target));
    return;
  }
  if (inVideo && adjustKey(event)) {
    event.preventDefault();
    return;
  }
  if (event.altKey && !isComposed(event)) return;
  const name = nameOf(event).replace(/^Ctrl\+Arrow.*/, "Ctrl+Arrows");
  // A button that has the focus is pressed by these.
  if ((name === "Enter" || name === "Space") && target.matches("button, a, input, summary")) return;
  const action = ACTIONS.find((each) => each.keys.split(" ").includes(name));
  const anywhere = ["theme", "help"];
  if (!action || !(inVideo || anywhere.includes(action.name))) return;
  event.preventDefault();
  if (!event.repeat || REPEATED.has(action.name)) perform(action, event);
}

/** After a click, the space bar plays, and does not press the button once more. @param {MouseEvent} event */
function onClick(event) {
  const button = /** @type {HTMLElement} */ (event.target).closest?.("button, input[type=checkbox]");
  // A key that presses a button (detail 0) presses it again.
  if (event.detail && document.body.dataset.place === "video" && button && !button.closest("dialog")) /** @type {HTMLElement} */ (button).blur();
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick, true); // before a dialog opens, which gives the focus back when it closes
}
