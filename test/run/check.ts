// npm run check: everything that needs no broker, in at most 90 seconds.
import { runStaticChecks } from './static-checks.ts';
import { add, printTally, runTests, testFiles } from './test-files.ts';

const tally = await runStaticChecks();
const unit = await runTests('unit', testFiles('unit', process.argv.slice(2)));
add(tally, unit.tally);
printTally(tally);
process.exitCode = tally.failed === 0 ? 0 : 1;
