// What the server is asked, and the autosave that never overwrites what it has not seen.

const path = (name) => name.split("/").map(encodeURIComponent).join("/");

export class ServerError extends Error {
  constructor(status, body) {
    super(body.error || `the server answered ${status}`);
    this.status = status;
    this.current = body.current;
  }
}

async function ask(url, options = {}) {
  const response = await fetch(url, options);
  if (!response.ok) throw new ServerError(response.status, await response.json().catch(() => ({})));
  return response;
}

export const project = async () => (await ask("/api/project")).json();
export const loadDocument = async (name) => (await ask(`/api/documents/${path(name)}`)).json();
export const prelabel = async (name) => (await (await ask(`/api/prelabel/${path(name)}`, { method: "POST" })).json()).shapes;

export async function picture(kind, name) {
  const url = kind === "labels" ? `/api/labels/${path(name)}` : `/api/pictures/${kind}/${path(name)}`;
  return createImageBitmap(await (await ask(url)).blob());
}

const DELAY = 700, RETRY = 4000;

// Saves the newest state of one document a moment after the last change. `report(state, error)` hears
// "unsaved", "saving", "saved", "problem".
export class Autosave {
  constructor(name, document, report) {
    Object.assign(this, { name, report, revision: document.revision, wanted: null, running: null, timer: 0 });
  }

  change(document) {
    this.wanted = document;
    this.report("unsaved");
    this.later(DELAY);
  }

  later(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush().catch(() => {}), delay);
  }

  get dirty() { return this.wanted !== null || this.running !== null; }

  // Resolves when everything is on disk; throws when it cannot be.
  async flush() {
    clearTimeout(this.timer);
    while (this.dirty) {
      if (!this.running) this.running = this.send().finally(() => { this.running = null; });
      await this.running;
    }
  }

  async send() {
    const document = this.wanted;
    this.wanted = null;
    this.report("saving");
    try {
      const body = JSON.stringify({ ...document, revision: this.revision });
      const headers = { "content-type": "application/json" };
      const keepalive = body.length < 60000;  // lets the last save outlive the page; browsers allow 64 KiB
      const response = await ask(`/api/documents/${path(this.name)}`, { method: "PUT", headers, body, keepalive });
      this.revision = (await response.json()).revision;
      if (this.wanted === null) this.report("saved");
    } catch (error) {
      this.wanted ??= document;
      this.report("problem", error);
      if (!(error instanceof ServerError) || error.status >= 500) this.later(RETRY);
      throw error;
    }
  }

  // After a conflict: what is here replaces what is there.
  insist(current) {
    this.revision = current.revision;
    this.later(0);
  }
}
