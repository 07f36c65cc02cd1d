// @ts-check
// Pictures of frames: fetched newest first, kept for a while, and fetched ahead in the direction of travel.
import { ask, randomName } from "./api.js";

const KEPT = 160 * 2 ** 20; // bytes of decoded pictures
const AHEAD = 6;
const AT_ONCE = 3;
const PATIENCE = 250; // ms after which a seek that takes long gives way to a newer one
const GLANCE = 50; // ms of a seek after which a frame near the wanted one is shown until it comes
const REST = 120; // ms at one frame after which a preview gives way to the picture itself

/** @typedef {{picture: ImageBitmap, width: number}} Kept width: that was asked for; 0 of a preview */

export class Frames {
  /** @param {{id: string, stamp: string}} video @param {() => number} count @param {(number: number, picture: ImageBitmap) => void} show @param {(text: string) => void} fail */
  constructor(video, count, show, fail) {
    this.fail = fail;
    this.video = video;
    this.count = count;
    this.show = show;
    this.width = 640;
    /** @type {Map<number, Kept>} */ this.pictures = new Map();
    this.viewer = randomName();
    this.wanted = 0;
    this.direction = 1;
    this.seeking = 0; // when the seek under way began
    this.serial = 0;
    /** @type {Set<number>} */ this.coming = new Set();
    this.over = false;
    this.timer = 0;
    this.glancing = false;
  }

  /** Ask for a frame; `show` is called as soon as it is there. @param {number} number */
  go(number) {
    if (number !== this.wanted) this.direction = Math.sign(number - this.wanted);
    this.wanted = number;
    clearTimeout(this.timer);
    const have = this.pictures.get(number);
    if (have) {
      this.pictures.delete(number); // and put it at the end, as the latest used
      this.pictures.set(number, have);
      this.show(number, have.picture);
      this.rest(have);
      this.fetchAhead();
    } else {
      this.seek(true);
      this.glance();
    }
  }

  /** While a seek takes long, show the key frame before the wanted one, which is there sooner. */
  async glance() {
    if (this.glancing) return;
    this.glancing = true;
    await new Promise((done) => setTimeout(done, GLANCE));
    const number = this.wanted;
    try {
      if (!this.seeking || this.pictures.has(number)) return;
      const answer = await ask(`videos/${this.video.id}/frames/${number}?near=true&width=${this.width}`);
      const picture = await createImageBitmap(await answer.blob());
      if (!this.over && this.wanted === number) this.show(Number(answer.headers.get("X-Frame")), picture);
    } catch {
      // The wanted frame comes, or says why not.
    } finally {
      this.glancing = false;
      if (this.seeking && this.wanted !== number && !this.over) this.glance(); // the person has gone on
    }
  }

  /** Once the person stays here, take the picture itself. @param {Kept} have */
  rest(have) {
    if (have.width < this.width) this.timer = setTimeout(() => this.seek(false), REST);
  }

  /** @param {boolean} quick a preview will do */
  async seek(quick) {
    const now = performance.now();
    if (this.seeking && now - this.seeking < PATIENCE) return;
    this.seeking = now;
    const serial = ++this.serial;
    const number = this.wanted;
    const made = await this.fetch(number, true, quick);
    if (serial !== this.serial || this.over) return;
    this.seeking = 0;
    if (made) this.show(number, made.picture);
    if (this.wanted !== number) this.go(this.wanted);
    else {
      if (made) this.rest(made);
      this.fetchAhead();
    }
  }

  /** @param {number} number @param {boolean} seek @param {boolean} quick @returns {Promise<Kept | null>} */
  async fetch(number, seek, quick) {
    const width = this.width;
    try {
      const query = `width=${width}&viewer=${this.viewer}&stamp=${this.video.stamp}${seek ? "&seek=true" : ""}${quick ? "&quick=true" : ""}`;
      const answer = await ask(`videos/${this.video.id}/frames/${number}?${query}`);
      const picture = await createImageBitmap(await answer.blob());
      if (this.over) return null;
      const made = { picture, width: answer.headers.has("X-Preview") ? 0 : width };
      const have = this.pictures.get(number);
      if (!have || have.width <= made.width) this.keep(number, made);
      return made;
    } catch (error) {
      const { status, message } = /** @type {import("./api.js").Refused} */ (error);
      // 409: a newer one is asked for; without a status the server is away, which the banner says.
      if (seek && !this.over && number === this.wanted && status >= 400 && status !== 409) this.fail(message);
      return null;
    }
  }

  /** @param {number} number @param {Kept} made */
  keep(number, made) {
    const { picture } = made;
    this.pictures.delete(number);
    this.pictures.set(number, made);
    let most = Math.max(16, Math.floor(KEPT / (picture.width * picture.height * 4)));
    for (const old of this.pictures.keys()) {
      if (this.pictures.size <= most) break;
      if (old !== this.wanted) this.pictures.delete(old);
    }
  }

  fetchAhead() {
    for (let step = 1; step <= AHEAD && this.coming.size < AT_ONCE; step++) {
      const number = this.wanted + step * this.direction;
      if (number < 0 || number >= this.count() || this.pictures.has(number) || this.coming.has(number)) continue;
      this.coming.add(number);
      this.fetch(number, false, true).then((picture) => {
        this.coming.delete(number);
        if (picture && !this.over && !this.seeking) this.fetchAhead();
      });
    }
  }

  /** Tell whether a frame is at hand. @param {number} number */
  has(number) {
    return this.pictures.has(number);
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    this.pictures.clear();
  }
}
