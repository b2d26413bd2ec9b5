// A swap that joins objects is read as every swap is: whatever it moves is seen once, also what others commit
// meanwhile and afterwards. What it says of its parts must be whole, or it is not written.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { CommitEntry, JoinedObject, LedgerSwap, SwapCommit } from '@sluice/collector/contracts.ts';
import { checkpointKey, fileName, ledgerKey } from '@sluice/collector/lake/object-keys.ts';
import { StandingObjects, type StandingOutput } from '@sluice/collector/ledger/standing-objects.ts';
import { type FakeObjectStore, fakeObjectStore } from '../../support/fake-object-store.ts';
import { claims, seenOffsets, swapOf, upTo, windowOf, writerOn } from '../../support/lake-fixture.ts';
import { manualClock } from '../../support/manual-clock.ts';

/** Entries 1 to 4 are windows of two, one, three and one offsets. */
async function opened(more: { readonly checkpointEvery?: number } = {}) {
  const store = fakeObjectStore();
  const clock = manualClock();
  const writer = writerOn(store, clock, undefined, more);
  await writer.load();
  await writer.open([{ ...claims, leaderEpoch: 0, start: 0, why: 'test' }]);
  for (const [from, to] of [
    [0, 2],
    [2, 3],
    [3, 6],
    [6, 7],
  ] as const)
    await writer.commitWindow(windowOf(from, to));
  return { store, clock, writer };
}

const entryAt = (store: FakeObjectStore, sequence: number) =>
  JSON.parse(String(store.objects.get(ledgerKey('claims', sequence)))) as CommitEntry;

interface JoinSketch {
  readonly parts: readonly number[];
  readonly carried?: readonly number[];
  readonly id?: string;
  readonly after?: number;
  readonly asOf?: number;
}

function joinOf(store: FakeObjectStore, sketch: JoinSketch): SwapCommit {
  const { parts, carried = [], id = 'j', after = -1, asOf = Math.max(...parts, ...carried) } = sketch;
  const to = `claims.rebuilt/${id}/day=2026-01-01/`;
  const objectsOf = (entry: number) =>
    entryAt(store, entry).outputs.map((o) => ({ entry, from: o.finalKey, ...o }));
  const propose = (): LedgerSwap => {
    const of = parts.flatMap(objectsOf);
    const body = Buffer.from(of.map(({ from }) => String(store.objects.get(from))).join(','));
    store.objects.set(`${to}${id}.parquet`, body);
    for (const { from, entry } of carried.flatMap(objectsOf))
      if (entry <= asOf)
        store.objects.set(`${to}${fileName(from)}`, store.objects.get(from) ?? assert.fail());
    const object: JoinedObject = {
      ...{ name: `${id}.parquet`, bytes: body.length },
      sha256: createHash('sha256').update(body).digest('hex'),
      rows: of.reduce((sum, { rows }) => sum + rows, 0),
      parts: of.map(({ entry, from, rows }) => ({ entry, from, rows })),
    };
    const none = { in: 0, emitted: 0, merged: 0, filtered: 0, quarantined: 0 };
    const goesAlong = carried.flatMap(objectsOf).map(({ entry, from, bytes, sha256 }) => {
      return { entry, from, bytes, sha256 };
    });
    const place = { output: 'rows', partition: [{ column: 'day', value: '2026-01-01' }], to };
    return {
      ...{ rebuildId: id, configVersion: 'v1', partitionedBy: ['day = day'], source: 'test', after, asOf },
      ...{ before: none, windows: [], replays: [] },
      moves: [{ ...place, made: [], carried: goesAlong, joined: [object] }],
    };
  };
  return { after, propose };
}

test('what is joined and what goes along is seen once, and what comes behind goes to the new place', async () => {
  const { store, clock, writer } = await opened();
  const other = writerOn(store, clock);
  await other.load();
  assert.equal(await writer.swap(joinOf(store, { parts: [1, 2, 3], carried: [4] })), 5);
  assert.deepEqual(await seenOffsets(store), upTo(7));
  const committed = other.commitWindow(windowOf(7, 9));
  await clock.advance(6_000);
  await committed;
  assert.deepEqual(await seenOffsets(store), upTo(9));
  assert.equal(entryAt(store, 5).format, 2);
  assert.equal(entryAt(store, 6).format, 1);
});

