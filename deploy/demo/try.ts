// `npm run try`: some of a topic of the user's own Kafka as a table, within a minute. Read-only: a throw-away
// group that commits nothing, offsets that end where the log ended at the start. What it makes lies in
// .try/<time>/; the rest goes.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecretFile } from '@sluice/agent/config.ts';
import { tableName, tableOf, tableYaml } from '@sluice/collector/ops/detected-table.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { partitionName } from '@sluice/shared/position.ts';
import { EXIT } from '@sluice/shared/process-life.ts';
import { systemRandom } from '@sluice/shared/random.ts';
import { projectRoot } from '../local/project-root.ts';
import type { Site } from '../local/site.ts';
import { askPassword } from './ask-password.ts';
import { createTerminal, type Terminal } from './terminal.ts';
import { Refusal, refusalOf } from './try-diagnosis.ts';
import { kafkaSettings, type Survey, survey } from './try-kafka.ts';
import { helpText, PASSWORD_VARIABLE, parseTryOptions, type TryOptions } from './try-options.ts';
import { offsetsIn } from './try-ranges.ts';
import { nextCommands, number, type Result, report } from './try-report.ts';
import { createTrySite, type Outcome, RUN_WINDOW, runSite, stopSite } from './try-run.ts';

const INTERRUPTED = 130;
const LEAVE_GROUP_MS_MAX = 4_000;
const YAML_LINES_SHOWN = 45;
const LOG_LINES_SHOWN = 5;
const PASTED_WINDOW = '100s';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseTryOptions(args, process.env['INIT_CWD'] ?? process.cwd());
  if (parsed.kind === 'help') {
    process.stdout.write(helpText());
    return EXIT.ok;
  }
  if (parsed.kind === 'wrong') {
    const listed = parsed.problems.map((problem) => `  - ${problem}\n`).join('');
    process.stderr.write(`this cannot be tried:\n${listed}npm run try -- --help shows examples\n`);
    return EXIT.usage;
  }
  const { options } = parsed;
  const password = await passwordOf(options);
  if (options.sasl !== undefined && password === undefined) {
    process.stderr.write(`no password: name --sasl-password-file, or set ${PASSWORD_VARIABLE}\n`);
    return EXIT.usage;
  }
  const terminal = createTerminal(process.stdout);
  const groupId = `${options.groupPrefix}sluice-try-${systemRandom.hex(5)}`;
  try {
    return await tryTopic(terminal, { options, password, groupId });
  } catch (error) {
    return tell(terminal, await refusalOf(error, options, groupId));
  }
}

async function passwordOf({ sasl }: TryOptions): Promise<string | undefined> {
  if (sasl === undefined) return undefined;
  if (sasl.passwordFile !== undefined) return readSecretFile(sasl.passwordFile);
  return process.env[PASSWORD_VARIABLE] ?? (await askPassword(`Kafka password of ${sasl.username}: `));
}

