// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators") in 32-bit halves: the
// generator draws millions of numbers a second, and bigint would take most of its time.

const GAMMA_HIGH = 0x9e3779b9;
const GAMMA_LOW = 0x7f4a7c15;

/** One 64-bit number, overwritten by each draw. */
export class SplitMix {
  high = 0;
  low = 0;

  /** The hash of a safe integer. */
  mix(index: number): void {
    this.mixHalves(Math.floor(index / 2 ** 32), index >>> 0);
  }

  mixHalves(high: number, low: number): void {
    const sum = (low >>> 0) + GAMMA_LOW;
    this.low = sum >>> 0;
    this.high = (high + GAMMA_HIGH + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    this.#foldRight(30);
    this.#multiply(0xbf58476d, 0x1ce4e5b9);
    this.#foldRight(27);
    this.#multiply(0x94d049bb, 0x133111eb);
    this.#foldRight(31);
  }

  /** `(value >> shift) % modulus`, exact for every modulus below 2^21. */
  remainder(shift: number, modulus: number): number {
    if (shift >= 32) return (this.high >>> (shift - 32)) % modulus;
    return ((this.high % modulus) * 2 ** (32 - shift) + (this.low >>> shift)) % modulus;
  }

  /** x ^= x >> shift, for shifts below 32. */
  #foldRight(shift: number): void {
    const { high, low } = this;
    this.low = (low ^ ((low >>> shift) | (high << (32 - shift)))) >>> 0;
    this.high = (high ^ (high >>> shift)) >>> 0;
  }

  #multiply(high: number, low: number): void {
    const carried = highOfProduct(this.low, low);
    this.high = (carried + Math.imul(this.high, low) + Math.imul(this.low, high)) >>> 0;
    this.low = Math.imul(this.low, low) >>> 0;
  }
}

/** Upper half of the product of two unsigned 32-bit numbers. */
function highOfProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + Math.floor(middle / 65_536) + (cross >>> 16);
}
