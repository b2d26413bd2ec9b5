// The catalog that the config names: Glue, or files beside the lake.
import type { Catalog, ObjectStore } from '../contracts.ts';
import { createFileCatalog } from './file-catalog.ts';
import { createGlueCatalog } from './glue-catalog.ts';

export interface CatalogOptions {
  readonly kind: 'glue' | 'file';
  readonly database: string;
  readonly store: ObjectStore;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

export function createCatalog(options: CatalogOptions): Catalog {
  const { kind, database, store, region, endpoint } = options;
  if (kind === 'file') return createFileCatalog(database, store);
  return createGlueCatalog({ database, store, region, endpoint });
}
