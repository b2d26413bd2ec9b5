// How many payload bytes the streams together may still send: never more than the sequencer has room for, never more
// than a stream's own share. Pure bookkeeping.

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

export function createCreditPool(creditBytesMax: number, room: () => number): CreditPool {
  const streams = new Set<StreamCredit>();
  const outstanding = (stream: StreamCredit) => Math.max(0, stream.granted - stream.received);
  return {
    open() {
      const stream = { granted: 0, received: 0 };
      streams.add(stream);
      return stream;
    },
    close: (stream) => void streams.delete(stream),
    grant(stream) {
      const promised = [...streams].reduce((sum, s) => sum + outstanding(s), 0);
      const more = Math.min(creditBytesMax - outstanding(stream), room() - promised);
      if (more > 0) stream.granted = Math.max(stream.granted, stream.received) + more;
      return stream.granted;
    },
  };
}
