// The network between agents and collectors: streams with the real messages as bytes, in order in each
// direction, that may be reset, fall silent both ways or one way, and come back late. Whoever hears nothing
// gives up by its keepalive.
import { EventEmitter } from 'node:events';
import {
  encodedRequest,
  type LinkCall,
  type LinkStream,
  type Outgoing,
} from '@sluice/agent/uplink/link-client.ts';
import type { AgentStream } from '@sluice/collector/ingest/agent-session.ts';
import type { DoorOptions, LinkDoor } from '@sluice/collector/ingest/link-door.ts';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { describeMessage } from './link-text.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const CANCELLED = 1;
const UNAVAILABLE = 14;
/** Keepalive of each side: from its last sign of life to giving up, at least and at most. */
const AGENT_GIVES_UP_MS = [20_000, 40_000] as const;
const COLLECTOR_GIVES_UP_MS = [30_000, 60_000] as const;
const CONNECT_MS_MAX = 20_000;

interface OpenDoor {
  readonly process: SimProcess;
  readonly accept: DoorOptions['accept'];
}

/**
 * One direction of a stream: what is sent arrives in order, later while it is held, and not at all after a
 * cut.
 */
class Pipe {
  readonly #world: World;
  readonly #to: SimProcess;
  #lastMs = 0;
  #heldUntilMs = 0;
  #cutAtMs = Number.POSITIVE_INFINITY;
  /**
   * On the way. Whichever timer ends first brings the oldest: two that end together have no order of their
   * own.
   */
  readonly #onTheWay: (() => void)[] = [];

  constructor(world: World, to: SimProcess) {
    this.#world = world;
    this.#to = to;
  }

  send(arrive: () => void): void {
    const { time, network } = this.#world;
    if (time.nowMs >= this.#cutAtMs) return;
    this.#lastMs = Math.max(this.#lastMs, time.nowMs + network.latencyMs());
    this.#onTheWay.push(arrive);
    this.#arriveAt(this.#lastMs);
  }

  #arriveAt(atMs: number): void {
    const { time } = this.#world;
    this.#to.after(atMs - time.nowMs, () => {
      if (time.nowMs >= this.#cutAtMs) return;
      if (time.nowMs < this.#heldUntilMs) this.#arriveAt(this.#heldUntilMs);
      else this.#onTheWay.shift()?.();
    });
  }

  hold(ms: number): void {
    this.#heldUntilMs = Math.max(this.#heldUntilMs, this.#world.time.nowMs + ms);
  }

  /** What arrives later is lost. */
  cut(inMs: number): void {
    this.#cutAtMs = Math.min(this.#cutAtMs, this.#world.time.nowMs + inMs);
  }
}

class AgentEnd extends EventEmitter {
  readonly call: SimCall;
  over = false;

  constructor(call: SimCall) {
    super();
    this.call = call;
  }

  write(message: Outgoing): boolean {
    if (!this.over) this.call.toCollector(encodedRequest(message));
    return true;
  }

  end(): void {
    if (!this.over) this.call.halfClosed();
  }

  cancel(): void {
    if (this.over) return;
    this.call.agent.after(0, () => this.fail(CANCELLED, 'Cancelled on client'));
    this.call.cancelled();
  }

  fail(code: number, details: string): void {
    if (this.over) return;
    this.over = true;
    this.emit('error', Object.assign(new Error(`${code}: ${details}`), { code, details }));
    this.emit('end');
  }

  finish(): void {
    if (this.over) return;
    this.over = true;
    this.emit('end');
  }
}

class CollectorEnd extends EventEmitter {
  readonly call: SimCall;
  readonly #certificate: Buffer;
  over = false;

