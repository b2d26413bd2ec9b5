// npm run generate: writes everything that is generated and committed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS_DOCUMENT, errorsDocument, generateWire, WIRE_FILE } from './generated.ts';
import { ROOT } from './test-files.ts';

await generateWire(ROOT);
writeFileSync(join(ROOT, ERRORS_DOCUMENT), errorsDocument());
process.stdout.write(`wrote ${WIRE_FILE}, ${ERRORS_DOCUMENT}\n`);
