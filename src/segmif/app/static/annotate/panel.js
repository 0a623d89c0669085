// What stands around the picture: lists, classes, fields, the status line and the questions.

export const $ = (id) => document.getElementById(id);
export const CLASS_KEYS = "qwertasdfgzxcvb";
export const IGNORE = 255;

export const SHORTCUTS = [
  ["1 2 3", "visible, infrared, fused"], ["N", "draw a polygon"], ["Enter", "finish it (or double click)"],
  ["Backspace", "take back its last corner"], ["Esc", "give up, then unselect"], ["J", "cut a hole"],
  ["Q … B", "class, as in the list"], ["I", "class ignore (255)"], ["Shift", "snap to other polygons' corners"],
  ["Alt click", "delete a corner"], ["Del", "delete marked corners, or the polygon"], ["Arrows", "nudge by half a pixel"],
  ["] [", "paint later or earlier"], ["} {", "to the top or the bottom"], ["Shift click", "mark more corners"],
  ["K", "split at two marked corners"], ["Ctrl Z", "undo"], ["Ctrl Shift Z", "redo"], ["H", "hide labels"],
  ["L", "label map as trained on"], ["+ − 0", "zoom, fit"], ["Space drag", "pan (or middle button)"],
  [", .", "picture before, after"], ["Ctrl Enter", "done, and next"], ["P", "pre-label"], ["?", "this list"],
];

export function element(tag, options = {}, ...children) {
  const node = Object.assign(document.createElement(tag), options);
  node.append(...children);
  return node;
}

export function swatch(colour) {
  const node = element("span", { className: colour ? "swatch" : "swatch ignored" });
  if (colour) node.style.background = colour;
  return node;
}

// Rows are reused, so that a click is never lost to a list that was just made anew.
function rows(list, count, make) {
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(make(list.children.length));
  return [...list.children];
}

export class Panel {
  constructor(project, actions) {
    Object.assign(this, { project, actions });
    const { classes, palette } = project.label_set;
    this.entries = [...classes.map((name, id) => ({ id, name, colour: palette[id], key: CLASS_KEYS[id] || "" })),
      { id: IGNORE, name: "ignore", colour: null, key: "i" }];
    this.byId = new Map(this.entries.map((entry) => [entry.id, entry]));
    for (const entry of this.entries) {
      const button = element("button", { title: `${entry.name} (${entry.key.toUpperCase()})` },
        swatch(entry.colour), element("span", { className: "text", textContent: entry.name }),
        element("kbd", { textContent: entry.key.toUpperCase() }));
      button.dataset.class = entry.id;
      button.addEventListener("click", () => actions.setClass(entry.id));
      $("classes").append(button);
    }
    for (const [keys, text] of SHORTCUTS) {
      $("shortcut-list").append(element("kbd", { textContent: keys }), element("span", { textContent: text }));
    }
  }

  colour(id) { return this.byId.get(id)?.colour || "#808080"; }

  classes(current) {
    for (const button of $("classes").children) {
      const on = Number(button.dataset.class) === current;
      button.classList.toggle("active", on);
      button.setAttribute("aria-pressed", on);
    }
  }

  pictures(current) {
    const { pictures } = this.project;
    const done = pictures.filter((picture) => picture.done).length;
    $("progress-bar").style.width = `${(100 * done) / Math.max(1, pictures.length)}%`;
    $("progress-text").textContent = `${done} of ${pictures.length} done`;
    rows($("pictures"), pictures.length, (i) => {
      const button = element("button", {}, element("span", { className: "dot" }),
        element("span", { className: "label" }, element("bdi", { textContent: pictures[i].name })),
        element("span", { className: "count" }));
      button.title = pictures[i].name;
      button.addEventListener("click", () => this.actions.open(i));
      return element("li", {}, button);
    }).forEach((row, i) => {
      const [button] = row.children;
      const [dot, , count] = button.children;
      dot.className = `dot ${pictures[i].done ? "done" : pictures[i].shapes ? "begun" : ""}`;
      count.textContent = pictures[i].shapes || "";
      button.classList.toggle("active", i === current);
      if (i === current && this.shown !== i) button.scrollIntoView({ block: "nearest" });
    });
    this.shown = current;
  }

  shapes(shapes, selected) {
    const last = shapes.length - 1;
    rows($("shapes"), shapes.length, () => {
      const button = element("button", {}, swatch("#000"), element("span", { className: "text" }), element("span", { className: "faint" }));
      button.addEventListener("click", () => this.actions.select(this.count - 1 - [...$("shapes").children].indexOf(button.parentNode)));
      return element("li", {}, button);
    }).forEach((row, i) => {
      const shape = shapes[last - i];
      const [button] = row.children;
      const [mark, text, note] = button.children;
      const entry = this.byId.get(shape.class);
      mark.className = entry?.colour ? "swatch" : "swatch ignored";
      mark.style.background = entry?.colour || "";
      text.textContent = entry?.name ?? shape.class;
      note.textContent = [shape.instance ? `#${shape.instance}` : "", shape.holes?.length ? `${shape.holes.length} hole${shape.holes.length > 1 ? "s" : ""}` : ""].filter(Boolean).join(" ");
      button.classList.toggle("active", last - i === selected);
      if (last - i === selected && this.marked !== selected) button.scrollIntoView({ block: "nearest" });
    });
    this.count = shapes.length;
    this.marked = selected;
  }

  fields(document, shape) {
    const set = (id, value, disabled) => {
      if (window.document.activeElement !== $(id)) $(id).value = value;
      $(id).disabled = disabled;
    };
    set("instance", shape?.instance || "", !shape || shape.class === IGNORE);
    set("band", shape?.band || (shape ? 0 : ""), !shape);
    set("ignore-band", document.ignore_band, false);
    $("done").setAttribute("aria-pressed", document.done);
  }

  status(state, error) {
    const words = { saved: "saved", saving: "saving …", unsaved: "unsaved", loading: "loading …", problem: "not saved" };
    $("status").textContent = words[state];
    $("status").dataset.state = state;
    if (state === "saved" && this.troubled) this.message("");
    if (state === "problem") {
      this.message(error?.message || "the server does not answer; it is tried again");
      this.troubled = true;
    }
  }

  // A line over the picture. Only one about saving goes by itself when that works again.
  message(text, ...buttons) {
    this.troubled = false;
    $("message").replaceChildren(text, ...buttons);
    $("message").hidden = !text;
  }

  // A question in the page; true for yes.
  ask(text, yes) {
    const dialog = $("question");
    $("question-text").textContent = text;
    $("question-yes").textContent = yes;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
