/*
 * A camera that takes next to no time, so that what is measured is the host: the device's end of the protocol on a
 * pseudo-terminal, with a frame channel of both patterns (SHAPE and READ; the window) and two buffers.
 *
 * Usage: reference-camera LINK JPEG FRAMES_PER_SECOND MAX_PAYLOAD
 *   FRAMES_PER_SECOND  0: the next frame is complete as soon as one is released
 *
 * Makes LINK, a symbolic link to the terminal, prints "ready", and serves hosts until it is ended. Each frame is the JPEG
 * with a comment behind SOI that has its number and the Unix time of its capture, in microseconds.
 */
#include "reference-wire.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { CHANNELS = 5, FRAME = 4, STAMP = 46, REPLY = 32, SMALLEST_PAYLOAD = 50, ID_WORD = 4 };
static const struct {
    const char *name;
    uint8_t flags;
} channels[CHANNELS] = {{"usb", 64}, {"stdin", 2}, {"stdout", 1}, {"stream", 1}, {"frame", 1 | 32}};

static int port;
static const char *link_path;
static uint8_t caps, sequence;
static uint32_t max_payload, board_payload, serial_number;
static uint8_t *frame;      /* the window: header, JPEG, padding */
static uint32_t jpeg_size, number;
static int latched;
static double frame_ms, next_at; /* when the next capture is complete */
static uint8_t packet[HEADER + MAX_PAYLOAD + CRC_SIZE], in[1 << 16];
static size_t in_size;

static uint64_t clock_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * UINT64_C(1000000) + t.tv_nsec / 1000;
}

static void transmit(const uint8_t *bytes, size_t size) {
    while (size > 0) {
        const ssize_t n = write(port, bytes, size);
        if (n < 0) return; /* the host has gone */
        bytes += n, size -= n;
    }
}

static void send_packet(uint8_t channel, uint8_t flags, uint8_t opcode, const uint8_t *payload, size_t size) {
    transmit(packet, put_packet(packet, sequence, channel, flags, opcode, payload, size));
    if (!(flags & EVENT)) sequence++;
}

/* More input. 0: the host has gone, or `ms` are over. */
static int more(int ms) {
    struct pollfd one = {.fd = port, .events = POLLIN};
    if (poll(&one, 1, ms) <= 0) return 0;
    const ssize_t n = read(port, in + in_size, sizeof in - in_size);
    if (n <= 0) {
        in_size = 0;
        usleep(10000);
        return 0;
    }
    in_size += n;
    return 1;
}

/* The acknowledgement of the packet before, which is the next thing that a host sends. Else it is a SYNC. */
static int acknowledged(void) {
    while (in_size < HEADER) if (!more(500)) return 0;
    if (!good_header(in) || !(in[4] & ACK)) return 0;
    in_size -= HEADER;
    memmove(in, in + HEADER, in_size);
    return 1;
}

static void answer(uint8_t channel, uint8_t opcode, const uint8_t *bytes, size_t size) {
    const int ack = caps & ACK_CAP ? ACK_REQ : 0;
    do {
        const size_t piece = size < max_payload ? size : max_payload;
        send_packet(channel, ack | (piece < size ? FRAGMENT : 0), opcode, bytes, piece);
        bytes += piece, size -= piece;
        if (ack && !acknowledged()) return;
    } while (size > 0);
}

static void status(uint8_t channel, uint8_t opcode, uint32_t code) {
    uint8_t payload[2];
    put16(payload, code);
    send_packet(channel, code == 0 ? ACK : NAK, opcode, payload, code == 0 ? 0 : sizeof payload);
}

static uint32_t window_size(void) { return (FRAME_HEADER + jpeg_size + UNIT - 1) / UNIT * UNIT; }