test('a checkpoint behind a join is of its format for ever, and a start from it goes on', async () => {
  const { store, writer } = await opened({ checkpointEvery: 3 });
  await writer.swap(joinOf(store, { parts: [1, 2], carried: [3, 4] }));
  for (let n = 7; n < 12; n++) await writer.commitWindow(windowOf(n, n + 1));
  const next = writerOn(store, undefined, undefined, { checkpointEvery: 3 });
  await next.load();
  for (let n = 12; n < 18; n++) await next.commitWindow(windowOf(n, n + 1));
  assert.deepEqual(await seenOffsets(store), upTo(18));
  const formatAt = (through: number) =>
    JSON.parse(String(store.objects.get(checkpointKey('claims', through)) ?? '{}')).format;
  assert.deepEqual([2, 5, 8, 14].map(formatAt), [1, 2, 2, 2]);
});

test('of a join and a rebuild that know of the same ledger the second is void', async () => {
  for (const first of ['join', 'rebuild'] as const) {
    const { store, writer } = await opened();
    const join = joinOf(store, { parts: [1, 2], carried: [3, 4] });
    const rebuild = swapOf(store, { window: 1, carried: [2, 3, 4] });
    const [one, two] = first === 'join' ? [join, rebuild] : [rebuild, join];
    await writer.swap(one);
    const other = writerOn(store);
    await other.load();
    await assert.rejects(other.swap(two), { code: 'REBUILD_OVERTAKEN' });
  }
});

test('each entry stands with its own rows of what was joined, and of what that was joined in', async () => {
  const { store, writer } = await opened();
  await writer.swap(joinOf(store, { parts: [2, 3], carried: [1, 4] }));
  const first = entryAt(store, 5) as unknown as { moves: LedgerSwap['moves'] };
  const [move = assert.fail()] = first.moves;
  const [object = assert.fail()] = move.joined ?? [];
  const again = joinOf(store, { parts: [1, 4], id: 'k', after: 5, asOf: 5 });
  const propose = (): LedgerSwap => {
    const swap = again.propose();
    const [place = assert.fail()] = swap.moves;
    const [joined = assert.fail()] = place.joined ?? [];
    const at = (name: string) => `${move.to}${name}`;
    const [one, four] = joined.parts.map((part) => ({ ...part, from: at(fileName(part.from)) }));
    const parts = [one ?? assert.fail(), { entry: 5, from: at(object.name), rows: 4 }, four ?? assert.fail()];
    return { ...swap, moves: [{ ...place, carried: [], joined: [{ ...joined, rows: 7, parts }] }] };
  };
  await writer.swap({ after: 5, propose });
  const standing = new StandingObjects();
  for (const sequence of [5, 6, 7]) {
    const entry = JSON.parse(String(store.objects.get(ledgerKey('claims', sequence)) ?? '{"kind":"sweep"}'));
    standing.add(entry);
  }
  const spans = [1, 2, 3, 4].map((sequence) => {
    const [output] = standing.now(entryAt(store, sequence))?.outputs ?? [];
    const { rows, joined } = (output ?? assert.fail()) as typeof output & {
      joined?: { first: number; rows: number };
    };
    return [joined?.first, rows, joined?.rows];
  });
  assert.deepEqual(spans, [
    [0, 2, 7],
    [2, 1, 7],
    [3, 3, 7],
    [6, 1, 7],
  ]);
});

const sha = (digit: string) => digit.repeat(64);

/** The same objects, as lines of so many bytes each. */
const asText =
  (...bytes: readonly number[]) =>
  ({ moves }: Pick<LedgerSwap, 'moves'>): Pick<LedgerSwap, 'moves'> => ({
    moves: moves.map((move) => ({
      ...move,
      joined: move.joined?.map((object) => ({
        ...object,
        textBytes: bytes.reduce((sum, n) => sum + n, 0),
        parts: object.parts.map((part, i) => {
          return { ...part, text: { bytes: bytes[i] ?? 0, sha256: sha(String(i + 1)) } };
        }),
      })),
    })),
  });

