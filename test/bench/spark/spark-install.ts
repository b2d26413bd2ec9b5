// Spark for the `spark` row: PySpark in a Python venv of its own and the Kafka connector's jars, under
// .cache, made when first asked for. The versions are those that resolve together.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@sluice/deploy/local/project-root.ts';

export const SPARK_VERSION = '4.0.0';
/** What Spark 4.0.0's connector is built with. */
const JARS = [
  ['org.apache.spark', 'spark-sql-kafka-0-10_2.13', SPARK_VERSION],
  ['org.apache.spark', 'spark-token-provider-kafka-0-10_2.13', SPARK_VERSION],
  ['org.apache.kafka', 'kafka-clients', '3.9.0'],
  ['org.apache.commons', 'commons-pool2', '2.12.0'],
];

export interface SparkInstall {
  readonly python: string;
  readonly jars: string;
}

/** A venv cannot be moved, so a marker written last says that everything is there. */
export function ensureSpark(say: (line: string) => void): SparkInstall {
  const path = join(projectRoot, '.cache', `spark-${SPARK_VERSION}`);
  const install = { python: join(path, 'venv', 'bin', 'python'), jars: join(path, 'jars') };
  const marker = join(path, 'complete');
  if (existsSync(marker)) return install;
  say(`setting up Spark ${SPARK_VERSION} (about 0.5 GB, minutes)`);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  run(path, 'python3', ['-m', 'venv', 'venv']);
  run(path, install.python, ['-m', 'pip', 'install', '-q', `pyspark==${SPARK_VERSION}`]);
  writeFileSync(join(path, 'pom.xml'), pom());
  run(path, 'mvn', ['-q', '-B', 'dependency:copy', `-DoutputDirectory=${install.jars}`]);
  writeFileSync(marker, '');
  return install;
}

function run(cwd: string, program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status === 0) return;
  const said = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.slice(-2_000);
  throw new Error(`${program} ${args.join(' ')} failed:\n${said}`);
}

/** Copies the jars alone: nothing of their own dependencies, which PySpark brings. */
function pom(): string {
  const items = JARS.map(
    ([group, artifact, version]) =>
      `<artifactItem><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></artifactItem>`,
  );
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>bench-spark</artifactId><version>1</version><packaging>pom</packaging>
  <build><plugins><plugin>
    <groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>
    <configuration><artifactItems>
      ${items.join('\n      ')}
    </artifactItems></configuration>
  </plugin></plugins></build>
</project>
`;
}
