// Everything that a program can say: one line of the right weight, and metrics whose names carry their unit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvents as createAgentEvents } from '@sluice/agent/events.ts';
import { registerMetrics as registerAgentMetrics } from '@sluice/agent/ops/metrics.ts';
import { createEvents as createCollectorEvents } from '@sluice/collector/events.ts';
import { registerMetrics as registerCollectorMetrics } from '@sluice/collector/ops/metrics.ts';
import type { Logger } from '@sluice/shared/log.ts';
import { createMetrics, type Metrics } from '@sluice/shared/metrics.ts';

const PROGRAMS = {
  agent: {
    create: createAgentEvents,
    register: (metrics: Metrics) => registerAgentMetrics(metrics, {} as never),
  },
  collector: {
    create: createCollectorEvents,
    register: (metrics: Metrics) => registerCollectorMetrics(metrics, () => ({}) as never),
  },
};

function loggerInto(lines: string[]): Logger {
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** An argument that has whatever an event asks of it. */
const anything: object = new Proxy(
  {},
  { get: (_t, key) => (key === 'toJSON' || key === Symbol.toPrimitive ? () => 'x' : 1) },
);

/**
 * What Prometheus's guide asks of a name (https://prometheus.io/docs/practices/naming/), and labels that are
 * bounded.
 */
const LABELS = ['state', 'topic', 'table', 'column', 'partition', 'code', 'reason'];

for (const [program, { create, register }] of Object.entries(PROGRAMS)) {
  test(`${program}: every event says one line, or only counts`, () => {
    const lines: string[] = [];
    const events = create(loggerInto(lines), createMetrics());
    for (const [name, event] of Object.entries(events)) {
      const before = lines.length;
      (event as (...args: unknown[]) => void)(anything, 1, 1);
      const said = lines.slice(before);
      assert.ok(said.length <= 1, `${name} says ${said.length} lines`);
      if (said.length === 0) assert.match(name, /Fetched$/, `${name} says nothing`);
      assert.doesNotMatch(said[0] ?? '', /undefined/);
    }
    assert.ok(lines.length > 10);
  });

  test(`${program}: every metric is named after what it counts and its unit, with a help text`, async () => {
    const metrics = createMetrics();
    const names: string[] = [];
    const noted = <T extends keyof Metrics>(kind: T) =>
      ((name: string, help: string, ...rest: unknown[]) => {
        names.push(name);
        const labels = (rest.at(-1) ?? []) as string[];
        for (const label of labels) assert.ok(LABELS.includes(label), `${name} has the label ${label}`);
        assert.match(name, /^sluice_[a-z0-9_]+$/);
        assert.match(help, /^[A-Z1].{5,}[^.]$/, `${name}: ${help}`);
        if (kind === 'counter') assert.match(name, /_total$/);
        if (kind === 'gauge') assert.doesNotMatch(name, /_total$/);
        assert.doesNotMatch(name, /_(ms|milliseconds|kib|mib|minutes|percent)\b/);
        return (metrics[kind] as (...args: unknown[]) => unknown)(name, help, ...rest);
      }) as Metrics[T];
    const watched: Metrics = {
      ...metrics,
      counter: noted('counter'),
      gauge: noted('gauge'),
      histogram: noted('histogram'),
      onCollect: () => {},
    };
    create(loggerInto([]), watched);
    register(watched);
    assert.equal(new Set(names).size, names.length, 'two metrics have one name');
    assert.ok(names.length > 8);
    const text = await metrics.text();
    for (const name of names) assert.ok(text.includes(`# HELP ${name} `), name);
  });
}
