// What befalls the network: the link between agent and collectors is cut, half-closed, frozen, slow or
// narrow; S3 and Glue refuse, fail, hang, or lose the reply to what they did.

import type { Chance } from '../simulation/chance.ts';
import type { AwsProxy, AwsRequest, Intervention } from '../support/aws-proxy.ts';
import type { LinkProxy, LinkShape } from '../support/link-proxy.ts';
import type { Fault, NonEmpty } from './lane.ts';
import type { FaultTools } from './process-faults.ts';

const SHAPE_MS = [2_000, 8_000] as const;
const OUTAGE_MS = [1_000, 8_000] as const;

export interface NamedLink {
  readonly name: string;
  readonly link: LinkProxy;
}

export function linkFaults(links: NonEmpty<NamedLink>, { clock, journal }: FaultTools): Fault[] {
  /** `act` on a link that has a connection; what hits nobody is not counted. */
  const at = (kind: string, act: (link: LinkProxy, chance: Chance) => void | Promise<void>): Fault => ({
    name: kind,
    async run(chance) {
      const { name, link } = chance.pick(links);
      if (link.open > 0) journal.happened(kind, name);
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
  return [
    cut,
    cut,
    cut,
    at('link half-closed', (link) => link.halfClose()),
    at('link half-closed', (link) => link.halfClose()),
    at('link frozen', (link) => link.freeze()),
    shaped('link slow', (chance) => ({ delayMs: chance.between(50, 1_000) })),
    shaped('link narrow', (chance) => ({ bitsPerSecond: chance.between(200_000, 2_000_000) })),
  ];
}

interface Lie {
  readonly name: string;
  readonly applies: (request: AwsRequest) => boolean;
  readonly intervention: NonNullable<Intervention>;
  /** Of the requests that it applies to. */
  readonly share: number;
}

const s3 = ({ service }: AwsRequest) => service === 's3';
const glue = ({ service }: AwsRequest) => service === 'glue';
const any = () => true;
const conditional = (request: AwsRequest) => s3(request) && request.conditional;
/** An error instead of the request's effect, or in spite of it. */
const answers = (status: number, code: string, when: 'before' | 'after' = 'before') => ({
  intervention: { when, how: { status, code } } as const,
});
const LIES: readonly Lie[] = [
  { name: 'S3 answers 503', applies: s3, ...answers(503, 'SlowDown'), share: 0.9 },
  { name: 'S3 answers 500', applies: s3, ...answers(500, 'InternalError'), share: 0.5 },
  {
    name: 'S3 answers 500 to what it did',
    applies: s3,
    ...answers(500, 'InternalError', 'after'),
    share: 0.5,
  },
  {
    name: 'S3 answers 409',
    applies: conditional,
    ...answers(409, 'ConditionalRequestConflict'),
    share: 0.7,
  },
  {
    name: 'S3 answers 409 to what it did',
    applies: conditional,
    ...answers(409, 'ConditionalRequestConflict', 'after'),
    share: 0.5,
  },
  { name: 'Glue throttles', applies: glue, ...answers(400, 'ThrottlingException'), share: 0.9 },
  {
    name: 'Glue answers 500 to what it did',
    applies: glue,
    ...answers(500, 'InternalServiceException', 'after'),
    share: 0.5,
  },
  { name: 'AWS hangs', applies: any, intervention: { when: 'before', how: 'hang' }, share: 0.1 },
  {
    name: 'AWS hangs after the effect',
    applies: any,
    intervention: { when: 'after', how: 'hang' },
    share: 0.1,
  },
  { name: 'AWS connection cut', applies: any, intervention: { when: 'before', how: 'cut' }, share: 0.5 },
  { name: 'AWS reply lost', applies: any, intervention: { when: 'after', how: 'cut' }, share: 0.5 },
];

export interface NamedAws {
  readonly name: string;
  readonly aws: AwsProxy;
}

/** Counted by request, which is how often each happens to a collector. */
export function awsFaults(proxies: NonEmpty<NamedAws>, { clock, journal }: FaultTools): Fault[] {
  return LIES.map(({ name: kind, applies, intervention, share }) => ({
    name: kind,
    async run(chance) {
      const { name, aws } = chance.pick(proxies);
      const ms = chance.between(...OUTAGE_MS);
      aws.rule = (request) => {
        if (!applies(request) || !chance.happens(share)) return undefined;
        journal.happened(kind, `${name}: ${request.action} ${request.path}`);
        return intervention;
      };
      await clock.sleep(ms);
      // Also breaks what hangs: what it takes a collector to give up by itself is longer than many runs.
      aws.resume();
    },
  }));
}
