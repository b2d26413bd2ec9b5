// Which lifecycle rules of a bucket would take the ledger away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LifecycleRule } from '@aws-sdk/client-s3';
import { rulesThatTouch } from '@sluice/collector/lake/bucket-lifecycle.ts';

const LEDGER = 'insurance/_sluice/ledger/';
const KEPT = [LEDGER, 'insurance/_sluice/staged/'];
const rule = (parts: Partial<LifecycleRule>): LifecycleRule => ({ ID: 'r', Status: 'Enabled', ...parts });
const expires = { Expiration: { Days: 30 } };
const touching = (parts: Partial<LifecycleRule>) => rulesThatTouch([rule(parts)], KEPT);

test('a rule that deletes from the ledger is found, however its scope is written', () => {
  const scopes: readonly Partial<LifecycleRule>[] = [
    {},
    { Prefix: '' },
    { Filter: { Prefix: '' } },
    { Filter: { Prefix: 'insur' } },
    { Filter: { Prefix: 'insurance/_sluice/' } },
    { Filter: { Prefix: `${LEDGER}claims/` } },
    { Filter: { And: { Prefix: LEDGER, ObjectSizeGreaterThan: 10 } } },
    { Filter: { ObjectSizeLessThan: 1_000 } },
    { Prefix: LEDGER },
  ];
  for (const scope of scopes)
    assert.equal(touching({ ...scope, ...expires }).length, 1, JSON.stringify(scope));
});

test('the sentence names the rule, its scope, what it does and to what', () => {
  assert.deepEqual(touching({ ID: 'tidy', Filter: { Prefix: 'insurance/' }, ...expires }), [
    "rule 'tidy' on insurance/ deletes from insurance/_sluice/ledger/ and insurance/_sluice/staged/",
  ]);
  assert.deepEqual(touching({ ID: 'cold', Transitions: [{ Days: 90, StorageClass: 'DEEP_ARCHIVE' }] }), [
    `rule 'cold' on the whole bucket moves to DEEP_ARCHIVE what is in ${KEPT.join(' and ')}`,
  ]);
});

test('a rule by date counts like one by age', () => {
  assert.equal(touching({ Expiration: { Date: new Date(0) } }).length, 1);
});

test('rules that take nothing away from the ledger are left alone', () => {
  const harmless: readonly Partial<LifecycleRule>[] = [
    { ...expires, Status: 'Disabled' },
    { ...expires, Filter: { Prefix: 'insurance/_sluice/tmp/' } },
    { ...expires, Filter: { Prefix: 'insurance/claims/' } },
    { ...expires, Filter: { Prefix: 'elsewhere/' } },
    { ...expires, Filter: { Tag: { Key: 'temporary', Value: 'yes' } } },
    { ...expires, Filter: { And: { Prefix: '', Tags: [{ Key: 'temporary', Value: 'yes' }] } } },
    { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
    { NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
    { Expiration: { ExpiredObjectDeleteMarker: true } },
    { Transitions: [{ Days: 30, StorageClass: 'STANDARD_IA' }] },
  ];
  for (const parts of harmless) assert.deepEqual(touching(parts), [], JSON.stringify(parts));
});
