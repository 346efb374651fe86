import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { guideInfoSchema } from './messages.js';

/** What every call says besides its picture; the same for a whole run. */
export const callSettingsSchema = z.strictObject({
  /** Product id; algorithms of SDK 0.0.x refuse ids they do not list. */
  pid: z.string().default(''),
  /** Steps count from 1: an adapter reads 0 as "not given" and takes 1. */
  stepIndex: z.number().int().min(1).default(1),
  stepDesc: z.string().default(''),
  guideInfo: guideInfoSchema.default([]),
  userParams: z.record(z.string(), z.unknown()).default({}),
  session: z
    .looseObject({
      id: z.string().min(1).default(randomUUID),
      context: z
        .looseObject({ product_code: z.string().optional(), trace_id: z.string().default(randomUUID) })
        .prefault({}),
    })
    .prefault({}),
});

export type CallSettings = z.infer<typeof callSettingsSchema>;
