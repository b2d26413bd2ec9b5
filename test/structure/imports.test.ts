// The house stands as it was drawn: imports go main → wiring → ops → stages → config, events, contracts →
// proto, shared, and each library, clock and dice has its one door. Every exception is listed with its
// reason, and is gone when it is not needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, type Import, importsOf, productFiles, textOf } from './source-tree.ts';

const imports: readonly Import[] = productFiles.flatMap(importsOf);
const own = imports.flatMap((one) => (one.target?.endsWith('.ts') ? [{ ...one, target: one.target }] : []));

/**
 * Lower may not import higher. Files of one program beside each other at the root of `src` are one layer
 * each.
 */
type Layer = 'main' | 'wiring' | 'ops' | 'stage' | 'base' | 'proto' | 'shared';
const ORDER: readonly Layer[] = ['main', 'wiring', 'ops', 'stage', 'base', 'proto', 'shared'];
const WIRINGS = [
  'agent/src/agent.ts',
  'collector/src/clients.ts',
  'collector/src/collector.ts',
  'collector/src/detecting-table.ts',
  'collector/src/opened-lake.ts',
  'collector/src/reruns.ts',
  'collector/src/table-set.ts',
];
const BASES = [
  'backfills',
  'config',
  'config-change',
  'contracts',
  'detected-schema',
  'entries',
  'events',
  'hidden-columns',
  'partition-scheme',
  'log-pieces',
  'protobuf-files',
  'schema-source',
  'nested-type',
  'reference-place',
  'step-config',
  'step-columns',
  'step-hiding',
  'step-numbers',
  'step-rows',
  'step-values',
  'stores',
  'table-examples',
  'table-input',
  'table-output',
  'table-source',
  'table-topics',
  'table-upkeep',
  'tables',
  'time-spelling',
  'topic-selections',
  'version',
];

function programOf(file: string): string {
  return file.split('/')[0] ?? '';
}

/** The stage or `ops` folder a file lies in, else its own name. */
function roomOf(file: string): string {
  return file.split('/')[2] ?? '';
}

function layerOf(file: string): Layer | undefined {
  const program = programOf(file);
  if (program === 'shared' || program === 'proto') return program;
  if (program !== 'agent' && program !== 'collector') return undefined;
  if (file.split('/').length > 3) return roomOf(file) === 'ops' ? 'ops' : 'stage';
  if (WIRINGS.includes(file)) return 'wiring';
  if (roomOf(file) === 'main.ts') return 'main';
  return BASES.includes(roomOf(file).replace('.ts', '')) ? 'base' : undefined;
}

