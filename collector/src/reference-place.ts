// Where reference files lie that lookups name: on this disk, or on S3, from where a copy comes.

/** Of one file: it is read into memory with each window. */
export const REFERENCE_BYTES_MAX = 64 * 2 ** 20;

export const isRemote = (file: string) => file.startsWith('s3://');

/** Reference files that lie elsewhere than on this disk (implemented by lake/s3-references.ts). */
export interface ReferenceSource {
  /**
   * Path of a copy of s3://bucket/key, which may be replaced by a newer one at any time. REFERENCE_UNUSABLE
   * where it is missing or too large, STORE_* where it cannot be had.
   */
  copyOf(url: string): Promise<string>;
  close(): void;
}
