// The footer of a Parquet file as Thrift's compact protocol writes it: read just far enough to put the row
// groups of several files behind each other. What this file does not know it copies byte for byte; what does
// not fit is refused. Pure.
import { assert } from '@sluice/shared/errors.ts';

export const PARQUET_MAGIC = Buffer.from('PAR1');
/** Behind the footer: its length as u32 LE, and the magic. */
export const PARQUET_TAIL_BYTES = 8;

/** A file without its ends: row groups and all that they point to stand between the magic and the footer. */
export interface ParquetFile {
  readonly bodyBytes: number;
  readonly footer: Buffer;
}

/** Where the footer of a file of so many bytes begins, by the last bytes of it. */
export function footerStart(fileBytes: number, tail: Buffer): number {
  const start = fileBytes - PARQUET_TAIL_BYTES - tail.readUInt32LE(0);
  assert(tail.subarray(4).equals(PARQUET_MAGIC), 'a Parquet file is not whole');
  assert(start >= PARQUET_MAGIC.length, 'the footer of a Parquet file is longer than the file');
  return start;
}

/** What stands behind the bodies of `files`, one behind the other. */
export function joinedTail(files: readonly ParquetFile[]): Buffer {
  const footer = joinFooters(files);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([footer, length, PARQUET_MAGIC]);
}

/** The columns of a file as its footer spells them: of equal ones the files can be read as one. */
export function columnsOfFooter(footer: Buffer): Buffer {
  return bytesOf(footer, topLevel(footer), SCHEMA);
}

/** Of FileMetaData (parquet.thrift). */
const SCHEMA = 2;
const NUM_ROWS = 3;
const ROW_GROUPS = 4;

/**
 * Fields of a row group that say where something is, or which row group of the file it is; a plan inside a
 * plan for the structs that hold more of them.
 */
interface Plan {
  readonly [field: number]: 'place' | 'ordinal' | Plan;
}
const COLUMN_META: Plan = { 9: 'place', 10: 'place', 11: 'place', 14: 'place' };
const COLUMN_CHUNK: Plan = { 2: 'place', 3: COLUMN_META, 4: 'place', 6: 'place' };
const ROW_GROUP: Plan = { 1: COLUMN_CHUNK, 5: 'place', 7: 'ordinal' };

const TYPE = {
  yes: 1,
  no: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
} as const;
const STRUCT = 12;

function joinFooters(files: readonly ParquetFile[]): Buffer {
  const footers = files.map(({ footer }) => topLevel(footer));
  const [first] = footers;
  assert(first !== undefined, 'no Parquet file to join');
  let rows = 0n;
  let groups = 0;
  let bytes = 0;
  const rowGroups: Buffer[] = [];
  files.forEach(({ bodyBytes, footer }, i) => {
    const fields = footers[i] ?? first;
    const same = bytesOf(footer, fields, SCHEMA).equals(bytesOf(files[0]?.footer ?? footer, first, SCHEMA));
    assert(same, 'Parquet files of different columns are to be joined');
    rows += new Thrift(bytesOf(footer, fields, NUM_ROWS)).zigzag();
    const list = new Thrift(bytesOf(footer, fields, ROW_GROUPS));
    const { length, type } = list.listHead();
    assert(type === STRUCT, 'the row groups of a Parquet file are no structs');
    for (let left = length; left > 0; left--) rowGroups.push(...list.moved(ROW_GROUP, { bytes, groups }));
    groups += length;
    bytes += bodyBytes;
  });
  const replaced = new Map([
    [NUM_ROWS, [zigzag(rows)]],
    [ROW_GROUPS, [listHead(groups, STRUCT), ...rowGroups]],
  ]);
  const footer = files[0]?.footer ?? Buffer.alloc(0);
  const parts = first.flatMap(({ id, head, start, end }) => [
    head,
    ...(replaced.get(id) ?? [footer.subarray(start, end)]),
  ]);
  return Buffer.concat([...parts, Buffer.from([0])]);
}

interface TopField {
  readonly id: number;
  /** Its bytes in front of the value. */
  readonly head: Buffer;
  readonly start: number;
  readonly end: number;
}

