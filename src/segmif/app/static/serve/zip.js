// Reads the zips this server makes: members stored as they are, no zip64.

const END = 0x06054b50;
const END_SIZE = 22;

/** Name → Blob of every member of a zip (ArrayBuffer). */
export function unzip(buffer) {
  const view = new DataView(buffer);
  const end = buffer.byteLength - END_SIZE;
  if (end < 0 || view.getUint32(end, true) !== END) throw new Error("The server's answer is incomplete.");
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 24, true);
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const local = view.getUint32(at + 42, true);
    if (method !== 0) throw new Error("The server's answer is packed in a way this page does not read.");
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const key = new TextDecoder().decode(new Uint8Array(buffer, at + 46, name));
    const type = { png: "image/png", jpg: "image/jpeg", json: "application/json" }[key.split(".").pop()];
    files.set(key, new Blob([new Uint8Array(buffer, start, size)], { type }));
    at += 46 + name + extra + comment;
  }
  return files;
}
