/** VizionStreamer's documented one-liners and Python, as written but for the path. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { atEnd, controlled } from './support.js';

const run = promisify(execFile);
const SOCAT = spawnSync('socat', ['-V']).status === 0;
const NETCAT = /-U/.test(spawnSync('nc', ['-h'], { encoding: 'utf8' }).stderr ?? '');
const PYTHON = spawnSync('python3', ['--version']).status === 0;
const VIZION = '/tmp/vizion_control.sock';

const shell = async (line: string, path: string): Promise<Record<string, unknown>> => {
  const { stdout } = await run('bash', ['-c', line.replaceAll(VIZION, path)]);
  return JSON.parse(stdout) as Record<string, unknown>;
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
  it.skipIf(!SOCAT)('socat (needs socat)', async () => {
    const { path } = await controlled();
    for (const line of ONE_LINERS) {
      expect(await shell(line, path), line).toMatchObject({ status: 'success' });
    }
  });

  it.skipIf(!NETCAT)('nc (needs netcat-openbsd)', async () => {
    const { path } = await controlled();
    const child = spawn('bash', ['-c', `echo '{"command":"get_formats"}' | exec nc -U ${path}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    // It shows the answer and then waits for the end of the connection, until it is interrupted.
    atEnd(() => process.kill(-child.pid!, 'SIGTERM'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await expect.poll(() => text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toMatchObject({ status: 'success' });
  });

  it.skipIf(!PYTHON)('Python (needs python3)', async () => {
    const { path } = await controlled();
    const program = PYTHON_SNIPPET.replaceAll(VIZION, path).replaceAll('/vizion_frame', SEGMENT);
    const { stdout } = await run('python3', ['-c', program]);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(16);
    for (const line of lines) expect(line).toMatch(/^\{'status': 'success'/);
  });
});
