// What the ledger keeps as JSON, read back: an entry or a checkpoint of a known format, understood wholly or
// refused with the place and the first thing that is wrong.
import { SluiceError } from '@sluice/shared/errors.ts';
import { assertKnownFormat } from '@sluice/shared/stored-format.ts';

/** What is asked of a schema, whoever made it. */
interface Schema<T> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { path: readonly PropertyKey[]; message: string }[] };
      };
}

export interface StoredForm<T> {
  readonly schema: Schema<T>;
  /** The newest format that this collector knows. */
  readonly format: number;
  /** What to call it: "it", "a checkpoint". */
  readonly what: string;
}

export function invalidStored({ what }: { readonly what: string }, message: string, key: string) {
  return new SluiceError('LEDGER_ENTRY_INVALID', `${what} ${message}`, { place: key });
}

/** LEDGER_FORMAT_NEWER; LEDGER_ENTRY_INVALID for anything else but the form. */
export function decodeStored<T>(bytes: Uint8Array, form: StoredForm<T>, key: string): T {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    throw invalidStored(form, 'is not JSON', key);
  }
  const { format } = (json ?? {}) as { format?: unknown };
  assertKnownFormat(format, { ...form, code: 'LEDGER_FORMAT_NEWER', reader: 'this collector' }, key);
  const parsed = form.schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalidStored(form, `is wrong at ${issue?.path.join('.')}: ${issue?.message}`, key);
}
