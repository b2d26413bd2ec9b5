// Which rules of a bucket's lifecycle would take objects away that the lake stands on. Pure: rules as S3
// tells them in, sentences for people out. What only tidies (incomplete uploads, old versions, delete
// markers) takes nothing away.
import type { LifecycleRule } from '@aws-sdk/client-s3';

/**
 * Objects in these classes cannot be read without a restore first (Amazon S3 User Guide, storage classes).
 */
const ARCHIVES: readonly string[] = ['GLACIER', 'DEEP_ARCHIVE'];

/** One sentence for each enabled rule that would delete or archive objects under one of the key prefixes. */
export function rulesThatTouch(
  rules: readonly LifecycleRule[],
  keyPrefixes: readonly string[],
): readonly string[] {
  return rules.flatMap((rule) => {
    const deed = deedOf(rule);
    if (rule.Status !== 'Enabled' || deed === undefined || demandsTags(rule)) return [];
    const rulePrefix = prefixOf(rule);
    const touched = keyPrefixes.filter((key) => key.startsWith(rulePrefix) || rulePrefix.startsWith(key));
    if (touched.length === 0) return [];
    const scope = rulePrefix === '' ? 'the whole bucket' : rulePrefix;
    return [`rule '${rule.ID ?? 'without a name'}' on ${scope} ${deed} ${touched.join(' and ')}`];
  });
}

function deedOf({ Expiration, Transitions }: LifecycleRule): string | undefined {
  if (Expiration?.Days !== undefined || Expiration?.Date !== undefined) return 'deletes from';
  const archive = Transitions?.find(({ StorageClass }) => ARCHIVES.includes(StorageClass ?? ''));
  return archive === undefined ? undefined : `moves to ${archive.StorageClass} what is in`;
}

/** The bare `Prefix` is S3's older way to say it. */
function prefixOf({ Filter, Prefix }: LifecycleRule): string {
  return Filter?.And?.Prefix ?? Filter?.Prefix ?? Prefix ?? '';
}

/** Our objects carry no tags, so that such a rule never meets them. */
function demandsTags({ Filter }: LifecycleRule): boolean {
  return Filter?.Tag !== undefined || (Filter?.And?.Tags ?? []).length > 0;
}
