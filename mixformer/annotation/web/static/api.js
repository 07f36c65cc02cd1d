// @ts-check
// Requests to the server: every one carries the token of the address that the terminal showed.

const KEY = "mixformer-token";

/** A request that the server refused, or did not get. */
export class Refused extends Error {
  /** @param {string} text @param {number} status 0 if the server did not answer */
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** Take the token out of the address, where it could be seen and copied, and keep it for this tab. */
export function takeToken() {
  const found = /^#token=([^&/]+)(.*)$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(KEY, decoded(found[1]));
    const rest = found[2].replace(/^[&/]+/, "");
    history.replaceState(null, "", location.pathname + (rest && `#/${rest}`));
  }
  return token() !== "";
}

/** @param {string} text of an address, in which a person may have typed a sign as it is */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Let other tabs of this browser, in which a person opens a video of the list, have the token. */
export function shareToken() {
  const tabs = new BroadcastChannel(KEY);
  tabs.onmessage = ({ data }) => data === "" && token() && tabs.postMessage(token());
}

/** Ask other tabs of this browser for the token. @returns {Promise<boolean>} it is there */
export function askForToken() {
  const tabs = new BroadcastChannel(KEY);
  return new Promise((done) => {
    const end = () => {
      tabs.close();
      done(token() !== "");
    };
    tabs.onmessage = ({ data }) => {
      if (!data) return; // another tab that asks
      sessionStorage.setItem(KEY, data);
      end();
    };
    tabs.postMessage("");
    setTimeout(end, 700);
  });
}

/** A new name that nobody else has; pages that are shared in a network without encryption have no randomUUID. */
export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(9))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Name of this browser, the same after a reload: undo takes back its own steps. */
export function person() {
  const known = localStorage.getItem("mixformer-person") || randomName();
  localStorage.setItem("mixformer-person", known);
  return known;
}

/**
 * @param {string} path below /api/
 * @param {RequestInit & {json?: unknown}} [options]
 * @returns {Promise<Response>}
 */
export async function ask(path, { json, ...options } = {}) {
  const headers = new Headers(options.headers);
  headers.set("Authorization", `Bearer ${token()}`);
  headers.set("X-Person", person());
  if (json !== undefined) {
    headers.set("Content-Type", "application/json");
    options.body = JSON.stringify(json);
  }
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused("The server does not answer.", 0);
  }
  if (!answer.ok) throw new Refused(detailOf(await answer.json().catch(() => null), answer.status), answer.status);
  return answer;
}

/** What an answer says of its error: a text, or a list of faults in a body. @param {any} content @param {number} status @returns {string} */
function detailOf(content, status) {
  const detail = content?.detail;
  if (Array.isArray(detail)) return detail.map((each) => each.msg).join("; ");
  return typeof detail === "string" ? detail : `The server answered ${status}.`;
}

/** @param {string} path @param {RequestInit & {json?: unknown}} [options] @returns {Promise<any>} */
export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

/**
 * Send a file with news of how far it is.
 * @param {string} path @param {File} file @param {(part: number) => void} progress @returns {Promise<any>}
 */
export function send(path, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/${path}`);
    request.setRequestHeader("Authorization", `Bearer ${token()}`);
    request.setRequestHeader("X-Person", person());
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(1, event.total));
    request.onerror = () => reject(new Refused("The server does not answer, or the file is too large.", 0));
    request.onload = () => {
      let content = {};
      try {
        content = JSON.parse(request.responseText);
      } catch { /* the status says enough */ }
      if (request.status < 300) resolve(content);
      else reject(new Refused(detailOf(content, request.status), request.status));
    };
    request.send(file);
  });
}

/**
 * Listen to the news of a video, and connect again whenever the connection ends.
 * @param {string} video @param {(news: any) => void} tell @param {(connected: boolean) => void} state
 * @returns {() => void} ends it
 */
export function listen(video, tell, state) {
  let over = false;
  let wait = 250;
  /** @type {WebSocket | undefined} */
  let socket;
  function connect() {
    if (over) return;
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/videos/${video}/events`);
    socket.onopen = () => socket?.send(JSON.stringify({ token: token(), person: person() }));
    socket.onmessage = (event) => {
      wait = 250;
      state(true);
      tell(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (over) return;
      state(false);
      setTimeout(connect, wait);
      wait = Math.min(4000, wait * 2);
    };
  }
  connect();
  return () => {
    over = true;
    socket?.close();
  };
}
