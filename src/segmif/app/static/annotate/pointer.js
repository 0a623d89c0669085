// The mouse on the picture: draw, select, move, insert and pull corners, pan and zoom.

import { inside, ringsOf, rounded } from "./store.js";

const REACH = 8;
const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

export class Pointer {
  // `editor` holds what is selected and drawn; see editor.js.
  constructor(canvas, view, editor) {
    Object.assign(this, { canvas, view, editor, drag: null });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("dblclick", () => editor.finishDraft());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // Picture coordinates, inside the picture; with Shift on the nearest corner of another polygon.
  point(screen, snap, skip = -1) {
    const { view, editor } = this;
    const [x, y] = view.toPicture(screen);
    let best = [Math.max(0, Math.min(view.width, x)), Math.max(0, Math.min(view.height, y))];
    if (!snap) return rounded(best);
    let nearest = 2 * REACH;
    editor.store.shapes.forEach((shape, i) => {
      if (i === skip) return;
      for (const corner of ringsOf(shape).flat()) {
        const d = distance(view.toScreen(corner), screen);
        if (d < nearest) [nearest, best] = [d, corner];
      }
    });
    return rounded(best);
  }

  // The corner or the middle of an edge of the selected polygon under the mouse.
  handle(screen) {
    const { view, editor } = this;
    const shape = editor.store?.shapes[editor.selected];
    if (!shape) return null;
    let found = null, nearest = REACH;
    ringsOf(shape).forEach((points, ring) => points.forEach((corner, vertex) => {
      const d = distance(view.toScreen(corner), screen);
      if (d < nearest) [nearest, found] = [d, { ring, vertex }];
    }));
    if (found) return found;
    ringsOf(shape).forEach((points, ring) => points.forEach((a, vertex) => {
      const b = points[(vertex + 1) % points.length];
      const [p, q] = [view.toScreen(a), view.toScreen(b)];
      const length = distance(p, q);
      if (length < 3 * REACH) return;
      const t = ((screen[0] - p[0]) * (q[0] - p[0]) + (screen[1] - p[1]) * (q[1] - p[1])) / length ** 2;
      if (t < 0.1 || t > 0.9) return;
      const foot = [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
      const d = distance(foot, screen);
      if (d < nearest) [nearest, found] = [d, { ring, after: vertex, edge: view.toPicture(foot) }];
    }));
    return found;
  }

  // The polygon seen at a point: the one painted last.
  shapeAt(screen) {
    const point = this.view.toPicture(screen);
    const { shapes } = this.editor.store;
    for (let i = shapes.length - 1; i >= 0; i--) if (inside(point, ringsOf(shapes[i]))) return i;
    return -1;
  }

  down(event) {
    const { editor } = this;
    if (!editor.store) return;
    this.canvas.focus({ preventScroll: true });
    const screen = this.at(event);
    this.canvas.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.button === 2 || editor.spaceHeld) this.drag = { kind: "pan", last: screen };
    else if (event.button !== 0) return;
    else if (editor.tool === "edit") this.grab(screen, event);
    else this.place(screen, event);
    editor.repaint();
  }

  place(screen, event) {
    const { editor, view } = this;
    const last = editor.draft.at(-1);
    if (last && distance(view.toScreen(last), screen) < 3) return;  // the second half of a double click
    const closes = editor.draft.length >= 3 && distance(view.toScreen(editor.draft[0]), screen) < REACH;
    if (closes) editor.finishDraft();
    else editor.draft.push(this.point(screen, event.shiftKey));
  }

  grab(screen, event) {
    const { editor } = this;
    const handle = this.handle(screen);
    if (handle?.vertex !== undefined && event.altKey) editor.removeVertex(handle.ring, handle.vertex);
    else if (handle?.vertex !== undefined) {
      editor.mark(handle, event.shiftKey || event.ctrlKey || event.metaKey);
      this.startVertex(handle.ring, handle.vertex, ringsOf(editor.shape), screen);
    } else if (handle?.edge) {
      const rings = ringsOf(editor.shape).map((ring) => [...ring]);
      rings[handle.ring].splice(handle.after + 1, 0, rounded(handle.edge));
      editor.mark({ ring: handle.ring, vertex: handle.after + 1 }, false);
      this.startVertex(handle.ring, handle.after + 1, rings, screen);
      this.drag.moved = true;
    } else this.grabShape(screen);
  }

  startVertex(ring, vertex, rings, start) {
    const index = this.editor.selected;
    this.drag = { kind: "vertex", index, ring, vertex, rings: rings.map((r) => [...r]), start, moved: false };
    this.editor.dragged = this.drag;
  }

  grabShape(screen) {
    const { editor } = this;
    const index = this.shapeAt(screen);
    if (index >= 0 && index === editor.selected) {
      const rings = ringsOf(editor.shape);
      this.drag = { kind: "shape", index, start: screen, original: rings, rings, moved: false };
      editor.dragged = this.drag;
    } else {
      editor.select(index);
      if (index < 0) this.drag = { kind: "pan", last: screen };
    }
  }

  move(event) {
    const { editor, view, drag } = this;
    if (!editor.store) return;
    const screen = this.at(event);
    editor.cursor = this.point(screen, event.shiftKey && !drag);
    if (!drag) editor.hover = editor.tool === "edit" ? this.handle(screen) : null;
    else if (drag.kind === "pan") {
      view.pan(screen[0] - drag.last[0], screen[1] - drag.last[1]);
      drag.last = screen;
    } else if (drag.moved || distance(drag.start, screen) > 3) this.pull(screen, event);
    editor.repaint();
  }

  pull(screen, event) {
    const { view, drag } = this;
    drag.moved = true;
    if (drag.kind === "vertex") {
      drag.rings[drag.ring][drag.vertex] = this.point(screen, event.shiftKey, drag.index);
      return;
    }
    const all = drag.original.flat();
    const within = (by, axis, size) => {
      const [low, high] = [Math.min(...all.map((p) => p[axis])), Math.max(...all.map((p) => p[axis]))];
      return Math.max(Math.min(0, -low), Math.min(Math.max(0, size - high), by));
    };
    const dx = within((screen[0] - drag.start[0]) / view.scale, 0, view.width);
    const dy = within((screen[1] - drag.start[1]) / view.scale, 1, view.height);
    drag.rings = drag.original.map((ring) => ring.map(([x, y]) => rounded([x + dx, y + dy])));
  }

  up(event) {
    const { drag, editor } = this;
    this.cancel();
    if (drag?.moved && drag.kind !== "pan") {
      const [points, ...holes] = drag.rings;
      const { marked } = editor;
      editor.store.replace(drag.index, { points, holes });
      editor.marked = marked;
    }
    if (editor.store) this.move(event);
  }

  cancel() {
    this.drag = null;
    this.editor.dragged = null;
    this.editor.repaint();
  }

  leave() {
    if (this.drag) return;
    this.editor.cursor = this.editor.hover = null;
    this.editor.repaint();
  }

  wheel(event) {
    event.preventDefault();
    this.view.zoom(1.0015 ** -event.deltaY, this.at(event));
    this.editor.repaint();
  }
}
