/** The camera's settings as widgets want them: kind, unit, limits, and what the sensor answered. */
import { z } from 'zod';
import { type ControlValues, controlSettingsSchema, FRAME_SIZES } from '../camera/index.js';

type Name = keyof typeof controlSettingsSchema.shape;

/** For people. */
const TITLES: Readonly<Record<Name, readonly [title: string, unit?: string]>> = {
  pixformat: ['Pixel format'],
  framesize: ['Frame size'],
  quality: ['JPEG quality'],
  framerate: ['Frame rate limit', 'frames/s'],
  exposure: ['Exposure time', 'µs'],
  gain: ['Gain', 'dB'],
  whiteBalance: ['White balance', 'K'],
  brightness: ['Brightness'],
  contrast: ['Contrast'],
  saturation: ['Saturation'],
  sharpness: ['Sharpness'],
  gamma: ['Gamma'],
  effect: ['Effect'],
  mirror: ['Mirrored'],
  flip: ['Upside down'],
  ehdr: ['Several exposures (eHDR)'],
};

const valueSchema = z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]).nullable();

export const controlSchema = z.object({
  name: z
    .string()
    .meta({ description: 'its key in the body of a PUT; `ehdr.enable` is `{"ehdr": {"enable": ...}}`' }),
  title: z.string(),
  kind: z.enum(['number', 'choice', 'switch', 'temperature']).meta({
    description: '`temperature`: a number that is put as `{"temperature": 5000}`',
  }),
  unit: z.string().nullable(),
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  step: z.number().nullable().meta({ description: '1: whole numbers only' }),
  choices: z.array(z.string()).nullable(),
  canBeAuto: z.boolean().meta({ description: 'takes `"auto"` as well' }),
  value: valueSchema.meta({
    description:
      'what the sensor answered (of a temperature: gains of red, green and blue in dB); null: it does not say',
  }),
  auto: z
    .boolean()
    .nullable()
    .meta({ description: 'whether the sensor chooses; null: it cannot, or does not say' }),
  refused: z
    .string()
    .nullable()
    .meta({ description: "the sensor's words when it refused the last change; null: it took it" }),
});
export type Control = z.infer<typeof controlSchema>;

interface Form {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Form[];
  readonly properties?: Readonly<Record<string, Form>>;
}

/** Every control, with what the sensor says of it. `refused`: its words, by the names of settings. */
export function controlsOf(values: ControlValues, refused: ReadonlyMap<string, string>): Control[] {
  const forms = z.toJSONSchema(controlSettingsSchema, { io: 'input' }).properties as Record<Name, Form>;
  const present = readings(values);
  return Object.entries(forms).flatMap(([name, form]): Control[] => {
    const [title, unit] = TITLES[name as Name];
    const about = { title, unit: unit ?? null, refused: refused.get(name) ?? null };
    if (name === 'ehdr') {
      const { ehdr } = values;
      if (!ehdr) return [];
      return Object.entries(form.properties ?? {}).map(([part, inner]) => ({
        ...{ ...about, name: `ehdr.${part}`, title: `${title}: ${inWords(part)}`, ...shape(inner) },
        ...{ value: ehdr[part as keyof typeof ehdr], auto: null },
      }));
    }
    return [{ ...about, name, ...shape(form), ...(present[name] ?? { value: null, auto: null }) }];
  });
}

type Shape = Pick<Control, 'kind' | 'minimum' | 'maximum' | 'step' | 'choices' | 'canBeAuto'>;

/** What kind of widget a value needs. */
function shape(form: Form): Shape {
  const forms = form.anyOf ?? [form];
  const canBeAuto = forms.some((one) => one.const === 'auto');
  const temperature = forms.find((one) => one.properties?.['temperature'])?.properties?.['temperature'];
  const none = { minimum: null, maximum: null, step: null, choices: null, canBeAuto };
  if (temperature) return { ...none, ...limits(temperature), kind: 'temperature' };
  const chosen = forms.find((one) => one.enum)?.enum;
  if (chosen) return { ...none, kind: 'choice', choices: [...chosen] };
  const number = forms.find((one) => one.type === 'number' || one.type === 'integer');
  if (number) return { ...none, ...limits(number), kind: 'number' };
  return { ...none, kind: 'switch' };
}

const limits = ({ type, minimum, maximum }: Form) => ({
  ...{ minimum: minimum ?? null, maximum: maximum ?? null },
  step: type === 'integer' ? 1 : null,
});

/** What the sensor answered, by the names of settings. */
function readings(values: ControlValues): Readonly<Record<string, Pick<Control, 'value' | 'auto'>>> {
  const { exposure, gain, whiteBalance, width, height, ehdr: _ehdr, ...plain } = values;
  const size = FRAME_SIZES.find((one) => one.width === width && one.height === height);
  return {
    ...Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, { value, auto: null }])),
    framesize: { value: size?.name ?? `${width}x${height}`, auto: null },
    exposure: { value: exposure.us, auto: exposure.auto },
    gain: { value: gain.db, auto: gain.auto },
    whiteBalance: { value: whiteBalance.rgbDb, auto: whiteBalance.auto },
  };
}

/** `exposureMin` as `exposure min`. */
const inWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** The script's names of settings, as this side has them. */
export function settingName(name: string): string {
  if (name === 'whitebalance') return 'whiteBalance';
  return name === 'form' ? 'framesize' : name;
}
