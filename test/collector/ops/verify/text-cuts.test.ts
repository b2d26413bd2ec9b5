// Text of joined objects is unpacked as far as the ledger says that it goes, and what a machine lacks is not
// told as something that is wrong with a lake.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TextCuts } from '@sluice/collector/ops/verify/text-cuts.ts';
import { temporaryDirectory } from '../../../support/temp.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** An object with this text, and where its lines may be cut out. */
function packed(text: string | Buffer) {
  const directory = temporaryDirectory();
  const path = join(directory, 'object.json.gz');
  writeFileSync(path, gzipSync(text));
  return { path, texts: join(directory, 'texts'), cuts: new TextCuts(join(directory, 'texts')) };
}

const LINE = '{"n":1}\n';
const part = { bytes: LINE.length, sha256: sha256(LINE) };

test('lines are cut out, and no more of a packed object is unpacked than it may have, and a little', async () => {
  const { path, cuts } = packed(LINE + '\n'.repeat(50_000_000));
  const of = 2 * LINE.length;
  const whole = await cuts.whole(path, of);
  assert.ok(readFileSync(whole.path).length <= of + 64 * 1024, `${whole.bytes} bytes are unpacked`);
  const first = await cuts.cut(whole, { ...part, first: 0, of });
  assert.deepEqual([readFileSync(first.path, 'utf8'), first.wrong], [LINE, undefined]);
  const last = { first: LINE.length, bytes: LINE.length, sha256: sha256('\n'.repeat(LINE.length)), of };
  const { wrong } = await cuts.cut(whole, last);
  assert.equal(wrong, `its text has more than the ${of} bytes that were joined`);
});

test('text that ends early is said to be so, and lines in front of its end are not there either', async () => {
  const { path, cuts } = packed(LINE);
  writeFileSync(path, gzipSync(LINE.repeat(10)).subarray(0, 20));
  const whole = await cuts.whole(path, 10 * LINE.length);
  const { wrong } = await cuts.cut(whole, { ...part, first: 0, of: 10 * LINE.length });
  assert.match(wrong ?? '', /^its text cannot be unpacked: /);
});

test('text that this machine cannot hold ends the command, and is not told of the lake', async () => {
  const { path, texts, cuts } = packed(LINE);
  mkdirSync(join(texts, '0.txt'), { recursive: true });
  await assert.rejects(cuts.whole(path, LINE.length), { code: 'EISDIR' });
});
