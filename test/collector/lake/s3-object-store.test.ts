// The S3 store against an S3 that fails on cue, as no emulator does: 409 and 503 replies, replies lost after
// their effect, denials. What the ledger hears must be the truth or "unknown", never a wrong "created".
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { ObjectStore } from '@sluice/collector/contracts.ts';
import { createS3ObjectStore } from '@sluice/collector/lake/s3-object-store.ts';

type Fault = 'reply lost' | { readonly status: number; readonly code: string } | undefined;

let server: Server;
let store: ObjectStore;
let objects: Map<string, Buffer>;
let faults: Fault[];
let requests: number;

before(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
});

after(() => {
  delete process.env['AWS_ACCESS_KEY_ID'];
  delete process.env['AWS_SECRET_ACCESS_KEY'];
});

beforeEach(async () => {
  objects = new Map();
  faults = [];
  requests = 0;
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const endpoint = `http://127.0.0.1:${address.port}`;
  store = createS3ObjectStore({ bucket: 'lake', prefix: 'root', region: 'us-east-1', endpoint });
});

afterEach(async () => {
  store.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests++;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const fault = faults.shift();
  const refuse = (status: number, code: string) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<Error><Code>${code}</Code><Message>injected</Message></Error>`);
  };
  if (typeof fault === 'object') return refuse(fault.status, fault.code);
  const key = new URL(request.url ?? '', 'http://x').pathname;
  if (request.method === 'PUT') {
    if (request.headers['if-none-match'] === '*' && objects.has(key))
      return refuse(412, 'PreconditionFailed');
    objects.set(key, Buffer.concat(chunks));
  }
  if (fault === 'reply lost') return void response.destroy();
  const found = objects.get(key);
  if (found === undefined) return refuse(404, 'NoSuchKey');
  response.writeHead(200).end(request.method === 'GET' ? found : undefined);
}

test('a 409 says that nobody knows: the caller hears "try again", never "created" or "exists"', async () => {
  faults = [{ status: 409, code: 'ConditionalRequestConflict' }];
  await assert.rejects(store.createIfAbsent('k', Buffer.from('x')), { code: 'STORE_UNAVAILABLE' });
  assert.equal(await store.createIfAbsent('k', Buffer.from('x')), 'created');
});

test('a 503 is tried again within the call', async () => {
  faults = [
    { status: 503, code: 'SlowDown' },
    { status: 500, code: 'InternalError' },
  ];
  assert.equal(await store.createIfAbsent('k', Buffer.from('x')), 'created');
  assert.equal(requests, 3);
});

test('a reply lost after its effect is reported as "exists": the ledger then reads whose it is', async () => {
  faults = ['reply lost'];
  assert.equal(await store.createIfAbsent('k', Buffer.from('mine')), 'exists');
  assert.equal(Buffer.from((await store.read('k')) ?? []).toString(), 'mine');
});

test('a denied action is named with its key, and is neither absence nor an outage', async () => {
  const denied = { status: 403, code: 'AccessDenied' };
  const refused = (call: Promise<unknown>, action: RegExp) =>
    assert.rejects(call, { code: 'STORE_DENIED', message: action });
  faults = [denied, denied, denied];
  await refused(store.createIfAbsent('k', Buffer.from('x')), /s3:PutObject/);
  await refused(store.read('k'), /s3:GetObject/);
  await refused(store.head('k'), /s3:GetObject/);
});

test('a bucket without lifecycle rules expires nothing; a denied or failed look is not taken for that', async () => {
  faults = [{ status: 404, code: 'NoSuchLifecycleConfiguration' }];
  assert.deepEqual(await store.expiring(['_sluice/ledger/']), []);
  faults = [{ status: 403, code: 'AccessDenied' }];
  const denied = { code: 'STORE_DENIED', message: /s3:GetLifecycleConfiguration/ };
  await assert.rejects(store.expiring(['_sluice/ledger/']), denied);
  faults = [{ status: 404, code: 'NoSuchBucket' }];
  await assert.rejects(store.expiring(['_sluice/ledger/']), { code: 'STORE_UNAVAILABLE' });
});

test('an outage longer than the attempts of a call ends the call as unavailable', async () => {
  faults = Array.from({ length: 20 }, () => ({ status: 503, code: 'SlowDown' }));
  await assert.rejects(store.createIfAbsent('k', Buffer.from('x')), { code: 'STORE_UNAVAILABLE' });
  assert.ok(requests < 10, `${requests} requests`);
});