/** `<importing room> → <file>`: why these two know each other although they do not meet in the wiring. */
const ALLOWED: Readonly<Record<string, string>> = {
  'agent/ops → agent/src/source/probe-kafka.ts': '`check` asks the brokers as the source itself would',
  'agent/ops → agent/src/source/log-bounds.ts': '`spool` asks the brokers as the source itself would',
  'agent/ops → agent/src/source/topic-sampler.ts': '`sample` reads a topic without a group',
  'agent/ops → agent/src/spool/inspect-spool.ts': '`spool` looks at the files of an agent that does not run',
  'agent/src/contracts.ts → agent/src/log-pieces.ts': 'what is read of a log fills a file of its own',
  'agent/src/topic-selections.ts → agent/src/config.ts': 'a selection is made of what is configured: a type',
  'agent/src/topic-selections.ts → agent/src/contracts.ts': 'and is what the source takes: a type',
  'collector/src/contracts.ts → collector/src/backfills.ts': 'what history is fills a file of its own',
  'collector/src/contracts.ts → collector/src/stores.ts': 'store and catalog fill a file of their own',
  'collector/src/stores.ts → collector/src/tables.ts': 'a catalog describes tables as they are configured',
  'collector/src/contracts.ts → collector/src/entries.ts':
    'what stands in a ledger is a contract with every later version, kept in a file of its own',
  'collector/src/hidden-columns.ts → collector/src/step-config.ts': 'it looks through steps: a type',
  'collector/src/tables.ts → collector/src/step-config.ts': 'a step is what its schema makes of it: a type',
  'collector/src/contracts.ts → collector/src/tables.ts': 'what a table is fills a file of its own',
  'collector/src/collector.ts → collector/src/detecting-table.ts':
    'what a table that detects its columns is made of is wiring, and commands make it, too',
  'collector/src/collector.ts → collector/src/table-set.ts':
    'how tables come and go while agents send is wiring, kept in a file of its own',
  'collector/src/reruns.ts → collector/src/clients.ts': 'a command opens what a collector opens',
  'collector/src/reruns.ts → collector/src/detecting-table.ts': 'a table that is run again goes on to detect',
  'collector/src/reruns.ts → collector/src/opened-lake.ts': 'a command opens what a collector opens',
  'collector/src/config-change.ts → collector/src/config.ts': 'two configs are compared: a type',
  'collector/src/config-change.ts → collector/src/tables.ts': 'and their tables: a type',
  'collector/src/config-change.ts → collector/src/table-topics.ts': 'and what those read',
  'collector/src/tables.ts → collector/src/table-topics.ts': 'what a table reads is part of it: a type',
  'collector/src/contracts.ts → collector/src/table-upkeep.ts':
    'what a writer takes beside windows fills a file of its own',
  'collector/src/table-upkeep.ts → collector/src/contracts.ts': 'a config comes with its schemas: a type',
  'collector/src/table-upkeep.ts → collector/src/tables.ts': 'and is a table: a type',
  'collector/src/partition-scheme.ts → collector/src/tables.ts': 'it says in words what stands there',
  'collector/src/protobuf-files.ts → collector/src/tables.ts': 'what a schema lies in is part of a table',
  'collector/src/contracts.ts → collector/src/schema-source.ts':
    'how a schema is asked for fills a file of its own',
  'collector/src/time-spelling.ts → collector/src/tables.ts': 'both speak of how a time is spelled',
  'collector/ledger → collector/src/lake/object-keys.ts':
    'where an object lies is one pure function: what writes a key and what finds it again must not differ',
  'collector/schema → collector/src/lake/object-keys.ts': 'where an object lies is one pure function',
  'collector/src/detected-schema.ts → collector/src/tables.ts': 'both speak of what a table is',
  'collector/transform → collector/src/lake/object-keys.ts': 'what an output is called is one function',
  'collector/ops → collector/src/ledger/table-writer.ts':
    '`explain` counts the looks that a writer takes, and what swaps partitions is one',
  'collector/ops → collector/src/lake/object-keys.ts': 'readers find objects where writers put them',
  'collector/ops → collector/src/catalog/storage-descriptor.ts':
    '`explain` describes a format as the catalog will',
  'collector/ops → collector/src/ledger/entry.ts': '`verify` and `query` read the ledger as it is written',
  'collector/ops → collector/src/ledger/backfill.ts': 'history is told from gaps as the fold tells it',
  'collector/ops → collector/src/ledger/fold.ts': 'what the ledger promises is asserted in one fold',
  'collector/ops → collector/src/ledger/ledger.ts': 'a reader takes the same way through the entries',
  'collector/ops → collector/src/ledger/standing-objects.ts':
    'what stands after rebuilds is told from the ledger in one way',
  'collector/ops → collector/src/ledger/swaps.ts': 'where a partition lies is one function of the fold',
  'collector/ops → collector/src/ledger/publish.ts': 'tables are read under the definition they have',
  'collector/ops → collector/src/transform/column-names.ts':
    'a table is called as its columns are: one safe form',
  'collector/ops → collector/src/transform/copy-to-files.ts': '`compact` writes objects as a window would',
  'collector/ops → collector/src/transform/joined-files.ts': 'and looks at their ends as a window would',
  'collector/ops → collector/src/transform/parquet-footer.ts': 'and at their columns',
  'collector/ops → collector/src/transform/detect-columns.ts': '`detect` says what a table would find',
  'collector/ops → collector/src/transform/time-guesses.ts': 'and which numbers look like times to it',
  'collector/ops → collector/src/transform/duckdb.ts': 'queries run in the same locked-down engine',
  'collector/ops → collector/src/transform/quarantine-budget.ts':
    '`rebuild` holds all its windows to the budget that one has',
  'collector/ops → collector/src/transform/record-texts.ts':
    '`replay` makes of a text in quarantine the key or header that it was',
  'collector/ops → collector/src/transform/sql/compile.ts':
    '`replay` asks what a table reads of a record beside its value',
  'collector/ops → collector/src/transform/sql/file-format.ts': '`explain` calls an object as a window would',
  'collector/ops → collector/src/transform/sql/types.ts':
    'one way to quote a name and a text for that engine',
  'collector/ops → collector/src/transform/transformer.ts': '`check` tries each table as `run` would',
  'collector/ops → collector/src/ingest/ingest.ts': 'health judges the status that ingest gives: a type',
  'collector/ops → collector/src/window/lane.ts': 'health judges the status that a lane gives: a type',
};