test('each entry stands with its own lines of the text that was joined, and of what that was joined in', () => {
  const standing = new StandingObjects();
  const swap = (sequence: number, key: string, from: readonly string[], bytes: readonly number[]) => {
    const parts = from.map((part) => ({ entry: 1, from: part, rows: 1 }));
    const joined = [{ name: key, bytes: 9, sha256: sha('a'), rows: from.length, parts }];
    const move = { output: 'rows', partition: [], to: '', made: [], carried: [], joined };
    const entry = { kind: 'swap', sequence, writtenAt: '', windows: [], replays: [] };
    standing.add({ ...entry, ...asText(...bytes)({ moves: [move] }) } as never);
  };
  swap(5, 'j', ['one', 'two'], [30, 12]);
  swap(6, 'k', ['before', 'j'], [7, 42]);
  const outputs = ['one', 'two', 'before'].map((finalKey) => ({ finalKey, rows: 1 }));
  const now = standing.now({ kind: 'commit', sequence: 1, outputs } as never);
  const lines: readonly StandingOutput[] = now?.outputs ?? [];
  assert.deepEqual(
    lines.map(({ finalKey, joined }) => [finalKey, joined?.first, joined?.text]),
    [
      ['k', 1, { first: 7, bytes: 30, sha256: sha('1'), of: 49 }],
      ['k', 2, { first: 37, bytes: 12, sha256: sha('2'), of: 49 }],
      ['k', 0, { first: 0, bytes: 7, sha256: sha('1'), of: 49 }],
    ],
  );
});

test('lines that are joined are told with the bytes of each part', async () => {
  const { store, writer } = await opened();
  const join = joinOf(store, { parts: [1, 2, 3], carried: [4] });
  const propose = () => ({ ...join.propose(), ...asText(9, 8, 7)(join.propose()) });
  assert.equal(await writer.swap({ after: -1, propose }), 5);
  const other = writerOn(store);
  await other.load();
  assert.deepEqual(await seenOffsets(store), upTo(7));
});

type Joined = NonNullable<LedgerSwap['moves'][number]['joined']>;
const joinedAs =
  (change: (joined: Joined) => Joined) =>
  ({ moves }: LedgerSwap): Partial<LedgerSwap> => ({
    moves: moves.map((move) => ({ ...move, joined: change(move.joined ?? []) })),
  });
const partsAs = (change: (parts: Joined[number]['parts']) => Joined[number]['parts']) =>
  joinedAs((joined) => joined.map((object) => ({ ...object, parts: change(object.parts) })));

const textAs = (change: (object: Joined[number]) => unknown) => (swap: LedgerSwap) =>
  joinedAs((joined) => joined.map(change) as unknown as Joined)({ ...swap, ...asText(9, 8)(swap) });

const wrong: readonly (readonly [string, (swap: LedgerSwap) => Partial<LedgerSwap>, RegExp])[] = [
  [
    'has other rows than its parts',
    joinedAs((all) => all.map((o) => ({ ...o, rows: 9 }))),
    /other rows than its parts/,
  ],
  [
    'names a part twice',
    partsAs(([a, b]) => (a && b ? [a, b, { ...b, rows: 0 }] : [])),
    /an object of before twice/,
  ],
  [
    'joins and carries an object',
    ({ moves }) => ({
      moves: moves.map((m) => ({
        ...m,
        carried: [...m.carried, { ...m.carried[0], from: m.joined?.[0]?.parts[0]?.from } as never],
      })),
    }),
    /twice/,
  ],
  ['joins one object', partsAs((parts) => parts.slice(0, 1)), /parts/],
  ['joins nothing', joinedAs(() => []), /joined/],
  [
    'has parts of what is not written yet',
    partsAs((parts) => parts.map((p) => ({ ...p, entry: 9 }))),
    /not written yet/,
  ],
  [
    'puts an object below the place',
    joinedAs((all) => all.map((o) => ({ ...o, name: `x/${o.name}` }))),
    /lies below it/,
  ],
  ['makes windows as well', () => ({ replays: [1] }), /makes windows again as well/],
  ['has the same name twice', joinedAs((all) => [...all, ...all]), /twice/],
  [
    'has other text than its parts',
    textAs((object) => ({ ...object, textBytes: 18 })),
    /other text than its parts/,
  ],
  [
    'has text of some parts only',
    textAs(({ parts: [one, ...rest], ...object }) => {
      return { ...object, textBytes: 9, parts: [one, ...rest.map((part) => ({ ...part, text: undefined }))] };
    }),
    /other text than its parts/,
  ],
  [
    'does not say how much text its parts are',
    textAs((object) => ({ ...object, textBytes: undefined })),
    /other text than its parts/,
  ],
];

for (const [what, change, message] of wrong)
  test(`a swap that ${what} is not written`, async () => {
    const { store, writer } = await opened();
    const join = joinOf(store, { parts: [1, 2], carried: [3, 4] });
    const propose = () => ({ ...join.propose(), ...change(join.propose()) });
    await assert.rejects(writer.swap({ after: -1, propose }), { code: 'ASSERTION_FAILED', message });
    assert.deepEqual(await seenOffsets(store), upTo(7));
  });
