/** `/metrics`: what Prometheus reads, and that the dashboard and the alerts in tools/grafana ask for what there is. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BridgeStats } from '../../../src/bridge/index.js';
import type { WebServer } from '../../../src/web/index.js';
import { needs } from '../../support/needs.js';
import { atEnd, type Json, ODD_NG, serve, shown, until } from './support.js';

const GRAFANA = fileURLToPath(new URL('../../../tools/grafana/', import.meta.url));
/** Its every third call takes a second. */
const SLOW = [...ODD_NG.slice(0, -2), '1000'];
const RULE_TESTS = fileURLToPath(new URL('fixtures/alerts.promtool.yml', import.meta.url));

async function scrape(server: WebServer): Promise<string> {
  const answer = await fetch(new URL('metrics', server.url));
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return await answer.text();
}

/** The series of a metric: its labels as they are written, and its value. */
function series(text: string, name: string): Map<string, number> {
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return new Map([...lines].map(([, labels = '', value]) => [labels, Number(value)]));
}

const sum = (text: string, name: string): number =>
  [...series(text, name).values()].reduce((all, value) => all + value, 0);

const namesOf = (text: string): Map<string, string> =>
  new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name!, kind!]));

/** Names of metrics in expressions, as far as they are of this program; those of a histogram without their ends. */
function asked(expressions: string, known: ReadonlyMap<string, string>): string[] {
  const names = expressions.match(/\b(openmv|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names)].map((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, '');
    return known.get(base) === 'histogram' && base !== name ? base : name;
  });
}

/** A server with a camera and an algorithm that have worked for a while. */
async function working() {
  const server = await serve();
  const bridge = await shown(server, { runner: ODD_NG });
  let stats: BridgeStats | undefined;
  bridge.stats$.subscribe((one) => {
    stats = one;
  });
  await until('figures and results', () => (stats?.algorithm?.ng ?? 0) > 2);
  return { server, bridge, stats: () => stats! };
}

describe('/metrics', () => {
  it('has every frame, and exactly one outcome for each that is not under way', async () => {
    const { server, bridge } = await working();
    for (let look = 0; look < 20; look++) {
      const text = await scrape(server);
      const delivered = sum(text, 'openmv_frames_delivered_total');
      expect(sum(text, 'openmv_outcomes_total') + sum(text, 'openmv_outcomes_pending')).toBe(delivered);
      expect(sum(text, 'openmv_outcomes_pending')).toBeGreaterThanOrEqual(0);
    }
    await bridge.stopStreaming();
    await until('every outcome', async () => sum(await scrape(server), 'openmv_outcomes_pending') === 0);
    const text = await scrape(server);
    const camera = `camera="${bridge.cameraId}"`;
    const outcomes = series(text, 'openmv_outcomes_total');
    const ok = outcomes.get(`${camera},outcome="ok"`)!;
    const ng = outcomes.get(`${camera},outcome="ng"`)!;
    expect(ok + ng).toBeGreaterThan(4);
    expect(outcomes.get(`${camera},outcome="failed",reason="RUNNER_TIMEOUT"`)).toBe(0);
    // Every answer is in the histograms, in whole and in parts.
    const results = series(text, 'openmv_result_latency_seconds_count').get(camera);
    expect(results).toBe(ok + ng);
    for (const phase of ['queue', 'transfer', 'compute']) {
      expect(series(text, 'openmv_result_phase_seconds_count').get(`${camera},phase="${phase}"`)).toBe(
        results,
      );
    }
    const parts = sum(text, 'openmv_result_phase_seconds_sum');
    expect(parts).toBeCloseTo(sum(text, 'openmv_result_latency_seconds_sum'), 6);
    const intervals = series(text, 'openmv_frame_interval_seconds_count').get(camera);
    expect(intervals).toBe(sum(text, 'openmv_frames_delivered_total') - 1);
  });

  it('counts what fails by its code, and what is skipped by its reason', async () => {
    const server = await serve();
    // Every third call takes so long that frames come meanwhile.
    const bridge = await shown(server, { runner: SLOW });
    const count = async (labels: string): Promise<number> =>
      series(await scrape(server), 'openmv_outcomes_total').get(`camera="${bridge.cameraId}",${labels}`) ?? 0;
    // A frame is skipped while a call is under way, which so fails when its process is killed.
    let answered = false;
    let killed = false;
    bridge.outcomes$.subscribe(({ outcome }) => {
      if (outcome === 'ok' || outcome === 'ng') answered = true;
      else if (outcome === 'skipped' && answered && !killed) {
        killed = process.kill(bridge.algorithmPids[0]!, 'SIGKILL');
      }
    });
    await until('skipped', async () => (await count('outcome="skipped",reason="newer_frame"')) > 0);
    await until('failed', async () => (await count('outcome="failed",reason="RUNNER_EXITED"')) > 0);
    await until('noticed', async () => sum(await scrape(server), 'openmv_algorithm_crashes_total') === 1);
    const text = await scrape(server);
    const total = sum(text, 'openmv_outcomes_total') + sum(text, 'openmv_outcomes_pending');
    expect(total).toBe(sum(text, 'openmv_frames_delivered_total'));
  });

  it('has every counter of the figures, with their values', async () => {
    const { server, bridge, stats } = await working();
    await bridge.stopStreaming();
    const camera = `camera="${bridge.cameraId}"`;
    const names: Readonly<Record<string, string>> = {
      repaired: 'openmv_frame_repairs_total',
      undecoded: 'openmv_frames_undecoded_total',
      'link.packetsSent': 'openmv_link_sent_packets_total',
      'link.packetsReceived': 'openmv_link_received_packets_total',
      'link.bytesSent': 'openmv_link_sent_bytes_total',
      'link.bytesReceived': 'openmv_link_received_bytes_total',
      'link.requests': 'openmv_link_requests_total',
      'link.events': 'openmv_link_events_total',
      'link.stale': 'openmv_link_stale_packets_total',
      'link.resyncs': 'openmv_link_resyncs_total',
      'algorithm.starts': 'openmv_algorithm_starts_total',
      'algorithm.crashes': 'openmv_algorithm_crashes_total',
    };
    // Figures may come between the two looks.
    await until('the same figures', async () => {
      const before = stats();
      const text = await scrape(server);
      const delivered = sum(text, 'openmv_frames_delivered_total');
      if (before !== stats() || before.delivered !== delivered) return false;
      for (const [path, name] of Object.entries(names)) {
        const value = path.split('.').reduce((from: Json, key) => from[key], before);
        expect([path, series(text, name).get(camera)]).toEqual([path, value]);
      }
      for (const [reason, count] of Object.entries(before.droppedByReason)) {
        expect(series(text, 'openmv_frames_dropped_total').get(`${camera},reason="${reason}"`)).toBe(count);
      }
      const written = series(text, 'openmv_sink_frames_written_total').get(`${camera},sink="algorithm"`);
      expect(written).toBe(before.sinks.algorithm?.written);
      expect(sum(text, 'openmv_outcomes_total') + sum(text, 'openmv_outcomes_pending')).toBe(delivered);
      return true;
    });
  });

  it('forgets a camera that has ended, and answers without one', async () => {
    const server = await serve();
    expect(series(await scrape(server), 'openmv_cameras').get('')).toBe(0);
    const bridge = await shown(server, { runner: ODD_NG });
    await until('frames', async () => sum(await scrape(server), 'openmv_frames_delivered_total') > 1);
    expect(await scrape(server)).toContain(`camera="${bridge.cameraId}"`);
    await bridge.close();
    await until('its end', async () => !(await scrape(server)).includes('camera="'));
  });

  it('is for those with a token, where there is one', async () => {
    const server = await serve({ httpToken: 'correct-horse' });
    const get = (headers: Record<string, string>) => fetch(new URL('metrics', server.url), { headers });
    expect((await get({})).status).toBe(401);
    expect((await get({ Authorization: 'Bearer correct-horse' })).status).toBe(200);
  });

  it('keeps to the conventions, as promtool knows them', async () => {
    needs('promtool');
    const { server } = await working();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await scrape(server),
      encoding: 'utf8',
    });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});

