/** Parameters of commands: what a client may send, and what their JSON schemas say to programs that make tools of them. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { COMMANDS } from '../../../src/control/index.js';
import { problems } from '../../../src/control/parameters.js';

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
}

const params = (name: string) => COMMANDS.find((command) => command.name === name)!.params;

function complaint(name: string, given: object): string | undefined {
  const { error } = params(name).safeParse(given);
  return error && problems(error, 'USAGE');
}

describe('the JSON schema of a command', () => {
  it('names a type for each parameter, and both limits for each number', () => {
    let numbers = 0;
    for (const io of ['input', 'output'] as const) {
      for (const command of COMMANDS) {
        const schema = z.toJSONSchema(command.params, { io }) as Schema;
        expect(schema, command.name).toMatchObject({ type: 'object', additionalProperties: false });
        for (const [name, parameter] of Object.entries(schema.properties ?? {})) {
          const where = `${command.name} ${name}`;
          expect(['integer', 'number', 'string', 'boolean', 'array'], where).toContain(parameter.type);
          if (parameter.type !== 'integer' && parameter.type !== 'number') continue;
          numbers++;
          expect([typeof parameter.minimum, typeof parameter.maximum], where).toEqual(['number', 'number']);
        }
      }
    }
    expect(numbers).toBeGreaterThan(40);
  });

  it('tells what is needed', () => {
    expect(z.toJSONSchema(params('set_format'), { io: 'input' })).toMatchObject({
      properties: { width: { type: 'integer', minimum: 8, maximum: 5_000, description: 'pixels' } },
      required: ['width', 'height'],
    });
  });
});

describe('a number', () => {
  it('may be text', () => {
    expect(params('set_quality').parse({ value: '50' })).toEqual({ value: 50 });
    expect(params('set_gamma').parse({ value: ' 220.5 ' })).toEqual({ value: 220.5 });
    expect(params('set_orientation').parse({ mirror: 'yes', flip: 0 })).toEqual({
      mirror: true,
      flip: false,
    });
  });

  it('is refused with what is needed in its place, once', () => {
    for (const [given, words] of [
      [{}, 'it is missing; a whole number from 1 to 100 is needed'],
      [{ value: 101 }, '101 is not a whole number from 1 to 100'],
      [{ value: '0' }, '0 is not a whole number from 1 to 100'],
      [{ value: 1.5 }, '1.5 is not a whole number from 1 to 100'],
      [{ value: 1e300 }, '1e+300 is not a whole number from 1 to 100'],
      [{ value: 'fine' }, '"fine" is not a whole number from 1 to 100'],
      [{ value: '' }, '"" is not a whole number from 1 to 100'],
      [{ value: null }, 'null is not a whole number from 1 to 100'],
      [{ value: [5] }, '[5] is not a whole number from 1 to 100'],
    ] as const) {
      expect(complaint('set_quality', given)).toBe(`parameter "value": ${words}`);
    }
  });

  it('is not looked at where the sensor decides', () => {
    expect(params('set_exposure').parse({ mode: 'auto', value: 'none' })).toEqual({ mode: 'auto' });
  });
});
