// @ts-check
// The address of the page: #/ is the list of videos, #/v/VIDEO/FRAME a frame of one.
import { takeToken } from "./api.js";

let followed = ""; // what was read last, or written by this page

/** Read where to go. @returns {{id: string | null, frame: number, isList: boolean}} id null: to the list, which the address names or not */
export function readAddress() {
  if (location.hash.startsWith("#token=")) takeToken();
  followed = location.hash;
  const found = /^#\/v\/(\w+)(?:\/(\d+))?/.exec(followed);
  return { id: found?.[1] ?? null, frame: Number(found?.[2] ?? 0), isList: followed.startsWith("#/") };
}

/** Name where we are, unless a person has just gone elsewhere: that is followed in a moment. @param {string} id of a video, or "" @param {number} [frame] */
export function writeAddress(id, frame = 0) {
  if (location.hash !== followed) return;
  followed = id ? `#/v/${id}/${frame}` : "#/";
  history.replaceState(null, "", followed);
}
