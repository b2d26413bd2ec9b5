// The HTTP face says what the program judged, in status codes that a load balancer and a monitor understand.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createMetrics } from '@sluice/shared/metrics.ts';
import {
  type HealthReport,
  type OpsServer,
  startOpsServer,
  VERDICT_EXIT,
} from '@sluice/shared/ops-server.ts';

const metrics = createMetrics();
let server: OpsServer;
let report: () => HealthReport;

before(async () => {
  const documents = { '/kafka': async () => ({ agents: [] }) };
  server = await startOpsServer({ host: '127.0.0.1', port: 0, metrics, report: () => report(), documents });
});
after(() => server.close());

async function get(path: string): Promise<{ status: number; text: string; type: string }> {
  const reply = await fetch(`http://127.0.0.1:${server.port}${path}`);
  return { status: reply.status, text: await reply.text(), type: reply.headers.get('content-type') ?? '' };
}

const reportOf = (verdict: HealthReport['verdict'], ready: boolean): HealthReport => ({
  verdict,
  ready,
  reasons: verdict === 'flowing' ? [] : ['topic claims waits: its share of the spool is used'],
  detail: { spool: { bytes: 7 } },
});

const CASES: readonly (readonly [HealthReport['verdict'], boolean, number, number])[] = [
  ['flowing', true, 200, 200],
  ['flowing', false, 503, 200],
  ['degraded', true, 200, 503],
  ['stopped', false, 503, 503],
  ['unknown', false, 503, 503],
];

for (const [verdict, ready, readyz, healthz] of CASES) {
  test(`${verdict} and ${ready ? 'ready' : 'not ready'}: /readyz ${readyz}, /healthz ${healthz}, /livez 200`, async () => {
    report = () => reportOf(verdict, ready);
    assert.equal((await get('/livez')).status, 200);
    assert.equal((await get('/readyz')).status, readyz);
    const health = await get('/healthz?full');
    assert.equal(health.status, healthz);
    assert.deepEqual(health.text.trim().split('\n'), [verdict, ...reportOf(verdict, ready).reasons]);
  });
}

test('the status document holds verdict, reasons and the program’s own detail', async () => {
  report = () => reportOf('degraded', true);
  for (const path of ['/', '/status']) {
    const { status, text, type } = await get(path);
    assert.equal(status, 200);
    assert.equal(type, 'application/json');
    assert.deepEqual(JSON.parse(text), {
      verdict: 'degraded',
      reasons: ['topic claims waits: its share of the spool is used'],
      ready: true,
      spool: { bytes: 7 },
    });
  }
});

test('metrics are exposed with values refreshed at each exposition', async () => {
  let value = 1;
  const gauge = metrics.gauge('sluice_test_value', 'A test', ['topic']);
  metrics.onCollect(() => gauge.set({ topic: 'a"b' }, value));
  assert.match((await get('/metrics')).text, /^sluice_test_value\{topic="a\\"b"\} 1$/m);
  value = 2;
  const { text, type } = await get('/metrics');
  assert.match(text, /^sluice_test_value\{topic="a\\"b"\} 2$/m);
  assert.match(type, /^text\/plain; version=0\.0\.4/);
});

test('a judgement that throws is an error to who asks for it, and the process is still alive', async () => {
  report = () => {
    throw new Error('broken judgement');
  };
  assert.deepEqual((await get('/healthz')).status, 500);
  assert.match((await get('/status')).text, /broken judgement/);
  assert.equal((await get('/livez')).status, 200);
});

test('an unknown path names the known ones, and a taken port is refused', async () => {
  report = () => reportOf('flowing', true);
  const { status, text } = await get('/nothing');
  assert.equal(status, 404);
  assert.match(text, /\/livez, \/readyz, \/healthz, \/metrics/);
  await assert.rejects(startOpsServer({ host: '127.0.0.1', port: server.port, metrics, report }), {
    code: 'EADDRINUSE',
  });
});

test('each verdict has an exit code of its own', () => {
  assert.deepEqual(VERDICT_EXIT, { flowing: 0, degraded: 1, stopped: 2, unknown: 3 });
});

test('a document of the program is answered as it is, and no other path is', async () => {
  report = () => reportOf('flowing', true);
  const { status, text, type } = await get('/kafka');
  assert.deepEqual([status, JSON.parse(text), type], [200, { agents: [] }, 'application/json']);
  assert.equal((await get('/constructor')).status, 404);
});
