// Follow one object through a video with ONNX Runtime alone, in a browser.
// Boxes are [left, top, width, height] in pixels. A frame is an ImageData, or another {data, width, height} with 3 or 4 numbers (0..255) for each pixel, red first.

/** Tracks one target: `load` the model, `start` with a box, then `update` with each following frame. */
export class WebTracker {
  /** Load the folder that `mixformer export --to onnx` wrote, from an address; `ort` is the module onnxruntime-web. */
  static async load(ort, folder) {
    const description = await (await fetch(`${folder}/config.json`)).json();
    const weights = { path: "model.safetensors", data: `${folder}/model.safetensors` };
    const open = (name) =>
      ort.InferenceSession.create(`${folder}/${name}.onnx`, { executionProviders: ["wasm"], externalData: [weights] });
    return new WebTracker(ort, description, await open("remember"), await open("locate"));
  }

  constructor(ort, description, remember, locate) {
    Object.assign(this, { ort, remember, locate, settings: description.tracker });
    this.searchSize = description.model.search_size;
    this.templateSize = description.model.template_size;
    this.memoryNames = description.graphs.memory;
    this.middle = this.memoryNames[2 * Math.floor(description.model.depth / 2) + 1]; // keys and values of each block by turns
  }

  /** Choose the target. */
  async start(frame, box) {
    const template = crop(frame, box, this.settings.template_factor, this.templateSize).pixels;
    this.templates = [template, template]; // the initial one, then the online ones
    this.firstMemory = this.memory = await this.encode(this.templates);
    this.box = this.sureBox = box;
    Object.assign(this, { frameNumber: 0, foundBox: null, looked: 0, cut: false });
    Object.assign(this, { candidate: null, bestScore: -1, nextSlot: 0 });
    // Two judgments: by the score itself, which moves the box; and in the light of the usual score, which is told.
    this.judged = new Judgment(this.settings);
    this.told = new Judgment(this.settings);
    this.usual = new UsualScore();
    this.likeness = 1;
    this.thumbnail = thumbnail(frame);
  }

  /** Find the target in the next frame: {box, score, status}; the score (0..1) is null without a score head. */
  async update(frame) {
    const s = this.settings;
    this.frameNumber += 1;
    let { box, score } = await this.look(frame, this.foundBox ?? this.box, this.memory);
    if (s.rules === "official" || score === null) {
      this.box = box;
      if (score !== null) this.judged.add(score);
      await this.updateTemplates(frame, box, score);
      return { box, score, status: this.judged.status };
    }
    this.judged.add(score);
    this.noticeCut(frame);
    this.foundBox = null;
    if (this.judged.status === "tracking" && this.judged.high) {
      Object.assign(this, { sureBox: box, cut: false, looked: 0 });
    } else if (this.judged.status === "lost") {
      if (score < 0.5 * s.lost_below) box = this.sureBox; // wait where the target was last
      if (this.judged.low) await this.searchElsewhere(frame);
    }
    this.box = box;
    if (this.judged.status === "tracking") await this.updateTemplates(frame, box, score);
    await this.compare(frame, score);
    return { box, score: this.tell(score), status: this.told.status };
  }

  /** Run the graph for templates, which is needed only when one changes. */
  async encode(templates) {
    const size = this.templateSize;
    const pixels = new Uint8Array(templates.length * size * size * 3);
    templates.forEach((template, k) => pixels.set(template, k * size * size * 3));
    const tensor = new this.ort.Tensor("uint8", pixels, [1, templates.length, size, size, 3]);
    return this.remember.run({ templates: tensor }, this.memoryNames);
  }

  /** Find the target in the crop around a box. */
  async look(frame, around, memory) {
    const { pixels, side } = crop(frame, around, this.settings.search_factor, this.searchSize);
    const search = new this.ort.Tensor("uint8", pixels, [1, this.searchSize, this.searchSize, 3]);
    const found = await this.locate.run({ search, ...memory });
    const [cx, cy, w, h] = Array.from(found.boxes.data, (v) => v * side);
    const score = found.scores ? 1 / (1 + Math.exp(-found.scores.data[0])) : null;
    const x = around[0] + 0.5 * around[2] + cx - 0.5 * side - 0.5 * w;
    const y = around[1] + 0.5 * around[3] + cy - 0.5 * side - 0.5 * h;
    return { box: clip([x, y, w, h], frame, this.settings.margin), score };
  }

