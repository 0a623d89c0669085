// Where the picture lies on the screen, and painting it: the bands, the labels in their order, outlines and handles.

import { ringsOf } from "./store.js";

const MARGIN = 24, LARGEST = 40;

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.layer = document.createElement("canvas");
    Object.assign(this, { scale: 1, x: 0, y: 0, width: 1, height: 1, fitted: true });
    this.adjusted = new Map();
  }

  // Screen (CSS pixels from the canvas' corner) and picture coordinates.
  toPicture([x, y]) { return [(x - this.x) / this.scale, (y - this.y) / this.scale]; }
  toScreen([x, y]) { return [x * this.scale + this.x, y * this.scale + this.y]; }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.ratio = ratio;
    if (this.fitted) this.fit();
  }

  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    this.scale = Math.max(0.02, Math.min((clientWidth - 2 * MARGIN) / this.width, (clientHeight - 2 * MARGIN) / this.height));
    this.x = (clientWidth - this.width * this.scale) / 2;
    this.y = (clientHeight - this.height * this.scale) / 2;
    this.fitted = true;
  }

  zoom(factor, at = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const before = this.toPicture(at);
    this.scale = Math.max(0.05, Math.min(LARGEST, this.scale * factor));
    this.x = at[0] - before[0] * this.scale;
    this.y = at[1] - before[1] * this.scale;
    this.fitted = false;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
  }

  show(width, height, bitmaps) {
    Object.assign(this, { width, height, bitmaps });
    this.adjusted.clear();
    if (this.fitted) this.fit();
  }

  paint(state) {
    const c = this.context;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    c.imageSmoothingEnabled = this.scale < 3;
    this.picture(state.band, 1, state.tone);
    if (state.blend > 0) this.picture("infrared", state.blend, state.tone);
    if (!state.hidden && state.labels) this.image(state.labels, state.opacity);
    else if (!state.hidden) this.fills(state);
    c.globalAlpha = 1;
    if (!state.hidden && !state.labels) this.outlines(state);
    this.selection(state);
    this.drawing(state);
  }

  image(source, alpha) {
    this.context.globalAlpha = alpha;
    this.context.drawImage(source, this.x, this.y, this.width * this.scale, this.height * this.scale);
  }

  picture(band, alpha, tone) {
    const bitmap = this.bitmaps?.[band];
    if (bitmap) this.image(this.toned(band, bitmap, tone[band]), alpha);
  }

  // The bitmap with brightness and contrast, made once for each setting.
  toned(band, bitmap, { brightness, contrast }) {
    if (!brightness && !contrast) return bitmap;
    const key = `${brightness}/${contrast}`;
    const kept = this.adjusted.get(band);
    if (kept?.key === key) return kept.canvas;
    const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
    const c = canvas.getContext("2d");
    c.drawImage(bitmap, 0, 0);
    const data = c.getImageData(0, 0, canvas.width, canvas.height);
    const gain = contrast < 0 ? 1 + contrast / 100 : 1 + contrast / 25;
    const table = Uint8ClampedArray.from({ length: 256 }, (_, v) => (v - 127.5) * gain + 127.5 + brightness * 1.6);
    for (let i = 0; i < data.data.length; i += 4) {
      for (let k = 0; k < 3; k++) data.data[i + k] = table[data.data[i + k]];
    }
    c.putImageData(data, 0, 0);
    this.adjusted.set(band, { key, canvas });
    return canvas;
  }

  trace(c, ring, open = false) {
    ring.forEach((point, i) => {
      const [x, y] = this.toScreen(point);
      if (i) c.lineTo(x, y); else c.moveTo(x, y);
    });
    if (!open) c.closePath();
  }

  // Opaque on a layer of their own, so that overlapping polygons show the one painted last and no mixture.
  fills({ shapes, colour, opacity, dragged }) {
    const { layer, canvas } = this;
    Object.assign(layer, { width: canvas.width, height: canvas.height });
    const c = layer.getContext("2d");
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.save();
    c.beginPath();
    c.rect(this.x, this.y, this.width * this.scale, this.height * this.scale);
    c.clip();
    shapes.forEach((shape, i) => {
      c.beginPath();
      (dragged?.index === i ? dragged.rings : ringsOf(shape)).forEach((ring) => this.trace(c, ring));
      c.fillStyle = shape.class === 255 ? this.hatch(c) : colour(shape.class);
      c.fill("evenodd");
    });
    c.restore();
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = opacity;
    this.context.drawImage(layer, 0, 0);
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
  }

  hatch(c) {
    if (!this.pattern) {
      const tile = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
      const t = tile.getContext("2d");
      t.fillStyle = "#d8d8d8";
      t.fillRect(0, 0, 8, 8);
      t.strokeStyle = "#444";
      t.lineWidth = 2;
      for (const shift of [-8, 0, 8]) {
        t.moveTo(shift - 1, 9);
        t.lineTo(shift + 9, -1);
      }
      t.stroke();
      this.pattern = tile;
    }
    return c.createPattern(this.pattern, "repeat");
  }

  outlines({ shapes, colour, selected, dragged }) {
    const c = this.context;
    c.lineJoin = "round";
    shapes.forEach((shape, i) => {
      if (i === selected) return;
      c.beginPath();
      (dragged?.index === i ? dragged.rings : ringsOf(shape)).forEach((ring) => this.trace(c, ring));
      c.lineWidth = 1.25;
      c.strokeStyle = shape.class === 255 ? "#e8e8e8" : colour(shape.class);
      c.stroke();
    });
  }

  selection({ shapes, selected, dragged, marked, hover }) {
    const shape = shapes[selected];
    if (!shape) return;
    const c = this.context;
    const rings = dragged?.index === selected ? dragged.rings : ringsOf(shape);
    for (const [width, style] of [[4, "#000a"], [1.75, "#fff"]]) {
      c.beginPath();
      rings.forEach((ring) => this.trace(c, ring));
      c.lineWidth = width;
      c.strokeStyle = style;
      c.stroke();
    }
    rings.forEach((ring, r) => ring.forEach((point, v) => {
      const [x, y] = this.toScreen(point);
      const on = marked.some((m) => m.ring === r && m.vertex === v);
      const size = on || (hover?.ring === r && hover?.vertex === v) ? 4.5 : 3;
      c.fillStyle = on ? "#e8b04b" : "#fff";
      c.strokeStyle = "#000";
      c.lineWidth = 1;
      c.fillRect(x - size, y - size, 2 * size, 2 * size);
      c.strokeRect(x - size, y - size, 2 * size, 2 * size);
    }));
    if (hover?.edge) {
      const [x, y] = this.toScreen(hover.edge);
      c.beginPath();
      c.arc(x, y, 4, 0, 2 * Math.PI);
      c.fillStyle = "#e8b04b";
      c.fill();
    }
  }

  drawing({ draft, cursor, colour, current }) {
    if (!draft?.length) return;
    const c = this.context;
    const ring = cursor ? [...draft, cursor] : draft;
    c.beginPath();
    this.trace(c, ring, true);
    c.globalAlpha = 0.25;
    c.fillStyle = current === 255 ? "#fff" : colour(current);
    c.fill();
    c.globalAlpha = 1;
    for (const [width, style] of [[3.5, "#000a"], [1.75, current === 255 ? "#fff" : colour(current)]]) {
      c.lineWidth = width;
      c.strokeStyle = style;
      c.stroke();
    }
    draft.forEach((point, i) => {
      const [x, y] = this.toScreen(point);
      c.beginPath();
      c.arc(x, y, i ? 3 : 5, 0, 2 * Math.PI);
      c.fillStyle = i ? "#fff" : "#e8b04b";
      c.fill();
      c.strokeStyle = "#000";
      c.lineWidth = 1;
      c.stroke();
    });
  }
}
