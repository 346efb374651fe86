/** VizionStreamer's documented one-liners and Python, as written but for the path. */
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { atEnd, controlled, scratch } from './support.js';

const run = promisify(execFile);
const VIZION = '/tmp/vizion_control.sock';

/** What a one-liner prints. socat goes after half a second without an answer, which a busy machine may take. */
const shell = async (line: string, path: string): Promise<Record<string, unknown>> => {
  let printed = '';
  for (let attempt = 0; printed === '' && attempt < 20; attempt++) {
    printed = (await run('bash', ['-c', line.replaceAll(VIZION, path)])).stdout;
  }
  return JSON.parse(printed) as Record<string, unknown>;
};

const ONE_LINERS = [
  `echo '{"command":"get_formats"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_pipeline","params":{"pipeline":"videoconvert ! x264enc tune=zerolatency ! rtph264pay ! udpsink host=192.168.1.100 port=5000"}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_pipeline","params":{"pipeline":""}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_format","params":{"width":"1920","height":"1080","framerate":"30","format":"YUY2"}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_exposure","params":{"mode":"auto"}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_brightness","params":{"value":"50"}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"set_ehdr_mode","params":{"mode":"0"}}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"get_ehdr_status"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"start_stream"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"get_status"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"get_shared_memory_status"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"stop_stream"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
  `echo '{"command":"disable_shared_memory"}' | socat - UNIX-CONNECT:/tmp/vizion_control.sock`,
];

const SEGMENT = `/openmv_test_snippets_${process.pid}`;

const PYTHON_SNIPPET = `
import socket
import json

def send_command(command, params=None):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect('/tmp/vizion_control.sock')

    cmd = {"command": command}
    if params:
        cmd["params"] = params

    sock.send(json.dumps(cmd).encode())
    response = sock.recv(4096).decode()
    sock.close()

    return json.loads(response)

# Examples
print(send_command("get_formats"))
print(send_command("set_format", {
    "width": "1920",
    "height": "1080",
    "framerate": "30",
    "format": "YUY2"
}))
print(send_command("set_exposure", {"mode": "auto"}))
print(send_command("start_stream"))
print(send_command("set_ehdr_mode", {"mode": "0"}))  # Enable eHDR
print(send_command("set_ehdr_exposure_min", {"value": "1"}))
print(send_command("set_ehdr_exposure_max", {"value": "4"}))
print(send_command("set_ehdr_ratio_min", {"value": "12"}))
print(send_command("set_ehdr_ratio_max", {"value": "24"}))
print(send_command("get_ehdr_status"))  # Get current eHDR settings
print(send_command("stop_stream"))
print(send_command("enable_shared_memory", {
    "name": "/vizion_frame",
    "buffer_size": "8294528"
}))
print(send_command("get_shared_memory_status"))
print(send_command("start_stream"))
print(send_command("stop_stream"))
print(send_command("disable_shared_memory"))
`;

describe('the snippets of the documents', () => {
  it('socat', async () => {
    needs('socat');
    const { path } = await controlled();
    for (const line of ONE_LINERS) {
      expect(await shell(line, path), line).toMatchObject({ status: 'success' });
    }
  });

  it('socat told to wait for a camera that takes longer', async () => {
    needs('socat');
    const { path } = await controlled({ virtual: { fps: 1 } });
    // A busy machine may take longer than the 10 s of the documents.
    const line = ONE_LINERS.find((text) => text.includes('set_format'))!.replace('socat -', 'socat -t 60 -');
    expect(await shell(line, path)).toEqual({ status: 'success', message: 'Format set successfully' });
  });

  it('nc -N', async () => {
    needs('nc');
    const { path } = await controlled();
    const line = `echo '{"command":"get_formats"}' | nc -N -U /tmp/vizion_control.sock`;
    expect(await shell(line, path)).toMatchObject({ status: 'success' });
    const file = join(scratch, 'command.json');
    writeFileSync(file, '{"command":"get_status"}');
    expect(await shell(`nc -N -U ${VIZION} < ${file}`, path)).toMatchObject({ streaming: false });
  });

  it('nc -N for as long as it is given commands', async () => {
    needs('nc');
    const { path } = await controlled();
    const status = `echo '{"command":"get_status"}'`;
    const line = `(${status}; sleep 0.7; ${status}; sleep 0.7; ${status}) | nc -N -U ${path}`;
    const { stdout } = await run('bash', ['-c', line]);
    expect(stdout.trim().split('\n')).toEqual(Array(3).fill(expect.stringContaining('"success"')));
  });

  it('nc that has subscribed', async () => {
    needs('nc');
    const { path } = await controlled({ streaming: true });
    const child = spawn('bash', ['-c', `echo '{"command":"subscribe"}' | exec nc -N -U ${path}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    atEnd(() => process.kill(-child.pid!, 'SIGTERM'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await expect.poll(() => text.split('\n').length, { timeout: 20_000 }).toBeGreaterThan(20);
    expect(child.exitCode).toBeNull();
  });

  it('Python', async () => {
    needs('python3');
    const { path } = await controlled();
    const program = PYTHON_SNIPPET.replaceAll(VIZION, path).replaceAll('/vizion_frame', SEGMENT);
    const { stdout } = await run('python3', ['-c', program]);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(16);
    for (const line of lines) expect(line).toMatch(/^\{'status': 'success'/);
  });
});
