// Memory that is given back when its bytes were used, and not when V8 next looks for garbage: what streams
// through by the hundred megabytes would pile up until then.

/**
 * Gives the memory of `bytes` back where they are most of it: Node cuts small ones out of memory that others
 * have a part of. Nobody may read them any more: they are empty from now on.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (byteLength * 2 > buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
