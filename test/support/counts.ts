/**
 * Ends the output of a test run with one line that any program can read: `N passed, N failed`, and `, N skipped`. Before it,
 * the tests that passed only when they were run again.
 */
import { writeSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export default class Counts implements Reporter {
  readonly #counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #again: string[] = [];
  #over = false;

  onInit(): void {
    // Everything else that is printed comes before the end of the process.
    process.once('exit', () => {
      const { passed, skipped } = this.#counts;
      // A run that was ended before it was over has failed, whatever had passed by then.
      const failed = this.#counts.failed + (this.#over ? 0 : 1);
      try {
        for (const name of this.#again) writeSync(1, `passed only when run again: ${name}\n`);
        writeSync(1, `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
      } catch {
        // stdout is closed: there is no one to tell.
      }
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = this.#counts;
    counts.failed = errors.length;
    for (const module of modules) {
      const before = counts.failed;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (test.diagnostic()?.flaky) this.#again.push(`${module.relativeModuleId} > ${test.fullName}`);
        if (state === 'passed') counts.passed++;
        else if (state === 'skipped') counts.skipped++;
        else counts.failed++;
      }
      // A file that cannot be loaded, or a hook of its own that fails, fails without any of its tests.
      if (!module.ok() && counts.failed === before) counts.failed++;
    }
    this.#over = true;
  }
}
