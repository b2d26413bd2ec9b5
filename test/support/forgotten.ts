// Whether anybody still holds on to a thing.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collected by the garbage collector, in a few turns. */
export async function isForgotten(ref: WeakRef<object>): Promise<boolean> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 20 && ref.deref() !== undefined; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return ref.deref() === undefined;
}
