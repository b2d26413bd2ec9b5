// What befalls the link between agent and collectors: it is cut, half-closed, frozen, slow or narrow. What
// would hit nobody waits until there is a connection.

import type { Chance } from '../simulation/chance.ts';
import { holdsWithin } from '../support/eventually.ts';
import type { LinkProxy, LinkShape } from '../support/link-proxy.ts';
import type { FaultTools } from './blow.ts';
import type { Fault, NonEmpty } from './lane.ts';

const SHAPE_MS = [2_000, 8_000] as const;
/** An agent that was killed, or backs off, connects again within this. */
const CONNECTED_MS_MAX = 60_000;

export interface NamedLink {
  readonly name: string;
  readonly link: LinkProxy;
}

export function linkFaults(links: NonEmpty<NamedLink>, { clock, journal }: FaultTools): Fault[] {
  const at = (kind: string, act: (link: LinkProxy, chance: Chance) => void | Promise<void>): Fault => ({
    name: kind,
    async run(chance) {
      const { name, link } = chance.pick(links);
      if (!(await holdsWithin(CONNECTED_MS_MAX, () => link.open > 0)))
        return journal.say(`${kind}: ${name} is not connected`);
      journal.happened(kind, name);
      await act(link, chance);
    },
  });
  const shaped = (kind: string, shape: (chance: Chance) => LinkShape) =>
    at(kind, async (link, chance) => {
      link.shape(shape(chance));
      await clock.sleep(chance.between(...SHAPE_MS));
      link.shape({});
    });
  const cut = at('link cut', (link) => link.cut());
  const halfClosed = at('link half-closed', (link) => link.halfClose());
  return [
    cut,
    cut,
    cut,
    halfClosed,
    halfClosed,
    at('link frozen', (link) => link.freeze()),
    shaped('link slow', (chance) => ({ delayMs: chance.between(50, 1_000) })),
    shaped('link narrow', (chance) => ({ bitsPerSecond: chance.between(200_000, 2_000_000) })),
  ];
}
