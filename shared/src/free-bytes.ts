// Memory that is given back when its bytes were used, and not when V8 next looks for garbage: what streams
// through by the hundred megabytes would pile up until then.

/** Node cuts smaller ones out of memory that others have a part of. */
const OWN_BYTES_MIN = 2 ** 14;

/**
 * Gives the memory of `bytes` back, where they are most of it. Nobody may read them any more: they are empty
 * from now on.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  const isOwn = byteLength >= OWN_BYTES_MIN && byteLength * 2 > buffer.byteLength;
  if (isOwn && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