/** `a → b` for everything that the picture of the house does not show. */
function trespasses(edges: readonly (Import & { target: string })[]): string[] {
  return edges.flatMap(({ from, target }) => {
    const [here, there] = [layerOf(from), layerOf(target)];
    if (here === undefined || there === undefined) return [`${from} → ${target}`];
    if (here === 'shared' || here === 'proto') {
      return ORDER.indexOf(there) >= ORDER.indexOf(here) ? [] : [`${from} → ${target}`];
    }
    if (there === 'shared' || there === 'proto') return [];
    if (programOf(from) !== programOf(target)) return [`${from} → ${target}`];
    const crossing = `${programOf(from)}/${roomOf(from)} → ${target}`;
    if (here === 'stage' && there === 'stage') return roomOf(from) === roomOf(target) ? [] : [crossing];
    if (here === 'ops' && there === 'stage') return [crossing];
    if (ORDER.indexOf(there) > ORDER.indexOf(here) || roomOf(from) === roomOf(target)) return [];
    return here === 'base' &&
      there === 'base' &&
      /\/(config|table-input|table-output|table-source|step-\w+)\.ts$/.test(from)
      ? []
      : [`${from} → ${target}`];
  });
}

test('imports go one way, stages meet only in the wiring, and every exception is listed and needed', () => {
  const found = new Set(trespasses(own));
  assert.deepEqual(
    [...found].filter((edge) => !(edge in ALLOWED)),
    [],
  );
  assert.deepEqual(
    Object.keys(ALLOWED).filter((edge) => !found.has(edge)),
    [],
    'these exceptions are not needed any more',
  );
});

test('the rule sees each kind of trespass', () => {
  const edge = (from: string, target: string) =>
    trespasses([{ from, target, specifier: '', typeOnly: false }]);
  const wrong = [
    ['shared/src/log.ts', 'agent/src/contracts.ts'],
    ['shared/src/log.ts', 'proto/src/wire.ts'],
    ['agent/src/spool/pressure.ts', 'agent/src/source/record-set.ts'],
    ['agent/src/spool/pressure.ts', 'agent/src/agent.ts'],
    ['agent/src/spool/pressure.ts', 'agent/src/ops/health.ts'],
    ['agent/src/agent.ts', 'agent/src/main.ts'],
    ['agent/src/contracts.ts', 'agent/src/events.ts'],
    ['agent/src/agent.ts', 'collector/src/contracts.ts'],
    ['collector/src/ops/query.ts', 'collector/src/lake/s3-object-store.ts'],
    ['collector/src/ledger/fold.ts', 'deploy/local/site.ts'],
    ['agent/src/spool/pressure.ts', 'test/support/segments.ts'],
  ] as const;
  for (const [from, target] of wrong) assert.equal(edge(from, target).length, 1, `${from} → ${target}`);
  assert.deepEqual(edge('agent/src/agent.ts', 'agent/src/spool/segmenter.ts'), []);
  assert.deepEqual(edge('agent/src/spool/pressure.ts', 'shared/src/units.ts'), []);
});

test('no two files need each other to load', () => {
  const next = Map.groupBy(
    own.filter(({ typeOnly }) => !typeOnly),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file))
      throw new Error(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const { target } of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of productFiles) visit(file, []);
  assert.equal(done.size, productFiles.length);
});

