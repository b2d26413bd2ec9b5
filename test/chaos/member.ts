// One program of the site under chaos: it is started and ended by faults, and whenever it ends although none
// wanted it to, that is a violation, and it is started again as a supervisor would.
import type { SiteProgram } from '@sluice/deploy/local/site.ts';
import type { Journal } from './journal.ts';

export class Member {
  readonly name: string;
  readonly program: SiteProgram;
  readonly #journal: Journal;
  #generation = 0;

  constructor(name: string, program: SiteProgram, journal: Journal) {
    this.name = name;
    this.program = program;
    this.#journal = journal;
  }

  async start(): Promise<void> {
    const generation = ++this.#generation;
    const started = this.program.start();
    void this.program.ended().then((code) => this.#ended(generation, code));
    // Being slow to be ready is no violation yet: what waits for S3 or Kafka may wait.
    await started.catch((error: Error) => this.#journal.say(`${this.name}: ${error.message}`));
  }

  async kill(): Promise<void> {
    this.#generation++;
    await this.program.kill();
  }

  /** In order, as a deployment would. */
  async stop(): Promise<void> {
    this.#generation++;
    await this.program.stop(STOP_MS_MAX);
  }

  /** Lines of its log, of this and later lives, from now on. */
  listen(): () => string[] {
    const from = this.program.log().length;
    return () => this.program.log().slice(from).split('\n');
  }

  async #ended(generation: number, code: number | NodeJS.Signals): Promise<void> {
    if (generation !== this.#generation) return;
    const last = this.program.log().trimEnd().split('\n').at(-1) ?? '';
    this.#journal.violated(`${this.name} ended by itself with ${code}: ${last}`);
    await this.start();
  }
}

/** Above the drain time-outs of both programs. */
const STOP_MS_MAX = 120_000;
