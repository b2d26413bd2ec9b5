// How many bytes may be on the link without a receipt. Pure: delays come in, a limit goes out. Node's HTTP/2 reads
// nothing while a socket write is unfinished, so on a slow link everything the collector says waits behind what was
// handed over before; the bound on bytes comes from a bound on time.

export interface SendWindowLimits {
  /** The stream can always move: two segments. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** From handing a segment over to its receipt. */
  readonly delayMsMax: number;
}

export class SendWindow {
  readonly #limits: SendWindowLimits;
  #inFlight = 0;
  #limit: number;

  constructor(limits: SendWindowLimits) {
    this.#limits = limits;
    this.#limit = Math.min(limits.bytesMax, 2 * limits.bytesMin);
  }

  get bytes(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  room(bytes: number): boolean {
    return this.#inFlight === 0 || this.#inFlight + bytes <= this.#limit;
  }

  sent(bytes: number): void {
    this.#inFlight += bytes;
  }

  /** `pressed`: the window was nearly full when this segment left, so its delay says something about the window. */
  received(bytes: number, delayMs: number, pressed: boolean): void {
    this.#inFlight -= bytes;
    const { bytesMin, bytesMax, delayMsMax } = this.#limits;
    if (delayMs > delayMsMax) this.#limit = Math.max(bytesMin, this.#limit - bytes / 2);
    else if (pressed && delayMs < delayMsMax / 2) this.#limit = Math.min(bytesMax, this.#limit + bytes);
  }
}
