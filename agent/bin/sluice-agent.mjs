#!/usr/bin/env node
// Starts sluice-agent. Plain JavaScript, so that a Node.js that is too old says so and not something else.
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `sluice-agent needs Node.js 24 or newer; this is ${process.versions.node} (${process.execPath}).\n`,
  );
  process.stderr.write('  → start it with the node that is installed beside it (node_modules/.bin/node)\n');
  process.exit(78);
}
const { main } = await import('../src/main.ts');
const { exitProcess } = await import('@sluice/shared/process-life.ts');
// Not exitCode: a drain that is overdue, or was cut short by a second signal, leaves handles that would keep
// it alive.
await exitProcess(await main(process.argv.slice(2)));
