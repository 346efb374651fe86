/** Parameters of commands: strings and numbers alike, as VizionStreamer's clients send them. */
import { z } from 'zod';

/** A number, or its text. */
const numeric = z.union([
  z.number(),
  z
    .string()
    .regex(/^\s*[+-]?\d+(\.\d+)?\s*$/, 'a number is needed')
    .transform(Number),
]);

export const number = (least: number, most: number) => numeric.pipe(z.number().min(least).max(most));
export const whole = (least: number, most: number) => numeric.pipe(z.int().min(least).max(most));
export const text = (longest = 1_024) => z.string().min(1).max(longest);

/** The words of what is wrong with parameters. */
export function problems(error: z.ZodError): string {
  return error.issues
    .map(({ path, message, code }) => {
      const name = path.join('.');
      if (code === 'unrecognized_keys') return message;
      return name ? `parameter "${name}": ${message}` : message;
    })
    .join('; ');
}