test('every import names a file that is there', () => {
  assert.deepEqual(
    own.filter(({ target, typeOnly }) => !typeOnly && !productFiles.includes(target)),
    [],
  );
  assert.ok(own.length > 300, `${own.length} imports were found: the search sees too few`);
});

/** Package → the files that may import it. What is not here has no adapter and no reason. */
const ADAPTERS: Readonly<Record<string, readonly string[]>> = {
  // The file of errors takes the SDK's types only.
  '@aws-sdk/client-glue': [
    'collector/src/catalog/glue-catalog.ts',
    'collector/src/catalog/glue-errors.ts',
    'collector/src/catalog/glue-moves.ts',
    'collector/src/catalog/glue-schemas.ts',
  ],
  // The lifecycle file takes the SDK's types only.
  '@aws-sdk/client-s3': [
    'collector/src/lake/bucket-lifecycle.ts',
    'collector/src/lake/s3-object-store.ts',
    'collector/src/lake/s3-references.ts',
  ],
  '@bufbuild/protobuf': [
    'collector/src/transform/decode/protobuf-descriptors.ts',
    'proto/src/gen/sluice/v1/link.ts',
  ],
  '@duckdb/node-api': ['collector/src/transform/duckdb.ts'],
  '@duckdb/node-bindings': ['collector/src/transform/duckdb.ts'],
  '@grpc/grpc-js': [
    'agent/src/uplink/link-client.ts',
    'collector/src/ingest/agent-session.ts',
    'collector/src/ingest/ingest.ts',
    'collector/src/ingest/link-door.ts',
    'collector/src/ingest/link-listener.ts',
    'proto/src/gen/sluice/v1/link.ts',
  ],
  '@node-rs/crc32': ['shared/src/crc32c.ts'],
  '@peculiar/x509': ['shared/src/pki.ts'],
  '@smithy/node-http-handler': [
    'collector/src/catalog/glue-catalog.ts',
    'collector/src/lake/s3-object-store.ts',
  ],
  'better-sqlite3': ['agent/src/spool/sqlite-file.ts'],
  kafkajs: ['agent/src/source/kafka-client.ts'],
  'lz4-napi': ['shared/src/codecs.ts', 'shared/src/records.ts'],
  pino: ['shared/src/log.ts'],
  'prom-client': ['shared/src/metrics.ts'],
  protobufjs: ['collector/src/transform/decode/protobuf-text.ts'],
  'reflect-metadata': ['shared/src/pki.ts'],
  snappy: ['shared/src/codecs.ts', 'shared/src/records.ts'],
  'systemd-notify': ['agent/src/ops/systemd.ts'],
  yaml: ['collector/src/ops/detected-table.ts', 'shared/src/config-file.ts'],
  // The schema language of this code, not a vendor's service: used at the doors where foreign text comes in.
  zod: [
    'agent/src/config.ts',
    'collector/src/config.ts',
    'collector/src/ledger/checkpoint.ts',
    'collector/src/ledger/entry.ts',
    'collector/src/ops/prune/unnamed.ts',
    'collector/src/ops/schema-document.ts',
    'collector/src/ops/verify/kafka.ts',
    'collector/src/schema/schema-log.ts',
    'collector/src/step-columns.ts',
    'collector/src/step-config.ts',
    'collector/src/step-hiding.ts',
    'collector/src/step-numbers.ts',
    'collector/src/step-rows.ts',
    'collector/src/step-values.ts',
    'collector/src/table-examples.ts',
    'collector/src/table-input.ts',
    'collector/src/table-output.ts',
    'collector/src/table-source.ts',
    'shared/src/config-file.ts',
    'shared/src/config-sections.ts',
    'shared/src/units.ts',
  ],
};

const packageOf = (specifier: string) => /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[0] ?? specifier;
const foreign = imports.filter(({ specifier }) => !/^(\.|node:|@sluice\/)/.test(specifier));

test('each library is imported by its adapter alone', () => {
  const found = Map.groupBy(foreign, ({ specifier }) => packageOf(specifier));
  const table = Object.fromEntries(
    [...found].map(([name, list]) => [name, [...new Set(list.map(({ from }) => from))].sort()]),
  );
  assert.deepEqual(table, ADAPTERS);
});

