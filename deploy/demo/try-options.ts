// What `npm run try` takes, and everything that is wrong with it at once. Files are read here, so that a
// wrong path is told before anything starts; a password is never an argument.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { RangeRequest } from './try-ranges.ts';

const FORMATS = ['json', 'csv', 'text', 'bytes'] as const;
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export const PASSWORD_VARIABLE = 'SLUICE_TRY_PASSWORD';

const RECORDS_DEFAULT = 100_000;
const SECONDS_DEFAULT = 45;

/** Absolute paths of PEM files. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TryOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly tls: TlsOptions | undefined;
  readonly sasl:
    | {
        readonly mechanism: (typeof MECHANISMS)[number];
        readonly username: string;
        readonly passwordFile: string | undefined;
      }
    | undefined;
  readonly range: RangeRequest;
  readonly format: (typeof FORMATS)[number] | undefined;
  readonly seconds: number;
  readonly groupPrefix: string;
  readonly keep: boolean;
}

const OPTIONS = {
  brokers: ['host:port,...', 'bootstrap brokers; may be given several times'],
  topic: ['name', 'the topic to try'],
  ca: ['file', 'PEM of the CA that signed the brokers’ certificates (turns TLS on)'],
  cert: ['file', 'PEM of your client certificate, where the brokers demand one (with --key)'],
  key: ['file', 'PEM of its private key, not encrypted'],
  tls: ['', 'TLS, trusting the system’s CAs'],
  sasl: ['mech:user[:file]', 'short for the three below'],
  'sasl-mechanism': ['mech', MECHANISMS.join(', ')],
  'sasl-user': ['name', ''],
  'sasl-password-file': ['file', `else ${PASSWORD_VARIABLE} in the environment, else it is asked for`],
  records: ['n', `at most so many records (default ${RECORDS_DEFAULT.toLocaleString('en')})`],
  from: ['where', 'earliest, or latest-N: begin N records before the end (default: the newest)'],
  format: ['kind', `${FORMATS.join(', ')} (default: looked at, json or text)`],
  seconds: ['n', `stop reading after so long (default ${SECONDS_DEFAULT})`],
  'group-prefix': ['text', 'in front of the throw-away group’s name, where ACLs demand one'],
  keep: ['', 'leave agent and collector running, with their URLs, until Ctrl-C'],
} as const satisfies Record<string, readonly [string, string]>;

type OptionName = keyof typeof OPTIONS;
const FLAGS: readonly string[] = ['tls', 'keep'];

export function helpText(): string {
  const rows = Object.entries(OPTIONS).map(([name, [value, what]]) => {
    return `  ${`--${name}${value === '' ? '' : ` <${value}>`}`.padEnd(30)}  ${what}`;
  });
  return `usage: npm run try -- --brokers <host:port,...> --topic <name> [options]

Reads some of a topic of your own Kafka through sluice-agent and sluice-collector into a small lake in .try/, and shows
it as a table. Read-only: no topic is created, no offset committed; a throw-away group is joined and left.

${rows.join('\n')}

Examples:
  npm run try -- --brokers localhost:9092 --topic claims
  npm run try -- --brokers kafka-1.corp:9093,kafka-2.corp:9093 --topic claims --ca ca.pem --cert me.pem --key me.key
  npm run try -- --brokers kafka-1.corp:9094 --topic claims --ca ca.pem --sasl scram-sha-512:me:password.txt
  npm run try -- --brokers localhost:9092 --topic access-log --format text --from latest-5000

What your Kafka user must be allowed:
  Read on the topic (Describe comes with it), and Read on groups that begin with <group-prefix>sluice-try-
What stays on the brokers: the group without any offset, listed as empty until their next clean-up (ten minutes by
  default). A cluster that never had a consumer group makes its __consumer_offsets topic for it.
`;
}

export type ParsedOptions =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }
  | { readonly kind: 'run'; readonly options: TryOptions };

interface Given {
  /** The last value of an option. */
  text(name: OptionName): string | undefined;
  all(name: OptionName): readonly string[];
  has(name: OptionName): boolean;
  readonly problems: string[];
  /** Where relative paths begin. */
  readonly directory: string;
}

