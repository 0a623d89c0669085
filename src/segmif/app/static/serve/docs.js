// Renders /openapi.json: every endpoint with its parameters, files, answers and a curl line.

import { $, askJson, make, say } from "./api.js";

const resolve = (schema, whole) =>
  schema?.$ref ? schema.$ref.split("/").slice(1).reduce((node, key) => node[key], whole) : schema ?? {};

function typeOf(schema) {
  const options = (schema.anyOf ?? [schema]).filter((option) => option.type !== "null");
  return options.map((o) => o.enum?.join(" | ") ?? (o.contentMediaType || o.format === "binary" ? "file" : o.type ?? "")).join(", ");
}

function table(head, rows) {
  const header = make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  return make("div", { className: "scroll" }, make("table", {}, make("thead", {}, header), make("tbody", {}, ...body)));
}

function curl(method, path, files) {
  const parts = ["curl", method === "delete" ? "-X DELETE" : "", ...files.map(([name]) => `-F ${name}=@FILE`)];
  return [...parts.filter(Boolean), `"${location.origin}${path}"`].join(" ");
}

function endpoint(path, method, operation, whole) {
  const body = resolve(operation.requestBody?.content?.["multipart/form-data"]?.schema, whole);
  const files = Object.entries(body.properties ?? {});
  const inputs = [
    ...files.map(([name, schema]) => [make("code", {}, name), "file", schema.description ?? ""]),
    ...(operation.parameters ?? []).map((parameter) => {
      const standard = parameter.schema.default;
      const text = (parameter.description ?? "") + (standard === undefined || standard === null ? "" : ` Default: ${standard}.`);
      return [make("code", {}, parameter.name), typeOf(parameter.schema), text];
    }),
  ];
  const answers = Object.entries(operation.responses).map(([status, answer]) => {
    const kinds = Object.keys(answer.content ?? {}).join(", ");
    return [status, kinds, answer.description ?? ""];
  });
  const section = make("section", { className: "card endpoint" },
    make("h2", {}, make("span", { className: `method ${method}` }, method.toUpperCase()), path),
    make("p", {}, (operation.description ?? operation.summary ?? "").replace(/([^\n])\n([^\n])/g, "$1 $2")));
  if (inputs.length) section.append(table(["Input", "Type", "Meaning"], inputs));
  const details = make("details", {}, make("summary", {}, "Answers"), table(["Status", "Type", "When"], answers));
  section.append(details, make("pre", {}, make("code", {}, curl(method, path, files))));
  return section;
}

try {
  const whole = await askJson("/openapi.json");
  for (const [path, methods] of Object.entries(whole.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      $("#endpoints").append(endpoint(path, method, operation, whole));
    }
  }
} catch (error) {
  say($("#status"), error.message, "error");
}
