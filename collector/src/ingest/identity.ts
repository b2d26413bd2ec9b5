// Who an agent is: its certificate's URI SAN `sluice://agent/<id>`, exactly one. Pure.
import { X509Certificate } from 'node:crypto';
import { SluiceError } from '@sluice/shared/errors.ts';

const AGENT_URI = /^URI:sluice:\/\/agent\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;

/** LINK_IDENTITY_REFUSED where the certificate names no agent, or several. */
export function agentIdentity(certificate: Buffer, allowCommonName: boolean): string {
  const parsed = new X509Certificate(certificate);
  const ids = (parsed.subjectAltName ?? '').split(', ').flatMap((name) => AGENT_URI.exec(name)?.[1] ?? []);
  const [id] = ids;
  if (ids.length === 1 && id !== undefined) return id;
  const commonName = /^CN=(.+)$/m.exec(parsed.subject)?.[1];
  if (ids.length === 0 && allowCommonName && commonName !== undefined) return commonName;
  const what =
    ids.length === 0 ? 'no URI sluice://agent/<id> among its names' : 'more than one agent among its names';
  throw new SluiceError(
    'LINK_IDENTITY_REFUSED',
    `the certificate of ${commonName ?? 'the agent'} has ${what}`,
  );
}
