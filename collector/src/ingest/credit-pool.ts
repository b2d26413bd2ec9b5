// How many payload bytes the streams together may still send. While the sequencer has room, every stream
// always has some credit, so that a few streams that hold theirs and send nothing cannot starve the others;
// beyond that, shares of the room. Staging may therefore be exceeded by CREDIT_BYTES_MIN and one segment per
// stream, and by nothing more. Pure bookkeeping.

export interface CreditPool {
  /** Raises the stream's credit as far as there is room; returns its new total. */
  grant(stream: StreamCredit): number;
  open(): StreamCredit;
  close(stream: StreamCredit): void;
}

export interface StreamCredit {
  /** Bytes granted and bytes received since the stream began. */
  granted: number;
  received: number;
}

/** About one segment. */
export const CREDIT_BYTES_MIN = 2 ** 20;

export function createCreditPool(creditBytesMax: number, roomBytes: () => number): CreditPool {
  const streams = new Set<StreamCredit>();
  const outstanding = (stream: StreamCredit) => Math.max(0, stream.granted - stream.received);

  /** What the stream may have outstanding now. */
  function allowance(stream: StreamCredit): number {
    const room = roomBytes();
    const share = Math.floor(room / streams.size);
    const unpromised = [...streams].reduce((left, s) => (s === stream ? left : left - outstanding(s)), room);
    const always = Math.min(CREDIT_BYTES_MIN, creditBytesMax, room);
    return Math.max(always, Math.min(creditBytesMax, share, unpromised));
  }

  return {
    open() {
      const stream = { granted: 0, received: 0 };
      streams.add(stream);
      return stream;
    },
    close: (stream) => void streams.delete(stream),
    grant(stream) {
      if (!streams.has(stream)) return stream.granted;
      stream.granted = Math.max(stream.granted, stream.received + allowance(stream));
      return stream.granted;
    },
  };
}
