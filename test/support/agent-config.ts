// An agent.yaml on free ports, for tests of the agent's process whose Kafka and collector are down or silent.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '@sluice/deploy/local/free-ports.ts';
import { createSitePki } from '@sluice/deploy/local/site.ts';
import { stringify } from 'yaml';
import { temporaryDirectory } from './temp.ts';

export async function writeAgentConfig({ brokers }: { brokers: readonly string[] }) {
  const directory = temporaryDirectory();
  const pki = await createSitePki(directory);
  const [link = 0, http = 0] = await freePorts(2);
  const pem = (name: string) => join(pki.directory, name);
  const file = join(directory, 'agent.yaml');
  const document = {
    agent: { id: 'site-1', dataDir: join(directory, 'data') },
    kafka: { brokers, group: 'sluice' },
    topics: ['claims'],
    collector: {
      address: `127.0.0.1:${link}`,
      tls: { ca: pem('ca.pem'), cert: pem('agent.pem'), key: pem('agent-key.pem') },
    },
    spool: { freeSpaceMin: '1MiB' },
    http: { address: `127.0.0.1:${http}` },
  };
  writeFileSync(file, stringify(document));
  return { file, httpUrl: `http://127.0.0.1:${http}` };
}
