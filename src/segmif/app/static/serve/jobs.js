// Long work: archives and videos. Send, watch the progress, show the result.

import { $, ask, askJson, checkSize, dropZone, make, say, send } from "./api.js";

const POLL = 700;

export class JobForm {
  /** `kind`: "batch" or "video"; `names`: of the file inputs; `show`: (job) → elements for the result. */
  constructor(kind, form, place, names, limit, show) {
    Object.assign(this, { kind, form, place, names, limit, show });
    for (const name of names) {
      const slot = form.elements[name].closest(".slot");
      form.elements[name].addEventListener("change", () => this.named(slot, form.elements[name].files[0]));
      dropZone(slot, ([file]) => {
        const transfer = new DataTransfer();
        transfer.items.add(file);
        form.elements[name].files = transfer.files;
        this.named(slot, file);
      });
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
  }

  named(slot, file) {
    slot.classList.toggle("filled", Boolean(file));
    if (file) $(".slot-hint", slot).textContent = file.name;
  }

  async run() {
    const status = make("p", { className: "message" });
    const bar = make("progress", { "aria-label": "Progress" });
    this.place.replaceChildren(status);
    const button = $("button.primary", this.form);
    try {
      const files = {};
      for (const name of this.names) {
        const file = this.form.elements[name].files[0];
        if (!file) throw new Error(`Choose a file first: ${name}.`);
        files[name] = file;
      }
      checkSize(Object.values(files), this.limit);
      button.disabled = true;
      say(status, "Sending …", "busy");
      const parameters = {};
      for (const name of ["output", "model", "guide"]) parameters[name] = this.form.elements[name]?.value;
      parameters.align = this.form.elements.align?.checked;
      let job = await (await send(`/${this.kind}`, parameters, files)).json();
      const stop = make("button", { type: "button" }, "Stop");
      stop.addEventListener("click", () => ask(`/jobs/${job.id}`, { method: "DELETE" }).catch(() => {}));
      this.place.append(bar, stop);
      while (["waiting", "running"].includes(job.state)) {
        await new Promise((done) => setTimeout(done, POLL));
        job = await askJson(`/jobs/${job.id}`);
        if (job.total) [bar.max, bar.value] = [job.total, job.done];
        say(status, job.state === "waiting" ? "Waiting for others …" : `${job.done} of ${job.total ?? "?"}`, "busy");
      }
      if (job.state !== "done") throw new Error(job.error ?? `The work is ${job.state}.`);
      say(status, `Done: ${job.done}.`);
      const notes = make("ul", { className: "notes" }, ...job.notes.map((note) => make("li", {}, note)));
      this.place.replaceChildren(status, notes, ...this.show(job));
    } catch (error) {
      say(status, error.message, "error");
      this.place.replaceChildren(status);
    } finally {
      button.disabled = false;
    }
  }
}

export function startJobs(limits) {
  new JobForm("batch", $("#archive-form"), $("#archive-job"), ["pairs"], limits.archive_bytes, (job) => [
    make("a", { className: "button", href: job.result, download: "segmif.zip" }, "Download results"),
  ]);
  new JobForm("video", $("#video-form"), $("#video-job"), ["infrared", "visible"], limits.archive_bytes, (job) => [
    make("video", { src: job.result, controls: true, loop: true, muted: true, autoplay: true }),
    make("a", { className: "button", href: job.result, download: "segmif.mp4" }, "Download video"),
  ]);
  $(".video-frames").textContent = limits.video_frames;
}
