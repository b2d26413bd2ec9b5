// Schemas of Protocol Buffers as another compiler reads them: buf makes a set of descriptors of .proto files,
// and @bufbuild/protobuf writes messages of it and says in JSON what they hold.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const BUF = join(import.meta.dirname, '../../node_modules/.bin/buf');

export interface CompiledProtos {
  readonly descriptors: Buffer;
  readonly registry: FileRegistry;
}

/** Files by their path below `directory`. */
function writeProtos(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}

export function compileProtos(directory: string, files: Readonly<Record<string, string>>): CompiledProtos {
  writeProtos(directory, { ...files, 'buf.yaml': 'version: v2\n' });
  const descriptors = execFileSync(BUF, ['build', '-o', '-#format=binpb'], { cwd: directory });
  return { descriptors, registry: createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors)) };
}
