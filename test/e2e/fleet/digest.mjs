/** An adapter that tells of each picture what it is: `node digest.mjs [MS]`, after that time. `hang` as time: never. */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { defineAlgorithm } from '../../../dist/algorithm/index.js';

const [, , time = '0'] = process.argv;

await defineAlgorithm({
  async execute({ image }) {
    const jpeg = image.jpeg();
    const digest = createHash('sha1').update(jpeg).digest('hex');
    await pause(time === 'hang' ? 1e9 : Number(time));
    return { resultStatus: 'OK', debug: { digest, pid: process.pid } };
  },
});
