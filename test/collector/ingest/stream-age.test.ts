// Streams do not grow old: each is handed on in its time, after what it has brought is acknowledged, so that
// agents which all went to one collector are spread again by whatever stands before the collectors.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createEvents } from '@sluice/collector/events.ts';
import type { AgentStream } from '@sluice/collector/ingest/agent-session.ts';
import { createIngest } from '@sluice/collector/ingest/ingest.ts';
import { createMetrics } from '@sluice/shared/metrics.ts';
import { createLinkPki } from '../../support/link-pki.ts';
import { manualClock, settle } from '../../support/manual-clock.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { sequencerDouble } from '../../support/sequencer-double.ts';
import { CollectorStreamDouble } from '../../support/stream-doubles.ts';

const AGE_MS = 1_800_000;
const { raw } = new X509Certificate(readFileSync((await (await createLinkPki()).agent('site-1')).cert));

/** An ingest behind a door that the test opens; `fractions` are what chance draws, the last one for ever. */
async function startIngest(...fractions: number[]) {
  const clock = manualClock();
  const log = recordingLogger();
  const sequencer = sequencerDouble();
  let accept: (stream: AgentStream) => void = () => {};
  const ingest = createIngest({
    address: { host: '127.0.0.1', port: 0 },
    tls: { ca: '', cert: '', key: '' },
    allowCommonName: false,
    connectionsMax: 16,
    creditBytesMax: 2 ** 20,
    agents: [{ id: 'site-1', topics: ['*'] }],
    drainMs: 110_000,
    streamAgeMaxMs: AGE_MS,
    sequencer,
    collectorId: 'collector-1',
    version: '0.1.0',
    clock,
    random: {
      fraction: () => (fractions.length > 1 ? fractions.shift() : fractions[0]) ?? 0.5,
      hex: () => '',
    },
    events: createEvents(log, createMetrics()),
    openDoor: (options) => {
      accept = options.accept;
      const door = { reload() {}, certificate: () => undefined, close: async () => {} };
      return { ...door, open: async () => 8443 };
    },
  });
  await ingest.start();
  const connect = async () => {
    const proof = {
      getPeer: () => '10.0.0.7:40000',
      getAuthContext: () => ({ sslPeerCertificate: { raw } }),
    };
    const double = Object.assign(new CollectorStreamDouble(), proof);
    accept(double.stream);
    const hello = { agentId: 'site-1', instanceId: 'i', version: '0.1.0', protocolMin: 1, protocolMax: 1 };
    double.say({ $case: 'hello', value: { ...hello, partitions: [] } });
    await settle();
    return double;
  };
  return { clock, log, sequencer, ingest, connect };
}

test('a stream is told to go when it has reached its age, once, and no sooner', async () => {
  const { clock, connect, log } = await startIngest(0.5);
  const stream = await connect();
  await clock.advance(AGE_MS - 1);
  assert.deepEqual(stream.all('drain'), []);
  await clock.advance(1);
  assert.deepEqual(stream.all('drain'), [{ reason: 'this stream has reached its age' }]);
  assert.equal(log.said(/stream handed on/).length, 1);
  stream.emit('end');
  await settle();
  assert.deepEqual(stream.status, { code: 0, details: 'OK' });
  assert.equal(clock.timers, 0, 'no timer outlives its stream');
  await clock.advance(10 * AGE_MS);
  assert.equal(stream.all('drain').length, 1);
});

test('streams that began together end up to two fifths of the age apart', async () => {
  const { clock, connect } = await startIngest(0, 0.999_999);
  const [early, late] = [await connect(), await connect()];
  await clock.advance(AGE_MS * 0.8);
  assert.deepEqual([early.all('drain').length, late.all('drain').length], [1, 0]);
  await clock.advance(AGE_MS * 0.4 - 10);
  assert.equal(late.all('drain').length, 0);
  await clock.advance(10);
  assert.equal(late.all('drain').length, 1);
});

test('many streams close windows early no more often than a few: those due between go together', async () => {
  const minute = AGE_MS / 30;
  const after = (ms: number) => ms / AGE_MS / 0.4; // behind the earliest
  const { clock, connect, log } = await startIngest(0, after(minute / 4), after(minute / 2), 0.5);
  const streams = [await connect(), await connect(), await connect(), await connect()];
  const told = () => streams.map((stream) => stream.all('drain').length).join('');
  await clock.advance(AGE_MS * 0.8 + 1);
  assert.equal(told(), '1000');
  await clock.advance(minute - 2);
  assert.equal(told(), '1000');
  await clock.advance(2);
  assert.equal(told(), '1110');
  await clock.advance(AGE_MS * 0.2 - minute);
  assert.equal(told(), '1111', 'whoever is due when nobody was for long goes at once');
  assert.equal(log.said(/stream handed on/).length, 4);
});

test('a stream that is handed on ends when what it brought is acknowledged; its neighbour stays', async () => {
  const { clock, connect, sequencer, ingest } = await startIngest(0, 1);
  let acknowledge = () => {};
  sequencer.beforeFinished = () => new Promise((resolve) => (acknowledge = resolve));
  const [old, neighbour] = [await connect(), await connect()];
  await clock.advance(AGE_MS * 0.8);
  old.emit('end');
  await clock.advance(100_000);
  assert.equal(old.status, undefined, 'its windows are not acknowledged yet');
  acknowledge();
  await settle();
  assert.deepEqual(old.status, { code: 0, details: 'OK' });
  assert.equal(neighbour.status, undefined);
  assert.equal(ingest.status().agents.length, 1);
  assert.equal(ingest.status().listening, true, 'whoever connects anew is taken');
});

test('an agent that does not go is not heard any more after 20 s', async () => {
  const { clock, connect } = await startIngest(0.5);
  const stream = await connect();
  await clock.advance(AGE_MS + 19_999);
  assert.equal(stream.status, undefined);
  await clock.advance(1);
  assert.deepEqual(stream.status, { code: 0, details: 'OK' });
});

test('while the collector drains no stream is told a second time', async () => {
  const { clock, connect, ingest } = await startIngest(0.5);
  const stream = await connect();
  await clock.advance(AGE_MS - 1);
  void ingest.drain('SIGTERM', 10_000);
  await clock.advance(100);
  assert.deepEqual(stream.all('drain'), [{ reason: 'SIGTERM' }]);
});
