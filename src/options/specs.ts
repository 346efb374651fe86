/** The options of a schema one by one, for whatever is derived from them. */
import { z } from 'zod';
import { optionMetaSchema } from './schema.js';

type Meta = Omit<z.infer<typeof optionMetaSchema>, 'flag'>;

export interface OptionSpec extends Meta {
  /** Where it is in the options object. */
  readonly path: readonly string[];
  readonly schema: z.ZodType;
  /** Its name on the command line without the dashes, such as `ring` or `no-crc`; undefined: it has none. */
  readonly flag: string | undefined;
  /** What stands behind it there, such as `NAME` or `[PATH]`; undefined: nothing. */
  readonly placeholder: string | undefined;
  /** What JSON schema says of its value: type, range, default. */
  readonly form: z.core.JSONSchema.BaseSchema;
}

/** Every option of an object schema that says what it does, groups in groups included. */
export function optionSpecs(schema: z.ZodObject, path: readonly string[] = []): OptionSpec[] {
  return Object.entries(schema.shape as Readonly<Record<string, z.ZodType>>).flatMap(([name, option]) => {
    const own = [...path, name];
    const inner = plain(option);
    if (inner instanceof z.ZodObject && option.meta() === undefined) return optionSpecs(inner, own);
    const meta = optionMetaSchema.safeParse(option.meta());
    if (!meta.success) return [];
    const { flag, ...rest } = meta.data;
    const [long, placeholder] = flag?.slice(2).split(' ') ?? [];
    const form = z.toJSONSchema(option, { io: 'input', unrepresentable: 'any' });
    return [{ ...rest, path: own, schema: option, flag: long, placeholder, form }];
  });
}

/** A schema without what makes it optional. */
function plain(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return plain(schema.unwrap() as z.ZodType);
  }
  return schema;
}
