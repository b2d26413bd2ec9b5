// Orders as JSON, each a pure function of its number: small ones of about 163 bytes, big ones of about 1 KB
// with a nested object and an array. What must survive the filter is known without reading anything back. The
// bytes are golden: figures of other programs were measured on the same records.
import { SplitMix } from './split-mix.ts';

export type RecordSize = 'small' | 'big';

export interface OrderOptions {
  /** Records of the whole topic: event time rises over `spanMs` across them. */
  readonly records: number;
  readonly size: RecordSize;
  readonly spanMs?: number;
}

/** What is left of the orders when the void ones are filtered. */
export interface Expectation {
  readonly kept: number;
  readonly sumOrderId: number;
  readonly sumQuantity: number;
}

/** No order is longer. */
export const ORDER_BYTES_MAX = 1_400;

const SPAN_MS = 3 * 3_600_000;
/** 2025-11-23T00:00:00Z */
const EPOCH_MS = 1_763_856_000_000;
const DISORDER_MS = 20_000;
const DAY_MS = 86_400_000;
const REGIONS = ['eu-west-1', 'us-east-1', 'ap-south-1', 'eu-north-1'].map(ascii);
const STATUSES = ['paid', 'shipped', 'new', 'paid', 'shipped', 'new', 'paid', 'shipped', 'paid', 'void'];
const STATUS_BYTES = STATUSES.map(ascii);
const VOID = STATUSES.indexOf('void');
const HEX_DIGITS = ascii('0123456789abcdef');
const CITIES = ['Tallinn', 'Lyon', 'Porto', 'Gdansk', 'Graz'].map(ascii);
const ITEMS = 5;
const TRACE_WORDS = 22;

const text = {
  orderId: ascii('{"order_id":'),
  customerId: ascii(',"customer_id":"C'),
  sku: ascii('","sku":"SKU-'),
  quantity: ascii('","quantity":'),
  price: ascii(',"price":"'),
  status: ascii('","status":"'),
  ts: ascii('","ts":"'),
  region: ascii('","region":"'),
  customer: ascii(',"customer":{"name":"Customer '),
  email: ascii('","email":"c'),
  tier: ascii('@example.org","tier":'),
  street: ascii(',"address":{"street":"'),
  city: ascii(' Harbour Road","city":"'),
  zip: ascii('","zip":"'),
  items: ascii('"}},"items":['),
  itemSku: ascii('{"sku":"SKU-'),
  itemQuantity: ascii('","qty":'),
  itemPrice: ascii(',"unit_price":'),
  note: ascii(',"note":"lot-'),
  itemEnd: ascii('"}'),
  trace: ascii('],"trace":"'),
};

function ascii(value: string): Uint8Array {
  return Buffer.from(value, 'latin1');
}

export class OrderGenerator {
  readonly #records: number;
  readonly #spanMs: number;
  readonly #big: boolean;
  readonly #hash = new SplitMix();
  readonly #inner = new SplitMix();
  #day = -1;
  #date: Uint8Array = new Uint8Array();
  #target: Uint8Array = new Uint8Array();
  #at = 0;

  constructor({ records, size, spanMs = SPAN_MS }: OrderOptions) {
    this.#records = records;
    this.#spanMs = spanMs;
    this.#big = size === 'big';
  }

