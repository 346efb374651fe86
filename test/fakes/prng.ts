/** Numbers from 0 to 1 that are the same for the same seed. */
export { mulberry32 as prng } from '../../src/virtual/prng.js';
