// @ts-check
// The beginning of the page: where we are, which frame is shown, and what comes from the server.
import { startActions } from "./actions.js";
import { readAddress, writeAddress } from "./address.js";
import { askForToken, askJson, listen, Refused, shareToken, takeToken } from "./api.js";
import { startDialogs } from "./dialogs.js";
import { cancelDrag, drags, draws, hint, startEditing } from "./editing.js";
import { reload, settled, unsaved } from "./edits.js";
import { Frames } from "./frames.js";
import { startKeys } from "./keys.js";
import { showLibrary, startLibrary } from "./library.js";
import { drawPanel } from "./panel.js";
import { addLive, clearLive, forgetRows, onRows } from "./rows.js";
import { draw, failPicture, forgetPicture, showPicture, shownFrame, wantedWidth } from "./stage.js";
import { $, change, frameCount, state, warn, watch } from "./store.js";
import { drawTimeline, startTimeline, wholeTimeline } from "./timeline.js";

/** @type {Frames | null} */ let frames = null;
/** @type {() => void} */ let stopListening = () => {};
/** @type {boolean | null} null before the first answer or failure */ let connected = null;
let away = false; // a connection was there and is lost
let routes = 0; // so that a slow answer does not take the place of where we are by then
let widthTimer = 0;
let routeTimer = 0;
let damageTimer = 0;

/** Show a frame. @param {number} number */
function go(number) {
  if (!state.video || !frames || drags()) return;
  const frame = Math.min(frameCount() - 1, Math.max(0, Math.round(number)));
  change({ frame });
  frames.go(frame);
  clearTimeout(widthTimer);
  widthTimer = setTimeout(rest, 200);
}

/** Stay at the picture that is on the screen: what is drawn belongs to it, not to a frame that is still to come. */
function hold() {
  if (state.speed) play(0);
  if (shownFrame() >= 0 && shownFrame() !== state.frame) go(shownFrame());
}

/** At rest: the address names the frame, and the picture is as sharp as the screen. */
function rest() {
  if (!state.video || state.speed) return;
  writeAddress(state.video.id, state.frame);
  sharpen();
}

function sharpen() {
  if (!frames) return;
  const width = wantedWidth();
  if (width !== frames.width) {
    frames.width = width;
    frames.go(state.frame);
  }
}

/** Play at the pace of the video, every frame of it. @param {number} speed frames at a time, negative for backward; 0 ends */
function play(speed) {
  const begins = speed !== 0 && state.speed === 0;
  change({ speed: Math.max(-8, Math.min(8, speed)) });
  if (begins) tick(performance.now());
  if (!speed) rest();
}

/** @param {number} before time of the last step */
function tick(before) {
  if (!state.speed || !frames) return;
  const pause = 1000 / (state.video?.fps ?? 25);
  const now = performance.now();
  if (now - before >= pause - 2 && shownFrame() === state.frame) {
    const next = state.frame + state.speed;
    if (next < 0 || next >= frameCount()) {
      go(next);
      play(0);
      return;
    }
    go(next);
    requestAnimationFrame(() => tick(now));
  } else requestAnimationFrame(() => tick(before));
}

function drawAll() {
  if (!state.video) return;
  draw();
  drawPanel();
  drawTimeline();
  $("number").defaultValue = String(state.frame);
  if (document.activeElement !== $("number")) $("number").value = String(state.frame);
  $("count").textContent = `of 0 to ${frameCount() - 1}`;
  $("clock").textContent = state.video.fps ? `· ${(state.frame / state.video.fps).toFixed(2)} s` : "";
  $("hint").textContent = hint();
  $("stage").classList.toggle("drawing", draws());
  $("play").textContent = state.speed ? "Pause" : "Play";
  for (const [name, count] of [["undo", state.project.undo], ["redo", state.project.redo]]) {
    /** @type {HTMLButtonElement} */ (document.querySelector(`[data-action="${name}"]`)).disabled = !count;
  }
  drawJob();
}

function drawJob() {
  const { job } = state;
  $("job").hidden = !job;
  if (!job) return;
  $("job-progress").value = job.total ? job.done / job.total : 0;
  $("job-text").textContent = job.state === "waiting" ? "Waiting for its turn" : !job.done && !job.total ? "Starting …" : `${job.done} of ${job.total || "…"} frames`;
}

/** @param {any} news */
function take(news) {
  if (news.type === "people") {
    $("people").textContent = news.count > 1 ? `${news.count} windows have this video open` : "";
    reload().catch(() => {}); // steps of those who left can be undone
  } else if (news.type === "state" && news.revision > state.project.revision) {
    reload().catch(() => {});
  } else if (news.type === "job") takeJob(news);
  else if (news.type === "damage") askDamage();
  else if (news.type === "file") reopen();
}

/** Open the video anew, where we are: another file has its name now. */
function reopen() {
  if (!state.video) return;
  writeAddress(state.video.id, state.frame);
  close();
  route();
}

/** Ask which frames are damaged, once for all news of one moment. */
function askDamage() {
  damageTimer ||= setTimeout(async () => {
    damageTimer = 0;
    const { video } = state; // it may be left by now
    const found = video && (await askJson(`videos/${video.id}/damage`).catch(() => null));
    if (found && state.video === video) change({ damage: found.stretches });
  }, 300);
}

