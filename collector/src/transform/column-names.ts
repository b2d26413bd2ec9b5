// Names that Glue, Athena and Spark take without quotes, made from whatever producers call their fields.

const NAME_CHARACTERS_MAX = 100;

/** `policy.holderID` → `policy_holder_id`. Empty where nothing of the name can be kept. */
export function safeName(source: string): string {
  const name = source
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, NAME_CHARACTERS_MAX);
  return /^[0-9]/.test(name) ? `c_${name}` : name;
}

/**
 * A safe name for each source, in order; those that come out alike, or as one that is `given`, are numbered
 * from the second on.
 */
export function safeNames(sources: readonly string[], given: readonly string[] = []): string[] {
  const taken = new Set<string>(given);
  return sources.map((source, index) => {
    const wanted = safeName(source) || `column_${given.length + index + 1}`;
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted}_${n}`;
    taken.add(name);
    return name;
  });
}