/* Latches the next frame when it is complete and the one before was released. */
static void capture(void) {
    if (latched || !(caps & EVENTS_CAP)) return;
    if (frame_ms > 0) {
        const double now = now_ms();
        if (now < next_at) return;
        next_at = next_at + frame_ms < now ? now + frame_ms : next_at + frame_ms;
    }
    number = (number + 1) & NUMBER_MASK;
    char text[STAMP];
    const int length = snprintf(text, sizeof text, "capture %010u, time %016llu us", number,
                                (unsigned long long)clock_us(CLOCK_REALTIME));
    memset(text + length, ' ', sizeof text - length);
    memcpy(frame + FRAME_HEADER + 6, text, sizeof text);
    const uint32_t tick = (uint32_t)clock_us(CLOCK_MONOTONIC);
    put32(frame + 12, number), put32(frame + 16, tick), put32(frame + 20, tick), put32(frame + 24, 0), put32(frame + 28, 0);
    latched = 1;
    uint8_t event[2];
    const uint32_t units = window_size() / UNIT;
    put16(event, units < EVENT_SIZED ? EVENT_SIZED | units : 1);
    send_packet(FRAME, EVENT, CHANNEL_EVENT, event, sizeof event);
}

static void read_frame(uint32_t offset, uint32_t length) {
    const uint8_t *from = NULL;
    int releases = 0;
    if (offset >= RELEASE_AT) {
        releases = latched && length == 1 && offset - RELEASE_AT == number;
        from = length == 1 ? frame : NULL;
    } else if (offset >= WINDOW_AT) {
        if (latched && (uint64_t)(offset - WINDOW_AT) + length <= window_size() + UNIT * 64) from = frame + offset - WINDOW_AT;
    } else if (latched && (uint64_t)offset + length <= jpeg_size) {
        from = frame + FRAME_HEADER + offset;
        releases = offset + length == jpeg_size;
    }
    if (!from || length == 0) status(FRAME, READ, from ? 2 : 1);
    else answer(FRAME, READ, from, length);
    if (!releases) return;
    latched = 0;
    capture();
}

static void list_channels(void) {
    uint8_t list[16 * CHANNELS] = {0};
    for (int id = 0; id < CHANNELS; id++) {
        list[16 * id] = id, list[16 * id + 1] = channels[id].flags;
        memcpy(list + 16 * id + 2, channels[id].name, strlen(channels[id].name));
    }
    answer(0, CHANNEL_LIST, list, sizeof list);
}

static void request(uint8_t channel, uint8_t opcode, const uint8_t *payload, uint32_t size) {
    uint8_t reply[76] = {0};
    switch (opcode) {
    case GET_CAPS:
        put32(reply, caps), put16(reply + 4, max_payload);
        return answer(channel, opcode, reply, 16);
    case SET_CAPS:
        status(channel, opcode, size >= 6 ? 0 : 2);
        caps = payload[0];
        if (get16(payload + 4) >= SMALLEST_PAYLOAD && get16(payload + 4) < max_payload) max_payload = get16(payload + 4);
        return capture();
    case STATS: return answer(channel, opcode, reply, 32);
    case VERSION:
        reply[0] = 1, reply[2] = 2, reply[3] = 1, reply[6] = 5;
        return answer(channel, opcode, reply, 16);
    case INFO:
        put32(reply + 4, 0x4f4d5642), put32(reply + 8, 0x42454e43), put32(reply + 12, serial_number);
        put32(reply + 16, 0x37c51060);
        return answer(channel, opcode, reply, 76);
    case MEMORY: return answer(channel, opcode, reply, 4);
    case CHANNEL_LIST: return list_channels();
    case POLL:
        put32(reply, 2 | (latched ? 1 << FRAME : 0)); /* stdin: a script runs */
        return answer(channel, opcode, reply, 4);
    case SIZE:
        put32(reply, channel == FRAME && latched ? jpeg_size : 0);
        return answer(channel, opcode, reply, 4);
    case SHAPE:
        if (channel != FRAME) break;
        put32(reply, latched ? jpeg_size : 0);
        put32(reply + 4, get16(frame + 8)), put32(reply + 8, get16(frame + 10)), put32(reply + 12, number);
        return answer(channel, opcode, reply, 16);
    case READ:
        if (channel == FRAME && size == 8) return read_frame(get32(payload), get32(payload + 4));
        break;
    }
    status(channel, opcode, 2);
}

