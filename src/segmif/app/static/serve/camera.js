// Two cameras, or one and a picture: live fusion frame by frame, as fast as the server answers.

import { $, make, say, send } from "./api.js";

const FILE = "file";

class Source {
  constructor(root, changed) {
    this.root = root;
    this.select = $("select", root);
    this.input = $("input", root);
    this.video = $("video", root);
    this.image = $("img", root);
    this.file = null;
    this.select.addEventListener("change", () => this.choose().then(changed, changed));
    this.input.addEventListener("change", () => {
      this.file = this.input.files[0] ?? null;
      URL.revokeObjectURL(this.image.src);
      this.image.hidden = !this.file;
      if (this.file) this.image.src = URL.createObjectURL(this.file);
      changed();
    });
  }

  offer(cameras, preferred) {
    const options = cameras.map((camera, i) => make("option", { value: camera.deviceId }, camera.label || `Camera ${i + 1}`));
    this.select.replaceChildren(...options, make("option", { value: FILE }, "a picture …"));
    this.select.value = cameras[preferred]?.deviceId ?? FILE;
    return this.choose();
  }

  async choose() {
    this.stop();
    const file = this.select.value === FILE;
    this.input.hidden = !file;
    this.image.hidden = !file || !this.file;
    this.video.hidden = file;
    if (file) return;
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { deviceId: { exact: this.select.value }, width: { ideal: 640 }, height: { ideal: 480 } },
    });
    this.video.srcObject = stream;
    await this.video.play();
  }

  get ready() {
    return this.select.value === FILE ? Boolean(this.file) : Boolean(this.video.srcObject);
  }

  /** What is to be seen now, as a picture file. */
  async frame(name) {
    if (this.select.value === FILE) return this.file;
    const canvas = make("canvas", { width: this.video.videoWidth, height: this.video.videoHeight });
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    return new File([blob], `camera_${name}.png`, { type: "image/png" });
  }

  stop() {
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}

export function startCamera(pair, goTo) {
  const status = $("#camera-status");
  const [find, live, keep] = ["#camera-start", "#camera-live", "#camera-keep"].map((id) => $(id));
  const result = $("#camera-result");
  const form = $("#camera-form");
  let running = false;
  const sources = {};
  const refresh = (error) => {
    const ready = Object.values(sources).every((source) => source.ready);
    live.disabled = keep.disabled = !ready;
    if (error instanceof Error) say(status, reason(error), "error");
    else if (ready && !running) say(status, "");
  };
  for (const root of form.querySelectorAll(".source")) sources[root.dataset.band] = new Source(root, refresh);
  for (const source of Object.values(sources)) source.offer([], 0);

  find.addEventListener("click", async () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      say(status, "This browser gives cameras only to pages from https or this very machine (http://127.0.0.1).", "error");
      return;
    }
    try {
      const permission = await navigator.mediaDevices.getUserMedia({ video: true }); // names are told only after this
      for (const track of permission.getTracks()) track.stop();
      const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
      await sources.visible.offer(cameras, 0);
      await sources.infrared.offer(cameras, 1);
      refresh();
      if (cameras.length < 2) say(status, "Only one camera was found: choose a picture for the other band.");
    } catch (error) {
      refresh(error);
    }
  });

  live.addEventListener("click", async () => {
    running = !running;
    live.textContent = running ? "Stop live" : "Start live";
    let start = performance.now();
    try {
      while (running) {
        const { output, model } = form.elements;
        const files = { infrared: await sources.infrared.frame("infrared"), visible: await sources.visible.frame("visible") };
        const response = await send("/fuse", { output: output.value, model: model.value }, files);
        URL.revokeObjectURL(result.src);
        result.src = URL.createObjectURL(await response.blob());
        result.hidden = false;
        const now = performance.now();
        say(status, `${(1000 / (now - start)).toFixed(2)} pairs per second`);
        start = now;
      }
    } catch (error) {
      running = false;
      live.textContent = "Start live";
      say(status, reason(error), "error");
    }
  });

  keep.addEventListener("click", async () => {
    running = false;
    live.textContent = "Start live";
    try {
      for (const band of ["infrared", "visible"]) pair.set(band, await sources[band].frame(band));
      goTo("pair");
      pair.fuse();
    } catch (error) {
      say(status, reason(error), "error");
    }
  });

  return () => {
    running = false;
    live.textContent = "Start live";
    for (const source of Object.values(sources)) source.stop();
    refresh();
  };
}

function reason(error) {
  const known = {
    NotAllowedError: "The browser was not allowed to use the camera. Allow it in the address bar, or choose pictures.",
    NotFoundError: "No camera was found. Choose a picture for each band, or use the Pair page.",
    NotReadableError: "The camera is in use by another program.",
    OverconstrainedError: "The camera is gone. Press Find cameras again.",
  };
  return known[error.name] ?? error.message;
}
