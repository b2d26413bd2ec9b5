// A failed upload is an error that names the object, and nothing on the console beside the log.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createS3ObjectStore } from '@sluice/collector/lake/s3-object-store.ts';
import { temporaryDirectory } from '../../support/temp.ts';

test('an upload that S3 refuses is one error by name, and the SDK writes nothing to the console', async (t) => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(503).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const written = (['debug', 'info', 'log', 'warn', 'error'] as const).map((name) =>
    t.mock.method(console, name, () => {}),
  );
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const store = createS3ObjectStore({ bucket: 'lake', prefix: '', region: 'us-east-1', endpoint });
  t.after(() => store.close());
  const path = join(temporaryDirectory(), 'rows.parquet');
  writeFileSync(path, 'rows');
  await assert.rejects(store.stage(path, 'staged/rows.parquet', 'ab'), {
    code: 'STORE_UNAVAILABLE',
    place: 'staged/rows.parquet',
  });
  assert.deepEqual(
    written.flatMap(({ mock }) => mock.calls.map((call) => call.arguments)),
    [],
  );
});
