/**
 * `npm run bench [-- NAME...]`: prints figures of this machine, and ratios measured in the same run. Names: codec,
 * camera, runner, shm; without one, all of them.
 */
const benches = { codec: './codec.mjs', camera: './camera.mjs', runner: './runner.mjs', shm: './shm.mjs' };

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}
console.log(`Node ${process.version}, ${process.platform} ${process.arch}`);
for (const [name, file] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { default: bench } = await import(file);
  console.log(`\n== ${name}`);
  await bench();
}