/** @param {any} news */
function takeJob(news) {
  if (news.found) addLive(news.found);
  const runs = news.state === "waiting" || news.state === "running";
  const follows = runs && state.job && news.last !== null && state.frame === state.job.last;
  if (news.state === "failed") warn(`Tracking stopped: ${news.error}`);
  if (!state.job && runs) change({ job: { ...news, last: state.frame } });
  change({ job: runs ? { ...news, last: follows ? news.last : state.job?.last } : null });
  if (follows && news.last !== state.frame) go(news.last);
  if (!runs) {
    $("said").textContent = `Tracking is ${news.state}`;
    reload().then(clearLive).catch(() => {});
  }
}

/** @param {boolean} now */
function takeConnection(now) {
  if (now === connected) return;
  connected = now;
  if (!now) {
    away = true;
    warn("The server does not answer. What you did is saved; this page goes on as soon as it is back.", true);
    askJson("videos").catch((error) => error.status === 401 && warn("The server was started anew. Use the address that its terminal shows.", true));
    return;
  }
  if (away) warn("");
  away = false;
  change({ job: null });
  askDamage();
  reload(true).then(takeJobs).catch((error) => error.status === 0 || warn(error.message, true)); // 0: away again
  if (frames) frames.go(state.frame);
}

async function takeJobs() {
  const { video } = state;
  const jobs = video ? await askJson(`videos/${video.id}/tracking`) : []; // it may be left by now
  for (const job of state.video === video ? jobs : []) takeJob({ type: "job", ...job });
}

/** @param {string} id @param {number} frame */
async function openVideo(id, frame) {
  close();
  const now = routes;
  const video = await askJson(`videos/${id}`);
  if (now !== routes) return;
  warn("");
  forgetRows();
  forgetPicture();
  wholeTimeline();
  const project = { revision: 0, undo: 0, redo: 0, frame_count: 0, targets: [] };
  change({ video, frame, project, ready: false, selected: null, mode: "", job: null, speed: 0, damage: [] });
  place("video");
  $("title").textContent = video.name;
  document.title = `${video.name} - mixformer`;
  frames = new Frames(video, frameCount, (number, picture) => {
    if (state.frame === number || Math.abs(state.frame - number) < Math.abs(state.frame - shownFrame())) showPicture(number, picture);
    drawAll();
  }, (text) => {
    failPicture(state.frame);
    warn(`Frame ${state.frame} cannot be shown: ${text}`);
  });
  draw();
  frames.width = wantedWidth();
  go(frame);
  stopListening = listen(id, take, takeConnection);
  await reload();
  if (state.video !== video) return;
  if (state.project.same_video === false) {
    warn("The file has changed since these boxes were drawn, so they may not fit.", true);
  }
  go(state.frame); // the number of frames is exact only now
}

function close() {
  /** @type {HTMLElement | null} */ (document.activeElement)?.blur(); // a label that is being typed belongs to this video
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  cancelDrag();
  stopListening();
  stopListening = () => {};
  connected = null;
  frames?.close();
  frames = null;
  change({ video: null, job: null, speed: 0, mode: "" });
  $("saved").textContent = $("people").textContent = "";
}

/** @param {"video" | "library" | "nothing"} name */
function place(name) {
  document.body.dataset.place = name;
  $("work").hidden = name !== "video";
  $("library").hidden = name !== "library";
  for (const each of document.querySelectorAll(".on-video")) /** @type {HTMLElement} */ (each).hidden = name !== "video";
}

async function route() {
  const now = ++routes;
  clearTimeout(routeTimer);
  const { id, frame, isList } = readAddress();
  try {
    if (id && state.video?.id === id) go(frame);
    else if (id) await openVideo(id, frame);
    else {
      const videos = await toLibrary();
      if (now !== routes) return;
      warn("");
      if (videos.length === 1 && !isList) location.hash = `#/v/${videos[0].id}/0`;
    }
  } catch (error) {
    if (now !== routes) return;
    const { status, message } = /** @type {Refused} */ (error);
    warn(status === 401 ? "This address lacks its token. Use the address that the terminal shows." : message, true);
    if (status === 0) routeTimer = setTimeout(route, 2000); // the server may come back
    else if (status !== 401 && id) await toLibrary().catch(() => {}); // that video is gone or cannot be opened
  }
}

async function toLibrary() {
  writeAddress("");
  close();
  $("title").textContent = document.title = "mixformer";
  const now = routes;
  await settled(); // so that the list counts the last edits
  const videos = await showLibrary();
  if (now === routes) place("library");
  return videos;
}

async function start() {
  const theme = localStorage.getItem("mixformer-theme");
  if (theme) document.documentElement.dataset.theme = theme;
  startActions(go, play);
  startKeys();
  startDialogs();
  startEditing(go, hold);
  startTimeline(go);
  startLibrary();
  onRows(() => change());
  watch(() => {
    drawAll();
    sharpen();
  });
  $("number").addEventListener("change", () => {
    const typed = $("number").value.trim();
    if (typed && Number.isFinite(Number(typed))) go(Number(typed));
    $("number").blur();
    change(); // shows the number of the frame again
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change()); // the timeline is painted
  addEventListener("hashchange", route);
  addEventListener("beforeunload", (event) => {
    /** @type {HTMLElement | null} */ (document.activeElement)?.blur(); // keeps a label that is being typed
    if (unsaved() > 1) event.preventDefault(); // the first goes on by itself, those that wait for it do not
  });
  place("nothing");
  const known = takeToken() || (await askForToken());
  shareToken();
  if (known) route();
  else warn("This address lacks its token. Use the address that the terminal shows.", true);
}

start();
