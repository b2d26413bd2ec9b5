// How many bytes may be on the link without a receipt. Pure: times come in, a limit goes out. Node's HTTP/2
// reads nothing while a socket write is unfinished, so on a slow link everything the collector says waits
// behind what was handed over before; the bound on bytes comes from a bound on time.

export interface SendWindowLimits {
  /** Two segments, so that one is under way while the other's receipt comes back. The window begins here. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** From handing a segment over to its receipt. */
  readonly delayMsMax: number;
}

interface InFlight {
  readonly bytes: number;
  readonly sentMs: number;
  /** The window was nearly full when it left, so its delay says something about the window. */
  readonly pressed: boolean;
}

export class SendWindow {
  readonly #limits: SendWindowLimits;
  readonly #segments: InFlight[] = [];
  #inFlight = 0;
  #limit: number;

  constructor(limits: SendWindowLimits) {
    this.#limits = limits;
    this.#limit = limits.bytesMin;
  }

  get bytes(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** A segment larger than the window may go alone. */
  room(bytes: number): boolean {
    return this.#segments.length === 0 || this.#inFlight + bytes <= this.#limit;
  }

  sent(bytes: number, nowMs: number): void {
    const pressed = this.#inFlight + 2 * bytes > this.#limit;
    this.#inFlight += bytes;
    this.#segments.push({ bytes, sentMs: nowMs, pressed });
  }

  /** A receipt for the oldest segment in flight; false where there is none. */
  received(nowMs: number): boolean {
    const segment = this.#segments.shift();
    if (segment === undefined) return false;
    const { bytes, sentMs, pressed } = segment;
    const { bytesMin, bytesMax, delayMsMax } = this.#limits;
    const delayMs = nowMs - sentMs;
    this.#inFlight -= bytes;
    if (delayMs > delayMsMax) this.#limit = Math.max(bytesMin, this.#limit - Math.ceil(bytes / 2));
    else if (pressed && delayMs < delayMsMax / 2) this.#limit = Math.min(bytesMax, this.#limit + bytes);
    return true;
  }
}
