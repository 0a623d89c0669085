// The editor: what is open, selected and being drawn, and what keys and buttons do to it.

import * as api from "./api.js";
import { $, Panel, element } from "./panel.js";
import { Pointer } from "./pointer.js";
import { Store, area, ringsOf, rounded } from "./store.js";
import { View } from "./view.js";

const BANDS = ["visible", "infrared", "fused"];
const THINGS = new Set(["person", "car", "truck", "bus", "motorcycle", "bicycle", "bike", "traffic lamp", "traffic sign"]);
const HINTS = {
  edit: "Click a polygon to select it; pull corners and edges. N draws.",
  draw: "Click the corners; Enter, double click or the first corner closes. Shift snaps.",
  hole: "Click the corners of the hole; Enter closes.",
};

export class Editor {
  constructor(project) {
    this.project = project;
    this.panel = new Panel(project, this);
    this.view = new View($("canvas"));
    Object.assign(this, { index: -1, store: null, selected: -1, tool: "edit", draft: [], marked: [], hover: null,
      cursor: null, dragged: null, spaceHeld: false, current: project.label_set.classes.length > 1 ? 1 : 0, band: "visible", blend: 0,
      opacity: 0.45, hidden: false, labels: null, asked: 0 });
    this.tone = Object.fromEntries(BANDS.map((band) => [band, { brightness: 0, contrast: 0 }]));
    this.pointer = new Pointer($("canvas"), this.view, this);
    new ResizeObserver(() => { this.view.resize(); this.paint(); }).observe($("canvas"));
    $("prelabel").hidden = !project.model;
    this.view.resize();
  }

  get shape() { return this.store?.shapes[this.selected]; }
  get name() { return this.project.pictures[this.index]?.name; }
  isThing(id) { return THINGS.has(this.project.label_set.classes[id]); }

  // -- pictures ------------------------------------------------------------------------------------------------

  async open(index) {
    if (index < 0 || index >= this.project.pictures.length || index === this.index) return;
    if (!(await this.leave())) return;
    const asked = ++this.asked;
    const { name } = this.project.pictures[index];
    this.panel.status("loading");
    try {
      const [document, visible, infrared] = await Promise.all([
        api.loadDocument(name), api.picture("visible", name), api.picture("infrared", name)]);
      if (asked !== this.asked) return;
      this.begin(index, document, { visible, infrared });
    } catch (error) {
      this.panel.status("problem", error);
      return;
    }
    if (this.band === "fused") this.loadFused();
  }

  begin(index, document, bitmaps) {
    Object.assign(this, { index, selected: -1, draft: [], marked: [], hover: null, dragged: null, labels: null });
    this.save = new api.Autosave(this.name, document, (state, error) => this.saved(state, error));
    this.store = new Store(document, () => this.changed());
    this.view.show(document.width, document.height, bitmaps);
    $("picture-name").textContent = this.name;
    history.replaceState(null, "", `#${encodeURIComponent(this.name)}`);
    this.panel.message("");
    this.panel.status("saved");
    this.refresh();
  }

  // Put the open picture on disk first; false if that fails and the user stays.
  async leave() {
    if (!this.save?.dirty) return true;
    try {
      await this.save.flush();
      return true;
    } catch {
      return this.panel.ask("The last changes could not be saved. Leave this picture without them?", "Leave");
    }
  }

  async loadFused() {
    const { bitmaps } = this.view, { name } = this;
    if (bitmaps.fused) return;
    this.panel.message(this.project.model ? "the model fuses the pair …" : "fusing …");
    try {
      bitmaps.fused = await api.picture("fused", name);
      if (this.name === name) this.panel.message("");
    } catch (error) {
      this.panel.message(error.message);
    }
    this.paint();
  }

  // -- changes -------------------------------------------------------------------------------------------------

  changed() {
    const picture = this.project.pictures[this.index];
    Object.assign(picture, { shapes: this.store.shapes.length, done: this.store.document.done });
    if (this.selected >= this.store.shapes.length) this.selected = -1;
    this.marked = [];
    this.labels = null;
    this.save.change(this.store.document);
    this.refresh();
  }

  saved(state, error) {
    this.panel.status(state, error);
    if (error?.status === 409) {
      const theirs = element("button", { textContent: "Load theirs" });
      const mine = element("button", { textContent: "Keep mine" });
      theirs.addEventListener("click", () => this.begin(this.index, error.current, this.view.bitmaps));
      mine.addEventListener("click", () => { this.panel.message(""); this.save.insist(error.current); });
      this.panel.message(`${error.message}.`, theirs, mine);
    }
  }

  undo(by) {
    if (this.draft.length) this.draft.pop();
    else this.store?.step(by);
    this.repaint();
  }

  setClass(id) {
    this.current = id;
    if (this.shape && this.tool !== "draw") this.store.setClass(this.selected, id, this.isThing(id));
    this.refresh();
  }

  setTool(tool) {
    if (tool === "hole" && !this.shape) {
      this.panel.message("Select the polygon first that gets the hole.");
      setTimeout(() => this.panel.message(""), 2500);
      return;
    }
    Object.assign(this, { tool, draft: [], hover: null });
    if (tool === "draw") this.selected = -1;
    this.refresh();
  }

  finishDraft() {
    if (this.draft.length >= 3 && area(this.draft) > 0) {
      const points = this.draft.map(rounded);
      this.draft = [];
      if (this.tool === "hole") this.store.replace(this.selected, { holes: [...(this.shape.holes || []), points] });
      else {
        const instance = this.isThing(this.current) ? { instance: this.store.nextInstance() } : {};
        this.selected = this.store.add({ class: this.current, ...instance, points });
      }
      this.tool = "edit";
    }
    this.refresh();
  }