  /** Writes order `index` at `at` and returns where it ends. `target` has room for ORDER_BYTES_MAX. */
  write(target: Uint8Array, at: number, index: number): number {
    const hash = this.#hash;
    hash.mix(index);
    this.#target = target;
    this.#at = at;
    this.#put(text.orderId);
    this.#number(index);
    this.#put(text.customerId);
    this.#padded(hash.remainder(0, 200_000), 7);
    this.#put(text.sku);
    this.#padded(hash.remainder(17, 5_000), 5);
    this.#put(text.quantity);
    this.#number(quantityOf(hash));
    this.#put(text.price);
    this.#cents(100 + hash.remainder(8, 50_000));
    this.#put(text.status);
    this.#put(STATUS_BYTES[statusOf(hash)]);
    this.#put(text.ts);
    this.#time(index);
    this.#put(text.region);
    this.#put(REGIONS[(hash.low >>> 5) & 3]);
    this.#byte('"');
    if (this.#big) this.#customerAndItems();
    this.#byte('}');
    return this.#at;
  }

  #customerAndItems(): void {
    const customer = this.#hash.remainder(0, 200_000);
    const k = this.#inner;
    k.mixHalves(this.#hash.high, this.#hash.low);
    this.#put(text.customer);
    this.#number(customer);
    this.#put(text.email);
    this.#number(customer);
    this.#put(text.tier);
    this.#number(k.remainder(0, 5));
    this.#put(text.street);
    this.#number(k.remainder(0, 999));
    this.#put(text.city);
    this.#put(CITIES[k.remainder(0, 5)]);
    this.#put(text.zip);
    this.#padded(k.remainder(0, 100_000), 5);
    this.#put(text.items);
    for (let item = 0; item < ITEMS; item++) this.#item(item);
    this.#put(text.trace);
    for (let word = 0; word < TRACE_WORDS; word++) {
      k.mixHalves(k.high, k.low);
      if (k.high > 0) this.#hex(k.high, 0);
      this.#hex(k.low, k.high > 0 ? 8 : 0);
    }
    this.#byte('"');
  }

  #item(item: number): void {
    const k = this.#inner;
    k.mixHalves(k.high, k.low);
    if (item > 0) this.#byte(',');
    this.#put(text.itemSku);
    this.#padded(k.remainder(0, 5_000), 5);
    this.#put(text.itemQuantity);
    this.#number(1 + k.remainder(20, 9));
    this.#put(text.itemPrice);
    this.#cents(100 + k.remainder(30, 50_000));
    this.#put(text.note);
    this.#hex(k.high >>> 8, 0);
    this.#put(text.itemEnd);
  }

  /** Rises with the index, with up to 20 s of disorder, never below the epoch. */
  #time(index: number): void {
    const rising = EPOCH_MS + Math.floor((index * this.#spanMs) / this.#records);
    const ms = Math.max(EPOCH_MS, rising - this.#hash.remainder(40, DISORDER_MS));
    const day = Math.floor(ms / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#date = ascii(new Date(ms).toISOString().slice(0, 11));
    }
    const ofDay = ms - day * DAY_MS;
    this.#put(this.#date);
    this.#padded(Math.floor(ofDay / 3_600_000), 2);
    this.#byte(':');
    this.#padded(Math.floor(ofDay / 60_000) % 60, 2);
    this.#byte(':');
    this.#padded(Math.floor(ofDay / 1_000) % 60, 2);
    this.#byte('.');
    this.#padded(ofDay % 1_000, 3);
    this.#byte('Z');
  }

  #put(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) throw new Error('a table of the generator is too short');
    const target = this.#target;
    let at = this.#at;
    for (let i = 0; i < bytes.length; i++) target[at++] = bytes[i] as number;
    this.#at = at;
  }

  /** Lower case, with at least `digitsMin` digits and at least one. */
  #hex(value: number, digitsMin: number): void {
    let digits = Math.max(1, digitsMin);
    while (digits < 8 && value >>> (4 * digits) !== 0) digits++;
    for (let shift = 4 * (digits - 1); shift >= 0; shift -= 4)
      this.#target[this.#at++] = HEX_DIGITS[(value >>> shift) & 15] as number;
  }

  #byte(character: string): void {
    this.#target[this.#at++] = character.charCodeAt(0);
  }

  #number(value: number): void {
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    this.#padded(value, digits);
  }

  #cents(value: number): void {
    this.#number(Math.floor(value / 100));
    this.#byte('.');
    this.#padded(value % 100, 2);
  }

  #padded(value: number, width: number): void {
    let rest = value;
    for (let at = this.#at + width - 1; at >= this.#at; at--) {
      const tenth = Math.floor(rest / 10);
      this.#target[at] = 48 + rest - tenth * 10;
      rest = tenth;
    }
    this.#at += width;
  }
}

function statusOf(hash: SplitMix): number {
  return hash.remainder(50, 10);
}

function quantityOf(hash: SplitMix): number {
  return 1 + hash.remainder(30, 9);
}

export function expectation(records: number): Expectation {
  const hash = new SplitMix();
  let kept = 0;
  let sumOrderId = 0;
  let sumQuantity = 0;
  for (let index = 0; index < records; index++) {
    hash.mix(index);
    if (statusOf(hash) === VOID) continue;
    kept++;
    sumOrderId += index;
    sumQuantity += quantityOf(hash);
  }
  return { kept, sumOrderId, sumQuantity };
}
