// What can be wrong with the options of `npm run try`: all of it is told at once, and no password is ever an
// argument.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parseTryOptions, type TryOptions } from '@sluice/deploy/demo/try-options.ts';
import { createSitePki } from '@sluice/deploy/local/site.ts';
import { temporaryDirectory } from '../../support/temp.ts';

const directory = temporaryDirectory();
const LEAST = ['--brokers', 'k:9092', '--topic', 't'];

before(async () => {
  await createSitePki(directory);
  writeFileSync(join(directory, 'password.txt'), 'secret\n');
  writeFileSync(join(directory, 'store.p12'), Buffer.from([0x30, 0x82, 0x0a]));
});

const problemsOf = (...args: string[]): readonly string[] => {
  const parsed = parseTryOptions(args, directory);
  return parsed.kind === 'wrong' ? parsed.problems : [];
};
const optionsOf = (...args: string[]): TryOptions => {
  const parsed = parseTryOptions([...LEAST, ...args], directory);
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return (parsed as { options: TryOptions }).options;
};

test('every problem is told at once', () => {
  const problems = problemsOf(
    ...['--brokers', 'kafka', '--topic', 'a b', '--records', '0', '--seconds', 'ten', '--from', 'yesterday'],
    ...[
      '--format',
      'xml',
      '--ca',
      'none.pem',
      '--cert',
      'pki/client.pem',
      '--sasl-mechanism',
      'oauth',
      '--colour',
    ],
    ...['--password', 'x', 'claims'],
  );
  const expected = [
    /^--colour is no option/,
    /^--password is no option: a password is never an argument, see --sasl-password-file/,
    /^'x' stands alone/,
    /^'claims' stands alone/,
    /^--brokers: 'kafka' is not host:port/,
    /^--topic: 'a b' is no name/,
    /^--ca: .*none\.pem cannot be read \(there is no such file\)/,
    /^--cert and --key belong together/,
    /^--sasl-mechanism: 'oauth' is none of plain, scram/,
    /^--records: '0'/,
    /^--from: 'yesterday'/,
    /^--format: 'xml'/,
    /^--seconds: 'ten'/,
  ];
  for (const pattern of expected)
    assert.ok(
      problems.some((p) => pattern.test(p)),
      `${pattern}\n${problems.join('\n')}`,
    );
  assert.equal(problems.length, expected.length, problems.join('\n'));
});

test('what is missing is named, a value that is another option is none', () => {
  assert.deepEqual(problemsOf(), [
    '--brokers is missing, e.g. --brokers kafka-1.corp:9093',
    '--topic is missing',
  ]);
  assert.deepEqual(problemsOf('--brokers', 'k:1', '--topic', '--keep'), [
    '--topic needs a value',
    '--topic is missing',
  ]);
});

test('certificates are looked into: another’s key, a key store, a key where a CA should be', () => {
  const tls = (cert: string, key: string) => problemsOf(...LEAST, '--cert', cert, '--key', key);
  assert.deepEqual(tls('pki/client.pem', 'pki/client-key.pem'), []);
  assert.deepEqual(tls('pki/client.pem', 'pki/agent-key.pem'), [
    '--key: it is not the key of the certificate in --cert',
  ]);
  assert.match(problemsOf(...LEAST, '--ca', 'store.p12').join(), /is no PEM file .*openssl pkcs12/);
  assert.match(
    problemsOf(...LEAST, '--ca', 'pki/client-key.pem').join(),
    /--ca: the file holds no certificate/,
  );
});

test('the two ways to write SASL say the same; the password stays where it is', () => {
  const sasl = { mechanism: 'scram-sha-512', username: 'me', passwordFile: join(directory, 'password.txt') };
  assert.deepEqual(optionsOf('--sasl', 'SCRAM-SHA-512:me:password.txt').sasl, sasl);
  const long = [
    '--sasl-mechanism',
    'scram-sha-512',
    '--sasl-user',
    'me',
    '--sasl-password-file',
    'password.txt',
  ];
  assert.deepEqual(optionsOf(...long).sasl, sasl);
  assert.equal(optionsOf('--sasl', 'plain:me').sasl?.passwordFile, undefined);
  assert.match(problemsOf(...LEAST, '--sasl', 'plain').join(), /--sasl-user is missing/);
  assert.match(problemsOf(...LEAST, '--sasl-user', 'me').join(), /--sasl-mechanism is missing/);
});

test('which records: the newest by default, or from the earliest, or so many before the end', () => {
  assert.deepEqual(optionsOf().range, { from: { latest: 100_000 }, records: 100_000 });
  assert.deepEqual(optionsOf('--records', '2_000').range, { from: { latest: 2_000 }, records: 2_000 });
  assert.deepEqual(optionsOf('--from', 'earliest').range, { from: 'earliest', records: 100_000 });
  assert.deepEqual(optionsOf('--from', 'latest-5,000', '--records', '10').range, {
    from: { latest: 5_000 },
    records: 10,
  });
  assert.deepEqual(optionsOf('--brokers', 'a:1,b:2').brokers, ['k:9092', 'a:1', 'b:2']);
  assert.equal(optionsOf('--tls').tls === undefined, false);
  assert.equal(optionsOf().tls, undefined);
});
