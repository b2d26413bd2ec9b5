// Who an agent is: its certificate's URI SAN `sluice://agent/<id>`, exactly one, or where config allows it
// the CN. Pure.
import { X509Certificate } from 'node:crypto';
import { SluiceError } from '@sluice/shared/errors.ts';

/** Every name that claims to be an agent's counts, well-formed or not. Node escapes a comma inside a name. */
const CLAIM = /^URI:"?sluice:\/\/agent\b/i;
const AGENT_URI = /^URI:sluice:\/\/agent\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;
const COMMON_NAME = /^CN=([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;

/** LINK_IDENTITY_REFUSED where the certificate names no agent, or several. */
export function agentIdentity(certificate: Buffer, allowCommonName: boolean): string {
  const parsed = new X509Certificate(certificate);
  const claims = (parsed.subjectAltName ?? '').split(', ').filter((name) => CLAIM.test(name));
  const commonNames = parsed.subject?.split('\n').filter((line) => line.startsWith('CN=')) ?? [];
  const refuse = (what: string): never => {
    const whose = commonNames[0]?.slice('CN='.length) ?? 'the agent';
    throw new SluiceError('LINK_IDENTITY_REFUSED', `the certificate of ${whose} has ${what}`);
  };
  const [claim, ...others] = claims;
  if (claim !== undefined) {
    if (others.length > 0) return refuse('more than one agent among its names');
    return AGENT_URI.exec(claim)?.[1] ?? refuse(`a name that is no agent's: ${claim}`);
  }
  if (!allowCommonName) return refuse('no URI sluice://agent/<id> among its names');
  const [commonName = '', ...more] = commonNames;
  if (more.length > 0) return refuse('more than one CN');
  return (
    COMMON_NAME.exec(commonName)?.[1] ?? refuse('neither a URI sluice://agent/<id> nor an agent id as CN')
  );
}
