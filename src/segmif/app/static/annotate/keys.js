// The keyboard. Letters choose classes as their keys lie: q w e r t, a s d f g, z x c v b.

import { $, CLASS_KEYS, IGNORE } from "./panel.js";

const typing = (target) => target.tagName === "INPUT" && target.type !== "range";

export function keyboard(editor) {
  const plain = {
    1: () => editor.setBand("visible"),
    2: () => editor.setBand("infrared"),
    3: () => editor.setBand("fused"),
    n: () => editor.setTool(editor.tool === "draw" ? "edit" : "draw"),
    j: () => editor.setTool("hole"),
    k: () => editor.split(),
    h: () => { editor.hidden = !editor.hidden; editor.refresh(); },
    l: () => editor.toggleRaster(),
    p: () => editor.prelabel(),
    i: () => editor.setClass(IGNORE),
    0: () => { editor.view.fit(); editor.paint(); },
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    "]": () => editor.reorder(1),
    "[": () => editor.reorder(-1),
    "}": () => editor.reorder(Infinity),
    "{": () => editor.reorder(-Infinity),
    ",": () => editor.open(editor.index - 1),
    ".": () => editor.open(editor.index + 1),
    "?": () => $("shortcuts").showModal(),
    Enter: () => editor.finishDraft(),
    Escape: () => editor.escape(),
    Delete: () => editor.remove(),
    Backspace: () => (editor.tool === "edit" ? editor.remove() : editor.undo(-1)),
    ArrowLeft: () => editor.nudge(-0.5, 0),
    ArrowRight: () => editor.nudge(0.5, 0),
    ArrowUp: () => editor.nudge(0, -0.5),
    ArrowDown: () => editor.nudge(0, 0.5),
  };
  const zoom = (factor) => { editor.view.zoom(factor); editor.paint(); };
  [...CLASS_KEYS].forEach((key, id) => {
    if (id < editor.project.label_set.classes.length) plain[key] = () => editor.setClass(id);
  });
  const held = {
    z: (event) => editor.undo(event.shiftKey ? 1 : -1),
    y: () => editor.undo(1),
    s: () => editor.save?.flush().catch(() => {}),
    Enter: () => editor.finishPicture(),
  };

  window.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || typing(event.target)) return;
    if (event.key === " ") {
      editor.spaceHeld = true;
      if (event.target.tagName !== "BUTTON") event.preventDefault();
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = event.ctrlKey || event.metaKey ? held[key] : event.altKey ? null : plain[key];
    if (!action || (key === "Enter" && event.target.tagName === "BUTTON")) return;
    event.preventDefault();
    action(event);
  });
  window.addEventListener("keyup", (event) => { if (event.key === " ") editor.spaceHeld = false; });
  window.addEventListener("blur", () => { editor.spaceHeld = false; });
}
