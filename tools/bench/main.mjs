/**
 * `npm run bench [-- NAME...] [--save FILE] [--compare FILE] [--quick]`: prints figures of this machine, and ratios measured in
 * the same run. Without a name, all of the benchmarks. `--save` writes the table as JSON, `--compare` shows each figure as
 * a multiple of an earlier table's, `--quick` only sees whether everything works.
 */
import { parseArgs } from 'node:util';
import { begin, compareWith, machine, save, settings } from './report.mjs';

const benches = {
  codec: './codec.mjs',
  line: './line.mjs',
  host: './host.mjs',
  cameras: './cameras.mjs',
  sensor: './sensor.mjs',
  http: './http.mjs',
  trigger: './trigger.mjs',
  work: './work.mjs',
  decode: './decode.mjs',
  shm: './shm.mjs',
  runner: './runner.mjs',
  fleet: './fleet.mjs',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    save: { type: 'string' },
    compare: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}
settings.quick = values.quick;
if (values.compare !== undefined) compareWith(values.compare);
const { node, system, processor, memoryGb } = machine();
console.log(`Node ${node}, ${system}, ${processor}, ${memoryGb} GB`);
for (const [name, file] of Object.entries(benches)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const { default: bench } = await import(file);
  begin(name);
  await bench();
}
if (values.save !== undefined) save(values.save);
