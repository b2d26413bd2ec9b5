// S3 and Glue emulated by MiniStack for one test process: on a free loopback port, in memory, ended with the
// test.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { ensureMinistack, ministackProgram } from '../../deploy/local/ministack-venv.mjs';
import { eventually } from './eventually.ts';

export interface MinistackServer {
  readonly endpoint: string;
  createBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
export const MINISTACK_REGION = 'us-east-1';

export interface MinistackOptions {
  readonly services?: string;
  /** Policies of assumed roles are enforced, as AWS would. */
  readonly enforceRoles?: boolean;
}

/** Also sets the credentials that the AWS SDK of this process finds. */
export async function startMinistackServer({
  services = 's3,glue,sts',
  enforceRoles = false,
}: MinistackOptions = {}): Promise<MinistackServer> {
  await ensureMinistack();
  const port = await freePort();
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  Object.assign(process.env, credentials);
  const { PATH, HOME } = process.env;
  const settings = { GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1', MINISTACK_HOST: '127.0.0.1' };
  const child = spawn(ministackProgram(), [], {
    stdio: 'ignore',
    env: {
      ...{ PATH, HOME, ...credentials, ...settings, LOG_LEVEL: 'ERROR' },
      ...{ SERVICES: services, AUTH: String(enforceRoles) },
    },
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const isUp = () => fetch(`${endpoint}/_ministack/health`).then((reply) => reply.ok);
  await eventually('MiniStack answers', isUp, { deadlineMs: START_DEADLINE_MS });
  return {
    endpoint,
    async createBucket(name) {
      const reply = await fetch(`${endpoint}/${name}`, { method: 'PUT' });
      if (!reply.ok) throw new Error(`bucket ${name}: ${reply.status} ${await reply.text()}`);
    },
    stop: () => stop(child),
  };
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const address = server.address();
        server.close(() =>
          typeof address === 'object' && address !== null
            ? resolve(address.port)
            : reject(new Error('no port')),
        );
      });
  });
}
