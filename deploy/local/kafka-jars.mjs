// The real broker's jars, from Maven Central into .cache/kafka-<version>. Plain JavaScript: the bootstrap
// calls it.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const KAFKA_VERSION = '4.3.1';
const LOG4J_VERSION = '2.25.4';
const CACHE = resolve(dirname(fileURLToPath(import.meta.url)), '../../.cache');

/** Where the jars are once `ensureKafkaJars` has run. */
export const kafkaJarsPath = () => join(CACHE, `kafka-${KAFKA_VERSION}`);

/** Fetches the jars once; a half-finished fetch leaves nothing behind. */
export async function ensureKafkaJars() {
  const path = kafkaJarsPath();
  if (existsSync(path)) return { path, fresh: false, bytes: 0 };
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'kafka-'));
  try {
    writeFileSync(join(work, 'pom.xml'), pom());
    const maven = spawnSync(
      'mvn',
      [
        '-q',
        '-B',
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${join(work, 'libs')}`,
        ...(hasHome() ? [] : [`-Dmaven.repo.local=${join(work, 'repository')}`]),
      ],
      { cwd: work, encoding: 'utf8' },
    );
    if (maven.status !== 0) {
      throw new Error(
        `Maven could not fetch Kafka ${KAFKA_VERSION}:\n${(maven.stdout + maven.stderr).slice(-2_000)}`,
      );
    }
    renameSync(join(work, 'libs'), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const bytes = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
  return { path, fresh: true, bytes };
}

/** A service user may have none; Maven takes it from the user, not from HOME. */
function hasHome() {
  try {
    accessSync(userInfo().homedir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function pom() {
  const dependency = (group, artifact, version) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>local-broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${dependency('org.apache.kafka', 'kafka-tools', KAFKA_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', LOG4J_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-core', LOG4J_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-1.2-api', LOG4J_VERSION)}
  </dependencies>
</project>
`;
}