/* Takes what has come: requests with good CRCs and the right number; SYNC at any time. */
static void take(void) {
    size_t at = 0;
    while (in_size - at >= HEADER) {
        uint8_t copy[64];
        const uint8_t *p = in + at;
        const uint32_t size = get16(p + 6), whole = HEADER + (size > 0 ? size + CRC_SIZE : 0);
        if (!good_header(p) || size > sizeof copy) {
            at++;
            continue;
        }
        if (in_size - at < whole) break;
        const uint8_t opcode = p[5], channel = p[3], flags = p[4], given = p[2];
        if (size > 0 && crc32(p + HEADER, size) != get32(p + HEADER + size)) die("the host's payload is damaged");
        memcpy(copy, p + HEADER, size);
        /* An answer may read on: what it reads stands behind what is left. */
        at += whole;
        memmove(in, in + at, in_size - at);
        in_size -= at, at = 0;
        if (opcode == SYNC) {
            caps = CRC_CAP | SEQUENCE_CAP | ACK_CAP | EVENTS_CAP, max_payload = board_payload;
            sequence = given;
            send_packet(0, ACK, SYNC, NULL, 0);
            sequence = 0;
        } else if (flags & ACK) continue;
        else if (given != sequence) status(channel, opcode, 6);
        else request(channel, opcode, copy, size);
    }
    memmove(in, in + at, in_size - at);
    in_size -= at;
}

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("cannot open %s: %s", path, strerror(errno));
    struct stat about;
    fstat(fileno(file), &about);
    const size_t size = about.st_size;
    jpeg_size = size + 4 + STAMP;
    frame = calloc(1, FRAME_HEADER + jpeg_size + UNIT * 65);
    uint8_t *jpeg = frame + FRAME_HEADER;
    if (!frame || size < 4 || fread(jpeg + 4 + STAMP, 1, size, file) != size) die("cannot read %s", path);
    fclose(file);
    /* SOI, then the comment, then the rest. */
    memcpy(jpeg, (const uint8_t[]){0xFF, 0xD8, 0xFF, 0xFE, 0, STAMP + 2}, 6);
    put32(frame, MAGIC), put32(frame + 4, jpeg_size);
    for (const uint8_t *p = jpeg + 4 + STAMP + 2; p + 9 < jpeg + jpeg_size && p[0] == 0xFF; p += 2 + (p[2] << 8 | p[3]))
        if (p[1] == 0xC0 || p[1] == 0xC2) put16(frame + 8, p[7] << 8 | p[8]), put16(frame + 10, p[5] << 8 | p[6]);
}

static void end(int signal) {
    (void)signal;
    unlink(link_path);
    _exit(0);
}

int main(int count, char **words) {
    begin(words[0]);
    if (count != 5) die("usage: reference-camera LINK JPEG FRAMES_PER_SECOND MAX_PAYLOAD");
    link_path = words[1];
    load(words[2]);
    frame_ms = atof(words[3]) > 0 ? 1e3 / atof(words[3]) : 0;
    board_payload = max_payload = atoi(words[4]);
    if (board_payload < SMALLEST_PAYLOAD || board_payload > MAX_PAYLOAD) die("a payload of %u bytes", board_payload);
    serial_number = getpid();
    port = posix_openpt(O_RDWR | O_NOCTTY);
    if (port < 0 || grantpt(port) != 0 || unlockpt(port) != 0) die("no pseudo-terminal: %s", strerror(errno));
    struct termios t;
    tcgetattr(port, &t);
    cfmakeraw(&t);
    tcsetattr(port, TCSANOW, &t);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    if (symlink(ptsname(port), link_path) != 0) die("cannot make %s: %s", link_path, strerror(errno));
    puts("ready");
    fflush(stdout);
    for (next_at = now_ms();;) {
        int wait = 1000;
        if (frame_ms > 0 && !latched) wait = next_at > now_ms() ? (int)(next_at - now_ms()) + 1 : 0;
        if (more(wait)) take();
        capture();
    }
}
