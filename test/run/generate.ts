// npm run generate: writes everything that is generated and committed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { documents, generateWire, WIRE_FILE } from './generated.ts';
import { ROOT } from './test-files.ts';

await generateWire(ROOT);
const written = documents();
for (const { file, text } of written) writeFileSync(join(ROOT, file), text);
process.stdout.write(`wrote ${[WIRE_FILE, ...written.map(({ file }) => file)].join(', ')}\n`);
