"""An adapter that says OK to everything without a look: what is left is the protocol."""

import json
import sys


def send(message):
    body = json.dumps(message).encode()
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()


send({"type": "hello", "sdk_version": "empty", "capabilities": ["ping", "call", "shutdown", "execute"]})
while True:
    prefix = sys.stdin.buffer.read(4)
    if len(prefix) < 4:
        break
    message = json.loads(sys.stdin.buffer.read(int.from_bytes(prefix, "big")))
    if message["type"] == "call":
        data = {"step_index": 1, "result_status": "OK", "defect_rects": []}
        send({"type": "result", "request_id": message["request_id"], "status": "OK", "data": data})
    elif message["type"] == "ping":
        send({"type": "pong", "request_id": message["request_id"]})
    elif message["type"] == "shutdown":
        send({"type": "shutdown", "status": "OK"})
        break
