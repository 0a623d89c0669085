// Talking to the server, and small things every view needs.

export const $ = (selector, root = document) => root.querySelector(selector);

/** A new element: make("a", { href: "#" }, "text", child ...). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "scope" || name === "download") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** fetch that throws an Error with the server's own one line. */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server did not answer. Is it still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const wait = response.headers.get("retry-after");
  throw new Error((body.error ?? `The server answered ${response.status}.`) + (wait ? ` (in about ${wait} s)` : ""));
}

export const askJson = async (path, options) => (await ask(path, options)).json();

/** POST files; parameters that are empty are left to the server. */
export function send(path, parameters, files, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined && value !== false) query.set(name, value);
  }
  const body = new FormData();
  for (const [name, file] of Object.entries(files)) body.set(name, file, file.name ?? `${name}.png`);
  return ask(`${path}?${query}`, { method: "POST", body, ...options });
}

/** Throw an Error if the files together are above a limit in bytes. */
export function checkSize(files, limit) {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (limit && size > limit) {
    throw new Error(`These files have ${(size / 1e6).toFixed(1)} MB, the limit is ${(limit / 1e6).toFixed(0)} MB.`);
  }
}

/** Show a line in a status element: kind "", "busy" or "error". */
export function say(element, text, kind = "") {
  element.className = `message ${kind}`;
  element.setAttribute("role", kind === "error" ? "alert" : "status");
  element.textContent = text;
}

export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "<0.1 %";
  return value > 0 && value < 10 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

/** Let a slot take dropped files; `take` gets a list of them. */
export function dropZone(element, take) {
  for (const name of ["dragenter", "dragover"]) {
    element.addEventListener(name, (event) => {
      event.preventDefault();
      element.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) element.addEventListener(name, () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

/** Fill the lists of models and guides, everywhere. */
export function fillChoices(models, guides) {
  for (const select of document.querySelectorAll("select.models")) {
    select.replaceChildren(...models.map((model) => make("option", { value: model.name }, model.name)));
  }
  const choices = [["", "the model's own"], ...guides.map((guide) => [guide, guide.replace("_", "-")])];
  for (const select of document.querySelectorAll("select.guides")) {
    select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
  }
}
