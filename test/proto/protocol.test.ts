// Neighbouring versions understand each other whoever is upgraded first; others are told whom to upgrade.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreeProtocol, PROTOCOLS } from '@sluice/proto/protocol.ts';

/** What a version speaks whose own protocol is `max`. */
const version = (max: number) => ({ min: Math.max(1, max - 1), max });
const speaker = (name: string, max: number) => ({ ...version(max), name });

test('this version speaks its own protocol and the one before', () => {
  assert.deepEqual(PROTOCOLS, version(PROTOCOLS.max));
});

test('neighbours agree on the highest that both know, from either side', () => {
  for (const [one, other, agreed] of [
    [1, 1, 1],
    [1, 2, 1],
    [2, 3, 2],
    [3, 3, 3],
  ] as const) {
    assert.equal(agreeProtocol(speaker('here', one), speaker('there', other)), agreed);
    assert.equal(agreeProtocol(speaker('here', other), speaker('there', one)), agreed);
  }
});

test('further apart the older one is named, from either side', () => {
  for (const [older, newer] of [
    [1, 3],
    [2, 4],
    [1, 9],
  ] as const) {
    const refused = {
      code: 'LINK_PROTOCOL_UNSUPPORTED',
      message: `upgrade old: old knows protocols up to ${older}, new from ${newer - 1} on`,
    };
    assert.throws(() => agreeProtocol(speaker('old', older), speaker('new', newer)), refused);
    assert.throws(() => agreeProtocol(speaker('new', newer), speaker('old', older)), refused);
  }
});
