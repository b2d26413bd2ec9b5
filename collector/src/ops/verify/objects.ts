// Where the objects of an entry are: at their final place for readers to see, on their way there, or gone.
// Told from the ledger, the store and the catalog; what is in them is the business of offsets.ts.
import { assert, messageOf, SluiceError } from '@sluice/shared/errors.ts';
import type {
  LedgerOutput,
  ObjectsEntry,
  OutputName,
  SwapEntry,
  TableConfig,
  TableDefinition,
} from '../../contracts.ts';
import { partitionPrefix } from '../../lake/object-keys.ts';
import type { Fold } from '../../ledger/fold.ts';
import type { StandingOutput } from '../../ledger/standing-objects.ts';
import { placeOf } from '../../ledger/swaps.ts';
import type { LakeReader } from '../lake-reader.ts';
import { definitionsOf, type QueryOptions } from '../query.ts';
import { type Finding, finding } from './findings.ts';
import type { ObjectCopies } from './object-copies.ts';

/**
 * What is staged for longer is not on its way any more: far above what a collector needs from commit to
 * publication.
 */
const PUBLISHING_MS_MAX = 600_000;

/** One output of a table: how it is read, and what readers see of it. */
export interface SeenOutput {
  readonly definition: TableDefinition;
  readonly isCatalogued: boolean;
  /** Where readers see a partition; undefined where they do not. */
  registered: (partition: LedgerOutput['partition']) => string | undefined;
}

export type Outputs = Readonly<Record<LedgerOutput['output'], SeenOutput>>;

/** A table under audit. */
export interface Audited {
  readonly table: TableConfig;
  readonly reader: LakeReader;
  readonly fold: Fold;
  readonly outputs: Outputs;
  readonly copies: ObjectCopies;
  readonly nowMs: number;
}

/**
 * The catalog is asked after the ledger was folded: what the ledger calls published is registered by then.
 */
export async function outputsOf(
  table: TableConfig,
  { config, transformer, reader }: Pick<QueryOptions, 'config' | 'transformer' | 'reader'>,
): Promise<Outputs> {
  const tables = await reader.cataloguedTables();
  const seen = async (output: LedgerOutput['output']): Promise<SeenOutput> => {
    const definition = definitionsOf(config, transformer).find(
      (d) => d.table.name === table.name && d.output === output,
    )?.definition;
    assert(definition !== undefined, `${table.name} has no ${output}`);
    const registered = await reader.registered(definition.name);
    return { definition, registered, isCatalogued: tables.has(definition.name) };
  };
  const names = definitionsOf(config, transformer).flatMap((d) =>
    d.table.name === table.name ? [d.output] : [],
  );
  const all = await Promise.all(names.map(async (output) => [output, await seen(output)] as const));
  return Object.fromEntries(all);
}

/** An object of an output that the config makes no more cannot be read as what it is. */
export function seenOutput({ outputs, table }: Audited, name: OutputName): SeenOutput {
  const seen = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
  if (seen !== undefined) return seen;
  const message = `its ledger names rows of '${name}', which its steps do not make any more`;
  throw new SluiceError('CATALOG_INCOMPATIBLE', message, { place: table.name });
}

export interface Standing {
  /** The bytes are at the final place, whoever sees them. */
  readonly stands: boolean;
  /** Committed, and on its way. */
  readonly pending: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Where one object of an entry is, and whether it is what was committed as far as the store says without
 * reading it.
 */
export async function standingOf(
  audited: Audited,
  entry: ObjectsEntry,
  output: StandingOutput,
): Promise<Standing> {
  const { reader, copies, fold } = audited;
  const found = await copies.head(output);
  const unseen = unseenBy(audited, output);
  if (found !== undefined && unseen === undefined) return standing(entry, output, found);
  const staged = (await reader.head(output.stagedKey)) !== undefined;
  if (output.placedBy <= fold.toldThrough)
    return missing({ entry, output, staged, told: true }, found, unseen);
  if (staged) return onItsWay(audited, entry, output);
  // It may have been published between one question and the next.
  const seen = seenOutput(audited, output.output);
  seen.registered = await reader.registered(seen.definition.name);
  const now = await reader.head(output.finalKey);
  return missing({ entry, output, staged, told: false }, now, unseenBy(audited, output));
}

function standing(
  { table }: ObjectsEntry,
  output: LedgerOutput,
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string | undefined },
): Standing {
  const same = bytes === output.bytes && sha256 === output.sha256;
  const place = { table, place: output.finalKey };
  const message = `it has ${bytes} bytes with ${sha256 === undefined ? 'no checksum' : `SHA-256 ${sha256}`}: not the ${output.bytes} bytes with ${output.sha256} that were committed`;
  return {
    stands: true,
    pending: false,
    findings: same ? [] : [finding('OBJECT_REPLACED', place, message)],
  };
}