test('each workspace declares exactly the libraries that it imports, with exact versions', () => {
  for (const workspace of ['agent', 'collector', 'proto', 'shared']) {
    const { dependencies } = JSON.parse(textOf(`${workspace}/package.json`)) as {
      dependencies: Record<string, string>;
    };
    const used = imports
      .filter(({ from, specifier }) => programOf(from) === workspace && !/^(\.|node:)/.test(specifier))
      .map(({ specifier }) => packageOf(specifier));
    assert.deepEqual(Object.keys(dependencies).sort(), [...new Set(used)].sort(), workspace);
    for (const version of Object.values(dependencies)) assert.match(version, /^\d/);
  }
});

/** A socket's own time-out is the library's. */
const TIME =
  /\bDate\.now\b|\bnew Date\(\)|performance\.now|process\.hrtime|(?<!\.)\bset(Timeout|Interval|Immediate)\(|AbortSignal\.timeout|timers\/promises/;
const CHANCE = /Math\.random|\brandom(Bytes|UUID|Int|Fill|FillSync)\b|getRandomValues/;

/** Where time or chance is taken otherwise, and why. */
const TIME_ELSEWHERE: Readonly<Record<string, string>> = {
  'shared/src/clock.ts': 'the clock itself',
  'shared/src/print-status.ts': '`status` gives up a question over HTTP: a command, not the running program',
  'collector/src/ops/verify/kafka.ts': '`verify` does the same',
  'collector/src/ops/schema-document.ts': '`replay` does the same',
  'collector/src/transform/pauses.ts': 'gives what waits a turn of the event loop: no time',
  'collector/src/transform/transformer.ts':
    'whose segment is next is seen after a turn of the event loop: no time',
  'collector/src/ingest/agent-session.ts':
    'one receipt for all that a turn of the event loop brought: no time',
};
const CHANCE_ELSEWHERE: Readonly<Record<string, string>> = {
  'shared/src/random.ts': 'the dice themselves',
};

for (const [what, pattern, elsewhere] of [
  ['clock.ts reads time and sets timers', TIME, TIME_ELSEWHERE],
  ['random.ts draws numbers', CHANCE, CHANCE_ELSEWHERE],
] as const) {
  test(`only ${what}, but for what is listed with its reason`, () => {
    const written = productFiles.filter((file) => !file.startsWith('proto/src/gen/'));
    assert.deepEqual(
      written.filter((file) => pattern.test(codeOf(file))),
      Object.keys(elsewhere).sort(),
    );
  });
}

/** Who may take the system's clock and dice instead of being given them. */
const SYSTEM_USERS: Readonly<Record<string, string>> = {
  'agent/src/main.ts': 'the process: it gives both to everything else',
  'agent/src/ops/check.ts': 'a command that runs once',
  'agent/src/spool/spool-worker.ts': 'the entry of a thread: clocks cannot be sent there',
  'collector/src/lake/directory-object-store.ts': 'names of temporary files that must never meet',
  'collector/src/window/payload-file.ts': 'names of temporary files that must never meet',
  'collector/src/lake/s3-object-store.ts': 'names of probes that must never meet',
  'collector/src/main.ts': 'the process: it gives both to everything else',
  'collector/src/ops/check.ts': 'a command that runs once',
  'collector/src/ops/pki.ts': 'a command that runs once',
  'collector/src/transform/transform-worker.ts': 'the entry of a thread: clocks cannot be sent there',
  'collector/src/transform/window-transform.ts': 'a separator that nobody, no seed either, may foresee',
  'agent/src/spool/spool-thread.ts': 'the identity of a data directory must never meet another',
  'shared/src/process-life.ts': 'the end of a process, which waits for its threads',
  'shared/src/pki.ts': 'serial numbers that nobody may foresee (RFC 5280, 4.1.2.2)',
};

test('clock and dice are arguments, but for processes, threads and secrets', () => {
  const users = productFiles.filter(
    (file) => !/shared\/src\/(clock|random)\.ts/.test(file) && /\bsystem(Clock|Random)\b/.test(codeOf(file)),
  );
  assert.deepEqual(users, Object.keys(SYSTEM_USERS).sort());
});
