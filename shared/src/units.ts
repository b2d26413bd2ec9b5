// Values that carry their unit in the config file: "100s", "64MiB", "200Mbit/s". Parsed once, at the door.
import { z } from 'zod';

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};
const BITS_PER_SECOND: Readonly<Record<string, number>> = { 'kbit/s': 1e3, 'Mbit/s': 1e6, 'Gbit/s': 1e9 };

function withUnit(units: Readonly<Record<string, number>>, what: string, example: string) {
  return (text: string, context: z.RefinementCtx): number => {
    const [, digits, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*(\S+)\s*$/.exec(text) ?? [];
    const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (digits !== undefined && factor !== undefined) return Math.round(Number(digits) * factor);
    context.addIssue({
      code: 'custom',
      message: `'${text}' is not a ${what}: write a number and one of ${names(units)}, e.g. "${example}"`,
    });
    return z.NEVER;
  };
}

/** A text in the config file; `unit` is what the reference says of it. */
const withMeta = (unit: string) => z.string().meta({ unit });
const names = (units: Readonly<Record<string, number>>) => Object.keys(units).join(', ');
/** Of each kind of value, its units. */
export const UNIT_NAMES = {
  duration: names(DURATION_MS),
  size: names(BYTES),
  rate: names(BITS_PER_SECOND),
} as const;

/** "100s" → milliseconds. */
export const duration = () => withMeta('duration').transform(withUnit(DURATION_MS, 'duration', '100s'));
/** "64MiB" → bytes. */
export const byteSize = () => withMeta('size').transform(withUnit(BYTES, 'size', '64MiB'));
/** "200Mbit/s" → bits per second. */
export const bitRate = () => withMeta('rate').transform(withUnit(BITS_PER_SECOND, 'rate', '200Mbit/s'));

/** "host:port", IPv6 in brackets. Port 0 asks the system for a free one. */
export const hostPort = () =>
  withMeta('host:port').transform((text, context) => {
    const [, host = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$/.exec(text) ?? [];
    if (host !== '' && Number(port) <= 65_535)
      return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
    context.addIssue({
      code: 'custom',
      message: `'${text}' is not host:port, e.g. "collector.example:8443"`,
    });
    return z.NEVER;
  });

const SCALES: readonly (readonly [number, string])[] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
];

/** A number of things for people: 8,211,904. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Bytes for people: 1.2 GiB. */
export function formatBytes(bytes: number): string {
  for (const [scale, unit] of SCALES) if (bytes >= scale) return `${trim(bytes / scale)} ${unit}`;
  return `${bytes} B`;
}

/** Milliseconds for people: 98 s, 14 m, 6 d 21 h. */
export function formatDuration(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 10) return `${trim(seconds)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
