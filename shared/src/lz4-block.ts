// LZ4 blocks (lz4_Block_format.md) into memory that the caller keeps: as fast as the native call, which makes new
// memory for each block and so has the garbage collector run for a third of a transform's time (`npm run bench`, row
// decodeTransform). Every length is checked: hostile bytes end in an error.

/** Memory that is used again and again: what was decoded stands until the next decoding. */
export class PlainBuffer {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(this.bytes.buffer);

  /** At least `bytes` of it, what is there kept; what one giant needed is given back by `forget`. */
  reserve(bytes: number): void {
    if (bytes <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.bytes.length * 2));
    this.bytes.copy(grown);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  /** Lets go of more than a common batch needs. */
  forget(): void {
    if (this.bytes.length <= KEPT_BYTES_MAX) return;
    this.bytes = Buffer.alloc(0);
    this.view = new DataView(this.bytes.buffer);
  }
}

const KEPT_BYTES_MAX = 16 * 2 ** 20;

/** Copies go by eight bytes and may write so much behind their end. */
const SLACK_BYTES = 8;
const MATCH_BYTES_MIN = 4;
/** Above, a native copy is faster than words. */
const COPIED_BY_WORDS_MAX = 64;

export interface BlockTarget {
  readonly into: PlainBuffer;
  /** Where the block's plain bytes begin. */
  readonly at: number;
  /** How far back copies may reach: `at` for an independent block, 0 for one that continues others. */
  readonly historyFrom: number;
  /** The block's plain bytes end here or before. */
  readonly end: number;
}

/** Where the plain bytes end. Error where the block is not LZ4 or does not fit. */
export function decodeLz4Block(block: Buffer, { into, at, historyFrom, end }: BlockTarget): number {
  into.reserve(end + SLACK_BYTES);
  const { bytes: out, view: outView } = into;
  const blockView = new DataView(block.buffer, block.byteOffset, block.length);
  const blockEnd = block.length;
  let from = 0;
  let to = at;
  while (from < blockEnd) {
    const token = block[from++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      const start = from;
      from = pastLength(block, from);
      literals += lengthOf(block, start, from);
    }
    const literalsEnd = to + literals;
    if (from + literals > blockEnd || literalsEnd > end) throw new Error('literals run past the end');
    if (literals > COPIED_BY_WORDS_MAX || from + literals + SLACK_BYTES > blockEnd)
      out.set(block.subarray(from, from + literals), to);
    else
      for (let word = 0; word < literals; word += 8)
        outView.setBigUint64(to + word, blockView.getBigUint64(from + word));
    from += literals;
    to = literalsEnd;
    // The last sequence has literals only.
    if (from === blockEnd) return to;
    const distance = (block[from] ?? 0) | ((block[from + 1] ?? 0) << 8);
    from += 2;
    let length = (token & 15) + MATCH_BYTES_MIN;
    if ((token & 15) === 15) {
      const start = from;
      from = pastLength(block, from);
      length += lengthOf(block, start, from);
    }
    let match = to - distance;
    const matchEnd = to + length;
    if (distance === 0 || match < historyFrom || matchEnd > end || from > blockEnd)
      throw new Error('a match points outside');
    if (distance >= 8) {
      for (; to < matchEnd; to += 8, match += 8) outView.setBigUint64(to, outView.getBigUint64(match));
      to = matchEnd;
    } else while (to < matchEnd) out[to++] = out[match++] ?? 0;
  }
  throw new Error('it ends without its last literals');
}

/** The index behind a length that is written in bytes, each of 255 but the last. */
function pastLength(block: Buffer, from: number): number {
  let at = from;
  while (block[at] === 255) at++;
  return at + 1;
}

function lengthOf(block: Buffer, from: number, past: number): number {
  return (past - from - 1) * 255 + (block[past - 1] ?? 0);
}
