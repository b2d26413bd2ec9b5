// Where the figures come from: a rate without its machine and versions says nothing.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { version as duckdbVersion } from '@duckdb/node-api';
import { COLLECTOR_VERSION } from '@sluice/collector/version.ts';
import { KAFKA_VERSION } from '@sluice/deploy/local/kafka-jars.mjs';
import kafkajs from 'kafkajs/package.json' with { type: 'json' };

export function machine(directory: string) {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    architecture: process.arch,
    temporaryFileSystem: fileSystemOf(directory),
  };
}

/** Syncing to a tmpfs costs nothing: whoever compares figures must know. */
function fileSystemOf(directory: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point = '/never']) => `${directory}/`.startsWith(point.endsWith('/') ? point : `${point}/`))
    .sort(([, a = ''], [, b = '']) => b.length - a.length);
  return mounts[0]?.[2] ?? 'unknown';
}

export function versions() {
  return {
    sluice: COLLECTOR_VERSION,
    node: process.versions.node,
    kafka: KAFKA_VERSION,
    kafkajs: kafkajs.version,
    duckdb: duckdbVersion(),
  };
}