  /** Keep the best frame of an interval as an online template when the interval ends. */
  async updateTemplates(frame, box, score) {
    const s = this.settings;
    if (s.update === "never" || s.update_interval === 0 || (s.update === "score" && score === null)) return;
    const ends = this.frameNumber % s.update_interval === 0;
    this.bestScore *= s.score_decay;
    if (s.update === "interval" ? ends : score > Math.max(s.score_threshold, this.bestScore)) {
      this.bestScore = score ?? -1;
      this.candidate = crop(frame, box, s.template_factor, this.templateSize).pixels;
    }
    if (!ends) return;
    const template = this.candidate ?? this.templates[0];
    if (this.templates.length <= s.online_templates) {
      this.templates.push(template);
    } else {
      this.templates[1 + this.nextSlot] = template;
      this.nextSlot = (this.nextSlot + 1) % s.online_templates;
    }
    this.memory = await this.encode(this.templates);
    Object.assign(this, { candidate: null, bestScore: -1 });
  }

  /** Call the target lost at once if the whole picture changed and the score is low. */
  noticeCut(frame) {
    const before = this.thumbnail;
    this.thumbnail = thumbnail(frame);
    const change = this.thumbnail.reduce((sum, v, k) => sum + Math.abs(v - before[k]), 0) / before.length;
    if (change <= 35) return;
    this.cut = true;
    if (this.judged.low) {
      this.judged.lose();
      this.looked = 0;
    }
  }

  /** Compare what the box shows with the initial template: now and then, and in every frame that is in doubt. */
  async compare(frame, score) {
    const s = this.settings;
    const sure = this.told.status === "tracking" && score >= s.sure_above;
    const due = !sure || this.frameNumber % s.likeness_interval === 0;
    if (due && score >= s.lost_below) this.likeness = await this.alike(frame, this.box);
  }

  /** Return the likeness of what a box shows to the initial template. */
  async alike(frame, box) {
    if (!this.settings.likeness_weight) return 1;
    const shown = crop(frame, box, this.settings.template_factor, this.templateSize).pixels;
    const memory = await this.encode([shown, shown]);
    return likeness(this.firstMemory[this.middle], memory[this.middle]);
  }

  /** Return the logits by which a likeness lowers a score. */
  unlike(alike) {
    return this.settings.likeness_weight * Math.max(0, this.settings.likeness_usual - alike);
  }

  /** Judge the score in the light of the usual one and the likeness; return it, lowered if it is unusual. */
  tell(score) {
    const seen = this.usual.confidence(score, this.unlike(this.likeness));
    this.told.add(seen);
    if (this.cut && this.told.low) this.told.lose();
    if (score >= this.settings.sure_above) this.usual.add(score, this.told.status === "tracking" && this.told.high > 0);
    return seen;
  }

  /** Look for a lost target in a few more windows, by the initial template and by all templates in turns. */
  async searchElsewhere(frame) {
    const places = this.places(frame.height, frame.width);
    const memory = Math.floor(this.looked / 2) % 2 ? this.memory : this.firstMemory;
    let best = { score: -1 };
    for (const place of places) {
      const found = await this.look(frame, place, memory);
      if (found.score > best.score) best = found;
    }
    this.looked += places.length;
    const least = this.settings.found_above;
    if (best.score < least) return;
    const lowered = this.unlike(await this.alike(frame, best.box));
    if (logit(best.score) - lowered >= logit(least)) this.foundBox = best.box; // the next frame looks there again
  }