  escape() {
    if (this.draft.length) this.draft = [];
    else if (this.tool !== "edit") this.tool = "edit";
    else this.selected = -1;
    this.marked = [];
    this.refresh();
  }

  select(index) {
    Object.assign(this, { selected: index, marked: [], hover: null, tool: "edit", draft: [] });
    if (this.shape) this.current = this.shape.class;
    this.refresh();
  }

  mark(handle, more) {
    const same = (m) => m.ring === handle.ring && m.vertex === handle.vertex;
    if (more) this.marked = this.marked.some(same) ? this.marked.filter((m) => !same(m)) : [...this.marked, handle];
    else this.marked = [handle];
  }

  removeVertex(ring, vertex) {
    if (!this.store.removeVertex(this.selected, ring, vertex)) this.selected = -1;
    this.refresh();
  }

  remove() {
    if (!this.shape) return;
    if (!this.marked.length) {
      const gone = this.selected;
      this.selected = -1;
      this.store.remove(gone);
    } else {
      const rings = ringsOf(this.shape).map((ring, r) => ring.filter((_, v) => !this.marked.some((m) => m.ring === r && m.vertex === v)));
      if (rings[0].length < 3) { this.marked = []; return this.remove(); }
      this.store.replace(this.selected, { points: rings[0], holes: rings.slice(1).filter((ring) => ring.length >= 3) });
    }
    return this.refresh();
  }

  reorder(by) {
    if (!this.shape) return;
    const to = this.store.reorder(this.selected, by);
    this.selected = to;
    this.refresh();
  }

  split() {
    const [a, b] = this.marked;
    if (this.marked.length === 2 && a.ring === 0 && b.ring === 0 && this.store.split(this.selected, a.vertex, b.vertex)) return;
    this.panel.message("Mark two corners of the outline that are no neighbours (click one, Shift click the other), then split.");
    setTimeout(() => this.panel.message(""), 3500);
  }

  nudge(dx, dy) {
    if (!this.shape) return;
    const moves = (r, v) => !this.marked.length || this.marked.some((m) => m.ring === r && m.vertex === v);
    const [points, ...holes] = ringsOf(this.shape).map((ring, r) => ring.map(([x, y], v) => rounded(moves(r, v) ? [x + dx, y + dy] : [x, y])));
    const { marked } = this;
    this.store.replace(this.selected, { points, holes });
    this.marked = marked;
    this.repaint();
  }

  setInstance(value) {
    const number = Math.max(0, Math.round(Number(value) || 0));
    const other = this.store.shapes.some((s, i) => i !== this.selected && s.instance === number && s.class !== this.shape.class);
    if (number && other) this.panel.message(`Object ${number} is of another class; take another number.`);
    else { this.panel.message(""); this.store.replace(this.selected, { instance: number || undefined }); }
  }

  async prelabel() {
    const { store, name } = this;
    if (!this.project.model || !store) return;
    const count = store.shapes.length;
    if (count && !(await this.panel.ask(`Replace the ${count} polygons by the model's? You can undo it.`, "Replace"))) return;
    this.panel.message("the model draws …");
    try {
      const shapes = await api.prelabel(name);
      if (this.name !== name) return;
      this.panel.message("");
      this.selected = -1;
      store.push({ shapes });
    } catch (error) {
      this.panel.message(error.message);
    }
  }

  toggleDone() { this.store?.push({ done: !this.store.document.done }); }

  finishPicture() {
    if (this.store && !this.store.document.done) this.store.push({ done: true });
    this.open(this.index + 1);
  }

  // -- view ----------------------------------------------------------------------------------------------------

  setBand(band) {
    this.band = band;
    if (band === "fused" && this.store) this.loadFused();
    this.refresh();
  }

  async toggleRaster() {
    if (this.labels || !this.store) { this.labels = null; return this.refresh(); }
    try {
      await this.save.flush();
      this.labels = await api.picture("labels", this.name);
    } catch (error) {
      this.panel.message(error.message);
    }
    return this.refresh();
  }

  refresh() {
    const { panel, store } = this;
    panel.pictures(this.index);
    panel.classes(this.current);
    if (store) {
      panel.shapes(store.shapes, this.selected);
      panel.fields(store.document, this.shape);
    }
    for (const button of document.querySelectorAll("[data-band]")) button.classList.toggle("active", button.dataset.band === this.band);
    for (const tool of ["edit", "draw", "hole"]) $(`tool-${tool}`).classList.toggle("active", tool === this.tool);
    $("undo").disabled = !store?.canUndo;
    $("redo").disabled = !store?.canRedo;
    for (const id of ["up", "down", "delete", "split"]) $(id).disabled = !this.shape;
    $("hide").setAttribute("aria-pressed", this.hidden);
    $("raster").setAttribute("aria-pressed", this.labels !== null);
    $("brightness-label").textContent = `${this.band[0].toUpperCase()}${this.band.slice(1)} brightness`;
    const shown = { blend: this.blend * 100, opacity: this.opacity * 100, ...this.tone[this.band] };
    for (const [id, value] of Object.entries(shown)) {
      $(id).value = Math.round(value);
      $(id).parentNode.querySelector("output").textContent = Math.round(value);
    }
    $("hint").textContent = HINTS[this.tool];
    $("canvas").style.cursor = this.tool === "edit" ? "default" : "crosshair";
    this.repaint();
  }

  repaint() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    if (!this.store) return;
    this.view.paint({ ...this, shapes: this.store.shapes, colour: (id) => this.panel.colour(id) });
    $("zoom").textContent = `${Math.round(this.view.scale * 100)} %`;
    $("position").textContent = this.cursor ? `${this.cursor[0].toFixed(1)}, ${this.cursor[1].toFixed(1)}` : "";
  }
}
