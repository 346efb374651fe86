/**
 * Writes what the documents take from the code, between `<!-- generated: NAME -->` and `<!-- end -->`, the JSON
 * schema of the configuration file, and the udev rule. `--check` writes nothing and ends with 1 when something is out of date.
 * Run `npm run docs`, which builds first.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runLines } from '../dist/bridge/line-forms.js';
import { EXIT_STATUSES } from '../dist/cli/exit-status.js';
import { defaultText } from '../dist/cli/flags.js';
import { reportLines } from '../dist/cli/lines.js';
import { makeProgram, SUBCOMMANDS } from '../dist/cli/program.js';
import {
  bridgeOptionsSchema,
  cameraOptionsSchema,
  configSchema,
  optionMetaSchema,
  optionSpecs,
} from '../dist/options/index.js';
import { udevRule } from '../dist/port/index.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const check = process.argv.includes('--check');

const cell = (text) => text.replaceAll('|', '\\|');
const table = (head, rows) =>
  [head, head.map((title) => '-'.repeat(title.length)), ...rows]
    .map((row) => `| ${row.map(cell).join(' | ')} |`)
    .join('\n');

const specs = optionSpecs(configSchema);
const written = ({ flag, placeholder }) => `\`--${flag}${placeholder ? ` ${placeholder}` : ''}\``;

function optionRows(group) {
  return specs
    .filter((spec) => spec.group === group)
    .flatMap((spec) => {
      const key = `\`${spec.path.join('.')}\``;
      const row = [spec.flag ? written(spec) : '', key, spec.description + defaultText(spec)];
      return spec.negated ? [row, [`\`--no-${spec.flag}\``, key, spec.negated]] : [row];
    });
}

async function subcommands() {
  const parts = [];
  for (const name of Object.keys(SUBCOMMANDS)) {
    const program = await makeProgram(name);
    const command = program.commands.find((one) => one.name() === name);
    for (const one of command.commands.length > 0 ? command.commands : [command]) {
      const title = [command, one].filter((part, index, all) => all.indexOf(part) === index);
      const full = title.map((part) => part.name()).join(' ');
      const rows = one.options
        .filter(
          (option) =>
            (option.helpGroupHeading ?? 'Options:') === 'Options:' || /json|duration/.test(option.long),
        )
        .filter((option) => option.long !== '--help-all' && name !== 'run')
        .map((option) => [`\`${option.flags.replace(/<(.+)>/, '$1')}\``, option.description]);
      parts.push(`### ${full}\n\n\`openmv-bridge ${full} ${one.usage()}\`: ${one.description()}.`);
      if (rows.length > 0) parts.push(table(['option', 'what it does'], rows));
      const groups = one.options.flatMap((option) => option.helpGroupHeading?.slice(0, -1) ?? []);
      const shared = [...new Set(groups)].filter((group) => !['Options', 'Output', 'Run'].includes(group));
      if (name === 'record') parts.push('As well all other options of run.');
      else if (name !== 'run' && shared.length > 0)
        parts.push(`As well the options of run under: ${shared.join(', ')}.`);
    }
  }
  return parts.join('\n\n');
}

/** What may stand behind `generated:`. */
const BLOCKS = {
  subcommands: await subcommands(),
  'exit-statuses': table(
    ['status', 'meaning'],
    Object.entries(EXIT_STATUSES).map(([status, text]) => [status, text]),
  ),
};
for (const group of new Set(specs.map((spec) => spec.group))) {
  BLOCKS[`options ${group}`] = table(['option', 'key', 'what it does'], optionRows(group));
}

/** `name` or `name.inner` for each field of a line, with its form in a word. */
function fieldRows(schema, prefix = '') {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, field]) => {
    if (['type', 'timestampMs'].includes(name) && prefix === '') return [];
    const forms = field.anyOf ?? [field];
    const kinds = forms.map((form) =>
      form.enum ? form.enum.join(', ') : String(form.const ?? form.type ?? 'any JSON'),
    );
    const always = required.includes(name) ? '' : ', where there is one';
    const row = [`\`${prefix}${name}\``, kinds.join(' or ') + always, field.description ?? ''];
    const inner = field.properties ?? (field.items?.properties && field.items);
    return inner && field.properties ? [row, ...fieldRows(field, `${prefix}${name}.`)] : [row];
  });
}

function linesOf(schemas) {
  const parts = Object.entries(schemas).map(([type, line]) => {
    const schema = z.toJSONSchema(line);
    return `### ${type}\n\n${schema.description}\n\n${table(['field', 'value', 'meaning'], fieldRows(schema))}`;
  });
  return parts.join('\n\n');
}