export function parseTryOptions(args: readonly string[], directory: string): ParsedOptions {
  if (args.includes('--help') || args.includes('-h')) return { kind: 'help' };
  const given = readArguments(args, directory);
  const { problems } = given;
  const options: TryOptions = {
    brokers: brokersOf(given),
    topic: topicOf(given),
    tls: tlsOf(given),
    sasl: saslOf(given),
    range: rangeOf(given),
    format: oneOf(given, 'format', FORMATS),
    seconds: numberOf(given, 'seconds') ?? SECONDS_DEFAULT,
    groupPrefix: given.text('group-prefix') ?? '',
    keep: given.has('keep'),
  };
  return problems.length > 0 ? { kind: 'wrong', problems } : { kind: 'run', options };
}

function readArguments(args: readonly string[], directory: string): Given {
  const types = Object.keys(OPTIONS).map((name) => {
    return [name, { type: FLAGS.includes(name) ? ('boolean' as const) : ('string' as const) }];
  });
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') problems.push(`'${token.value}' stands alone: options begin with --`);
    else if (!Object.hasOwn(OPTIONS, token.name))
      problems.push(`${token.rawName} is no option${hint(token.name)}`);
    else if (FLAGS.includes(token.name)) values.set(token.name, ['']);
    else if (token.value === undefined || token.value.startsWith('--') || token.value === '')
      problems.push(`--${token.name} needs a value`);
    else values.set(token.name, [...(values.get(token.name) ?? []), token.value]);
  }
  return {
    text: (name) => values.get(name)?.at(-1),
    all: (name) => values.get(name) ?? [],
    has: (name) => values.has(name),
    problems,
    directory,
  };
}

function hint(name: string): string {
  if (/pass(word)?$/.test(name)) return ': a password is never an argument, see --sasl-password-file';
  const near = Object.keys(OPTIONS).find((known) => known.startsWith(name) || name.startsWith(known));
  return near === undefined ? '' : `: is --${near} meant?`;
}

function brokersOf({ all, problems }: Given): string[] {
  const brokers = all('brokers')
    .flatMap((list) => list.split(','))
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  if (brokers.length === 0) problems.push('--brokers is missing, e.g. --brokers kafka-1.corp:9093');
  for (const broker of brokers) {
    const [, port = ''] = /^(?:\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$/.exec(broker) ?? [];
    if (port === '' || Number(port) < 1 || Number(port) > 65_535)
      problems.push(`--brokers: '${broker}' is not host:port`);
  }
  return brokers;
}

function topicOf({ text, problems }: Given): string {
  const topic = text('topic') ?? '';
  if (topic === '') problems.push('--topic is missing');
  else if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic)) problems.push(`--topic: '${topic}' is no name of a topic`);
  return topic;
}

function rangeOf(given: Given): RangeRequest {
  const records = numberOf(given, 'records');
  const from = given.text('from');
  if (from === 'earliest') return { from, records: records ?? RECORDS_DEFAULT };
  const latest = /^latest-(\d[\d_,]*)$/.exec(from ?? '')?.[1];
  if (from !== undefined && latest === undefined)
    given.problems.push(`--from: '${from}' is neither earliest nor latest-N`);
  const back = latest === undefined ? (records ?? RECORDS_DEFAULT) : plainNumber(latest);
  return { from: { latest: back }, records: records ?? back };
}

function numberOf({ text, problems }: Given, name: 'records' | 'seconds'): number | undefined {
  const given = text(name);
  if (given === undefined) return undefined;
  const number = /^\d[\d_,]*$/.test(given) ? plainNumber(given) : 0;
  if (!Number.isSafeInteger(number) || number < 1)
    problems.push(`--${name}: '${given}' is no whole number above 0`);
  return number;
}

