// The catalog as objects beside the lake: one for each table and one for each partition, created if absent,
// so that any number of collectors may register the same thing.
import { createHash } from 'node:crypto';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { Catalog, CataloguedPartition, ObjectStore, TableDefinition } from '../contracts.ts';
import { assertCompatible } from './compatible.ts';

const ROOT = '_sluice/catalog/';
/** Directories take names of up to 255 bytes. */
const NAME_LENGTH_MAX = 200;

export function createFileCatalog(database: string, store: ObjectStore): Catalog {
  const home = `${ROOT}${database}/`;
  const tableKey = (name: string) => `${home}${name}.json`;
  const partitionsPrefix = (name: string) => `${home}${name}/`;
  const registered = new Set<string>();

  async function readTable(name: string): Promise<TableDefinition | undefined> {
    const bytes = await store.read(tableKey(name));
    return bytes === undefined ? undefined : parse<TableDefinition>(bytes, tableKey(name));
  }

  return {
    async ensureTable(definition) {
      const body = Buffer.from(`${JSON.stringify(definition, null, 1)}\n`);
      if ((await store.createIfAbsent(tableKey(definition.name), body)) === 'created') return;
      const standing = await readTable(definition.name);
      if (standing !== undefined) assertCompatible(standing, definition);
    },
    async registerPartitions(table, partitions) {
      for (const { values, key } of partitions) {
        const name = `${partitionsPrefix(table.name)}${fileName(values)}.json`;
        if (registered.has(name)) continue;
        const entry: CataloguedPartition = { values, location: key };
        await store.createIfAbsent(name, Buffer.from(JSON.stringify(entry)));
        registered.add(name);
      }
    },
    async tables() {
      const tables: TableDefinition[] = [];
      for await (const { key } of store.list(home)) {
        const name = /^([^/]+)\.json$/.exec(key.slice(home.length))?.[1];
        const table = name === undefined ? undefined : await readTable(name);
        if (table !== undefined) tables.push(table);
      }
      return tables;
    },
    async partitions(table) {
      const found: CataloguedPartition[] = [];
      for await (const { key } of store.list(partitionsPrefix(table))) {
        const bytes = await store.read(key);
        if (bytes !== undefined) found.push(parse<CataloguedPartition>(bytes, key));
      }
      return found;
    },
    probe: () => store.probe(),
    close() {},
  };
}

/** Names a partition and no other; the values themselves stand in the file. */
function fileName(values: readonly string[]): string {
  const name = Buffer.from(values.join('\u0000')).toString('base64url');
  return name.length > NAME_LENGTH_MAX ? createHash('sha256').update(name).digest('hex') : name || 'all';
}

function parse<T>(bytes: Uint8Array, key: string): T {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as T;
  } catch (cause) {
    throw new SluiceError('CATALOG_ENTRY_INVALID', 'a catalog file is not JSON', { place: key, cause });
  }
}
