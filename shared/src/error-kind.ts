// What a failure means to who meets it, whatever its code.

/**
 * retry: the same call may succeed later. reject: this input is bad. fence: another took over. halt: an
 * invariant broke.
 */
export type ErrorKind = 'retry' | 'reject' | 'fence' | 'halt';

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly remedy: string;
}
