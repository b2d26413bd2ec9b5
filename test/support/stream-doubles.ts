// The two ends of a gRPC stream without gRPC between: what one side wrote can be read, and the test says what
// the other side answers.
import { EventEmitter } from 'node:events';
import type { LinkCall, LinkStream, Outgoing } from '@sluice/agent/uplink/link-client.ts';
import type { AgentStream } from '@sluice/collector/ingest/agent-session.ts';
import { ConnectRequest, type ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';

type RequestBody = NonNullable<ConnectRequest['body']>;
type ResponseBody = NonNullable<ConnectResponse['body']>;
type Named<B extends { $case: string }, K> = Extract<B, { $case: K }> extends { value: infer V } ? V : never;

/** As grpc-js's client stream: one status, then silence. */
export class AgentStreamDouble extends EventEmitter {
  readonly written: RequestBody[] = [];
  halfClosed = false;
  closed = false;
  #over = false;

  get call(): LinkCall {
    const close = () => {
      this.closed = true;
    };
    return { stream: this as unknown as LinkStream, close };
  }

  write(message: Outgoing): boolean {
    if (this.halfClosed) throw new Error('write after end');
    const { body } = typeof message === 'function' ? ConnectRequest.decode(message()) : message;
    if (body !== undefined) this.written.push(body);
    return true;
  }

  end(): void {
    this.halfClosed = true;
  }

  cancel(): void {
    this.fail(1, 'Cancelled on client');
  }

  /** The collector says something; undefined is a message that this version does not know. */
  say(body: ResponseBody | undefined): void {
    this.emit('data', { body });
  }

  fail(code: number, details: string): void {
    if (this.#over) return;
    this.#over = true;
    this.emit('error', Object.assign(new Error(`${code}: ${details}`), { code, details }));
    this.emit('end');
  }

  finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.emit('end');
  }

  all<K extends RequestBody['$case']>(name: K): Named<RequestBody, K>[] {
    return this.written.flatMap((body) => (body.$case === name ? [body.value as Named<RequestBody, K>] : []));
  }
}

/** As grpc-js's server stream: an emitted error is the status that goes out. */
export class CollectorStreamDouble extends EventEmitter {
  readonly written: ResponseBody[] = [];
  status: { code: number; details: string } | undefined;

  constructor() {
    super();
    this.on('error', ({ code, details }: { code: number; details: string }) => {
      this.status ??= { code, details };
    });
  }

  get stream(): AgentStream {
    return this as unknown as AgentStream;
  }

  write({ body }: ConnectResponse): boolean {
    if (this.status !== undefined) throw new Error('write after end');
    if (body !== undefined) this.written.push(body);
    return true;
  }

  end(): void {
    this.status ??= { code: 0, details: 'OK' };
  }

  /** The agent says something; undefined is a message that this version does not know. */
  say(body: RequestBody | undefined): void {
    this.emit('data', { body });
  }

  all<K extends ResponseBody['$case']>(name: K): Named<ResponseBody, K>[] {
    return this.written.flatMap((body) =>
      body.$case === name ? [body.value as Named<ResponseBody, K>] : [],
    );
  }
}