  /**
   * Windows over the frame: near ones first, farther ones the longer the target is away, all after a cut.
   * The package also looks at places of similar shape and color (search_glances); this program does not.
   */
  places(height, width) {
    const s = this.settings;
    if (s.redetect === "off" || s.search_budget < 2) return [];
    const [x, y, w, h] = this.sureBox;
    const size = Math.sqrt(w * h);
    const stride = 0.6 * s.search_factor * size;
    const scale = Math.min(2, Math.max(1, Math.sqrt((height * width) / 12) / stride));
    const count = (side) => Math.min(32, Math.max(1, Math.ceil(side / (stride * scale))));
    const [rows, columns] = [count(height), count(width)];
    const anywhere = s.redetect === "frame" && (this.cut || this.judged.lostFrames > 10);
    const reach = anywhere ? Infinity : size * (2.5 + 0.35 * this.judged.lostFrames);
    const near = [];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const [mx, my] = [((j + 0.5) * width) / columns, ((i + 0.5) * height) / rows];
        const distance = Math.hypot(mx - (x + 0.5 * w), my - (y + 0.5 * h));
        if (distance <= reach) near.push({ mx, my, distance });
      }
    }
    near.sort((a, b) => a.distance - b.distance);
    const hurry = this.cut && anywhere && this.looked < rows * columns;
    const most = hurry ? s.search_budget - 1 : 1;
    return Array.from({ length: Math.min(most, near.length) }, (_, k) => {
      const { mx, my } = near[(this.looked + k) % near.length];
      return [mx - (w * scale) / 2, my - (h * scale) / 2, w * scale, h * scale];
    });
  }
}

/** Counts low and sure scores in a row: "tracking", "uncertain" or "lost". */
class Judgment {
  constructor(settings) {
    Object.assign(this, { settings, status: "tracking", low: 0, high: 0, lostFrames: 0 });
  }

  /** Take the score (0..1) of one more frame. */
  add(score) {
    const s = this.settings;
    this.low = score < s.lost_below ? this.low + (score < 0.1 * s.lost_below ? 2 : 1) : 0;
    this.high = score >= s.sure_above ? this.high + 1 : 0;
    if (this.high) {
      this.status = this.status === "tracking" || this.high >= s.found_after ? "tracking" : "uncertain";
    } else if (this.low && this.status !== "lost") {
      this.status = this.lostFrames > 0 || this.low >= s.lost_after ? "lost" : "uncertain";
    }
    const gone = this.status === "lost" || (this.status === "uncertain" && this.lostFrames > 0);
    this.lostFrames = gone ? this.lostFrames + 1 : 0;
  }

  /** Call the target lost without waiting for more low scores: the picture was cut. */
  lose() {
    Object.assign(this, { status: "lost", lostFrames: Math.max(1, this.lostFrames) });
  }
}

/** The level of scores that this target has. A score well below it tells more than the score itself. */
class UsualScore {
  mean = 1;
  frames = 0;

  /** Lower a score (0..1) that is unusual for this target, and by the logits `unlike`. */
  confidence(score, unlike) {
    const lowered = 2 * Math.max(0, this.mean - logit(score) - 0.6) + unlike;
    return lowered ? 1 / (1 + Math.exp(lowered - logit(score))) : score;
  }

  /** Take a high score; `sure` says that it is usual as well. */
  add(score, sure) {
    const weight = sure ? Math.max(0.05, 1 / (this.frames + 2)) : 0.02;
    this.mean += weight * (logit(score) - this.mean);
    this.frames += sure ? 1 : 0;
  }
}

/** Compare two templates by the values of the middle block, [1, heads, 2 * T, d] each, of two equal templates. */
function likeness(first, other) {
  const [, heads, tokens, width] = first.dims;
  const side = Math.round(Math.sqrt(tokens / 2));
  const onTarget = (k) => Math.abs((k + 0.5) / side - 0.5) <= 0.25;
  let [sum, count] = [0, 0];
  for (let token = 0; token < side * side; token++) {
    if (!onTarget(Math.floor(token / side)) || !onTarget(token % side)) continue;
    let [ab, aa, bb] = [0, 0, 0];
    for (let head = 0; head < heads; head++) {
      for (let k = 0; k < width; k++) {
        const at = (head * tokens + token) * width + k;
        const [a, b] = [first.data[at], other.data[at]];
        [ab, aa, bb] = [ab + a * b, aa + a * a, bb + b * b];
      }
    }
    sum += ab / Math.sqrt(aa * bb);
    count += 1;
  }
  return sum / count;
}

