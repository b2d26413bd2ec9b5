// The reference of both config files and their JSON Schemas, from the schemas that the programs parse with. A
// key without a description is refused, so that none is left out.
import { agentSchema } from '@sluice/agent/config.ts';
import { collectorSchema } from '@sluice/collector/config.ts';
import { UNIT_NAMES } from '@sluice/shared/units.ts';
import { z } from 'zod';

/** What z.toJSONSchema writes and is read here; `unit` is of ours. */
interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly unit?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

interface Key {
  readonly path: string;
  readonly descriptions: Set<string>;
  readonly types: Set<string>;
  readonly defaults: Set<string>;
}

const FILES = [
  { name: 'agent', schema: agentSchema },
  { name: 'collector', schema: collectorSchema },
] as const;

/** Path and text of each document. */
export function configDocuments(): { readonly file: string; readonly text: string }[] {
  const schemas = FILES.map(({ name, schema }) => ({ name, json: z.toJSONSchema(schema, { io: 'input' }) }));
  return [
    { file: 'docs/config.md', text: reference(schemas as { name: string; json: JsonSchema }[]) },
    ...schemas.map(({ name, json }) => ({
      file: `docs/schema/${name}.schema.json`,
      text: `${JSON.stringify({ ...json, title: `${name}.yaml of Sluice` }, null, 2)}\n`,
    })),
  ];
}

function reference(schemas: readonly { name: string; json: JsonSchema }[]): string {
  const files = schemas.map(({ name, json }) => {
    const rows = [...keysOf(json).values()].map(
      ({ path, types, defaults, descriptions }) =>
        `| \`${path}\` | ${either(types)} | ${either(defaults)} | ${[...descriptions].join('; ')} |`,
    );
    return `## ${name}.yaml

JSON Schema, for editors: [schema/${name}.schema.json](schema/${name}.schema.json).

| key | what | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
  });
  return `# Configuration

Each program reads one YAML file. Unknown keys, wrong units and what cannot work are refused before anything starts, all at
once, each with its line (exit 78). Paths of files are relative to the config file. \`[]\` stands for each entry of a list;
\`-\` as default: may be left out. A duration is a number with one of ${UNIT_NAMES.duration} (\`100s\`), a size with one of
${UNIT_NAMES.size} (\`64MiB\`), a rate with one of ${UNIT_NAMES.rate} (\`200Mbit/s\`).

Generated from agent/src/config.ts and collector/src/config.ts by \`npm run generate\`.

${files.join('\n')}`;
}

const either = (texts: ReadonlySet<string>) => [...texts].join(' or ');

/** Every key by its path; forms of one key, such as of a union, are told together. */
function keysOf(root: JsonSchema): Map<string, Key> {
  const keys = new Map<string, Key>();
  const visit = (schema: JsonSchema, at: string): void => {
    for (const form of schema.anyOf ?? []) visit(form, at);
    if (schema.items !== undefined) visit(schema.items, `${at}[]`);
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const path = at === '' ? name : `${at}.${name}`;
      const key = keys.get(path) ?? { path, descriptions: new Set(), types: new Set(), defaults: new Set() };
      keys.set(path, key);
      if (property.description === undefined) throw new Error(`${path} has no description in its schema`);
      key.descriptions.add(property.description);
      for (const type of typesOf(property)) key.types.add(type);
      key.defaults.add(defaultOf(property, schema.required?.includes(name) ?? false));
      visit(property, path);
    }
  };
  visit(root, '');
  return keys;
}

function typesOf(schema: JsonSchema): string[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(typesOf);
  if (schema.unit !== undefined) return [schema.unit];
  if (schema.const !== undefined) return [code(schema.const)];
  if (schema.enum !== undefined) return schema.enum.map(code);
  if (schema.prefixItems !== undefined) return [`list of ${schema.prefixItems.length}`];
  if (schema.items !== undefined) return [`list of ${either(new Set(typesOf(schema.items)))}`];
  if (schema.type === 'object') return [schema.properties === undefined ? 'map of text' : 'section'];
  if (schema.type !== 'integer') return [schema.type === 'string' ? 'text' : (schema.type ?? 'anything')];
  const { minimum, maximum } = schema;
  return [maximum === Number.MAX_SAFE_INTEGER ? `integer from ${minimum}` : `${minimum} to ${maximum}`];
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return '**required**';
  const { default: value } = schema;
  // A section or list that may be left out whole; what is in it has defaults of its own.
  return value === undefined || (typeof value === 'object' && value !== null) ? '-' : code(value);
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
