// What the two sides of the transform's worker thread say to each other.
import type { ErrorCode } from '@sluice/shared/errors.ts';
import type { FoundSchema, SchemaWant, StagedSegment, TableConfig, TransformResult } from '../contracts.ts';
import type { SchemaNews } from '../tables.ts';
import type { ReferenceCopies } from './references.ts';
import type { SurveyedTable } from './window-survey.ts';
import type { WindowRequest } from './window-transform.ts';

export type ToWorker =
  | { readonly kind: 'begin'; readonly request: WindowRequest }
  | { readonly kind: 'begin survey'; readonly survey: SurveyedTable }
  | { readonly kind: 'segment'; readonly staged: StagedSegment }
  | { readonly kind: 'finish' }
  | { readonly kind: 'abort' }
  | {
      readonly kind: 'validate';
      readonly table: TableConfig;
      readonly directory: string;
      readonly references: ReferenceCopies;
    };

/** A worker's own question, answered by its number; apart from all jobs. */
export interface SchemaQuestion {
  readonly kind: 'schema wanted';
  readonly ask: number;
  readonly want: SchemaWant;
}

export interface SchemaAnswer {
  readonly kind: 'schema told';
  readonly ask: number;
  readonly found: FoundSchema | undefined;
  /** Why the registry could not be asked; `found` is the answer without it. */
  readonly failed: string | undefined;
}

/** Statements are told to end, and none begins. */
export interface Stop {
  readonly kind: 'stop';
}

/** Messages of one job - a window, or a validation - are answered in order; jobs overtake each other. */
export type OfJob<Message> = Message & { readonly job: number };

/** One answer to each message. */
export type FromWorker =
  | { readonly kind: 'done' }
  | { readonly kind: 'result'; readonly result: TransformResult }
  | { readonly kind: 'surveyed'; readonly news: SchemaNews }
  | { readonly kind: 'problems'; readonly problems: readonly string[] }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly place: string | undefined;
    };
