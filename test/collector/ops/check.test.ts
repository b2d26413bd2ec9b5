// `sluice-collector check`: what it says about a lake that loses things by itself.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createFileCatalog } from '@sluice/collector/catalog/file-catalog.ts';
import { type CollectorConfig, loadCollectorConfig } from '@sluice/collector/config.ts';
import { assertTables, checkCollector } from '@sluice/collector/ops/check.ts';
import { collectorRequest } from '@sluice/collector/ops/pki.ts';
import { ConfigError } from '@sluice/shared/config-file.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import { createAuthority, issueCertificate, writeCertificate } from '@sluice/shared/pki.ts';
import { stringify } from 'yaml';
import { fakeObjectStore } from '../../support/fake-object-store.ts';
import { temporaryDirectory } from '../../support/temp.ts';

let config: CollectorConfig;

before(async () => {
  const directory = temporaryDirectory();
  const at = { nowMs: Date.now(), days: 30 };
  const authority = await createAuthority({ commonName: 'test', ...at });
  const files = { cert: join(directory, 'collector.pem'), key: join(directory, 'collector-key.pem') };
  writeCertificate(files, await issueCertificate(authority, collectorRequest(['localhost'], at)));
  writeFileSync(join(directory, 'ca.pem'), authority.certPem);
  const file = join(directory, 'collector.yaml');
  const document = {
    listen: {
      address: '127.0.0.1:0',
      tls: { ca: 'ca.pem', cert: 'collector.pem', key: 'collector-key.pem' },
    },
    agents: [{ id: 'plant-7', topics: ['claims'] }],
    lake: { store: './lake', catalog: 'file' },
    tables: [{ name: 'claims', topic: 'claims', format: 'json', columns: { amount: 'double' } }],
  };
  writeFileSync(file, stringify(document));
  config = loadCollectorConfig(file);
});

async function checkOn(expiring: (prefixes: readonly string[]) => Promise<readonly string[]>) {
  const store = Object.assign(fakeObjectStore(), { expiring });
  return checkCollector(config, { store, catalog: createFileCatalog('sluice', store) });
}

test('a lake that deletes nothing by itself passes, and ledger, staged objects and catalog were asked about', async () => {
  let asked: readonly string[] = [];
  const { lines, ok } = await checkOn((prefixes) => {
    asked = prefixes;
    return Promise.resolve([]);
  });
  assert.ok(ok, lines.join('\n'));
  assert.deepEqual(asked, [
    '_sluice/ledger/',
    '_sluice/checkpoints/',
    '_sluice/staged/',
    '_sluice/catalog/',
    '_sluice/schemas/',
  ]);
});

test('a bucket whose rules touch the ledger is refused, with the rule and the remedy', async () => {
  const { lines, ok } = await checkOn(() =>
    Promise.resolve(["rule 'tidy' on the whole bucket deletes from x"]),
  );
  assert.equal(ok, false);
  const at = lines.findIndex((line) => line.startsWith('failed  lifecycle: STORE_LIFECYCLE_UNSAFE'));
  assert.match(lines[at] ?? '', /rule 'tidy' on the whole bucket/);
  assert.match(lines[at + 1] ?? '', /→ Limit .* `_sluice\/tmp\/`/);
});

test('rules that the role may not see are reported as unknown, neither as fine nor as a failure', async () => {
  const { lines, ok } = await checkOn(() =>
    Promise.reject(new SluiceError('STORE_DENIED', 's3:GetLifecycleConfiguration: AccessDenied')),
  );
  assert.ok(ok, lines.join('\n'));
  assert.ok(lines.some((line) => /^unknown lifecycle: could not be looked at: .*AccessDenied/.test(line)));
});

test('a bucket that does not answer fails the check', async () => {
  const { lines, ok } = await checkOn(() =>
    Promise.reject(new SluiceError('STORE_UNAVAILABLE', 'no answer')),
  );
  assert.equal(ok, false);
  assert.ok(lines.some((line) => line.startsWith('failed  lifecycle: STORE_UNAVAILABLE')));
});

test('a revocation list that cannot be used fails here, not first when `run` starts', async () => {
  const { tls } = config.listen;
  const store = Object.assign(fakeObjectStore(), { expiring: () => Promise.resolve([]) });
  const listed = { ...config, listen: { ...config.listen, tls: { ...tls, crl: 'collector.pem' } } };
  const { lines, ok } = await checkCollector(listed, { store, catalog: createFileCatalog('sluice', store) });
  assert.equal(ok, false);
  assert.match(lines.join('\n'), /failed {2}certificate: TLS_FILES_UNUSABLE: .*revocation list/);
});

test('a certificate of its own that expired is named with its file, not blamed on an agent', async () => {
  const cert = join(config.directory, 'collector.pem');
  const whole = readFileSync(cert);
  const at = { nowMs: Date.now() - 10 * 86_400_000, days: 5 };
  const authority = await createAuthority({ commonName: 'test', ...at });
  const files = { cert, key: join(config.directory, 'collector-key.pem') };
  const key = readFileSync(files.key);
  writeCertificate(files, await issueCertificate(authority, collectorRequest(['localhost'], at)));
  const { lines, ok } = await checkOn(() => Promise.resolve([]));
  writeFileSync(cert, whole);
  writeFileSync(files.key, key);
  assert.equal(ok, false);
  const failed = lines.findIndex((line) => line.startsWith('failed  certificate: TLS_CERTIFICATE_EXPIRED'));
  assert.ok(lines[failed]?.includes(cert), lines.join('\n'));
  assert.match(lines[failed + 1] ?? '', /Renew the file named/);
});

test('what is wrong with a table as a whole is told with the line at which the file begins it', async () => {
  const file = join(config.directory, 'wrong.yaml');
  const text = readFileSync(config.written.file, 'utf8');
  const second =
    '  - name: orders\n    topic: claims\n    format: json\n    columns: { n: int }\n    steps: [{ filter: "n >" }]\n';
  writeFileSync(file, `${text}${second}`);
  const line = text.split('\n').length;
  await assert.rejects(assertTables(loadCollectorConfig(file)), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.match(
      error.message,
      /^1 problem in .*wrong\.yaml\n {2}.*wrong\.yaml:\d+ {2}tables\[1\] \(orders\): its SQL/,
    );
    assert.deepEqual(
      error.problems.map((problem) => problem.line),
      [line],
    );
    return true;
  });
});

test('a check whose thread does not end is over with its word, and no other one begins until that has ended', async (t) => {
  const { terminate } = Worker.prototype;
  const held = Promise.withResolvers<number>();
  const mock = t.mock.method(Worker.prototype, 'terminate', function (this: Worker) {
    void terminate.call(this);
    return held.promise;
  });
  await assertTables(config);
  mock.mock.restore();
  await assert.rejects(assertTables(config), { code: 'TRANSFORM_TIMED_OUT', message: /only a restart/ });
  held.resolve(0);
  await held.promise;
  await new Promise((resolve) => setImmediate(resolve));
  await assertTables(config);
});
