// What a load balancer decides: each new connection goes to the next of its targets, whether that one is up
// or not. A target that was taken out keeps the connections it has.

export interface Balancer {
  /** A target takes its turn from now on; one that is there already is not there twice. */
  add(port: number): void;
  /** As after a failed health check, or when a deployment takes it out. */
  remove(port: number): void;
  /** The target of the next connection; 0, which nobody listens on, where there is none. */
  next(): number;
}

export function createBalancer(...targets: number[]): Balancer {
  const ports = [...targets];
  let turn = 0;
  return {
    add(port) {
      if (!ports.includes(port)) ports.push(port);
    },
    remove(port) {
      const at = ports.indexOf(port);
      if (at >= 0) ports.splice(at, 1);
    },
    next: () => ports[turn++ % Math.max(1, ports.length)] ?? 0,
  };
}
