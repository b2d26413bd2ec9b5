// A protobuf schema is read with all that it imports, each file once; what cannot be read is told when the
// config is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProtobufFiles } from '@sluice/collector/protobuf-files.ts';

/** Files by their path, and which were read. */
function disk(files: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const read = (path: string): Buffer => {
    asked.push(path);
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return Buffer.from(text);
  };
  return { asked, read };
}

test('imports lie beside the schema, are read once, and stand before it', () => {
  const { asked, read } = disk({
    'protos/claim.proto': `import "acme/money.proto"; import public 'acme/cent.proto';
      import "google/protobuf/timestamp.proto"; // import "no.proto";
      /* import "no.proto"; */ message M { string a = 1; } // "`,
    'protos/acme/money.proto': 'import weak "acme/cent.proto"; option x = "// import \\"no.proto\\";";',
    'protos/acme/cent.proto': 'import "acme/money.proto"; import "google/type/date.proto";',
    'protos/google/type/date.proto': 'package google.type;',
  });
  const found = readProtobufFiles('protos/claim.proto', read);
  assert.ok('files' in found);
  const names = found.files.map(({ name }) => name);
  assert.equal(names.at(-1), 'protos/claim.proto');
  assert.deepEqual(names.slice(0, -1).sort(), [
    'acme/cent.proto',
    'acme/money.proto',
    'google/type/date.proto',
  ]);
  assert.equal(asked.length, new Set(asked).size);
});

test('an import that is not there is told by its path; a set of descriptors is taken as it is', () => {
  const { read } = disk({
    'a.proto': 'import "acme/none.proto";',
    'many.proto': Array.from({ length: 300 }, (_one, i) => `import "${i}.proto";`).join(''),
    ...Object.fromEntries(Array.from({ length: 300 }, (_one, i) => [`${i}.proto`, ''])),
    'a.binpb': '\u0000',
  });
  assert.throws(() => readProtobufFiles('a.proto', read), /acme\/none\.proto/);
  assert.throws(() => readProtobufFiles('many.proto', read), /more than 200 files/);
  assert.deepEqual(readProtobufFiles('a.binpb', read), { descriptors: 'AA==' });
});
