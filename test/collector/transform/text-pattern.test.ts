// Lines of text by regular expression and by grok: fields with types, exact, and what does not match is
// quarantined. No name or pattern of a config gets into the SQL as anything but text.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TableConfig } from '@sluice/collector/contracts.ts';
import { GROK_PATTERNS } from '@sluice/collector/transform/grok-patterns.ts';
import { textPattern } from '@sluice/collector/transform/text-pattern.ts';
import { temporaryDirectory } from '../../support/temp.ts';
import { plainTable } from '../../support/written-lake.ts';
import { oneWindows } from './one-window.ts';

const { transformer, transform } = oneWindows();
const scratch = join(temporaryDirectory(), 'scratch');
mkdirSync(scratch);

const regex = (pattern: string) => ({ input: { kind: 'regex' as const, pattern } });
const grok = (pattern: string, patterns: Record<string, string> = {}) => ({
  input: { kind: 'grok' as const, pattern, patterns },
});
const withoutPlace = ({ _partition, _offset, ...row }: Record<string, unknown>) => row;
const problems = (table: Partial<TableConfig>) => transformer.validate({ ...plainTable, ...table }, scratch);

test('named groups are columns, typed as configured; another line is quarantined as it is', async () => {
  const table = {
    ...regex(String.raw`(?<verb>[A-Z]+) (?:/)(?P<path>\S*)( (?<code>\d+))?`),
    columns: [
      { name: 'code', type: 'int' },
      { name: 'verb', type: 'string' },
      { name: 'path', type: 'string' },
    ],
  };
  const { rows, quarantine } = await transform(table, [
    'GET /a 200',
    'PUT / 99999999999',
    'GET /b\r\n',
    'get /c',
    'GET /d\nGET /e',
    '',
    'PUT /é',
  ]);
  assert.deepEqual(rows.map(withoutPlace), [
    { code: 200, verb: 'GET', path: 'a' },
    { code: null, verb: 'GET', path: 'b' },
    { code: null, verb: 'PUT', path: 'é' },
  ]);
  assert.deepEqual(
    quarantine.map(({ _offset, code, reason }) => [_offset, code, reason]),
    [
      ['1', 'CAST_FAILED', "code '99999999999' is not int"],
      ['3', 'TEXT_NO_MATCH', 'the line does not match the pattern'],
      ['4', 'TEXT_NO_MATCH', 'the line does not match the pattern'],
      ['5', 'TEXT_NO_MATCH', 'the line does not match the pattern'],
    ],
  );
  assert.equal(quarantine[1]?.['raw'], 'get /c');
});

test('a line may be empty where the pattern says so', async () => {
  const { rows, quarantine } = await transform(regex('(?<all>x?)'), ['', 'x', 'y']);
  assert.deepEqual(
    rows.map((row) => row['all']),
    [null, 'x'],
  );
  assert.equal(quarantine.length, 1);
});

test('the log of a web server is read by the usual pattern', async () => {
  const { rows, quarantine } = await transform(grok('%{COMBINEDAPACHELOG}'), [
    '203.0.113.9 - ada [10/Oct/2026:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 "-" "curl \\"x\\""',
    '2001:db8::1 - - [10/Oct/2026:13:55:36 +0000] "-" 408 - "-" "-"',
    'nonsense',
  ]);
  assert.deepEqual(rows.map(withoutPlace), [
    {
      clientip: '203.0.113.9',
      ident: '-',
      auth: 'ada',
      timestamp: '10/Oct/2026:13:55:36 -0700',
      verb: 'GET',
      request: '/a?b=c',
      httpversion: '1.1',
      rawrequest: null,
      response: '200',
      bytes: '2326',
      referrer: '"-"',
      agent: '"curl \\"x\\""',
    },
    {
      clientip: '2001:db8::1',
      ident: '-',
      auth: '-',
      timestamp: '10/Oct/2026:13:55:36 +0000',
      verb: null,
      request: null,
      httpversion: null,
      rawrequest: '-',
      response: '408',
      bytes: null,
      referrer: '"-"',
      agent: '"-"',
    },
  ]);
  assert.equal(quarantine[0]?.['code'], 'TEXT_NO_MATCH');
});

test('grok has types, patterns of the table, and one field in several places', async () => {
  const table = grok('(?:%{POLICY:policy}|P %{POLICY:policy}) %{INT:n:int} %{NUMBER:x:float}', {
    POLICY: '[A-Z]{2}[0-9]{4}',
  });
  const { rows } = await transform(table, ['AB1234 9007199254740993 1.5', 'P CD5678 -1 .5']);
  assert.deepEqual(rows.map(withoutPlace), [
    { policy: 'AB1234', n: '9007199254740993', x: 1.5 },
    { policy: 'CD5678', n: '-1', x: 0.5 },
  ]);
});