/** A person reads it: no stack but for what is a defect of ours. */
function tell(terminal: Terminal, error: unknown): number {
  if (error instanceof Refusal || error instanceof SluiceError) {
    const remedies = error instanceof Refusal ? error.remedies : [error.remedy];
    terminal.line(`\n✗ ${error.message}`);
    for (const remedy of remedies) terminal.line(remedy.startsWith(' ') ? `    ${remedy}` : `  → ${remedy}`);
    return EXIT.unavailable;
  }
  terminal.line(`\n✗ ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.software;
}

interface Try {
  readonly options: TryOptions;
  readonly password: string | undefined;
  readonly groupId: string;
}

async function tryTopic(terminal: Terminal, given: Try): Promise<number> {
  const { options, groupId } = given;
  const { topic, brokers, keep } = options;
  const interrupts = endOnSignals(terminal);
  terminal.heading(`Sluice on your Kafka: topic '${topic}' of ${brokers.join(', ')}, read-only`);
  const found = await survey(terminal, options, kafkaSettings(options, given));
  const { detection, ranges } = found;
  const folder = join('.try', new Date().toISOString().replace(/[:.]/g, '-'));
  const yaml = tableYaml(tableOf(topic, detection, PASTED_WINDOW), detection.times);
  showFindings(terminal, found);
  showYaml(terminal, yaml, folder);
  const places = createPlaces(folder);
  writeFileSync(join(places.kept, 'table.yaml'), yaml);
  const table = tableOf(topic, detection, RUN_WINDOW);
  const run = { terminal, ...given, ranges, table, ...places };
  const site = await createTrySite(run);
  interrupts.site = site;
  terminal.heading(`Agent and collector: windows of ${RUN_WINDOW}, group ${groupId}`);
  const outcome = await runSite(run, site);
  if (!keep) await terminal.step('both stopped, the group left', () => stopSite(site));
  const ends = new Map(ranges.map(({ partition, to }) => [partitionName({ topic, partition }), to]));
  const result = await report({ terminal, site, table: tableName(topic), ends });
  if (result.records > 0) places.keep();
  sayWhatIsMissing(terminal, { site, outcome, result, options, offsets: offsetsIn(ranges) });
  sayWhatStays(terminal, groupId);
  if (result.records > 0) nextCommands(terminal, site, tableName(topic));
  if (keep) await stayUntilInterrupted(terminal, site);
  return result.ok ? EXIT.ok : EXIT.failure;
}

function showFindings(terminal: Terminal, { ranges, offsets, sampled, detection }: Survey): void {
  const { format, columns, notes } = detection;
  const partitions = `${ranges.length} partition${ranges.length === 1 ? '' : 's'}`;
  const read = offsetsIn(ranges);
  const all = 'all are read, up to where the log ends now';
  const part = read === offsets ? all : `${number(read)} of them are read`;
  terminal.line(`  ${partitions} with ${number(offsets)} offsets; ${part}`);
  const found = columns.length === 0 ? 'one column' : `${columns.length} columns`;
  terminal.line(`  ${format}, ${found} (from ${number(sampled)} values)`);
  for (const note of notes) terminal.line(`    ${note}`);
}

function showYaml(terminal: Terminal, yaml: string, folder: string): void {
  terminal.heading('The table, to paste into collector.yaml');
  const lines = yaml.trimEnd().split('\n');
  for (const line of lines.slice(0, YAML_LINES_SHOWN)) terminal.line(`  ${line}`);
  const more = lines.length - YAML_LINES_SHOWN;
  if (more > 0) terminal.line(`  # and ${more} more lines, see ${join(folder, 'table.yaml')}`);
}

interface Ending {
  readonly site: Site;
  readonly outcome: Outcome;
  readonly result: Result;
  readonly options: TryOptions;
  readonly offsets: number;
}

function sayWhatIsMissing(terminal: Terminal, { site, outcome, result, options, offsets }: Ending): void {
  if (result.complete) return;
  const { records } = result;
  const isLate = outcome === 'time is up';
  const why = isLate
    ? `the ${options.seconds} s were up; --seconds gives it more`
    : 'the rest did not arrive';
  terminal.line(`  only ${number(records)} records of up to ${number(offsets)}: ${why}`);
  if (records > 0 && isLate) return;
  terminal.heading('The agent’s last words');
  for (const line of site.agent.log().trimEnd().split('\n').slice(-LOG_LINES_SHOWN))
    terminal.line(`  ${line}`);
}

function sayWhatStays(terminal: Terminal, groupId: string): void {
  terminal.heading('Your Kafka');
  terminal.line(
    `  Nothing was written. The group ${groupId} never committed an offset; it is listed, empty, until`,
  );
  terminal.line(
    '  the brokers’ next clean-up (offsets.retention.check.interval.ms, ten minutes by default).',
  );
}

interface Places {
  readonly temporary: string;
  readonly kept: string;
  /** The lake has something in it and stays. */
  keep(): void;
}

/**
 * Made late: what fails before leaves nothing. The first goes when the process ends, the second unless it is
 * kept.
 */
function createPlaces(folder: string): Places {
  const temporary = mkdtempSync(join(tmpdir(), 'sluice-try-'));
  const kept = join(projectRoot, folder);
  mkdirSync(kept, { recursive: true });
  let stays = false;
  process.on('exit', () => {
    rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
    if (!stays) rmSync(kept, { recursive: true, force: true, maxRetries: 3 });
  });
  return {
    temporary,
    kept,
    keep: () => {
      stays = true;
    },
  };
}

/**
 * The first signal lets the agent leave its group; a second one ends at once. Child processes end with this
 * one.
 */
function endOnSignals(terminal: Terminal): { site: Site | undefined } {
  const running: { site: Site | undefined } = { site: undefined };
  let asked = false;
  const end = async () => {
    if (!asked && running.site !== undefined && running.site.agent.pid() !== 0) {
      asked = true;
      terminal.line('\nstopping ...');
      await running.site.agent.stop(LEAVE_GROUP_MS_MAX);
    }
    process.exit(INTERRUPTED);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end());
  return running;
}

async function stayUntilInterrupted(terminal: Terminal, site: Site): Promise<void> {
  terminal.heading('Both programs stay up until Ctrl-C:');
  for (const { name, httpUrl } of [site.agent, site.collector])
    terminal.line(`  ${name.padEnd(9)}  ${httpUrl}/status  /metrics  /healthz`);
  await new Promise(() => {
    setInterval(() => {}, 60_000);
  });
}