  constructor(call: SimCall, certificate: Buffer) {
    super();
    this.call = call;
    this.#certificate = certificate;
    this.on('error', ({ code, details }: { code: number; details: string }) => this.#status(code, details));
  }

  getPeer(): string {
    return this.call.agent.name;
  }

  getAuthContext() {
    return { transportSecurityType: 'ssl', sslPeerCertificate: { raw: this.#certificate } };
  }

  write(message: ConnectResponse): boolean {
    if (!this.over) this.call.toAgent(Buffer.from(ConnectResponse.encode(message).finish()));
    return true;
  }

  end(): void {
    this.#status(0, 'OK');
  }

  #status(code: number, details: string): void {
    if (this.over) return;
    this.over = true;
    this.call.status(code, details);
  }

  gone(): void {
    if (this.over) return;
    this.over = true;
    this.emit('cancelled');
  }
}

/** One stream: its two ends, and what is between them. */
class SimCall {
  readonly agent: SimProcess;
  readonly #world: World;
  readonly #agentEnd = new AgentEnd(this);
  #collectorEnd: CollectorEnd | undefined;
  #collector: SimProcess | undefined;
  #up: Pipe | undefined;
  readonly #down: Pipe;
  #reset = false;

  constructor(world: World, agent: SimProcess) {
    this.#world = world;
    this.agent = agent;
    this.#down = new Pipe(world, agent);
  }

  get stream(): LinkStream {
    return this.#agentEnd as unknown as LinkStream;
  }

  get open(): boolean {
    return !this.#agentEnd.over || this.#collectorEnd?.over === false;
  }

  get connected(): boolean {
    return this.#collectorEnd?.over === false && !this.#agentEnd.over;
  }

  connect(door: OpenDoor, certificate: Buffer): void {
    // Of a process that has died meanwhile nobody would ever end the stream.
    if (this.#agentEnd.over || !this.agent.alive) return;
    const collector = door.process;
    this.#collector = collector;
    this.#up = new Pipe(this.#world, collector);
    this.#up.send(() => {
      this.#collectorEnd = new CollectorEnd(this, certificate);
      door.accept(this.#collectorEnd as unknown as AgentStream);
    });
    for (const message of this.#waiting.splice(0)) message();
    collector.onEnd(() => this.peerDied('agent'));
  }

  /** What the agent wrote before it was connected. */
  readonly #waiting: (() => void)[] = [];

  #sendUp(arrive: () => void): void {
    if (this.#up === undefined) this.#waiting.push(() => this.#up?.send(arrive));
    else this.#up.send(arrive);
  }

  toCollector(bytes: Buffer): void {
    this.#sendUp(() => {
      if (this.#collectorEnd === undefined || this.#collectorEnd.over) return;
      const message = ConnectRequest.decode(bytes);
      this.#collector?.say(`◀ link ${describeMessage(message)} (${this.agent.name})`);
      this.#collectorEnd.emit('data', message);
    });
  }

  toAgent(bytes: Buffer): void {
    this.#down.send(() => {
      if (this.#agentEnd.over) return;
      const message = ConnectResponse.decode(bytes);
      this.agent.say(`◀ link ${describeMessage(message)}`);
      this.#agentEnd.emit('data', message);
    });
  }

  halfClosed(): void {
    this.#sendUp(() => {
      if (this.#collectorEnd?.over === false) this.#collectorEnd.emit('end');
    });
  }

  cancelled(): void {
    this.#sendUp(() => this.#collectorEnd?.gone());
  }

  status(code: number, details: string): void {
    this.#down.send(() => (code === 0 ? this.#agentEnd.finish() : this.#agentEnd.fail(code, details)));
  }

