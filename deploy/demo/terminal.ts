// What the demo shows: steps with their time, one live line per second, and headings. On a terminal the live
// line is rewritten in place; elsewhere each one stands.

export interface Terminal {
  heading(text: string): void;
  line(text?: string): void;
  /** A step that is shown while it runs, and with its seconds when it is done. */
  step<T>(what: string, task: () => Promise<T>): Promise<T>;
  live(text: string): void;
  endLive(): void;
}

export function createTerminal(stream: NodeJS.WriteStream): Terminal {
  const rewrites = stream.isTTY === true;
  let isLive = false;
  const endLive = () => {
    if (isLive && rewrites) stream.write('\n');
    isLive = false;
  };
  const line = (text = '') => {
    endLive();
    stream.write(`${text}\n`);
  };
  return {
    line,
    endLive,
    heading: (text) => line(`\n${text}`),
    async step(what, task) {
      endLive();
      const started = performance.now();
      if (rewrites) stream.write(`  … ${what}`);
      const result = await task();
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      stream.write(`${rewrites ? '\r' : ''}  ✓ ${what.padEnd(58)} ${seconds.padStart(5)} s\n`);
      return result;
    },
    live(text) {
      isLive = true;
      stream.write(rewrites ? `\r\u001b[K${text}` : `${text}\n`);
    },
  };
}
