// An agent and a collector of different versions meet on the wire: the bytes of each released version must
// read the same for ever.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ConnectRequest, ConnectResponse } from '@sluice/proto/gen/sluice/v1/link.ts';
import { encodeSegmentRequest, segmentFromWire } from '@sluice/proto/wire.ts';
import { decodeGolden, type GoldenFile, goldenFiles } from '../support/golden.ts';
import {
  fifthRequests,
  fourthRequests,
  fourthResponses,
  laterRequests,
  laterResponses,
  requests,
  responses,
  thirdResponses,
} from './golden-messages.ts';

const files = goldenFiles('link');
const request = {
  decode: (bytes: Buffer) => ConnectRequest.decode(bytes),
  encode: (message: ConnectRequest) => ConnectRequest.encode(message).finish(),
};
const response = {
  decode: (bytes: Buffer) => ConnectResponse.decode(bytes),
  encode: (message: ConnectResponse) => ConnectResponse.encode(message).finish(),
};

/** `1-request-hello.bin` → since when it means that, direction and name. */
function nameOf({ name }: GoldenFile): { since: string; direction: string; body: string } {
  const [, since = '', direction = '', body = ''] =
    /^([12345])-(request|response)-(\w+)\.bin$/.exec(name) ?? [];
  return { since, direction, body };
}

const meanings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '1-request': requests,
  '1-response': responses,
  '2-request': laterRequests,
  '2-response': laterResponses,
  '3-response': thirdResponses,
  '4-request': fourthRequests,
  '4-response': fourthResponses,
  '5-request': fifthRequests,
};

/** Bodies that link.proto lists for a message. */
function bodiesOf(message: string): string[] {
  const proto = readFileSync(new URL('../../proto/sluice/v1/link.proto', import.meta.url), 'utf8');
  const [, oneof = ''] =
    new RegExp(`message ${message} \\{\\s*oneof body \\{(.*?)\\n {2}\\}`, 's').exec(proto) ?? [];
  return [...oneof.matchAll(/^\s*[A-Z]\w* (\w+) = \d+;/gm)].map(([, name = '']) =>
    name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase()),
  );
}

test('golden bytes decode to what they always meant, and encode to the same bytes', () => {
  for (const file of files) {
    const { since, direction, body } = nameOf(file);
    const message = direction === 'request' ? decodeGolden(file, request) : decodeGolden(file, response);
    const meant = meanings[`${since}-${direction}`]?.[body];
    assert.deepEqual(message, { body: { $case: body, value: meant } }, file.name);
  }
});

test('every message of link.proto has golden bytes', () => {
  const of = (direction: string) => {
    const named = files.map(nameOf).filter((file) => file.direction === direction);
    return [...new Set(named.map(({ body }) => body))];
  };
  assert.ok(bodiesOf('ConnectRequest').length >= 5 && bodiesOf('ConnectResponse').length >= 9);
  assert.deepEqual(of('request').sort(), bodiesOf('ConnectRequest').sort());
  assert.deepEqual(of('response').sort(), bodiesOf('ConnectResponse').sort());
});

test('the segment that is written by hand has the golden bytes too', () => {
  const golden = files.find(({ name }) => name === '1-request-segment.bin');
  const encoded = encodeSegmentRequest(segmentFromWire(requests.segment), requests.segment.rewindEpoch);
  assert.deepEqual(encoded, golden?.bytes);
});
