// Glue partitions that move to another place. Glue updates a partition without a condition, so each carries
// the number of its last move: a move that finds the same or a higher number there has been made, or is late,
// and is left out. What a request that is later still has undone is put back.
import {
  BatchCreatePartitionCommand,
  BatchGetPartitionCommand,
  BatchUpdatePartitionCommand,
  type GlueClient,
  type Partition,
  type PartitionError,
  type PartitionInput,
} from '@aws-sdk/client-glue';
import { glueFailure, refusedPartition } from './glue-errors.ts';

/** Glue's own limit of one call that writes partitions (AWS Glue Web API Reference). */
export const PARTITIONS_PER_CALL_MAX = 100;

/** Parameter of a partition: the number of its last move. */
const MOVE = 'sluice.move';

interface Place {
  readonly client: GlueClient;
  readonly DatabaseName: string;
  readonly TableName: string;
  readonly order: number;
}

/** Those that are missing are registered. */
export async function moveGluePartitions(place: Place, inputs: readonly PartitionInput[]): Promise<void> {
  for (let from = 0; from < inputs.length; from += PARTITIONS_PER_CALL_MAX)
    await moveBatch(place, inputs.slice(from, from + PARTITIONS_PER_CALL_MAX));
}

/**
 * Those that are elsewhere: a request that arrived behind a later move has put them there, or a hand.
 * Resolves with their number.
 */
export async function putBackGluePartitions(
  place: Place,
  inputs: readonly PartitionInput[],
): Promise<number> {
  let putBack = 0;
  for (let from = 0; from < inputs.length; from += PARTITIONS_PER_CALL_MAX) {
    const batch = inputs.slice(from, from + PARTITIONS_PER_CALL_MAX);
    const standing = await standingOf(place, batch);
    const elsewhere = batch.flatMap((input) => {
      const found = standing.get(keyOf(input));
      if (found === undefined || locationOf(found) === locationOf(input)) return [];
      return moveOf(found) > place.order ? [] : [numbered(place, input, found)];
    });
    await update(place, elsewhere);
    putBack += elsewhere.length;
  }
  return putBack;
}

const locationOf = ({ StorageDescriptor: sd }: PartitionInput | Partition) =>
  (sd?.Location ?? '').replace(/\/$/, '');
const moveOf = ({ Parameters }: Partition) => Number(Parameters?.[MOVE] ?? -1);

function numbered({ order }: Place, input: PartitionInput, found: Partition | undefined): PartitionInput {
  return { ...input, Parameters: { ...found?.Parameters, [MOVE]: String(order) } };
}

async function moveBatch(place: Place, inputs: readonly PartitionInput[]): Promise<void> {
  const standing = await standingOf(place, inputs);
  const moves = inputs.map((input) => {
    const found = standing.get(keyOf(input));
    return { found, input: numbered(place, input, found) };
  });
  const missing = moves.filter(({ found }) => found === undefined);
  await create(
    place,
    missing.map(({ input }) => input),
  );
  const earlier = moves.filter(({ found }) => found !== undefined && moveOf(found) < place.order);
  await update(
    place,
    earlier.map(({ input }) => input),
  );
}

const keyOf = ({ Values = [] }: PartitionInput | Partition) => JSON.stringify(Values);

/** Calls for what Glue did not return; what is left then is met again when it is created. */
const ASKS_MAX = 5;

/**
 * Glue names what it did not return, missing or not: it is asked for again until a call brings nothing of it.
 */
async function standingOf(
  { client, DatabaseName, TableName }: Place,
  inputs: readonly PartitionInput[],
): Promise<Map<string, Partition>> {
  const standing = new Map<string, Partition>();
  let asked = inputs.map(({ Values = [] }) => ({ Values }));
  for (let asks = 0; asks < ASKS_MAX && asked.length > 0; asks++) {
    const { Partitions = [] } = await client
      .send(new BatchGetPartitionCommand({ DatabaseName, TableName, PartitionsToGet: asked }))
      .catch((error: unknown) => {
        throw glueFailure('glue:BatchGetPartition', TableName, error);
      });
    for (const partition of Partitions) standing.set(keyOf(partition), partition);
    if (Partitions.length === 0 && asks > 0) break;
    asked = asked.filter((key) => !standing.has(keyOf(key)));
  }
  return standing;
}

/** One that somebody has registered meanwhile is met again when the whole move is repeated. */
async function create({ client, DatabaseName, TableName }: Place, inputs: PartitionInput[]): Promise<void> {
  if (inputs.length === 0) return;
  const action = 'glue:BatchCreatePartition';
  const PartitionInputList = inputs;
  const { Errors = [] } = await client
    .send(new BatchCreatePartitionCommand({ DatabaseName, TableName, PartitionInputList }))
    .catch((error: unknown) => {
      throw glueFailure(action, TableName, error);
    });
  refuse(action, TableName, Errors);
}

async function update({ client, DatabaseName, TableName }: Place, inputs: PartitionInput[]): Promise<void> {
  if (inputs.length === 0) return;
  const action = 'glue:BatchUpdatePartition';
  const Entries = inputs.map((input) => ({ PartitionValueList: input.Values ?? [], PartitionInput: input }));
  const { Errors = [] } = await client
    .send(new BatchUpdatePartitionCommand({ DatabaseName, TableName, Entries }))
    .catch((error: unknown) => {
      throw glueFailure(action, TableName, error);
    });
  refuse(
    action,
    TableName,
    Errors.map(({ PartitionValueList, ErrorDetail }) => ({
      PartitionValues: PartitionValueList,
      ErrorDetail,
    })),
  );
}

function refuse(action: string, table: string, [refused]: readonly PartitionError[]): void {
  if (refused !== undefined) throw refusedPartition(action, table, refused);
}
