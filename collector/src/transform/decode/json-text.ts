// Binary values as JSON text that columns read back exactly. What JSON cannot say is a string: bytes as
// base64, NaN and infinities by name, times as ISO 8601.

export const floatText = (value: number) => (Number.isFinite(value) ? numberText(value) : `"${value}"`);
const numberText = (value: number) => (Object.is(value, -0) ? '-0.0' : String(value));

export const base64Text = (bytes: Buffer) => `"${bytes.toString('base64')}"`;

/** Outside the years that four digits spell, the nanoseconds themselves: no date, and quarantined as one. */
export function isoTime(nanos: bigint, digits: number): string {
  const below = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((nanos - below) / 1_000_000_000n);
  if (seconds < -62_167_219_200 || seconds >= 253_402_300_800) return `${nanos}ns since 1970-01-01`;
  const iso = new Date(seconds * 1_000).toISOString().slice(0, 19);
  return digits === 0 ? iso : `${iso}.${String(below).padStart(9, '0').slice(0, digits)}`;
}

const DECIMAL_BYTES_MAX = 256;

/** Two's complement, the highest byte first; undefined where it is larger than any column. */
export function decimalText(bytes: Buffer, scale: number): string | undefined {
  if (bytes.length > DECIMAL_BYTES_MAX || scale < 0 || scale > DECIMAL_BYTES_MAX) return undefined;
  const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
