// One pair: choose, fuse, look.

import { $, ask, askJson, checkSize, dropZone, make, percent, say, send } from "./api.js";
import { Compare } from "./compare.js";
import { unzip } from "./zip.js";

const BANDS = ["infrared", "visible"];
const WORDS = {
  infrared: /(^|[^a-z])(infrared|ir|thermal|lwir|flir)([^a-z]|$)/i,
  visible: /(^|[^a-z])(visible|vis|vi|rgb|colou?r)([^a-z]|$)/i,
};
const PREVIEWED = /^image\/(png|jpeg|webp|bmp)$/;

export class Pair {
  constructor(limits) {
    this.limits = limits;
    this.files = { infrared: null, visible: null };
    this.urls = [];
    this.form = $("#pair-form");
    this.status = $("#pair-status");
    this.compare = new Compare($("#compare"), {
      left: $("#left"), right: $("#right"), opacity: $("#opacity"), pointer: $("#pointer"),
    });
    for (const band of BANDS) this.listen(band);
    $("#swap").addEventListener("click", () => this.swap());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.fuse();
    });
    for (const name of ["model", "guide", "align"]) {
      this.form.elements[name].addEventListener("change", () => this.ready() && !$("#pair-result").hidden && this.fuse());
    }
    dropZone($("#view-pair"), (files) => this.takeAny(files));
  }

  slot(band) {
    return $(`.slot[data-band="${band}"]`, this.form);
  }

  listen(band) {
    const slot = this.slot(band);
    const input = $("input", slot);
    input.addEventListener("change", () => input.files.length && this.take(band, input.files[0]));
    dropZone(slot, (files) => (files.length > 1 ? this.takeAny(files) : this.take(band, files[0])));
  }

  /** Dropped beside the slots: by name, else into the slot that is free. */
  takeAny(files) {
    const [first, second] = files;
    if (second) {
      const crossed = WORDS.visible.test(first.name) || WORDS.infrared.test(second.name);
      this.set("infrared", crossed ? second : first);
      this.take("visible", crossed ? first : second);
    } else {
      const named = BANDS.find((band) => WORDS[band].test(first.name));
      this.take(named ?? (this.files.infrared && !this.files.visible ? "visible" : "infrared"), first);
    }
  }

  take(band, file) {
    this.set(band, file);
    if (this.ready()) this.fuse();
  }

  ready() {
    return Boolean(this.files.infrared && this.files.visible);
  }

  set(band, file) {
    this.files[band] = file;
    const slot = this.slot(band);
    const image = $("img", slot);
    URL.revokeObjectURL(image.src);
    image.hidden = !PREVIEWED.test(file.type);
    if (!image.hidden) image.src = URL.createObjectURL(file);
    image.onerror = () => { image.hidden = true; };
    slot.classList.add("filled");
    $(".slot-hint", slot).textContent = file.name;
    $("#swap").disabled = $("#fuse").disabled = !this.ready();
  }

  swap() {
    const { infrared, visible } = this.files;
    this.set("infrared", visible);
    this.set("visible", infrared);
    this.fuse();
  }

  async showExamples(examples) {
    const buttons = examples.map(({ name, visible, infrared }) => {
      const button = make("button", { type: "button", className: "example" }, make("img", { src: visible, alt: "" }), name);
      button.addEventListener("click", () => this.example(name, { infrared, visible }));
      return button;
    });
    $("#examples").replaceChildren(...buttons);
  }

  async example(name, addresses) {
    try {
      for (const band of BANDS) {
        const blob = await (await ask(addresses[band])).blob();
        this.set(band, new File([blob], `${name}_${band}.png`, { type: blob.type }));
      }
      await this.fuse();
    } catch (error) {
      say(this.status, error.message, "error");
    }
  }

  async fuse() {
    this.request?.abort();
    const request = (this.request = new AbortController());
    const { model, guide, align } = this.form.elements;
    const parameters = { output: "all", model: model.value, guide: guide.value, align: align.checked };
    const start = performance.now();
    const tick = () => say(this.status, `Fusing … ${Math.round((performance.now() - start) / 1000)} s`, "busy");
    tick();
    const clock = setInterval(tick, 1000);
    try {
      checkSize(Object.values(this.files), this.limits.pair_bytes);
      const response = await send("/fuse", parameters, this.files, { signal: request.signal });
      const buffer = await response.arrayBuffer();
      if (request.signal.aborted) return;
      await this.show(buffer);
      say(this.status, "");
    } catch (error) {
      if (error.name !== "AbortError" && request === this.request) say(this.status, error.message, "error");
    } finally {
      clearInterval(clock);
    }
  }

  async show(buffer) {
    const files = unzip(buffer);
    const report = JSON.parse(await files.get("report.json").text());
    for (const url of this.urls) URL.revokeObjectURL(url);
    const urls = new Map([...files].map(([name, blob]) => [name, URL.createObjectURL(blob)]));
    const all = URL.createObjectURL(new Blob([buffer], { type: "application/zip" }));
    this.urls = [...urls.values(), all];
    const pictures = new Map(
      ["infrared", "visible", "fused", "labels"].filter((n) => urls.has(`${n}.png`)).map((n) => [n, urls.get(`${n}.png`)]),
    );
    $("#pair-empty").hidden = true;
    $("#pair-result").hidden = false;
    await this.compare.load({ pictures, labels: files.get("labels.png"), ...report });
    const link = $("#download");
    link.href = all;
    link.download = `${this.files.visible.name.replace(/\.[^.]*$/, "")}_segmif.zip`;
    $("#facts").textContent =
      `${report.width} × ${report.height}, ${report.model}, guide ${report.guide}, ${report.seconds.toFixed(1)} s`;
    this.showNotes(report);
    this.showLegend(report.classes);
    showMetrics(report.metrics);
    showAttention(report.attention, urls);
  }

  showNotes(report) {
    const items = report.notes.map((note) => {
      const item = make("li", {}, note[0].toUpperCase() + note.slice(1) + ".");
      if (note.includes("swapped")) {
        const button = make("button", { type: "button", id: "swap-hint" }, "Swap them");
        button.addEventListener("click", () => this.swap());
        item.append(button);
      }
      return item;
    });
    $("#notes").replaceChildren(...items);
  }

  showLegend(classes) {
    $("#legend-card").hidden = !classes.length;
    const items = classes.map((entry) => {
      const swatch = make("span", { className: "swatch" });
      const fill = make("span");
      swatch.style.background = fill.style.background = entry.colour;
      fill.style.setProperty("--share", percent(entry.share).replace("<", "").replace(" ", ""));
      const button = make("button", { type: "button", "aria-pressed": "false" },
        swatch, make("span", {}, entry.name), make("span", { className: "bar" }, fill),
        make("span", { className: "number" }, percent(entry.share)));
      button.addEventListener("click", () => this.highlight(button, entry.colour));
      return make("li", {}, button);
    });
    $("#legend").replaceChildren(...items);
  }

  highlight(button, colour) {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    for (const other of document.querySelectorAll("#legend button")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(pressed));
    this.compare.highlight(pressed ? colour : null);
  }
}

