/**
 * `npm run docs`: the documentation as a site, at http://127.0.0.1:4080; read anew for each page.
 * `npm run docs -- --port PORT`, or `-- --build DIR` to write it out as files.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readPages, root } from "./docs/pages.ts";
import { htmlPath, Site } from "./docs/render.ts";

const style = join(import.meta.dirname, "docs", "style.css");

/** By path, as a browser asks for it. */
function siteFiles(): ReadonlyMap<string, { readonly type: string; readonly text: string | Buffer }> {
  const site = new Site(readPages());
  const pictures = globSync("pictures/*.png", { cwd: join(root, "docs") });
  return new Map<string, { readonly type: string; readonly text: string | Buffer }>([
    ...pictures.map((path) => [path, { type: "image/png", text: readFileSync(join(root, "docs", path)) }] as const),
    ["style.css", { type: "text/css", text: readFileSync(style, "utf8") }],
    ...site.pages.map((page) => [htmlPath(page), { type: "text/html", text: site.render(page) }] as const),
  ]);
}

function build(directory: string): void {
  for (const [path, { text }] of siteFiles()) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

function serve(port: number): void {
  const server = createServer((request, response) => {
    const path = URL.parse(request.url ?? "/", "http://localhost")?.pathname.slice(1) ?? "";
    const file = siteFiles().get(path === "" ? "start.html" : path);
    if (file)
      response
        .writeHead(200, { "content-type": file.type.startsWith("text/") ? `${file.type}; charset=utf-8` : file.type })
        .end(file.text);
    else response.writeHead(404, { "content-type": "text/plain" }).end("there is no such page\n");
  });
  server.listen(port, "127.0.0.1", () => {
    const address = server.address();
    const listens = typeof address === "object" && address ? address.port : port;
    process.stdout.write(`the documentation: http://127.0.0.1:${listens}/\n`);
  });
}

const { values } = parseArgs({ options: { port: { type: "string", default: "4080" }, build: { type: "string" } } });
if (values.build === undefined) serve(Number(values.port));
else build(values.build);
