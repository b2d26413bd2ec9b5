// Why a request of `fetch` got no answer: of its own it says only that it failed.
import { messageOf } from './errors.ts';

export function whyFetchFailed(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = (cause as { readonly code?: unknown } | null)?.code;
  // Where a name has several addresses each has its own reason, and all of them together have none.
  return messageOf(cause) || String(code ?? error);
}