/** Thousands may be set apart. */
function plainNumber(text: string): number {
  return Number(text.replace(/[_,]/g, ''));
}

function oneOf<T extends string>(
  { text, problems }: Given,
  name: OptionName,
  allowed: readonly T[],
): T | undefined {
  const given = text(name)?.toLowerCase();
  const found = allowed.find((value) => value === given);
  if (given !== undefined && found === undefined)
    problems.push(`--${name}: '${given}' is none of ${allowed.join(', ')}`);
  return found;
}

function saslOf(given: Given): TryOptions['sasl'] {
  const { text, problems, directory } = given;
  const [short = '', shortUser, ...rest] = (text('sasl') ?? '').split(':');
  const mechanism =
    text('sasl') === undefined ? oneOf(given, 'sasl-mechanism', MECHANISMS) : mechanismOf(short, problems);
  const username = text('sasl-user') ?? shortUser;
  const file = text('sasl-password-file') ?? (rest.length > 0 ? rest.join(':') : undefined);
  if (!given.has('sasl') && mechanism === undefined) {
    if (username !== undefined || file !== undefined) problems.push('--sasl-mechanism is missing');
    return undefined;
  }
  if (username === undefined || username === '') problems.push('--sasl-user is missing');
  const passwordFile = file === undefined ? undefined : resolve(directory, file);
  if (passwordFile !== undefined) readable(passwordFile, 'sasl-password-file', problems);
  return mechanism === undefined ? undefined : { mechanism, username: username ?? '', passwordFile };
}

function mechanismOf(text: string, problems: string[]): (typeof MECHANISMS)[number] | undefined {
  const found = MECHANISMS.find((one) => one === text.toLowerCase());
  if (found === undefined) problems.push(`--sasl: '${text}' is none of ${MECHANISMS.join(', ')}`);
  return found;
}

function tlsOf({ text, has, problems, directory }: Given): TlsOptions | undefined {
  const path = (name: 'ca' | 'cert' | 'key') => {
    const given = text(name);
    return given === undefined ? {} : { [name]: resolve(directory, given) };
  };
  const files: TlsOptions = { ...path('ca'), ...path('cert'), ...path('key') };
  if (Object.keys(files).length === 0) return has('tls') ? {} : undefined;
  const ca = pem(files.ca, 'ca', problems);
  const cert = pem(files.cert, 'cert', problems);
  const key = pem(files.key, 'key', problems);
  if (ca !== undefined) certificate(ca, 'ca', problems);
  if (has('cert') !== has('key')) problems.push('--cert and --key belong together');
  if (cert !== undefined && key !== undefined) checkPair(cert, key, problems);
  return files;
}

function pem(path: string | undefined, option: OptionName, problems: string[]): string | undefined {
  const text = path === undefined ? undefined : readable(path, option, problems);
  if (text === undefined || text.includes('-----BEGIN ')) return text;
  problems.push(
    `--${option}: ${path} is no PEM file (of a .p12: openssl pkcs12 -in store.p12 -nodes -out all.pem)`,
  );
  return undefined;
}

function readable(path: string, option: OptionName, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'unreadable' } = error as { code?: string };
    problems.push(
      `--${option}: ${path} cannot be read (${code === 'ENOENT' ? 'there is no such file' : code})`,
    );
    return undefined;
  }
}

function certificate(text: string, option: OptionName, problems: string[]): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    problems.push(`--${option}: the file holds no certificate`);
    return undefined;
  }
}

function checkPair(cert: string, key: string, problems: string[]): void {
  const leaf = certificate(cert, 'cert', problems);
  try {
    if (leaf?.checkPrivateKey(createPrivateKey(key)) === false)
      problems.push('--key: it is not the key of the certificate in --cert');
  } catch (error) {
    const encrypted = (error as { code?: string }).code === 'ERR_MISSING_PASSPHRASE';
    problems.push(
      encrypted
        ? '--key: it is encrypted; openssl pkey -in key.pem -out plain-key.pem takes the passphrase off'
        : '--key: the file holds no private key',
    );
  }
}
