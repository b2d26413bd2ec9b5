// Schemas of Protocol Buffers with every kind of field, compiled by another compiler and read both ways, and
// bytes of messages as they are written by hand.
import assert from 'node:assert/strict';
import { protobufDecoder } from '@sluice/collector/transform/decode/protobuf.ts';
import { descriptorSchema } from '@sluice/collector/transform/decode/protobuf-descriptors.ts';
import { textSchema } from '@sluice/collector/transform/decode/protobuf-text.ts';
import { compileProtos } from '../../support/proto-files.ts';
import { temporaryDirectory } from '../../support/temp.ts';

export const CLAIM = 'acme.claims.Claim';

const FILES = {
  'acme/money.proto': `syntax = "proto3";
package acme;
message Money { int64 cents = 1; string currency_code = 2; }`,
  'claim.proto': `syntax = "proto3";
package acme.claims;
import "acme/money.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
enum Status { option allow_alias = true; NONE = 0; OPEN = 1; ALSO_OPEN = 1; LOST = -3; }
message Claim {
  int64 big = 1; uint64 positive = 2; sint64 zigzag = 3; fixed64 fixed = 4; sfixed64 signed_fixed = 5;
  int32 i = 6; uint32 u = 7; sint32 s = 8; fixed32 f = 9; sfixed32 g = 10;
  double d = 11; float e = 12; bool flag = 13; string text = 14; bytes raw = 15; Status status_code = 16;
  optional int64 maybe = 17; optional string maybe_text = 18; optional Status maybe_status = 19;
  oneof kind { string a = 20; acme.Money b = 21; bool c = 22; }
  repeated sint32 packed = 23; repeated int64 loose = 24 [packed = false]; repeated string texts = 25;
  repeated acme.Money many = 26; repeated Status statuses = 27;
  map<string, acme.Money> sums = 28; map<int64, string> names = 29; map<bool, Status> flags = 30;
  message Inner { int32 x = 1; Inner next = 2; }
  Inner inner = 31;
  google.protobuf.Timestamp at = 32;
  google.protobuf.Value any = 33;
  google.protobuf.Struct object = 34;
  google.protobuf.Int64Value wrapped = 35;
  google.protobuf.StringValue wrapped_text = 36;
  repeated google.protobuf.Timestamp times = 37;
}`,
  'newer.proto': `edition = "2023";
package newer;
option features.field_presence = IMPLICIT;
message Newer {
  int32 plain = 1; int32 present = 2 [features.field_presence = EXPLICIT];
  repeated int32 loose = 3 [features.repeated_field_encoding = EXPANDED];
  Newer delimited = 4 [features.message_encoding = DELIMITED];
}`,
  'old.proto': `syntax = "proto2";
package old;
enum Size { SMALL = 1; LARGE = 2; }
message Old {
  required int32 needed = 1;
  optional int64 seven = 2 [default = 7];
  optional string text = 3 [default = "O'Neil"];
  optional Size size = 4 [default = LARGE];
  optional double none = 5 [default = nan];
  optional int32 unset = 6;
  repeated group Line = 7 { optional int64 y = 1; }
  optional group One = 8 { optional Old old = 1; }
  repeated int32 loose = 9;
  map<string, Size> sizes = 10;
  extensions 100 to 200;
}
extend Old { optional int32 more = 100; }
`,
};
export const { descriptors, registry } = compileProtos(temporaryDirectory(), FILES);
const sources = (...names: (keyof typeof FILES)[]) => names.map((name) => ({ name, text: FILES[name] }));
export const schemas = {
  text: {
    'acme.claims.Claim': textSchema(sources('acme/money.proto', 'claim.proto')),
    'newer.Newer': textSchema(sources('newer.proto')),
    'old.Old': textSchema(sources('old.proto')),
  },
  descriptors: descriptorSchema(descriptors),
};
export type Name = keyof typeof schemas.text;

export function decoderOf(how: 'text' | 'descriptors', name: Name) {
  const shape = (how === 'text' ? schemas.text[name] : schemas.descriptors).message(name);
  assert.ok(shape);
  return protobufDecoder(shape);
}

export const decoders = (name: Name) => (['text', 'descriptors'] as const).map((how) => decoderOf(how, name));

export const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
export const varint = (value: bigint) => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
};
export const tag = (number: number, wire: number) => varint(BigInt(number * 8 + wire));
export const sized = (number: number, ...parts: (Buffer | string)[]) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([tag(number, 2), varint(BigInt(body.length)), body]);
};
export const number = (field: number, value: bigint) => Buffer.concat([tag(field, 0), varint(value)]);