interface Missing {
  readonly entry: ObjectsEntry;
  readonly output: StandingOutput;
  readonly staged: boolean;
  /** The ledger itself says that the entry is published. */
  readonly told: boolean;
}

function missing(
  { entry, output, staged, told }: Missing,
  found: { readonly bytes: number; readonly sha256: string | undefined } | undefined,
  unseen: Finding | undefined,
): Standing {
  const seen = unseen === undefined ? [] : [unseen];
  if (found !== undefined) {
    const judged = standing(entry, output, found);
    return { ...judged, findings: [...seen, ...judged.findings] };
  }
  const why = told
    ? `the ledger says that entry ${output.placedBy} is published, and the object is gone: it was deleted afterwards`
    : `it is gone, and so is its staged copy, which is removed only after publishing: it was published by entry ${output.placedBy} and deleted afterwards`;
  const copy = staged ? `; a staged copy still lies at ${output.stagedKey}` : '';
  const message = `${why} (${output.joined?.rows ?? output.rows} rows, SHA-256 ${output.sha256})${copy}`;
  const deleted = finding('OBJECT_DELETED', { table: entry.table, place: output.finalKey }, message);
  return { stands: false, pending: false, findings: [...seen, deleted] };
}

function onItsWay({ nowMs }: Audited, entry: ObjectsEntry, output: StandingOutput): Standing {
  const ageMs = nowMs - Date.parse(output.placedAt);
  if (ageMs <= PUBLISHING_MS_MAX) return { stands: false, pending: true, findings: [] };
  const since = `entry ${output.placedBy} was committed at ${output.placedAt}`;
  const message = `${since} and was never published: its staged copy waits at ${output.stagedKey}`;
  const place = { table: entry.table, place: output.finalKey };
  return { stands: false, pending: false, findings: [finding('OBJECT_NOT_PUBLISHED', place, message)] };
}

/** Why readers of the catalogued table do not see an object. */
function unseenBy(audited: Audited, { output, partition }: Pick<LedgerOutput, 'output' | 'partition'>) {
  const { table, fold } = audited;
  const { definition, isCatalogued, registered } = seenOutput(audited, output);
  if (!isCatalogued) {
    const place = { table: table.name, place: definition.name };
    return finding('TABLE_NOT_CATALOGUED', place, 'the catalog does not have this table');
  }
  const moved = placeOf(fold, { output, partition });
  const place = { table: table.name, place: moved ?? partitionPrefix(definition.location, partition) };
  const at = registered(partition);
  if (at === undefined)
    return finding('PARTITION_NOT_REGISTERED', place, 'the catalog does not have this partition');
  if (moved === undefined || at === moved) return undefined;
  return finding('PARTITION_MISPLACED', place, `the catalog has this partition at ${at}`);
}

/** Partitions that a swap has moved, and that readers see elsewhere, or nowhere. */
export function misplacedBy(audited: Audited, { moves, sequence }: SwapEntry): Finding[] {
  const { fold } = audited;
  if (sequence > fold.toldThrough) return [];
  const last = moves.filter((move) => placeOf(fold, move) === move.to);
  return last.flatMap((move) => unseenBy(audited, move) ?? []);
}

/** A local file with the bytes of an object that stands, and whether they are those that were committed. */
export async function fetched(
  { copies, table }: Pick<Audited, 'copies' | 'table'>,
  output: StandingOutput,
  { findings }: Standing,
): Promise<{ readonly path: string; readonly findings: readonly Finding[] } | undefined> {
  const copy = await copies.local(output);
  if (copy === undefined) return undefined;
  const { path, sha256, wrong } = copy;
  if (findings.some(({ code }) => code === 'OBJECT_REPLACED')) return { path, findings: [] };
  const place = { table: table.name, place: output.finalKey };
  if (sha256 === undefined || sha256 === output.sha256) {
    const other = wrong === undefined ? [] : [finding('SWAP_UNFOUNDED', place, wrong)];
    return { path, findings: other };
  }
  const message = `its bytes have SHA-256 ${sha256}, and ${output.sha256} were committed`;
  return { path, findings: [finding('OBJECT_REPLACED', place, message)] };
}

export function unreadable(
  table: string,
  { finalKey }: Pick<LedgerOutput, 'finalKey'>,
  error: unknown,
): Finding {
  const message = messageOf(error);
  return finding('OBJECT_UNREADABLE', { table, place: finalKey }, message.split('\n')[0] ?? message);
}