const logit = (score) => Math.log(Math.max(score, 1e-6) / Math.max(1 - score, 1e-6));

/** Brightness at 9 x 16 places, to notice a cut. */
function thumbnail({ data, width, height }) {
  const channels = data.length / (width * height);
  const places = (side, count) => Array.from({ length: count }, (_, k) => Math.floor((k * (side - 1)) / (count - 1)));
  return places(height, 9).flatMap((y) =>
    places(width, 16).map((x) => {
      const at = channels * (y * width + x);
      return Math.floor((data[at] + data[at + 1] + data[at + 2]) / 3);
    }),
  );
}

/** Round to the nearest whole number, halves to the even one. */
function rint(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low & 1) : Math.round(value);
}

/** Cut the square of `factor` times the box's size around its center, black outside the frame, and resize it. */
function crop({ data, width, height }, [x, y, w, h], factor, size) {
  const side = Math.ceil(Math.sqrt(w * h) * factor);
  const [left, top] = [rint(x + 0.5 * w - 0.5 * side), rint(y + 0.5 * h - 0.5 * side)];
  // A square that reaches the right (bottom) border loses the frame's last column (row) to black too: the official
  // trackers do this, and the networks were trained with it.
  const channels = data.length / (width * height);
  const at = (row, column) => {
    const [py, px] = [top + row, left + column];
    const inside = py >= 0 && px >= 0 && py < Math.min(top + side, height - 1) && px < Math.min(left + side, width - 1);
    return inside ? channels * (py * width + px) : -1;
  };
  return { pixels: resize(data, at, side, size), side };
}

/** Resize a square bilinearly as OpenCV's INTER_LINEAR does, with its 11-bit integers. */
function resize(data, at, side, size) {
  const taps = Array.from({ length: size }, (_, k) => {
    const position = Math.fround((k + 0.5) * (1 / (size / side)) - 0.5);
    const first = Math.floor(position);
    const part = Math.fround(position - first);
    const inner = (v) => Math.min(Math.max(v, 0), side - 1);
    const lower = rint(Math.fround(part * 2048)); // weights of rows
    const upper = rint(Math.fround(Math.fround(1 - part) * 2048));
    const right = first < 0 || first >= side - 1 ? 0 : lower; // of columns: at the border, one column alone
    return { near: inner(first), far: inner(first + 1), lower, upper, right };
  });
  const pixels = new Uint8Array(size * size * 3);
  let out = 0;
  for (const row of taps) {
    for (const column of taps) {
      const [a, b] = [at(row.near, column.near), at(row.near, column.far)];
      const [c, d] = [at(row.far, column.near), at(row.far, column.far)];
      for (let k = 0; k < 3; k++) {
        const value = (place) => (place < 0 ? 0 : data[place + k]);
        const above = (value(a) * (2048 - column.right) + value(b) * column.right) >> 4;
        const below = (value(c) * (2048 - column.right) + value(d) * column.right) >> 4;
        pixels[out++] = (((above * row.upper) >> 16) + ((below * row.lower) >> 16) + 2) >> 2;
      }
    }
  }
  return pixels;
}

/** Keep `margin` pixels of the box inside the frame, and its sides at least that long. */
function clip([x, y, w, h], { width, height }, margin) {
  const [x1, x2] = [Math.min(Math.max(0, x), width - margin), Math.min(Math.max(margin, x + w), width)];
  const [y1, y2] = [Math.min(Math.max(0, y), height - margin), Math.min(Math.max(margin, y + h), height)];
  return [x1, y1, Math.max(margin, x2 - x1), Math.max(margin, y2 - y1)];
}
