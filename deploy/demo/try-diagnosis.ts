// Why a stranger's Kafka does not let us in, and what to do about it: a look at the brokers' ports before
// anything is started, and a remedy for what fails later, in terms of this command's own options.
import { createConnection } from 'node:net';
import tls from 'node:tls';
import { SluiceError } from '@sluice/shared/errors.ts';
import type { TryOptions } from './try-options.ts';

/** What a person is told: what happened, and what to do. */
export class Refusal extends Error {
  readonly remedies: readonly string[];

  constructor(message: string, remedies: readonly string[]) {
    super(message);
    this.remedies = remedies;
  }
}

const CONNECT_MS_MAX = 4_000;

/**
 * Resolves when at least one broker answers as the options say; else every broker's reason is in the Refusal.
 */
export async function assertReachable(
  brokers: readonly string[],
  tlsSettings: tls.ConnectionOptions | undefined,
): Promise<void> {
  const failures = await Promise.all(brokers.map((broker) => failureOf(broker, tlsSettings)));
  const found = failures.filter((failure) => failure !== undefined);
  if (found.length < brokers.length) return;
  const message = found.map(({ broker, reason }) => `${broker}: ${reason}`).join('\n  ');
  throw new Refusal(message, [...new Set(found.map(({ remedy }) => remedy))]);
}

interface Failure {
  readonly broker: string;
  readonly reason: string;
  readonly remedy: string;
}

async function failureOf(
  broker: string,
  tlsSettings: tls.ConnectionOptions | undefined,
): Promise<Failure | undefined> {
  const plain = await connectError(broker, undefined);
  if (plain !== undefined) return { broker, ...networkFailure(plain) };
  if (tlsSettings === undefined) return undefined;
  const error = await connectError(broker, tlsSettings);
  return error === undefined ? undefined : { broker, ...tlsFailure(error, await issuerOf(broker)) };
}

type ConnectError = { readonly code: string; readonly message: string };

function address(broker: string): { host: string; port: number } {
  const colon = broker.lastIndexOf(':');
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(broker.slice(colon + 1)) };
}

/** Undefined when the connection, with its handshake, was made. */
function connectError(
  broker: string,
  tlsSettings: tls.ConnectionOptions | undefined,
): Promise<ConnectError | undefined> {
  const { host, port } = address(broker);
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  const socket =
    tlsSettings === undefined
      ? createConnection({ host, port })
      : tls.connect({ host, port, ...servername, minVersion: 'TLSv1.2', ...tlsSettings });
  return new Promise((resolve) => {
    const end = (error: ConnectError | undefined) => {
      socket.destroy();
      resolve(error);
    };
    socket.setTimeout(CONNECT_MS_MAX, () => end({ code: 'ETIMEDOUT', message: 'no answer' }));
    socket.on('error', (error: Error & { code?: string }) =>
      end({ code: error.code ?? '', message: error.message }),
    );
    socket.once(tlsSettings === undefined ? 'connect' : 'secureConnect', () => end(undefined));
  });
}

function networkFailure({ code, message }: ConnectError): Omit<Failure, 'broker'> {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        reason: 'its name does not resolve',
        remedy: 'Check the spelling and the DNS of this machine.',
      };
    case 'ECONNREFUSED':
      return { reason: 'nothing listens there', remedy: 'Check the port, and that the broker is up.' };
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return {
        reason: `no answer (${code})`,
        remedy: 'A firewall or a missing route: this machine must reach the brokers’ port.',
      };
    default:
      return { reason: message, remedy: 'Check --brokers and the network.' };
  }
}

const UNTRUSTED =
  /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_SIGNATURE_FAILURE)$/;

