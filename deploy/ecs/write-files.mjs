// Writes files from environment variables: ECS hands out secrets as variables, and the collector reads files.
// Runs as a container of its own that ends before the collector starts, so that the collector's environment
// holds no secret.
//   write-files.mjs DIRECTORY FILE=VARIABLE ...
import { rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [directory, ...pairs] = process.argv.slice(2);
const files = pairs.map((pair) => pair.split('='));
const problems = files.flatMap(([name, variable]) => {
  if (!name || name !== basename(name) || !variable) return [`'${name}=${variable}' is not FILE=VARIABLE`];
  return process.env[variable] ? [] : [`${variable} is not set: nothing to write to ${name}`];
});
if (!directory || files.length === 0) problems.push('usage: write-files.mjs DIRECTORY FILE=VARIABLE ...');
if (problems.length > 0) {
  process.stderr.write(`${problems.map((problem) => `write-files: ${problem}`).join('\n')}\n`);
  process.exit(64);
}
for (const [name, variable] of files) {
  const path = join(directory, name);
  rmSync(path, { force: true }); // of an earlier run: it is readable only
  writeFileSync(path, process.env[variable].replace(/\n*$/, '\n'), { mode: 0o400, flag: 'wx' });
  process.stdout.write(`wrote ${path}\n`);
}
