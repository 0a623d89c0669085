// The document being drawn: immutable states, so that undo is a step back in a list.

const LIMIT = 300;
const round = (value) => Math.round(value * 1000) / 1000;
export const rounded = ([x, y]) => [round(x), round(y)];

export class Store {
  constructor(document, changed) {
    this.states = [document];
    this.at = 0;
    this.changed = changed;
  }

  get document() { return this.states[this.at]; }
  get shapes() { return this.document.shapes; }
  get canUndo() { return this.at > 0; }
  get canRedo() { return this.at < this.states.length - 1; }

  push(part) {
    this.states = [...this.states.slice(0, this.at + 1).slice(-LIMIT), { ...this.document, ...part }];
    this.at = this.states.length - 1;
    this.changed();
  }

  step(by) {
    const next = this.at + by;
    if (next < 0 || next >= this.states.length) return false;
    this.at = next;
    this.changed();
    return true;
  }

  add(shape) {
    this.push({ shapes: [...this.shapes, shape] });
    return this.shapes.length - 1;
  }

  replace(index, part) {
    this.push({ shapes: this.shapes.map((shape, i) => (i === index ? clean({ ...shape, ...part }) : shape)) });
  }

  remove(index) {
    this.push({ shapes: this.shapes.filter((_, i) => i !== index) });
  }

  // Paint a shape later (by > 0) or earlier; its new position.
  reorder(index, by) {
    const to = Math.max(0, Math.min(this.shapes.length - 1, index + by));
    if (to === index) return index;
    const shapes = [...this.shapes];
    shapes.splice(to, 0, ...shapes.splice(index, 1));
    this.push({ shapes });
    return to;
  }

  setRing(index, ring, points) {
    const shape = this.shapes[index];
    const kept = points.map(rounded);
    if (ring === 0) this.replace(index, { points: kept });
    else this.replace(index, { holes: shape.holes.map((hole, i) => (i === ring - 1 ? kept : hole)) });
  }

  // Taking a corner away from a triangle takes the ring away, or the whole shape. True if the shape is still there.
  removeVertex(index, ring, vertex) {
    const points = ringsOf(this.shapes[index])[ring].filter((_, i) => i !== vertex);
    if (points.length >= 3) this.setRing(index, ring, points);
    else if (ring > 0) this.replace(index, { holes: this.shapes[index].holes.filter((_, i) => i !== ring - 1) });
    else { this.remove(index); return false; }
    return true;
  }

  // Two shapes instead of one, cut along the line between two corners of the outline.
  split(index, a, b) {
    const shape = this.shapes[index];
    const [i, j] = a < b ? [a, b] : [b, a];
    const halves = [shape.points.slice(i, j + 1), [...shape.points.slice(j), ...shape.points.slice(0, i + 1)]];
    if (halves.some((half) => half.length < 3)) return false;
    const shapes = halves.map((points) => clean({ ...shape, points, holes: (shape.holes || []).filter((h) => inside(h[0], [points])) }));
    this.push({ shapes: [...this.shapes.slice(0, index), ...shapes, ...this.shapes.slice(index + 1)] });
    return true;
  }

  setClass(index, classId, isThing) {
    const shape = this.shapes[index];
    const alone = shape.instance && this.shapes.filter((s) => s.instance === shape.instance).length === 1;
    const instance = isThing ? (alone ? shape.instance : this.nextInstance()) : undefined;
    if (shape.class !== classId) this.replace(index, { class: classId, instance });
  }

  nextInstance() { return 1 + this.shapes.reduce((most, shape) => Math.max(most, shape.instance || 0), 0); }
}

// Members that are not set are not kept.
function clean(shape) {
  const kept = { ...shape };
  if (!kept.instance) delete kept.instance;
  if (!kept.band) delete kept.band;
  if (!kept.holes?.length) delete kept.holes;
  return kept;
}

export const ringsOf = (shape) => [shape.points, ...(shape.holes || [])];

// Whether a point lies in the rings together, even-odd: so holes count as outside.
export function inside([x, y], rings) {
  let odd = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi, yi] = ring[i], [xj, yj] = ring[j];
      if (yi > y !== yj > y && x < xi + ((y - yi) * (xj - xi)) / (yj - yi)) odd = !odd;
    }
  }
  return odd;
}

export function area(ring) {
  let sum = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) sum += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1];
  return Math.abs(sum) / 2;
}
