// Objects and their bytes, as reports of commands that rework a table count them.
import { formatBytes } from '@sluice/shared/units.ts';
import { counted } from './report-lines.ts';

/** Objects, and their bytes. */
export interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

export function amountOf(objects: readonly { readonly bytes: number }[]): Amount {
  return { objects: objects.length, bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0) };
}

export function bothAmounts(a: Amount, b: Amount): Amount {
  return { objects: a.objects + b.objects, bytes: a.bytes + b.bytes };
}

/** `2 objects of 1.5 MiB` */
export function amountText({ objects, bytes }: Amount, what = 'object'): string {
  return `${counted(objects, what)} of ${formatBytes(bytes)}`;
}
