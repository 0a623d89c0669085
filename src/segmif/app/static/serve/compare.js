// Two pictures of one size with a divider between them, and labels laid over one at any opacity.

import { $, make } from "./api.js";

const UNTINTED = "#000000"; // classes drawn black (unlabelled, background) leave the picture as it is

export class Compare {
  /** `figure` holds two layers, a range input and a handle; `left` and `right` are selects, `opacity` a range. */
  constructor(figure, { left, right, opacity, pointer }) {
    Object.assign(this, { figure, left, right, opacity, pointer });
    this.divider = $("input", figure);
    this.divider.addEventListener("input", () => this.place());
    for (const select of [left, right]) select.addEventListener("change", () => this.show());
    opacity.addEventListener("input", () => this.tint());
    this.divider.addEventListener("pointermove", (event) => this.tell(event));
    this.divider.addEventListener("pointerleave", () => { this.pointer.textContent = ""; });
    this.tintUrl = "";
  }

  /** `pictures`: name → URL; `classes`: [{id, name, colour}]; `labels`: Blob of the label picture, or undefined. */
  async load({ pictures, classes, labels, width, height }) {
    this.pictures = pictures;
    this.classes = new Map(classes.map((entry) => [entry.colour, entry]));
    this.size = [width, height];
    this.figure.style.aspectRatio = `${width} / ${height}`;
    this.figure.style.maxWidth = `calc(78vh * ${width / height})`;
    this.pixels = labels ? await pixelsOf(labels) : null;
    const names = [...pictures.keys(), ...(labels ? ["overlay"] : [])];
    this.fill(this.left, names, "visible");
    this.fill(this.right, names, labels ? "overlay" : "fused");
    this.opacity.disabled = !labels;
    await this.highlight(null);
    this.show();
    this.place();
  }

  fill(select, names, first) {
    const kept = names.includes(select.value) ? select.value : first;
    select.replaceChildren(...names.map((name) => make("option", { value: name }, name)));
    select.value = kept;
  }

  show() {
    for (const [side, select] of [["left", this.left], ["right", this.right]]) {
      const name = select.value;
      const layer = $(`[data-side="${side}"]`, this.figure);
      const [base, tint] = layer.children;
      base.src = this.pictures.get(name === "overlay" ? "fused" : name);
      base.alt = `${name} picture on the ${side}`;
      tint.hidden = name !== "overlay";
      if (!tint.hidden) tint.src = this.tintUrl;
      $(`.tag.${side}`, this.figure).textContent = name;
    }
    this.tint();
  }

  tint() {
    for (const tint of this.figure.querySelectorAll(".tint")) tint.style.opacity = this.opacity.value / 100;
  }

  place() {
    this.figure.style.setProperty("--cut", `${this.divider.value}%`);
  }

  /** Tint only the class of this colour, or all for null. */
  async highlight(colour) {
    if (!this.pixels) return;
    const [width, height] = this.size;
    const canvas = make("canvas", { width, height });
    const picture = new ImageData(new Uint8ClampedArray(this.pixels.data), width, height);
    const words = new Uint32Array(picture.data.buffer);
    const none = wordOf(UNTINTED);
    const only = colour === null ? null : wordOf(colour);
    for (let i = 0; i < words.length; i++) {
      if (only === null ? words[i] === none : words[i] !== only) words[i] = 0;
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done));
    URL.revokeObjectURL(this.tintUrl);
    this.tintUrl = URL.createObjectURL(blob);
    for (const tint of this.figure.querySelectorAll(".tint")) if (!tint.hidden) tint.src = this.tintUrl;
  }

  /** The class under the pointer. */
  tell(event) {
    if (!this.pixels) return;
    const box = this.figure.getBoundingClientRect();
    const [width, height] = this.size;
    const x = Math.floor(((event.clientX - box.left) / box.width) * width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const [red, green, blue] = this.pixels.data.slice(4 * (y * width + x));
    const colour = `#${[red, green, blue].map((v) => v.toString(16).padStart(2, "0")).join("")}`;
    this.pointer.textContent = `${this.classes.get(colour)?.name ?? "unlabelled"} at ${x}, ${y}`;
  }
}

async function pixelsOf(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** "#rrggbb" as an opaque pixel in memory order. */
function wordOf(colour) {
  const value = parseInt(colour.slice(1), 16);
  return new Uint32Array(new Uint8Array([value >> 16, (value >> 8) & 255, value & 255, 255]).buffer)[0];
}
