// Schemas asked of one agent over its stream: each question has a number, a time within which it must be
// answered, and an end when the stream ends.
import type { SchemaReply, SchemaRequest } from '@sluice/proto/gen/sluice/v1/link.ts';
import type { Clock } from '@sluice/shared/clock.ts';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { FoundSchema, SchemaWant } from '../contracts.ts';

const ANSWER_MS_MAX = 20_000;
/** Questions of one stream that may wait for their answers. */
const QUESTIONS_MAX = 64;
const FOUND = 1;
const UNKNOWN = 2;

interface Question {
  readonly resolve: (found: FoundSchema | undefined) => void;
  readonly reject: (error: SluiceError) => void;
  readonly cancelWait: () => void;
}

export class SchemaQuestions {
  readonly #clock: Clock;
  readonly #send: (request: SchemaRequest) => void;
  readonly #waiting = new Map<number, Question>();
  #asked = 0;

  constructor(clock: Clock, send: (request: SchemaRequest) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  ask({ topic, id }: SchemaWant): Promise<FoundSchema | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= QUESTIONS_MAX)
        return reject(unavailable(`${QUESTIONS_MAX} schemas are asked for already`));
      const request = ++this.#asked;
      const cancelWait = this.#clock.after(ANSWER_MS_MAX, () =>
        this.#take(request)?.reject(unavailable(`no answer in ${ANSWER_MS_MAX / 1_000} s`)),
      );
      this.#waiting.set(request, { resolve, reject, cancelWait });
      this.#send({ request, topic, schemaId: Number(id) });
    });
  }

  /** An answer that nobody waits for any more is none. */
  replied({ request, status, type, schema, references, message }: SchemaReply): void {
    const question = this.#take(request);
    if (status === FOUND) question?.resolve({ type, schema, references });
    else if (status === UNKNOWN) question?.resolve(undefined);
    else question?.reject(unavailable(message));
  }

  close(): void {
    for (const request of [...this.#waiting.keys()])
      this.#take(request)?.reject(unavailable('its stream ended'));
  }

  #take(request: number): Question | undefined {
    const question = this.#waiting.get(request);
    this.#waiting.delete(request);
    question?.cancelWait();
    return question;
  }
}

const unavailable = (message: string) => new SluiceError('SCHEMA_UNAVAILABLE', message);