  refuse(details: string, afterMs: number): void {
    this.agent.after(afterMs, () => this.#agentEnd.fail(UNAVAILABLE, details));
  }

  /** The connection breaks: what is on its way may arrive up to a point, then both ends hear of it. */
  break(details = 'read ECONNRESET'): void {
    if (this.#reset) return;
    this.#reset = true;
    const { network } = this.#world;
    const [upMs, downMs] = [network.latencyMs(), network.latencyMs()];
    this.#up?.cut(upMs);
    this.#down.cut(downMs);
    this.agent.after(downMs, () => this.#agentEnd.fail(UNAVAILABLE, details));
    this.#collector?.after(upMs, () => this.#collectorEnd?.gone());
  }

  /** Nothing passes for a while. A side that hears nothing for too long gives up, each for itself. */
  silence(ms: number, direction: 'up' | 'down' | 'both'): void {
    const { chance, trace } = this.#world;
    if (direction !== 'down') this.#up?.hold(ms);
    if (direction !== 'up') this.#down.hold(ms);
    const agentMs = chance.between(...AGENT_GIVES_UP_MS);
    const collectorMs = chance.between(...COLLECTOR_GIVES_UP_MS);
    if (ms > agentMs) {
      trace.count('link given up by keepalive');
      this.agent.after(agentMs, () => this.#agentEnd.fail(UNAVAILABLE, 'keepalive timed out'));
    }
    if (ms > collectorMs) this.#collector?.after(collectorMs, () => this.#collectorEnd?.gone());
    // Whoever did not give up hears of it with the first packet that passes again.
    if (ms > Math.min(agentMs, collectorMs)) this.#world.time.after(ms, () => this.break());
  }

  /** The kernel of a process that died closes its connections; a machine that died says nothing. */
  peerDied(who: 'agent' | 'collector'): void {
    const { chance, trace } = this.#world;
    if (!this.open) return;
    if (!chance.happens(0.2)) {
      this.break();
      return;
    }
    trace.count('peer vanished without a word');
    const [from, to] = who === 'agent' ? AGENT_GIVES_UP_MS : COLLECTOR_GIVES_UP_MS;
    const ms = chance.between(from, to);
    if (who === 'agent') this.agent.after(ms, () => this.#agentEnd.fail(UNAVAILABLE, 'keepalive timed out'));
    else this.#collector?.after(ms, () => this.#collectorEnd?.gone());
  }
}

export class LinkFabric {
  readonly #world: World;
  readonly #doors = new Map<string, OpenDoor>();
  readonly #certificates: ReadonlyMap<string, Buffer>;
  /** Sites that reach no collector, until when. */
  readonly #cutOff = new Map<string, number>();
  #calls: SimCall[] = [];

  constructor(world: World, certificates: ReadonlyMap<string, Buffer>) {
    this.#world = world;
    this.#certificates = certificates;
  }

  doorOf(process: SimProcess): (options: DoorOptions) => LinkDoor {
    return ({ accept }) => {
      process.onEnd(() => this.#doors.delete(process.name));
      return {
        open: async () => {
          this.#doors.set(process.name, { process, accept });
          process.say('listens');
          return 8443;
        },
        reload() {},
        certificate: () => undefined,
        close: async () => {
          this.#doors.delete(process.name);
        },
      };
    };
  }

  /** A call by `agentId`, to whichever collector the balancer picks. */
  openCall(process: SimProcess, agentId: string): LinkCall {
    const { time, network, chance } = this.#world;
    const call = new SimCall(this.#world, process);
    this.#calls = [...this.#calls.filter(({ open }) => open), call];
    process.onEnd(() => call.peerDied('collector'));
    time.after(network.latencyMs(), () => {
      const doors = [...this.#doors.values()].filter(({ process: p }) => p.alive);
      const door = doors[chance.between(0, Math.max(0, doors.length - 1))];
      if ((this.#cutOff.get(agentId) ?? 0) > time.nowMs) call.refuse('timed out', CONNECT_MS_MAX);
      else if (door === undefined) call.refuse('connect ECONNREFUSED', network.latencyMs());
      else call.connect(door, this.#certificates.get(agentId) ?? Buffer.alloc(0));
    });
    return { stream: call.stream, close() {} };
  }

  calls(): readonly SimCall[] {
    return this.#calls.filter(({ connected }) => connected);
  }

  /** Sites reach collectors again. */
  restore(): void {
    this.#cutOff.clear();
  }

  cutOff(agentId: string, ms: number): void {
    this.#cutOff.set(agentId, this.#world.time.nowMs + ms);
  }
}