/** Pattern, a text that it takes whole, and one that it does not. */
const TAKEN: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['INT', ['-12', '+5', '0'], ['1.5', 'x']],
  ['NUMBER', ['1', '-1.5', '.5', '2.'], ['1e5', '']],
  ['BASE16NUM', ['0xFF', 'ab'], ['g']],
  ['IPV4', ['255.255.255.255', '0.0.0.0'], ['256.1.1.1', '1.2.3']],
  [
    'IPV6',
    ['::', '::1', 'fe80::1%eth0', '2001:db8:0:0:0:0:0:1', '::ffff:192.0.2.1', '1::8'],
    ['1:2', '2001:db8::g', '1.2.3.4'],
  ],
  ['HOSTNAME', ['a', 'a-b.example.com', 'x.y.'], ['-a', 'a..b']],
  ['MAC', ['00:11:22:aa:bb:cc', '00-11-22-aa-bb-cc', '0011.22aa.bbcc'], ['00:11:22']],
  ['EMAILADDRESS', ['a.b+c@example.com'], ['a@', '@b']],
  ['UUID', ['123e4567-e89b-12d3-a456-426614174000'], ['123e4567']],
  ['URI', ['https://u:p@example.com:8443/a/b?c=d#e', 'file:///etc/hosts'], ['example.com']],
  ['PATH', ['/var/log/x.log', 'C:\\Windows\\x'], ['var/log']],
  ['QUOTEDSTRING', ['"a \\" b"', "'a'"], ['"a', 'a']],
  [
    'TIMESTAMP_ISO8601',
    ['2026-01-02T03:04:05.678Z', '2026-01-02 03:04:05,678', '2026-01-02T03:04+02:00'],
    ['2026-13-02T03:04:05', '03:04:05'],
  ],
  ['HTTPDATE', ['10/Oct/2026:13:55:36 -0700'], ['10/10/2026:13:55:36 -0700']],
  ['SYSLOGLINE', ['Oct  1 22:14:15 host su[230]: failed for x'], ['su: failed']],
  ['DATESTAMP_RFC2822', ['Mon, 15 Aug 2026 15:52:01 +0000'], ['15 Aug 2026']],
  ['DATESTAMP_EVENTLOG', ['20260102030405'], ['2026010203']],
  ['LOGLEVEL', ['INFO', 'warning', 'Error'], ['loud']],
  ['JAVACLASS', ['com.acme.Foo$1'], ['1x']],
];

for (const [name, good, bad] of TAKEN) {
  test(`%{${name}} takes what it names and nothing else`, async () => {
    const { rows, quarantine } = await transform(grok(`%{${name}:whole}`), [...good, ...bad]);
    assert.deepEqual(
      rows.map((row) => row['whole']),
      good,
    );
    assert.deepEqual(new Set(quarantine.map(({ code }) => code)), new Set(['TEXT_NO_MATCH']));
  });
}

test('every pattern of the set can be compiled', async () => {
  for (const name of Object.keys(GROK_PATTERNS))
    assert.deepEqual(await problems(grok(`%{${name}:whole}`)), [], name);
});

test('what cannot be a pattern is refused before any data, by name', async () => {
  const cases: readonly (readonly [Partial<TableConfig>, RegExp])[] = [
    [regex('abc'), /no named group/],
    [regex('(?<a>x)(?=y)'), /'\(\?=' looks ahead/],
    [regex('(?<!x)(?<a>y)'), /'\(\?<!' looks ahead/],
    [regex(String.raw`(?<a>x)\1`), /refers back/],
    [regex('(?<a b>x)'), /'a b' is no name/],
    [regex('(?<a>x'), /SQL is refused: .*missing \)/],
    [grok('%{NOSUCH:a}'), /no grok pattern is named 'NOSUCH'/],
    [grok('%{constructor:a}'), /no grok pattern is named 'constructor'/],
    [grok('%{A:a}', { A: '%{B}', B: '%{A}' }), /too deep/],
    [grok('%{INT:a:money}'), /type 'money'/],
    [{ ...regex('(?<a>x)'), columns: [{ name: 'b', type: 'int' }] }, /'b' is no group/],
  ];
  for (const [table, expected] of cases) assert.match((await problems(table)).join('\n'), expected);
});

test('a pattern is text to SQL, whatever it holds', async () => {
  const { rows } = await transform({ ...regex(String.raw`(?<a>'\); DROP TABLE staged; --[\]"(]|[(?<]+)`) }, [
    "'); DROP TABLE staged; --]",
    '(?<',
  ]);
  assert.deepEqual(
    rows.map((row) => row['a']),
    ["'); DROP TABLE staged; --]", '(?<'],
  );
  assert.deepEqual(textPattern({ kind: 'regex', pattern: String.raw`[(]\((?<a>[^]()]*)\Q(?<b>\E` }).groups, [
    { name: 'a', type: 'string' },
  ]);
});
