// Keeps the lines in docs/page-allocator.md true: of each row of its map, where the file defines the functions.
//
// usage: node tools/doc-lines.mjs          rewrites the page

import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const page = new URL('../docs/page-allocator.md', import.meta.url);
const ROW = /^(\| .* \| (`.*`) \| )\[[^\]]+\]\(([^)#]+)\).*$/gm;

/** The line on which a file defines a function, method, class or type, from 1 on; 0: it does not. */
function lineOf(text, name) {
  const start = `(export )?(function\\*?|const|class|type|interface) ${name}\\b`;
  const definition = new RegExp(`^(${start}| {2}(function )?\\*?${name}\\(k: Kernel)`);
  // A method whose parameters do not fit on one line.
  const long = new RegExp(`^ {2}\\*?${name}\\($`);
  return text.split('\n').findIndex((line) => definition.test(line) || long.test(line)) + 1;
}

/** @returns the text of the page with the lines as the tree has them now */
export function withLines(text) {
  return text.replaceAll(ROW, (_row, front, names, path) => {
    const source = readFileSync(new URL(path, page), 'utf8');
    const lines = [...names.matchAll(/`(\w+)`/g)].map(([, name]) => {
      const line = lineOf(source, name);
      return line === 0 ? `no ${name}` : `[${line}](${path}#L${line})`;
    });
    return `${front}[${basename(path)}](${path}) ${lines.join(', ')} |`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, withLines(readFileSync(page, 'utf8')));