function showMetrics(metrics) {
  const rows = metrics.map((metric) =>
    make("tr", {}, make("td", {}, metric.name),
      make("td", {}, metric.value === null ? "–" : metric.value.toPrecision(4)),
      make("td", {}, `${metric.better === "higher" ? "↑" : "↓"} ${metric.meaning}`)));
  $("#metrics tbody").replaceChildren(...rows);
  const definitions = metrics.flatMap((m) => [make("dt", {}, m.name), make("dd", {}, m.equation)]);
  $("#definitions").replaceChildren(...definitions);
}

const WHOLE = {
  picture: ["Infrared's share of the picture", "what is added up into the brightness of the picture"],
  merge: ["Infrared's share of the merged features", "what the network merges before it decides"],
};
const SOURCES = {
  own: ["its own features", "what the modality brought along"],
  soam: ["semantics looking at it", "SoAM: what the semantic features found in it"],
  moam: ["it looking at semantics", "MoAM: what it found in the semantic features"],
};

function showAttention(entries, urls) {
  $("#attention-card").hidden = !entries.length;
  const blocks = [];
  for (const entry of entries.filter((e) => e.source in WHOLE)) {
    const [title, what] = WHOLE[entry.source];
    const text = `Infrared gives ${percent(entry.mean)} of ${what}, visible ${percent(1 - entry.mean)}.`;
    blocks.push(make("h3", {}, title),
      make("div", { className: "maps merge" }, mapFigure(entry, urls, "infrared"), make("p", {}, text)));
  }
  for (const level of new Set(entries.map((e) => e.level).filter(Boolean))) {
    for (const modality of BANDS) {
      const maps = entries.filter((e) => e.level === level && e.modality === modality);
      blocks.push(make("h3", {}, `Level ${level}, ${modality}`),
        make("div", { className: "maps" }, ...maps.map((e) => mapFigure(e, urls, SOURCES[e.source][0], SOURCES[e.source][1]))));
    }
  }
  $("#attention").replaceChildren(...blocks);
}

function mapFigure(entry, urls, title, tip = "") {
  const image = make("img", { src: urls.get(entry.file), alt: `Map: ${title}`, title: tip });
  return make("figure", {}, image, make("figcaption", {}, `${title} ${percent(entry.mean)} `,
    make("span", {}, `(${percent(entry.low)} to ${percent(entry.high)})`)));
}

export async function startPair(limits) {
  const pair = new Pair(limits);
  await pair.showExamples(await askJson("/examples"));
  return pair;
}
