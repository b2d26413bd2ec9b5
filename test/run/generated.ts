// What is generated and committed: the wire code from link.proto, the references of errors and of what
// `verify` finds from their tables, and the config reference from the config schemas.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FINDINGS } from '@sluice/collector/ops/verify/findings.ts';
import { ERRORS } from '@sluice/shared/errors.ts';
import { configDocuments } from './config-documents.ts';
import { ROOT } from './test-files.ts';

export const WIRE_FILE = 'proto/src/gen/sluice/v1/link.ts';

/** Documents that are pure functions of our sources. */
export function documents(): { readonly file: string; readonly text: string }[] {
  return [
    { file: 'docs/errors.md', text: errorsDocument() },
    { file: 'docs/findings.md', text: findingsDocument() },
    ...configDocuments(),
  ];
}

/** Generates below `directory`, as buf.gen.yaml says. */
export async function generateWire(directory: string): Promise<void> {
  const path = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`;
  await promisify(execFile)('buf', ['generate', '--output', directory], {
    cwd: ROOT,
    env: { ...process.env, PATH: path },
  });
}

function errorsDocument(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { kind, remedy }]) => `| \`${code}\` | ${kind} | ${remedy} |`,
  );
  return `# Errors

Each error has a code, a kind and a remedy. \`retry\`: the same call may succeed later, and Sluice goes on trying by
itself. \`reject\`: this input is bad and someone must correct it. \`fence\`: another process was first, and Sluice goes on
from there. \`halt\`: something that must hold does not; what is affected stops before it can do harm.

Generated from shared/src/errors.ts by \`npm run generate\`.

| code | kind | what to do |
|---|---|---|
${rows.join('\n')}
`;
}

function findingsDocument(): string {
  const rows = Object.entries(FINDINGS).map(
    ([code, { means, remedy }]) => `| \`${code}\` | ${means} | ${remedy} |`,
  );
  return `# What verify finds

\`sluice-collector verify\` exits with 1 if it finds anything. Each finding has a code, a place (an object's key, an entry's
number, a partition's prefix, a table's name) and a remedy. A ledger that cannot be read is found under its error's code,
which [errors.md](errors.md) explains. How to ask, and what the answers look like: [verify.md](verify.md).

Generated from collector/src/ops/verify/findings.ts by \`npm run generate\`.

| code | what it means | what to do |
|---|---|---|
${rows.join('\n')}
`;
}
