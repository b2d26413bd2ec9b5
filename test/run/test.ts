// npm test: check, then, side by side, the ledger explored in every order and integration on a real broker
// and an emulated AWS. Arguments filter test files by name.
import { runStaticChecks } from './static-checks.ts';
import { add, printSlowest, printTally, runTests, testFiles } from './test-files.ts';

const filters = process.argv.slice(2);
const tally = filters.length === 0 ? await runStaticChecks() : { passed: 0, failed: 0, skipped: 0 };
const unit = await runTests('unit', testFiles('unit', filters));
process.stdout.write(`unit: ${unit.tally.passed} passed, ${unit.tally.failed} failed\n`);
const system = await runTests('system', testFiles('system', filters));
add(tally, unit.tally);
add(tally, system.tally);
printSlowest([...unit.slowest, ...system.slowest].sort((a, b) => b.ms - a.ms).slice(0, 10));
printTally(tally);
process.exitCode = tally.failed === 0 ? 0 : 1;
