// npm run explore [-- --minutes N] [words]: the ledger protocol in every order, the larger bounds included.
// Each scenario ends when it is explored or after N minutes (10), and says which; words choose scenarios by
// name.
import { parseArgs } from 'node:util';
import { explore, summaryOf } from '../explore/explore.ts';
import { boundsOf, CLEAN, DELETING, LARGER } from '../explore/scenarios.ts';

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
});
const secondsMax = Number(values.minutes) * 60;
if (!(secondsMax > 0)) {
  process.stderr.write(`--minutes ${values.minutes}: a number above 0 is needed\n`);
  process.exit(64);
}
const chosen = [...CLEAN, ...DELETING, ...LARGER].filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
);
let broken = 0;
let states = 0;
for (const scenario of chosen) {
  process.stdout.write(`${scenario.name}\n  ${boundsOf(scenario)}\n`);
  const found = await explore({ ...scenario, secondsMax });
  states += found.states;
  process.stdout.write(`  ${summaryOf(found)}\n`);
  if (found.violation === undefined) continue;
  broken++;
  process.stdout.write(`  BROKEN: ${found.violation.what}\n    ${found.violation.way.join('\n    ')}\n`);
}
process.stdout.write(
  `${chosen.length} scenarios, ${states.toLocaleString('en-US')} states, ${broken} broken\n`,
);
process.exitCode = broken === 0 && chosen.length > 0 ? 0 : 1;