describe('tools/grafana', () => {
  const dashboard = JSON.parse(readFileSync(`${GRAFANA}dashboard.json`, 'utf8')) as Json;

  it('asks only for metrics that there are', async () => {
    const { server } = await working();
    const known = namesOf(await scrape(server));
    const targets = dashboard.panels.flatMap((panel: Json) => panel.targets ?? []);
    const variables = dashboard.templating.list.map(({ query }: Json) => query.query ?? query);
    const expressions = [...targets.map(({ expr }: Json) => expr), ...variables].join('\n');
    const inDashboard = asked(expressions, known);
    const rules = readFileSync(`${GRAFANA}alerts.yml`, 'utf8');
    const inRules = asked(rules, known);
    expect(inDashboard.length).toBeGreaterThan(20);
    expect(inRules.length).toBeGreaterThan(9);
    expect([...inDashboard, ...inRules].filter((name) => !known.has(name))).toEqual([]);
  });

  it('the dashboard has panels with ids of their own that do not cover each other', () => {
    const ids = dashboard.panels.map(({ id }: Json) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }: Json) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  it('expressions of the dashboard are PromQL, and the rules are rules', () => {
    needs('promtool');
    const targets = dashboard.panels.flatMap((panel: Json) => panel.targets ?? []);
    const records = targets.map(({ expr }: Json, at: number) => {
      const plain = expr.replaceAll('$__rate_interval', '1m');
      return { record: `dashboard:expression:${at}`, expr: plain };
    });
    const directory = mkdtempSync(join(tmpdir(), 'openmv-dashboard-'));
    atEnd(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'rules.yml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: records }] }));
    expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).toContain(
      `SUCCESS: ${records.length} rules found`,
    );
    const checked = execFileSync('promtool', ['check', 'rules', `${GRAFANA}alerts.yml`], {
      encoding: 'utf8',
    });
    expect(checked).toMatch(/SUCCESS: \d+ rules found/);
  });

  it('each alert fires when it should, and none when all is well', () => {
    needs('promtool');
    const alerts = readFileSync(`${GRAFANA}alerts.yml`, 'utf8').matchAll(/- alert: (\w+)/g);
    const tests = readFileSync(RULE_TESTS, 'utf8');
    for (const [, alert] of alerts) {
      expect(tests).toContain(`alertname: ${alert} }`);
      expect(tests).toContain(`alertname: ${alert}\n`);
    }
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', RULE_TESTS], {
      encoding: 'utf8',
    });
    expect({ status, said: stdout + stderr }).toMatchObject({ status: 0 });
    expect(stdout).toContain('SUCCESS');
  });
});
