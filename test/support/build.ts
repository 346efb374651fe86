import { execFileSync } from 'node:child_process';

/** Workers and the command line run from `dist`: build it once, so that tests never see an old one. */
export default function setup(): void {
  // Each project of the configuration asks for it.
  if (process.env['OPENMV_TESTS_BUILT'] === '1') return;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  process.env['OPENMV_TESTS_BUILT'] = '1';
}
