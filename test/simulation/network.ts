// How long messages take, and which of them are lost: all of it drawn from the seed, and calm once the faults
// are over.
import type { Chance } from './chance.ts';
import type { World } from './world.ts';

const LATENCY_MS = 6;
const SLOW_MS = 400;

export class Network {
  readonly #world: World;
  readonly #chance: Chance;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.stream('network');
  }

  latencyMs(): number {
    const slow = this.#world.faulty && this.#chance.happens(this.#world.profile.slowNetworkShare);
    return 0.1 + this.#chance.spread(slow ? SLOW_MS : LATENCY_MS);
  }

  losesReply(): boolean {
    return this.#world.faulty && this.#chance.happens(this.#world.profile.lostReplyShare);
  }
}
