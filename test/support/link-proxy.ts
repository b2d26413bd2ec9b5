// A bad network in user space: a TCP proxy before one port that delays, throttles, cuts, half-closes and
// falls silent. Each direction of each connection is one queue of bounded length, so that a sender feels a
// slow link as it would a real one.
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface LinkShape {
  /** One way. */
  readonly delayMs?: number;
  /** Of each direction. */
  readonly bitsPerSecond?: number;
}

export interface LinkProxy {
  readonly port: number;
  /** Connections open now, and all that were ever made. */
  readonly open: number;
  readonly total: number;
  /** For what is sent from now on. */
  shape(shape: LinkShape): void;
  /** Resets every connection; new ones are taken. */
  cut(): void;
  /** As if the client had ended its direction of every connection. */
  halfClose(): void;
  /**
   * Every connection dies in silence: nothing passes any more, no end or reset either; new ones are taken.
   */
  freeze(): void;
  close(): Promise<void>;
}

/** Bytes that one direction holds before it stops reading. */
const QUEUE_BYTES_MAX = 256 * 1024;

/** `target`: a port, or who names one for each new connection, as a load balancer does. */
export async function createLinkProxy(
  target: number | (() => number),
  initial: LinkShape = {},
): Promise<LinkProxy> {
  const links = new Set<Link>();
  const frozen = new Set<Link>();
  let shape = initial;
  let total = 0;
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    total++;
    const targetPort = typeof target === 'number' ? target : target();
    const link = createLink(client, { targetPort, shape: () => shape, closed: () => links.delete(link) });
    links.add(link);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    get open() {
      return links.size;
    },
    get total() {
      return total;
    },
    shape(next) {
      shape = next;
    },
    cut() {
      for (const link of [...links]) link.cut();
    },
    halfClose() {
      for (const link of links) link.halfClose();
    },
    freeze() {
      for (const link of links) {
        link.freeze();
        frozen.add(link);
      }
      links.clear();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const link of [...links, ...frozen]) link.cut();
      await closed;
    },
  };
}

interface Link {
  cut(): void;
  halfClose(): void;
  freeze(): void;
}

interface LinkOptions {
  readonly targetPort: number;
  shape(): LinkShape;
  closed(): void;
}

function createLink(client: Socket, { targetPort, shape, closed }: LinkOptions): Link {
  const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const up = forward(client, target, shape);
  const down = forward(target, client, shape);
  let silent = false;
  let over = false;
  const cut = () => {
    if (over) return;
    over = true;
    closed();
    for (const socket of [client, target]) {
      // A reset of a socket that is ending never closes it, and the process would not end (Node 24).
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  };
  for (const socket of [client, target]) {
    socket.on('error', () => silent || cut());
    socket.once('close', () => {
      if (client.closed && target.closed) closed();
      else if (socket.errored && !silent) cut();
    });
  }
  const freeze = () => {
    silent = true;
    for (const direction of [up, down]) direction.freeze();
  };
  return { cut, freeze, halfClose: () => up.end() };
}

interface Direction {
  end(): void;
  /** What is on the way is lost, and the sender is not read any more. */
  freeze(): void;
}

/** Hands on what comes, each chunk when the link would have carried it, and the end behind the last one. */
function forward(from: Socket, to: Socket, shape: () => LinkShape): Direction {
  const queue: { readonly chunk: Buffer | undefined; readonly dueMs: number }[] = [];
  let queuedBytes = 0;
  let freeMs = 0;
  let running = false;
  let ended = false;
  let silent = false;

  function put(chunk: Buffer | undefined): void {
    if (ended || silent) return; // what comes after a half-close from the middle goes nowhere
    const { delayMs = 0, bitsPerSecond = Number.POSITIVE_INFINITY } = shape();
    const bytes = chunk?.length ?? 0;
    freeMs = Math.max(performance.now(), freeMs) + (bytes * 8_000) / bitsPerSecond;
    queue.push({ chunk, dueMs: freeMs + delayMs });
    queuedBytes += bytes;
    if (queuedBytes > QUEUE_BYTES_MAX) from.pause();
    if (!running) void run();
  }

  async function run(): Promise<void> {
    running = true;
    for (let next = queue.shift(); next !== undefined && !to.destroyed; next = queue.shift()) {
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) await pass(waitMs, to);
      if (silent) break;
      if (next.chunk === undefined) {
        ended = true;
        queue.length = 0;
        to.end();
        from.resume();
        break;
      }
      queuedBytes -= next.chunk.length;
      if (queuedBytes <= QUEUE_BYTES_MAX) from.resume();
      if (!to.destroyed && !to.write(next.chunk)) await drained(to);
    }
    running = false;
  }

  from.on('data', put);
  from.once('end', () => put(undefined));
  return {
    end: () => put(undefined),
    freeze() {
      silent = true;
      from.pause();
    },
  };
}

/** Until then, or until the socket is closed. */
function pass(waitMs: number, socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      socket.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    socket.on('close', done);
  });
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}
