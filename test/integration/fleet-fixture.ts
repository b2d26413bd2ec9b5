// A fleet on a journey's broker: two agents in one consumer group reach two collectors through one balancer,
// and all of it shares one lake.
import { join } from 'node:path';
import type { Site, SiteProgram } from '@sluice/deploy/local/site.ts';
import { createBalancer } from '../support/balancer.ts';
import { eventually } from '../support/eventually.ts';
import { createLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { type Journey, textTable } from './journey-fixture.ts';

export const FURTHER_AGENTS = ['site-2'];
export const WINDOW_MS = 2_000;

export const fleetTable = (name: string) => textTable(name, name, `${WINDOW_MS / 1_000}s`);

export interface Fleet {
  readonly sites: readonly [Site, Site];
  readonly lakeDirectory: string;
  readonly proxy: LinkProxy;
  readonly balancer: ReturnType<typeof createBalancer>;
  stop(): Promise<void>;
}

export const portOf = ({ linkAddress }: Site) => Number(linkAddress.split(':')[1]);

/** Both sites share group, lake and balancer; nothing runs yet. */
export async function createFleet(journey: Journey, topic: string): Promise<Fleet> {
  const balancer = createBalancer();
  const proxy = await createLinkProxy(balancer.next);
  const lakeDirectory = join(journey.directory, `${topic}-lake`);
  const create = (id: string, certificate: string) =>
    journey.site(`${topic}-${id}`, {
      topics: [topic],
      tables: [fleetTable(topic)],
      agentId: id,
      agentCertificate: certificate,
      allowedAgents: 'site-*',
      collectorId: `collector-of-${id}`,
      kafka: journey.mutualTls(topic),
      lake: { store: lakeDirectory, catalog: 'file', database: 'sluice' },
      collectorAddress: `127.0.0.1:${proxy.port}`,
    });
  const sites = [await create('site-1', 'agent'), await create('site-2', 'agent-site-2')] as const;
  const programs = sites.flatMap(({ agent, collector }) => [agent, collector]);
  const stop = async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await proxy.close();
  };
  return { sites: [sites[0], sites[1]], lakeDirectory, proxy, balancer, stop };
}

const COMMITTED_MS_MAX = 90_000;

/**
 * Until the agents have committed so many offsets to their group, as each does with what its collector
 * acknowledged. A collector that no agent is connected to would know of it a minute later.
 */
export async function untilCommitted(journey: Journey, topic: string, offsets: number): Promise<void> {
  await eventually(
    `${offsets} offsets of ${topic} are committed`,
    async () => {
      const now = await journey.groupOffset(topic, topic);
      if (now < offsets) throw new Error(`${now} are`);
      return true;
    },
    { deadlineMs: COMMITTED_MS_MAX },
  );
}

export interface AgentStatus {
  readonly spool: { readonly partitions: readonly { nextOffset: number }[] };
}

export async function spooled(agent: SiteProgram): Promise<number> {
  const { spool } = await agent.status<AgentStatus>();
  return spool.partitions.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
}
