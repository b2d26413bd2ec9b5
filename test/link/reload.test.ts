// Certificates change under a running stream: nothing is lost, and what was demanded before is demanded
// after.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createRevocationList } from '@sluice/shared/pki.ts';
import { NO_TOPIC_ID } from '@sluice/shared/position.ts';
import { eventually } from '../support/eventually.ts';
import { feedDouble } from '../support/feed-double.ts';
import { hurriedClock, startAgentEnd, startCollectorEnd } from '../support/link-ends.ts';
import { createLinkPki, type PemFiles } from '../support/link-pki.ts';
import { createLinkProxy } from '../support/link-proxy.ts';
import { assertContiguous } from '../support/oracles.ts';
import { opaqueSegment } from '../support/segments.ts';
import { temporaryDirectory } from '../support/temp.ts';

const claims = { topic: 'claims', topicId: NO_TOPIC_ID, partition: 0 };
const pki = await createLinkPki();
const agent = await pki.agent('site-1');
const serialOf = (path: string) => new X509Certificate(readFileSync(path)).serialNumber;

/** The files that a program reads; `renew` is what an operator's renewal does to them. */
function installed(first: PemFiles) {
  const directory = temporaryDirectory();
  const files = { ca: first.ca, cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  const renew = (next: PemFiles, which: readonly ('cert' | 'key')[] = ['cert', 'key']) => {
    for (const kind of which) copyFileSync(next[kind], files[kind]);
  };
  renew(first);
  return { files, renew };
}

/** The serial that a new connection is shown, or the error's code; as `client` with a TLS version at most. */
async function dial(port: number, client: PemFiles, maxVersion: tls.SecureVersion = 'TLSv1.3') {
  const [ca, cert, key] = [client.ca, client.cert, client.key].map((path) => readFileSync(path));
  assert.ok(ca && cert && key);
  const socket = tls.connect({ port, host: '127.0.0.1', ca, cert, key, maxVersion, ALPNProtocols: ['h2'] });
  const failed = once(socket, 'secureConnect').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  const code = await failed;
  const serial = code ?? socket.getPeerX509Certificate()?.serialNumber;
  socket.destroy();
  return serial;
}

async function underLoad(t: TestContext) {
  const first = await pki.collector();
  const { files, renew } = installed(first);
  const revoked = await pki.agent('site-1');
  const crl = join(temporaryDirectory(), 'crl.pem');
  const revokedPem = [readFileSync(revoked.cert, 'utf8')];
  writeFileSync(crl, await createRevocationList(pki.authority, { revokedPem, nowMs: Date.now(), days: 1 }));
  const there = await startCollectorEnd(t, { tls: { ...files, crl } });
  const feed = feedDouble([
    { id: claims, at: (offset) => opaqueSegment(offset, offset + 10, { payloadBytes: 50_000 }) },
  ]);
  const here = startAgentEnd(t, { address: { host: '127.0.0.1', port: there.port }, tls: agent, feed });
  const flows = async (what: string) => {
    const before = there.sequencer.taken(claims).length;
    await eventually(what, () => there.sequencer.taken(claims).length > before + 20);
    there.sequencer.commitAll();
    there.ingest.roomChanged();
  };
  await flows('segments flow');
  return { there, here, first, renew, revoked, flows };
}

test('a renewed collector certificate is shown to new connections, and the stream that runs loses nothing', async (t) => {
  const { there, here, first, renew, flows } = await underLoad(t);
  assert.equal(await dial(there.port, agent), serialOf(first.cert));
  const next = await pki.collector({ days: 60 });
  renew(next);
  there.ingest.reload();
  await flows('segments flow on');
  assert.equal(await dial(there.port, agent), serialOf(next.cert));
  assert.deepEqual(there.log.said(/certificates read again/), [{ daysToExpiry: 59 }]);
  assert.equal(there.ingest.status().daysToExpiry > 59, true);
  assert.equal(here.uplink.status().attempts, 1);
  assert.deepEqual(
    here.feed.heard.filter((line) => line.startsWith('rewind')),
    [],
    'nothing was missed',
  );
  assertContiguous(there.sequencer.taken(claims));
});

test('TLS 1.2 and revoked certificates are refused after a reload as before it', async (t) => {
  const { there, renew, revoked } = await underLoad(t);
  const refusals = () => there.log.said(/connection refused/).map(({ reason }) => String(reason));
  const check = async () => {
    const before = refusals().length;
    // An agent that was refused goes on trying until it is stopped: others may be told in between.
    const isRefused = (why: RegExp) =>
      refusals()
        .slice(before)
        .some((reason) => why.test(reason));
    assert.equal(await dial(there.port, agent, 'TLSv1.2'), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    await eventually('the old protocol is refused by name', () => isRefused(/does not speak TLS 1\.3/));
    const other = startAgentEnd(t, {
      address: { host: '127.0.0.1', port: there.port },
      tls: revoked,
      clock: hurriedClock,
    });
    await eventually('the revoked one is told', () =>
      other.uplink.status().lastError?.includes('was revoked'),
    );
    await other.uplink.stop(1_000);
    assert.ok(isRefused(/was revoked/));
  };
  await check();
  renew(await pki.collector());
  there.ingest.reload();
  await check();
});

test('a torn pair is refused by name, and the old certificate stays', async (t) => {
  const { there, here, first, renew, flows } = await underLoad(t);
  renew(await pki.collector(), ['cert']);
  assert.throws(() => there.ingest.reload(), {
    code: 'TLS_FILES_UNUSABLE',
    message: /does not belong to the key in .*key\.pem/,
    place: /cert\.pem$/,
  });
  assert.equal(await dial(there.port, agent), serialOf(first.cert));
  assert.deepEqual(there.log.said(/certificates read again/), []);
  await flows('segments flow on');
  assert.equal(here.uplink.status().attempts, 1);
});

test('the agent’s renewed certificate is used by its next connection', async (t) => {
  const there = await startCollectorEnd(t, { tls: await pki.collector() });
  const proxy = await createLinkProxy(there.port);
  t.after(() => proxy.close());
  const { files, renew } = installed(agent);
  const address = { host: '127.0.0.1', port: proxy.port };
  const here = startAgentEnd(t, { address, tls: files, clock: hurriedClock });
  await eventually('connected', () => here.uplink.status().state === 'connected');
  renew(await pki.agent('site-2'));
  proxy.cut();
  await eventually('it shows the new one', () =>
    here.uplink.status().lastError?.includes("certificate says 'site-2'"),
  );
  renew(await pki.agent('site-1'));
  await eventually('connected again', () => here.uplink.status().state === 'connected');
});

test('a reload takes the agent over to its renewed certificate, and nothing is lost', async (t) => {
  const there = await startCollectorEnd(t, { tls: await pki.collector() });
  const { files, renew } = installed(agent);
  const feed = feedDouble([
    { id: claims, at: (offset) => opaqueSegment(offset, offset + 10, { payloadBytes: 50_000 }) },
  ]);
  const address = { host: '127.0.0.1', port: there.port };
  const here = startAgentEnd(t, { address, tls: files, feed, clock: hurriedClock });
  const flows = async (what: string) => {
    const before = there.sequencer.taken(claims).length;
    await eventually(what, () => there.sequencer.taken(claims).length > before + 20);
    there.sequencer.commitAll();
    there.ingest.roomChanged();
  };
  await flows('segments flow');
  renew(await pki.agent('site-1', { days: 60 }));
  here.uplink.reload();
  assert.deepEqual(here.log.said(/certificates read again/), [{ daysToExpiry: 59 }]);
  await eventually('a second stream', () => here.uplink.status().attempts === 2);
  await flows('segments flow on');
  assertContiguous(there.sequencer.taken(claims));
  assert.ok(here.feed.heard.includes('disconnected drained'), here.feed.heard.join());
  renew(await pki.agent('site-2'));
  here.uplink.reload();
  await eventually('it shows the new one', () =>
    here.uplink.status().lastError?.includes("certificate says 'site-2'"),
  );
});

test('an agent that is told to read a torn pair says so, and its stream goes on', async (t) => {
  const there = await startCollectorEnd(t, { tls: await pki.collector() });
  const { files, renew } = installed(agent);
  const here = startAgentEnd(t, { address: { host: '127.0.0.1', port: there.port }, tls: files });
  await eventually('connected', () => here.uplink.status().state === 'connected');
  renew(await pki.agent('site-1'), ['cert']);
  assert.throws(() => here.uplink.reload(), { code: 'TLS_FILES_UNUSABLE', place: /cert\.pem$/ });
  assert.equal(here.uplink.status().state, 'connected');
  assert.deepEqual(here.feed.heard, []);
});