function tlsFailure({ code, message }: ConnectError, issuer: string | undefined): Omit<Failure, 'broker'> {
  if (UNTRUSTED.test(code))
    return {
      reason: `its certificate is not signed by a CA that is trusted here${issuer === undefined ? '' : ` (issuer: ${issuer})`}`,
      remedy: 'Pass the PEM of the CA that signed the brokers’ certificates with --ca.',
    };
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return { reason: message, remedy: 'Renew the broker’s certificate, or set the clock of this machine.' };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { reason: message, remedy: 'Name the broker in --brokers as its certificate does.' };
  if (/ALERT|alert/.test(`${code} ${message}`)) return { reason: message, remedy: CLIENT_CERTIFICATE };
  return {
    reason: `no TLS handshake (${message})`,
    remedy: 'Is this the TLS listener’s port? Without TLS leave out --tls, --ca, --cert and --key.',
  };
}

const CLIENT_CERTIFICATE =
  'The broker demands a client certificate that it trusts: pass --cert and --key, signed by the brokers’ CA and valid now.';

/** Whom the broker's certificate names as its issuer; undefined where the port speaks no TLS. */
function issuerOf(broker: string): Promise<string | undefined> {
  const { host, port } = address(broker);
  return new Promise((resolve) => {
    const socket = tls.connect({ host, port, rejectUnauthorized: false });
    const end = (issuer: string | undefined) => {
      socket.destroy();
      resolve(issuer);
    };
    socket.setTimeout(CONNECT_MS_MAX, () => end(undefined));
    socket.on('error', () => end(undefined));
    socket.once('secureConnect', () => {
      const { issuer } = socket.getPeerCertificate();
      end(
        Object.entries(issuer ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(', ') || 'unknown',
      );
    });
  });
}

/** A failure of Kafka as a Refusal in terms of this command. Anything else stays what it is. */
export async function refusalOf(error: unknown, options: TryOptions, groupId: string): Promise<unknown> {
  if (!(error instanceof SluiceError)) return error;
  const { code, message, place } = error;
  const where = place === undefined ? '' : ` (${place})`;
  const refuse = (...remedies: string[]) => new Refusal(`${withoutNoise(message)}${where}`, remedies);
  switch (code) {
    case 'KAFKA_AUTHORIZATION':
      return refuse(...aclRemedies(options, groupId));
    case 'KAFKA_AUTHENTICATION':
      if (/alert/i.test(message)) return refuse(CLIENT_CERTIFICATE);
      return refuse(
        'Check --sasl-mechanism, --sasl-user and the password against what the listener demands.',
      );
    case 'KAFKA_UNREACHABLE':
      return refuse(...(await unreachableRemedies(options, place)));
    default:
      return refuse(error.remedy);
  }
}

/** OpenSSL's errors are one word for people, between places in its sources. */
function withoutNoise(message: string): string {
  return message.replace(/[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]*):.*$/s, '$1').trim();
}

function aclRemedies({ brokers, topic, groupPrefix }: TryOptions, groupId: string): string[] {
  const tool = `kafka-acls.sh --bootstrap-server ${brokers[0]} --add --allow-principal User:<you> --operation Read`;
  return [
    `Reading needs two permissions: Read on topic '${topic}', and Read on group '${groupId}':`,
    `  ${tool} --topic ${topic}`,
    `  ${tool} --group '${groupPrefix}sluice-try-' --resource-pattern-type prefixed`,
    'Where only groups with a certain beginning are allowed, name it with --group-prefix.',
  ];
}

/** The port answered before: what is behind it does not. */
async function unreachableRemedies(options: TryOptions, place: string | undefined): Promise<string[]> {
  const { brokers, tls: tlsOptions, sasl } = options;
  if (place !== undefined && !brokers.includes(place))
    return [
      `The brokers send their clients to ${place} (advertised.listeners): this machine must reach that address.`,
    ];
  if (tlsOptions === undefined && (await issuerOf(place ?? brokers[0] ?? '')) !== undefined)
    return ['This listener speaks TLS: pass --ca with the PEM of its CA, or --tls for the system’s CAs.'];
  return [
    sasl === undefined
      ? 'The connection is closed or silent: does this listener demand SASL (--sasl), or is it no Kafka port?'
      : 'The connection is closed or silent: does this listener take SASL, and is it a Kafka port?',
  ];
}
