// A protobuf schema as it lies in files: a FileDescriptorSet whole, or a .proto file and all that it imports,
// found beside it by the paths that the imports name.
import { dirname, join } from 'node:path';
import type { ProtobufFiles } from './tables.ts';

/** Files of one schema. */
const FILES_MAX = 200;

/** What a decoder brings itself, unless it lies here, too. */
const KNOWN = /^(?:google|confluent)\//;

const COMMENT_OR_TEXT = /("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const IMPORT = /\bimport\s+(?:public\s+|weak\s+)?["']([^"']+)["']\s*;/g;

/** Throws what `read` throws. */
export function readProtobufFiles(path: string, read: (path: string) => Buffer): ProtobufFiles {
  if (!path.endsWith('.proto')) return { descriptors: read(path).toString('base64') };
  const texts = new Map<string, string>();
  const schema = { name: path, text: read(path).toString() };
  for (const wanted = importsOf(schema.text); wanted.length > 0; ) {
    const name = wanted.pop() ?? '';
    if (texts.has(name)) continue;
    const text = textOf(join(dirname(path), name), { read, known: KNOWN.test(name) });
    if (text === undefined) continue;
    texts.set(name, text);
    if (texts.size > FILES_MAX) throw new Error(`${path} imports more than ${FILES_MAX} files`);
    wanted.push(...importsOf(text));
  }
  return { files: [...[...texts].map(([name, text]) => ({ name, text })), schema] };
}

function importsOf(text: string): string[] {
  const plain = text.replace(COMMENT_OR_TEXT, '$1');
  return [...plain.matchAll(IMPORT)].map(([, name = '']) => name);
}

/** undefined where it may be missing, and is. */
function textOf(
  path: string,
  { read, known }: { readonly read: (path: string) => Buffer; readonly known: boolean },
): string | undefined {
  try {
    return read(path).toString();
  } catch (error) {
    if (known && error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