BLOCKS['run lines'] = linesOf(runLines);
BLOCKS['report lines'] = linesOf(reportLines);

const missing = new Set(Object.keys(BLOCKS));

function filled(path) {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return text.replace(/<!-- generated: (.+) -->\n[\s\S]*?<!-- end -->/g, (_whole, name) => {
    if (!(name in BLOCKS)) throw new Error(`${path}: there is nothing to generate of the name "${name}"`);
    missing.delete(name);
    return `<!-- generated: ${name} -->\n\n${BLOCKS[name]}\n\n<!-- end -->`;
  });
}

const OWN_KEYS = Object.keys(optionMetaSchema.shape).filter((key) => key !== 'description');

function configJsonSchema() {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      for (const key of OWN_KEYS) delete jsonSchema[key];
    },
  });
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** A line of any kind. */
function linesJsonSchema() {
  const lines = Object.values({ ...runLines, ...reportLines });
  const schema = { title: 'A JSON line of openmv-bridge', ...z.toJSONSchema(z.union(lines)) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** The TypeScript type of what a JSON schema allows. */
function typeOf(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const).replaceAll('"', "'");
  if (schema.enum) return schema.enum.map((one) => typeOf({ const: one })).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' | ');
  if (schema.type === 'integer') return 'number';
  if (schema.type === 'array') {
    const item = typeOf(schema.items ?? {});
    return /\W/.test(item) ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'object') {
    if (schema.properties) return `{\n${membersOf(schema)}${restOf(schema)}}`;
    return `Record<string, ${typeOf(schema.additionalProperties || {})}>`;
  }
  return schema.type ?? 'unknown';
}

const restOf = ({ additionalProperties }) =>
  additionalProperties === false || additionalProperties === undefined ? '' : '[key: string]: unknown;\n';

const UNITS = { bytes: 'Bytes.', ms: 'Milliseconds.', s: 'Milliseconds.', octal: 'Permission bits.' };

/** Each property with its documentation: what the editor shows. */
function membersOf({ properties, required = [] }) {
  return Object.entries(properties)
    .map(([name, property]) => {
      const { flag = '', unit, default: value } = property;
      // The words of a switch that is on by default are about switching it off.
      const off = property.type === 'boolean' && flag.startsWith('--no-') ? 'false: ' : '';
      const description = property.description && off + property.description;
      const shown =
        typeof value === 'object' || value === undefined ? '' : `Default: ${JSON.stringify(value)}.`;
      const words = description ? `${description[0].toUpperCase()}${description.slice(1)}.` : '';
      const doc = [words, UNITS[unit] ?? '', shown].filter(Boolean).join(' ');
      const optional = required.includes(name) ? '' : '?';
      const type = `${typeOf(property)}${optional ? ' | undefined' : ''}`;
      return `${doc ? `/** ${doc} */\n` : ''}${name}${optional}: ${type};\n`;
    })
    .join('');
}

/** The options as interfaces, for people who write them in an editor. Laid out by the formatter. */
function inputTypes() {
  const interfaces = [
    ['CameraInput', 'Options of `connectCamera`.', cameraOptionsSchema],
    [
      'BridgeInput extends CameraInput',
      'Options of `createBridge` and `openBridge`.',
      bridgeOptionsSchema.omit(
        Object.fromEntries(Object.keys(cameraOptionsSchema.shape).map((name) => [name, true])),
      ),
    ],
  ].map(([name, doc, schema]) => {
    const form = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
    return `/** ${doc} */\nexport interface ${name} {\n${membersOf(form)}}\n`;
  });
  const head =
    '/** What callers write: the options, with units and defaults. Written by `npm run docs` from the schemas. */';
  const text = `${head}\n\n${interfaces.join('\n')}`;
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
  return execFileSync(process.execPath, [biome, 'format', '--stdin-file-path=src/options/inputs.ts'], {
    cwd: ROOT,
    input: text,
    encoding: 'utf8',
  });
}

const files = {
  'src/options/inputs.ts': inputTypes(),
  'docs/command-line.md': filled('docs/command-line.md'),
  'docs/json-lines.md': filled('docs/json-lines.md'),
  'tools/json-lines.schema.json': linesJsonSchema(),
  'tools/config.schema.json': configJsonSchema(),
  'tools/udev/60-openmv.rules': udevRule(),
};
if (missing.size > 0) throw new Error(`No page has a place for: ${[...missing].join(', ')}`);
for (const [path, text] of Object.entries(files)) {
  let before = '';
  try {
    before = readFileSync(join(ROOT, path), 'utf8');
  } catch {}
  if (before === text) continue;
  if (check) {
    console.error(`${path} is out of date: run npm run docs`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, path), text);
    console.log(`wrote ${path}`);
  }
}
