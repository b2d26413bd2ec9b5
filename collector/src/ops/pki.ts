// `sluice-collector pki`: a certificate authority for those who have none, and certificates with the names
// and usages that agents and collectors need. Keys are written readable by their owner alone and never over
// an existing file.
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@sluice/shared/clock.ts';
import { type Command, type CommandCall, UsageError } from '@sluice/shared/command-line.ts';
import {
  agentUri,
  createAuthority,
  issueCertificate,
  type LeafRequest,
  loadAuthority,
  writeCertificate,
} from '@sluice/shared/pki.ts';
import { EXIT } from '@sluice/shared/process-life.ts';

const CA_DAYS = 3_650;
const LEAF_DAYS = 365;

export const pkiCommand: Command = {
  summary:
    'Makes a CA (`pki init`) and certificates (`pki issue agent <id>`, `pki issue collector <host> ...`).',
  options: {
    directory: 'where ca.pem, ca-key.pem and certificates lie (default ./pki)',
    days: `how long a certificate is valid (default ${LEAF_DAYS}, a CA ${CA_DAYS})`,
  },
  positionals: 'init | issue agent <id> | issue collector <dns name or IP ...>',
  run: runPki,
};

async function runPki({ options, positionals }: CommandCall): Promise<number> {
  const directory = options['directory'] ?? 'pki';
  const days = options['days'] === undefined ? undefined : Number(options['days']);
  if (days !== undefined && !(Number.isInteger(days) && days > 0))
    throw new UsageError('--days takes a number');
  const [verb, kind, ...names] = positionals;
  if (verb === 'init' && kind === undefined) return await init(directory, days ?? CA_DAYS);
  if (verb === 'issue' && (kind === 'agent' || kind === 'collector') && names.length > 0)
    return await issue({ directory, kind, names, days: days ?? LEAF_DAYS });
  throw new UsageError('it takes: init, issue agent <id>, or issue collector <name ...>');
}

async function init(directory: string, days: number): Promise<number> {
  const files = { cert: join(directory, 'ca.pem'), key: join(directory, 'ca-key.pem') };
  refuseOverwrite(files);
  const request = { commonName: 'Sluice CA', nowMs: systemClock.wallMs(), days };
  writeCertificate(files, await createAuthority(request));
  process.stdout.write(`${files.cert}\n${files.key} (keep it away from agents and collectors)\n`);
  return EXIT.ok;
}

interface IssueRequest {
  readonly directory: string;
  readonly kind: 'agent' | 'collector';
  readonly names: readonly string[];
  readonly days: number;
}

async function issue({ directory, kind, names, days }: IssueRequest): Promise<number> {
  const [first = ''] = names;
  if (kind === 'agent' && names.length > 1) throw new UsageError('one agent at a time');
  const name = kind === 'agent' ? first : 'collector';
  const files = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
  refuseOverwrite(files);
  const authority = await loadAuthority(
    readFileSync(join(directory, 'ca.pem'), 'utf8'),
    readFileSync(join(directory, 'ca-key.pem'), 'utf8'),
  );
  const at = { nowMs: systemClock.wallMs(), days };
  const request = kind === 'agent' ? agentRequest(first, at) : collectorRequest(names, at);
  writeCertificate(files, await issueCertificate(authority, request));
  process.stdout.write(`${files.cert}\n${files.key}\n`);
  return EXIT.ok;
}

type Lifetime = Pick<LeafRequest, 'nowMs' | 'days'>;

/** URI SAN sluice://agent/<id>, EKU clientAuth. */
export function agentRequest(agentId: string, at: Lifetime): LeafRequest {
  return { commonName: agentId, uris: [agentUri(agentId)], usages: ['clientAuth'], ...at };
}

/** DNS and IP SANs, EKU serverAuth. */
export function collectorRequest(names: readonly string[], at: Lifetime): LeafRequest {
  return {
    commonName: 'sluice-collector',
    dnsNames: names.filter((name) => isIP(name) === 0),
    ipAddresses: names.filter((name) => isIP(name) !== 0),
    usages: ['serverAuth'],
    ...at,
  };
}

function refuseOverwrite(files: { cert: string; key: string }): void {
  for (const path of [files.cert, files.key])
    if (existsSync(path)) throw new UsageError(`${path} is there already; move it away first`);
}