function topLevel(footer: Buffer): TopField[] {
  const reader = new Thrift(footer);
  const fields: TopField[] = [];
  for (let field = reader.fieldHead(0); field !== undefined; field = reader.fieldHead(field.id)) {
    const start = reader.at;
    reader.skip(field.type);
    fields.push({ id: field.id, head: field.head, start, end: reader.at });
  }
  return fields;
}

function bytesOf(footer: Buffer, fields: readonly TopField[], id: number): Buffer {
  const field = fields.find((f) => f.id === id);
  assert(field !== undefined, `the footer of a Parquet file has no field ${id}`);
  return footer.subarray(field.start, field.end);
}

interface Move {
  /** Bytes of bodies, and number of row groups, that stand in front now. */
  readonly bytes: number;
  readonly groups: number;
}

/** A cursor over Thrift's compact protocol. */
class Thrift {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    assert(byte !== undefined, 'the footer of a Parquet file ends early');
    return byte;
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  /** undefined at the end of the struct. */
  fieldHead(before: number): { id: number; type: number; head: Buffer } | undefined {
    const from = this.at;
    const byte = this.#byte();
    if (byte === 0) return undefined;
    const id = byte >>> 4 === 0 ? Number(this.zigzag()) : before + (byte >>> 4);
    return { id, type: byte & 15, head: this.#bytes.subarray(from, this.at) };
  }

  listHead(): { length: number; type: number } {
    const byte = this.#byte();
    return { length: byte >>> 4 === 15 ? Number(this.#varint()) : byte >>> 4, type: byte & 15 };
  }

  skip(type: number): void {
    switch (type) {
      case TYPE.yes:
      case TYPE.no:
        return;
      case TYPE.byte:
        this.at++;
        return;
      case TYPE.i16:
      case TYPE.i32:
      case TYPE.i64:
        this.#varint();
        return;
      case TYPE.double:
        this.at += 8;
        return;
      case TYPE.binary: {
        const length = Number(this.#varint());
        this.at += length;
        return;
      }
      case TYPE.list:
      case TYPE.set: {
        const list = this.listHead();
        // A boolean is a byte of its own in a list, and nowhere else.
        const type = list.type === TYPE.yes || list.type === TYPE.no ? TYPE.byte : list.type;
        for (let left = list.length; left > 0; left--) this.skip(type);
        return;
      }
      case STRUCT:
        for (let field = this.fieldHead(0); field !== undefined; field = this.fieldHead(field.id))
          this.skip(field.type);
        return;
      default:
        assert(false, `Thrift type ${type} in the footer of a Parquet file`);
    }
  }

  /** The struct at the cursor with its places moved. */
  moved(plan: Plan, by: Move): Buffer[] {
    const out: Buffer[] = [];
    for (let field = this.fieldHead(0); field !== undefined; field = this.fieldHead(field.id)) {
      out.push(field.head, ...this.#movedValue(field.type, plan[field.id], by));
    }
    out.push(Buffer.from([0]));
    return out;
  }

  #movedValue(type: number, plan: Plan[number] | undefined, by: Move): Buffer[] {
    const from = this.at;
    if (plan === undefined) {
      this.skip(type);
      return [this.#bytes.subarray(from, this.at)];
    }
    if (plan === 'ordinal') return [zigzag(this.zigzag() + BigInt(by.groups))];
    if (plan === 'place') {
      const place = this.zigzag();
      // 0 is no place: the magic stands there.
      return [zigzag(place === 0n ? 0n : place + BigInt(by.bytes))];
    }
    if (type === STRUCT) return this.moved(plan, by);
    const { length } = this.listHead();
    const out = [this.#bytes.subarray(from, this.at)];
    for (let left = length; left > 0; left--) out.push(...this.moved(plan, by));
    return out;
  }
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function zigzag(value: bigint): Buffer {
  return varint(value < 0n ? -2n * value - 1n : 2n * value);
}

function listHead(length: number, type: number): Buffer {
  if (length < 15) return Buffer.from([(length << 4) | type]);
  return Buffer.concat([Buffer.from([0xf0 | type]), varint(BigInt(length))]);
}
