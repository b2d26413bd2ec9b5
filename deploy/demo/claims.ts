// The insurer's claims: the same 100,000 every time, some of them malformed in the ways that real producers
// manage.

export interface Claim {
  readonly key: string;
  readonly value: string;
  readonly malformed: boolean;
}

export const CLAIM_COUNT = 100_000;
/** One claim in this many is malformed. */
const MALFORMED_EVERY = 2_500;
const STATUSES = ['open', 'in review', 'paid', 'rejected'] as const;
const KINDS = ['motor', 'household', 'liability'] as const;
const DAYS = 5;
const FIRST_DAY = '2026-11-0';

/** Claim number `n`, from 0. */
export function claimOf(n: number): Claim {
  const account = `ACC-${String((n * 7_919) % 20_000).padStart(5, '0')}`;
  const claim = {
    account_id: account,
    claim_id: `CLM-${String(n).padStart(6, '0')}`,
    amount: ((n * 37) % 1_000_000) / 100,
    policy: { number: `POL-${(n * 31) % 5_000}`, kind: KINDS[n % KINDS.length] },
    incident_time: `${FIRST_DAY}${1 + (n % DAYS)}T${twoDigits(n % 24)}:${twoDigits(n % 60)}:07.250+01:00`,
    status: STATUSES[n % STATUSES.length],
  };
  if (n % MALFORMED_EVERY !== MALFORMED_EVERY - 1)
    return { key: account, value: JSON.stringify(claim), malformed: false };
  return { key: account, value: malform(claim, Math.floor(n / MALFORMED_EVERY)), malformed: true };
}

function malform(claim: object, turn: number): string {
  switch (turn % 4) {
    case 0:
      return JSON.stringify({ ...claim, amount: 'abc' });
    case 1:
      return JSON.stringify(claim).slice(0, 60);
    case 2:
      return JSON.stringify({ ...claim, incident_time: '2026-02-30T10:00:00Z' });
    default:
      return JSON.stringify({ ...claim, amount: 12.345 });
  }
}

function twoDigits(n: number): string {
  return String(n).padStart(2, '0');
}

export function malformedCount(): number {
  return Math.floor(CLAIM_COUNT / MALFORMED_EVERY);
}
