// Which module plans a step: one line for each kind that a config may name.
import type { Step, StepOf } from '../../../step-config.ts';
import { planAddUuid } from './add-uuid.ts';
import { planRelationalize, planSplitRows } from './branches.ts';
import { planDropFields, planRenameField, planSelectFields } from './choose-fields.ts';
import { planDataQuality } from './data-quality.ts';
import { planDerive, planFillMissing } from './derive.ts';
import { planDetectPii } from './detect-pii.ts';
import { planDropNullFields } from './drop-null-fields.ts';
import { planExplode, planUnnest, planUnpivot } from './explode.ts';
import { planFilter } from './filter.ts';
import { planHash, planMask, planPartialMask, planRedact } from './hiding.ts';
import { planLookup } from './lookup.ts';
import { planApplyMapping } from './mapping.ts';
import { planDecodeDecimal, planParseNumber } from './numbers.ts';
import { planSql } from './own-sql.ts';
import { planResolveChoice } from './resolve-choice.ts';
import type { PlannedStep, Scope } from './step.ts';
import { planConcat, planRegexExtract, planSplitString } from './strings.ts';
import {
  planFormatTimestamp,
  planFromEpoch,
  planParseTimestamp,
  planToEpoch,
  planTruncateTimestamp,
} from './timestamps.ts';

import { planAggregate, planDropDuplicates, planPivot } from './window-wise.ts';

type Planner<Kind extends Step['kind']> = (step: StepOf<Kind>, scope: Scope) => PlannedStep;

const PLANNERS: { readonly [Kind in Step['kind']]: Planner<Kind> } = {
  apply_mapping: planApplyMapping,
  select_fields: planSelectFields,
  drop_fields: planDropFields,
  rename_field: planRenameField,
  resolve_choice: planResolveChoice,
  drop_null_fields: planDropNullFields,
  filter: planFilter,
  derive: planDerive,
  fill_missing: planFillMissing,
  concat: planConcat,
  split_string: planSplitString,
  regex_extract: planRegexExtract,
  parse_timestamp: planParseTimestamp,
  from_epoch: planFromEpoch,
  to_epoch: planToEpoch,
  parse_number: planParseNumber,
  decode_decimal: planDecodeDecimal,
  format_timestamp: planFormatTimestamp,
  truncate_timestamp: planTruncateTimestamp,
  add_uuid: planAddUuid,
  mask: planMask,
  partial_mask: planPartialMask,
  redact: planRedact,
  hash: planHash,
  detect_pii: planDetectPii,
  explode: planExplode,
  unnest: planUnnest,
  unpivot: planUnpivot,
  split_rows: planSplitRows,
  relationalize: planRelationalize,
  drop_duplicates: planDropDuplicates,
  aggregate: planAggregate,
  pivot: planPivot,
  evaluate_data_quality: planDataQuality,
  sql: planSql,
  lookup: planLookup,
};

export function planStep(step: Step, scope: Scope): PlannedStep {
  const plan = PLANNERS[step.kind] as Planner<Step['kind']>;
  return plan(step as never, scope);
}
