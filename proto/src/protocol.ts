// Which protocol an agent and a collector speak: the highest that both know. A version speaks its own and the
// one before, so that neighbours always understand each other and a fleet is upgraded in any order; further
// apart they refuse each other, and both say which of them must be upgraded.
import { SluiceError } from '@sluice/shared/errors.ts';

export interface Protocols {
  readonly min: number;
  readonly max: number;
}

/** Of this version. A change that the one before would misread raises `max`, and `min` to one below it. */
export const PROTOCOLS: Protocols = { min: 1, max: 1 };

export interface Speaker extends Protocols {
  /** Who it is and which version it has, for people. */
  readonly name: string;
}

/** LINK_PROTOCOL_UNSUPPORTED, which names the older one, where they have none in common. */
export function agreeProtocol(here: Speaker, there: Speaker): number {
  const [older, newer] = here.max < there.max ? [here, there] : [there, here];
  if (older.max >= newer.min) return older.max;
  const said = `${older.name} knows protocols up to ${older.max}, ${newer.name} from ${newer.min} on`;
  throw new SluiceError('LINK_PROTOCOL_UNSUPPORTED', `upgrade ${older.name}: ${said}`);
}
