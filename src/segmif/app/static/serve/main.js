// Starts the page: views by the part of the address after #, models and limits from the server.

import { $, askJson, fillChoices, say } from "./api.js";
import { startCamera } from "./camera.js";
import { startJobs } from "./jobs.js";
import { startPair } from "./pair.js";

const VIEWS = ["pair", "archive", "video", "camera"];
let leaveCamera = () => {};

function showView() {
  const wanted = location.hash.slice(1);
  if (wanted && !VIEWS.includes(wanted)) return; // "Skip to content"
  const name = wanted || "pair";
  for (const view of VIEWS) $(`#view-${view}`).hidden = view !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name !== "camera") leaveCamera();
}

// A file dropped beside every slot would otherwise replace the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
window.addEventListener("hashchange", showView);
showView();

try {
  const [health, models] = await Promise.all([askJson("/health"), askJson("/models")]);
  fillChoices(models, health.guides);
  const { limits } = health;
  $("#about").textContent =
    `segmif ${health.version}. Limits: ${(limits.pixels / 1e6).toFixed(0)} megapixels and ` +
    `${(limits.pair_bytes / 1e6).toFixed(0)} MB a pair, ${limits.archive_pairs} pairs an archive, ` +
    `${limits.video_frames} frames a video.`;
  startJobs(limits);
  const pair = await startPair(limits);
  leaveCamera = startCamera(pair, (view) => { location.hash = view; });
  document.documentElement.dataset.ready = "true";
} catch (error) {
  say($("#pair-status"), error.message, "error");
}
