// The command `status` of both programs: asks the running one over its own port, prints its verdict and exits
// with it.
import { whyFetchFailed } from './fetch-failure.ts';
import { VERDICT_EXIT, type Verdict } from './ops-server.ts';

const ANSWER_MS_MAX = 5_000;

export function httpUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export async function printStatus(
  { host, port }: { readonly host: string; readonly port: number },
  json: boolean,
): Promise<number> {
  const url = `${httpUrl({ host, port })}/status`;
  let document: { verdict: Verdict; reasons: readonly string[] };
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    document = (await reply.json()) as typeof document;
  } catch (error) {
    process.stdout.write(`unknown\n  no answer from ${url}: ${whyFetchFailed(error)}\n`);
    return VERDICT_EXIT.unknown;
  }
  const lines = [document.verdict, ...document.reasons.map((reason) => `  ${reason}`)];
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${lines.join('\n')}\n`);
  return VERDICT_EXIT[document.verdict];
}
