// Emulated S3 and Glue over HTTP on a free loopback port, for tests and for `npm run demo -- --aws`.
import { startProcess, waitUntilReady } from './child-process.ts';
import { freePorts } from './free-ports.ts';
import { ministackProgram } from './ministack-venv.mjs';

export interface Ministack {
  readonly endpoint: string;
  /** What an AWS SDK needs in its environment to speak to it. */
  readonly environment: Readonly<Record<string, string>>;
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const START_MS_MAX = 30_000;

export async function startMinistack(): Promise<Ministack> {
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  const { PATH, HOME } = process.env;
  const server = startProcess(ministackProgram(), [], {
    env: {
      PATH,
      HOME,
      PYTHONDONTWRITEBYTECODE: '1',
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_HOST: '127.0.0.1',
      LOG_LEVEL: 'WARNING',
      SERVICES: 's3,glue,sts,iam',
      ...credentials,
    },
  });
  const isUp = () =>
    fetch(`${endpoint}/_ministack/health`).then(
      (reply) => reply.ok,
      () => false,
    );
  await waitUntilReady(server, 'MiniStack', isUp, START_MS_MAX);
  return {
    endpoint,
    environment: { ...credentials, AWS_REGION: 'us-east-1' },
    async reset() {
      const reply = await fetch(`${endpoint}/_ministack/reset`, { method: 'POST' });
      if (!reply.ok) throw new Error(`MiniStack answered ${reply.status} to reset`);
    },
    stop: () => server.stop(5_000),
  };
}
