// The object store and the catalog of the exploration: what stands, as text, and what each operation makes of
// it. Pure: a world is never changed, an operation makes another one. Every operation is atomic, as it is for
// S3 and for Glue.
import type { Operation } from './operation.ts';
import { MISSING } from './operation.ts';

/** Key → content, of objects and, under `catalog:`, of registered partitions. */
export type World = ReadonlyMap<string, string>;

export const EMPTY: World = new Map();

export interface Outcome {
  readonly world: World;
  readonly reply: string;
}

/** Final objects lie outside of what is Sluice's own. */
export const isFinal = (key: string) => !key.startsWith('_sluice/') && !key.includes(':');

export function encodeWorld(world: World): string {
  return JSON.stringify([...world].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function decodeWorld(text: string): World {
  return new Map(JSON.parse(text) as [string, string][]);
}

export function perform(world: World, operation: Operation): Outcome {
  switch (operation.op) {
    case 'create':
      if (world.has(operation.key)) return { world, reply: 'exists' };
      return { world: withKey(world, operation.key, operation.body), reply: 'created' };
    case 'put':
    case 'stage':
      return { world: withKey(world, operation.key, operation.body), reply: '' };
    case 'read':
      return { world, reply: world.get(operation.key) ?? MISSING };
    case 'list':
      return { world, reply: JSON.stringify(keysOf(world, operation)) };
    case 'publish': {
      if (world.has(operation.to)) return { world, reply: '' };
      const staged = world.get(operation.from);
      if (staged === undefined) return { world, reply: MISSING };
      return { world: withKey(world, operation.to, staged), reply: '' };
    }
    case 'remove': {
      const left = new Map(world);
      for (const key of operation.keys) left.delete(key);
      return { world: left.size === world.size ? world : left, reply: '' };
    }
    case 'register':
      return {
        world: placeOf(world, tableOf(operation.key)) ? world : placed(world, operation.key, -1),
        reply: '',
      };
    case 'move': {
      const standing = placeOf(world, tableOf(operation.key));
      const isLate = standing !== undefined && standing.order >= operation.order;
      return { world: isLate ? world : placed(world, operation.key, operation.order), reply: '' };
    }
    case 'place':
      return { world, reply: placeOf(world, operation.table)?.folder ?? MISSING };
    case 'wait':
    case 'choose':
      return { world, reply: '' };
  }
}

/** Of a prefix or a key of a table, wherever a rebuild has put it. */
export const tableOf = (key: string) => key.split(/[/.]/)[0] ?? '';

export const folderOf = (key: string) => key.slice(0, key.lastIndexOf('/') + 1);

/** Where readers of the catalog see a table; each table is one partition. */
export function placeOf(world: World, table: string): { folder: string; order: number } | undefined {
  for (const [key, order] of world) {
    const folder = key.startsWith('catalog:') ? key.slice('catalog:'.length) : undefined;
    if (folder !== undefined && tableOf(folder) === table) return { folder, order: Number(order) };
  }
  return undefined;
}

function placed(world: World, folder: string, order: number): World {
  const left = [...world].filter(
    ([key]) => !key.startsWith('catalog:') || tableOf(key.slice('catalog:'.length)) !== tableOf(folder),
  );
  return new Map([...left, [`catalog:${folder}`, String(order)]]);
}

function withKey(world: World, key: string, body: string): World {
  return world.get(key) === body ? world : new Map([...world, [key, body]]);
}

function keysOf(world: World, { prefix, after }: { prefix: string; after: string }): string[] {
  return [...world.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
}
