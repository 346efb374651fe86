/**
 * Property tests draw the same values in every run, so that a change is judged by what it changed. `SEED=random npm run
 * test:unit` looks further; a failure prints its seed, which becomes an example in the test.
 */
import fc from 'fast-check';

const { SEED } = process.env;
if (SEED !== 'random') fc.configureGlobal({ seed: Number(SEED ?? 1) });
