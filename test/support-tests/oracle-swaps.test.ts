// The oracle of a lake is shown partitions that move as they must never move, and says so; and others that
// move as they should, and says nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REBUILT, SLOT, WatchedLake } from '../support/watched-lake.ts';

/** Two windows with one row and two, entries 1 and 2, which readers see. */
const twoWindows = () => new WatchedLake().open().commit(0, 4).publish(0).commit(4, 6).publish(4);

test('objects that are joined, and a partition that moves when all is there, are left in peace', () => {
  const lake = twoWindows();
  lake.swap({ joined: [lake.joined([0, 4])] }).move();
  lake.oracle.acknowledged('the group offset', SLOT, 6);
  assert.deepEqual(lake.findings, []);
  assert.deepEqual(lake.oracle.wronglyShown('orders'), []);
});

test('what goes along is left in peace', () => {
  const lake = twoWindows();
  const made = { ...lake.make('4.json', [4]), entry: 2, rows: 2 };
  lake.make('0.json', [0]);
  const windows = [{ entry: 2, classes: { in: 2, filtered: 0 } }];
  const quarantine = { output: 'quarantine', partition: [{ column: 'day', value: 'd' }] };
  const moves = [
    {
      output: 'rows',
      partition: [{ column: 'part', value: 'p0' }],
      to: REBUILT,
      made: [made],
      carried: [lake.carried(0, 1)],
    },
    { ...quarantine, to: 'orders_quarantine.rebuilt/1/day=d/', made: [], carried: carriedQuarantine(lake) },
  ];
  lake.swap({}, { windows, asOf: 2, moves }).move();
  assert.deepEqual(lake.findings, []);
});

function carriedQuarantine(lake: WatchedLake) {
  const from = 'orders_quarantine/day=d/0.json';
  const object = lake.objects.get(from);
  lake.put('orders_quarantine.rebuilt/1/day=d/0.json', object?.bytes.toString() ?? '');
  return [{ entry: 1, from, sha256: object?.sha256 }];
}

for (const [fault, act, says] of [
  [
    'an object that is left behind',
    (l) => l.swap({ joined: [l.joined([0])] }),
    /leaves orders\/part=p0\/4.json behind/,
  ],
  [
    'a joined object that lacks a row',
    (l) => l.swap({ joined: [l.joined([0, 4], l.rowsOf(4))] }),
    /joins other rows/,
  ],
  [
    'a joined object with its rows in another order',
    (l) => l.swap({ joined: [l.joined([0, 4], [4, 0])] }),
    /joins other rows/,
  ],
  [
    'a part that says another number of rows',
    (l) => {
      const joined = l.joined([0, 4]);
      l.swap({
        joined: [{ ...joined, parts: joined.parts.map((part) => ({ ...part, rows: 3 - part.rows })) }],
      });
    },
    /counts other rows/,
  ],
  [
    'an object that goes along twice',
    (l) => l.swap({ joined: [l.joined([0, 4])], carried: [l.carried(0, 1)] }),
    /has an object of before twice/,
  ],
  [
    'an object from elsewhere',
    (l) => l.swap({ joined: [l.joined([0, 4])], carried: [{ ...l.carried(0, 1), from: 'orders/x/y.json' }] }),
    /takes orders\/x\/y.json, which does not stand there/,
  ],
  [
    'a joined object that is not there',
    (l) => {
      const joined = l.joined([0, 4]);
      l.objects.delete(`${REBUILT}joined.json`);
      l.swap({ joined: [joined] });
    },
    /is written without the bytes/,
  ],
  [
    'what was there before, not copied',
    (l) => l.swap({ joined: [l.joined([0])], carried: [l.carried(4, 2)] }, { asOf: 2 }),
    /has not copied orders\/part=p0\/4.json/,
  ],
  [
    'two swaps of which the second does not know the first',
    (l) => l.swap({ joined: [l.joined([0, 4])] }).swap({ to: 'orders.rebuilt/2/part=p0/' }),
    /follows -1, and 3 is the last one/,
  ],
  [
    'a window that is made again, and an object of it that stays',
    (l) => l.swap({ made: [] }, { windows: [{ entry: 1, classes: { in: 3, filtered: 1 } }] }),
    /leaves orders_quarantine\/day=d\/0.json where it is, and makes its window again/,
  ],
  [
    'a window that is made again without a row',
    (l) =>
      l.swap({ made: [{ ...l.make('0.json', []), entry: 1 }] }, { windows: [{ entry: 1, classes: {} }] }),
    /rows: .*@0 is missing/,
  ],
  [
    'a window behind the move at the old place',
    (l) => l.swap({ joined: [l.joined([0, 4])] }).commit(6, 6),
    /names orders\/part=p0\/6.json, and its partition is at orders.rebuilt/,
  ],
  [
    'a partition that moves to where it was',
    (l) => l.swap({ to: 'orders/part=p0/', joined: [l.joined([0, 4])] }),
    /moves to orders\/part=p0\/, where readers are/,
  ],
  ['a partition that no entry moves', (l) => l.move(), /moves to .*, and no entry says so/],
  [
    'a partition that moves before what was there is copied',
    (l) => l.swap({ joined: [l.joined([0])], carried: [l.carried(4, 2)] }).move(),
    /which was seen at orders\/part=p0\/, is taken back/,
  ],
  [
    'a partition that moves before what is before it is published',
    (l) => {
      l.commit(6, 6);
      const joined = l.joined([0, 4]);
      l.swap({
        joined: [joined],
        carried: [{ ...l.carried(6, 3), sha256: l.make('6.json', []).sha256 }],
      }).move();
    },
    /before entry 3 is published/,
  ],
  [
    'a row that is there twice',
    (l) => {
      l.swap({ joined: [l.joined([0, 4])] });
      l.make('more.json', [0]);
      l.move();
    },
    /where orders\/0@0 10 is twice/,
  ],
  [
    'an object that comes to a place that readers see',
    (l) =>
      void l
        .swap({ joined: [l.joined([0, 4])] })
        .move()
        .make('late.json', [0]),
    /late.json is seen before its commit/,
  ],
  [
    'an ack for what is at the new place only',
    (l) => {
      l.commit(6, 6, { rows: [] });
      l.swap({ joined: [l.joined([0, 4])] }, { after: -1 });
      l.append({ kind: 'published', publishedThrough: 4 });
    },
    /entry 5 says that 4 is published/,
  ],
] satisfies [string, (lake: WatchedLake) => unknown, RegExp][]) {
  test(`the oracle sees ${fault}`, () => {
    const lake = twoWindows();
    act(lake);
    assert.match(lake.findings.join('\n'), says);
  });
}

test('the oracle sees a row that readers of the catalog see twice, or not at all', () => {
  const lake = twoWindows();
  lake.put('orders/part=p1/1.json', JSON.stringify(lake.rowsOf(0)));
  lake.registered.add('orders orders/part=p1/');
  assert.match(lake.oracle.wronglyShown('orders').join(), /orders\/0@0 10 is seen 2 times/);
  lake.registered.clear();
  assert.match(lake.oracle.wronglyShown('orders').join(), /orders\/0@4 14 is seen by no reader/);
});
