// S3 and Glue refuse, throttle, fail, hang, cut the connection, or lose the reply to what they did. A lie
// lasts until it has hit at least one request: S3 and Glue are lied about in lanes of their own, so that
// what keeps S3 from working does not keep Glue's lies from being told for long.

import type { AwsProxy, AwsRequest, Intervention } from '../support/aws-proxy.ts';
import { holdsWithin } from '../support/eventually.ts';
import type { FaultTools } from './blow.ts';
import type { Fault, NonEmpty } from './lane.ts';

const OUTAGE_MS = [1_000, 6_000] as const;
/** A table that was refused tries again within 30 s, and a collector that was killed has to start before. */
const HIT_MS_MAX = 90_000;

interface Lie {
  readonly name: string;
  readonly intervention: NonNullable<Intervention>;
  /** Of the requests that it applies to. */
  readonly share: number;
  /** Not set: every request of the service. */
  readonly conditionalOnly?: boolean;
}

/** An error instead of the request's effect, or in spite of it. */
const answers = (status: number, code: string, when: 'before' | 'after' = 'before') => ({
  intervention: { when, how: { status, code } } as const,
});
const fails = (when: 'before' | 'after', how: 'hang' | 'cut') => ({ intervention: { when, how } as const });
const silences = (service: string): Lie[] => [
  { name: `${service} hangs`, ...fails('before', 'hang'), share: 0.2 },
  { name: `${service} hangs after the effect`, ...fails('after', 'hang'), share: 0.2 },
  { name: `${service} connection cut`, ...fails('before', 'cut'), share: 0.5 },
  { name: `${service} reply lost`, ...fails('after', 'cut'), share: 0.5 },
];
const LIES: Readonly<Record<AwsRequest['service'], readonly Lie[]>> = {
  s3: [
    { name: 'S3 answers 503', ...answers(503, 'SlowDown'), share: 0.9 },
    { name: 'S3 answers 500', ...answers(500, 'InternalError'), share: 0.5 },
    { name: 'S3 answers 500 to what it did', ...answers(500, 'InternalError', 'after'), share: 0.5 },
    {
      name: 'S3 answers 409',
      ...answers(409, 'ConditionalRequestConflict'),
      share: 0.7,
      conditionalOnly: true,
    },
    {
      name: 'S3 answers 409 to what it did',
      ...answers(409, 'ConditionalRequestConflict', 'after'),
      share: 0.5,
      conditionalOnly: true,
    },
    { name: 'S3 denies', ...answers(403, 'AccessDenied'), share: 1 },
    ...silences('S3'),
  ],
  glue: [
    { name: 'Glue throttles', ...answers(400, 'ThrottlingException'), share: 0.9 },
    { name: 'Glue answers 500', ...answers(500, 'InternalServiceException'), share: 0.7 },
    {
      name: 'Glue answers 500 to what it did',
      ...answers(500, 'InternalServiceException', 'after'),
      share: 0.7,
    },
    { name: 'Glue denies', ...answers(400, 'AccessDeniedException'), share: 1 },
    ...silences('Glue'),
  ],
};

export interface NamedAws {
  readonly name: string;
  readonly aws: AwsProxy;
}

type Rule = (request: AwsRequest) => Intervention;

/** Counted by turn, and by the requests that were lied to. */
export function awsFaults(
  proxies: NonEmpty<NamedAws>,
  tools: FaultTools,
): Readonly<Record<AwsRequest['service'], Fault[]>> {
  const told = new Map<AwsProxy, Set<Rule>>();
  for (const { aws } of proxies) {
    const rules = new Set<Rule>();
    told.set(aws, rules);
    aws.rule = (request) => {
      for (const rule of rules) {
        const intervention = rule(request);
        if (intervention !== undefined) return intervention;
      }
      return undefined;
    };
  }
  const faultsOf = (service: AwsRequest['service']) =>
    LIES[service].map((lie) => faultOf(lie, { service, proxies, told, tools }));
  return { s3: faultsOf('s3'), glue: faultsOf('glue') };
}

interface Told {
  readonly service: AwsRequest['service'];
  readonly proxies: NonEmpty<NamedAws>;
  readonly told: ReadonlyMap<AwsProxy, Set<Rule>>;
  readonly tools: FaultTools;
}

function faultOf(lie: Lie, { service, proxies, told, tools: { clock, journal } }: Told): Fault {
  const { name: kind, intervention, share, conditionalOnly = false } = lie;
  return {
    name: kind,
    async run(chance) {
      const one = chance.pick(proxies);
      const whom = chance.happens(0.5) ? proxies : [one];
      const ms = chance.between(...OUTAGE_MS);
      let requests = 0;
      const ruleOf =
        (name: string): Rule =>
        (request) => {
          const applies = request.service === service && (request.conditional || !conditionalOnly);
          if (!applies || !chance.happens(share)) return undefined;
          requests++;
          journal.say(`  ${kind}: ${name}: ${request.action} ${request.path}`);
          return intervention;
        };
      const rules = new Map(proxies.map(({ name, aws }) => [aws, ruleOf(name)]));
      const tell = (hearers: readonly NamedAws[]) => {
        for (const { aws } of hearers) told.get(aws)?.add(rules.get(aws) as Rule);
      };
      try {
        tell(whom);
        await clock.sleep(ms);
        // Its collector may have nothing to write, or be down: then all of them are lied to.
        if (requests === 0) tell(proxies);
        const isHit = await holdsWithin(HIT_MS_MAX, () => requests > 0);
        if (isHit) journal.happened(kind, `${requests} requests`, requests);
        else journal.say(`${kind}: hit no request`);
      } finally {
        for (const [aws, rule] of rules) {
          told.get(aws)?.delete(rule);
          // What it takes a collector to give up by itself is longer than many runs.
          aws.breakHanging();
        }
      }
    },
  };
}
