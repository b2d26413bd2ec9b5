// What Glue refused, by the name that it gives, as what it means to the caller.
import type { ErrorDetail } from '@aws-sdk/client-glue';
import { SluiceError } from '@sluice/shared/errors.ts';

const DENIED = ['AccessDeniedException', 'UnrecognizedClientException', 'InvalidSignatureException'];

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** CATALOG_DENIED, or CATALOG_UNAVAILABLE for all that may pass. */
export function glueFailure(action: string, place: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const code = DENIED.includes(nameOf(error)) ? 'CATALOG_DENIED' : 'CATALOG_UNAVAILABLE';
  return new SluiceError(code, `${action}: ${text}`, { place, cause: error });
}

/** Of one partition of a batch, which Glue answers for by itself. */
export function refusedPartition(
  action: string,
  table: string,
  refused: {
    readonly PartitionValues?: readonly string[] | undefined;
    readonly ErrorDetail?: ErrorDetail | undefined;
  },
): SluiceError {
  const { ErrorCode = '', ErrorMessage = '' } = refused.ErrorDetail ?? {};
  const error = Object.assign(new Error(ErrorMessage), { name: ErrorCode });
  return glueFailure(action, `${table} ${refused.PartitionValues?.join('/')}`, error);
}
