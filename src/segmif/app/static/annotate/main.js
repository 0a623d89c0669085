// The annotator: asks for the project, makes the editor, and ties buttons, keys and the page's end to it.

import * as api from "./api.js";
import { Editor } from "./editor.js";
import { keyboard } from "./keys.js";
import { $ } from "./panel.js";

function buttons(editor) {
  const click = (id, action) => $(id).addEventListener("click", () => { action(); $(id).blur(); });
  for (const tool of ["edit", "draw", "hole"]) click(`tool-${tool}`, () => editor.setTool(tool));
  click("undo", () => editor.undo(-1));
  click("redo", () => editor.undo(1));
  click("prelabel", () => editor.prelabel());
  click("done", () => editor.toggleDone());
  click("help", () => $("shortcuts").showModal());
  click("hide", () => { editor.hidden = !editor.hidden; editor.refresh(); });
  click("raster", () => editor.toggleRaster());
  click("fit", () => { editor.view.fit(); editor.paint(); });
  click("up", () => editor.reorder(1));
  click("down", () => editor.reorder(-1));
  click("split", () => editor.split());
  click("delete", () => editor.remove());
  for (const button of document.querySelectorAll("[data-band]")) button.addEventListener("click", () => { editor.setBand(button.dataset.band); button.blur(); });
  const slide = (id, set) => $(id).addEventListener("input", () => { set(Number($(id).value)); editor.refresh(); });
  slide("blend", (value) => { editor.blend = value / 100; });
  slide("opacity", (value) => { editor.opacity = value / 100; });
  slide("brightness", (value) => { editor.tone[editor.band].brightness = value; });
  slide("contrast", (value) => { editor.tone[editor.band].contrast = value; });
  const number = (id, most, set) => $(id).addEventListener("change", () => {
    set(Math.min(most, Math.max(0, Math.round(Number($(id).value) || 0))));
    $(id).blur();
    editor.refresh();
  });
  number("instance", 2 ** 31 - 1, (value) => editor.setInstance(value));
  number("band", 255, (value) => editor.store.replace(editor.selected, { band: value }));
  number("ignore-band", 255, (value) => editor.store.push({ ignore_band: value }));
}

async function start() {
  const project = await api.project();
  const editor = new Editor(project);
  window.annotator = editor;  // for the console and for tests
  buttons(editor);
  keyboard(editor);
  document.title = `${project.root} – segmif annotate`;
  window.addEventListener("beforeunload", (event) => {
    if (!editor.save?.dirty) return;
    editor.save.flush().catch(() => {});
    event.preventDefault();
  });
  const asked = decodeURIComponent(location.hash.slice(1));
  const unfinished = project.pictures.findIndex((picture) => !picture.done);
  const wanted = project.pictures.findIndex((picture) => picture.name === asked);
  await editor.open(wanted >= 0 ? wanted : Math.max(0, unfinished));
}

start().catch((error) => {
  $("message").textContent = `The annotator could not start: ${error.message}`;
  $("message").hidden = false;
});
