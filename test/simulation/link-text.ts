// A message of the link in one line, for traces.
import type { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';

interface Slot {
  readonly topic: string;
  readonly partition: number;
}

const nameOf = ({ topic, partition }: Slot) => `${topic}/${partition}`;

export function describeMessage({ body }: ConnectRequest | ConnectResponse): string {
  switch (body?.$case) {
    case 'hello':
    case 'assigned': {
      const partitions = body.value.partitions.map(
        (p) => `${nameOf(p)} spool [${p.spoolStart}, ${p.spoolNext})`,
      );
      return `${body.$case} ${partitions.join(' ')}`;
    }
    case 'revoked':
      return `revoked ${body.value.partitions.map(nameOf).join(' ')}`;
    case 'segment':
    case 'gap': {
      const { startOffset, nextOffset, rewindEpoch } = body.value;
      return `${body.$case} ${nameOf(body.value)} [${startOffset}, ${nextOffset}) epoch ${rewindEpoch}`;
    }
    case 'welcome':
    case 'positions': {
      const positions = body.value.positions.map(
        (p) => `${nameOf(p)} committed ${p.committed} received ${p.received} epoch ${p.rewindEpoch}`,
      );
      return `${body.$case} ${positions.join(', ')}`;
    }
    case 'receipt':
      return `receipt ${body.value.segmentsTotal} credit ${body.value.creditTotal}`;
    case 'committed':
      return `committed ${body.value.partitions.map((p) => `${nameOf(p)} ${p.nextOffset}`).join(' ')}`;
    case 'rewind':
      return `rewind ${nameOf(body.value)} to ${body.value.offset} epoch ${body.value.rewindEpoch}`;
    case 'refused':
      return `refused ${body.value.topic} ${body.value.code}`;
    case 'hold':
    case 'release':
      return `${body.$case} ${body.value.topic}`;
    default:
      return body?.$case ?? 'nothing';
  }
}
