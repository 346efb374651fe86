import { execFileSync } from 'node:child_process';

/** Workers and the command line run from `dist`: build it once, so that tests never see an old one. */
export default function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
