/*
 * The smallest host that pulls frames correctly, as a measure for the others: one thread, blocking reads, no layers.
 * It checks the CRC of every packet and the ends of every JPEG, as the bridge does; what goes wrong ends it, because
 * the line that it measures is a good one.
 *
 * Usage: reference-host PORT PATTERN ACK WARM_UP_S SECONDS
 *   PATTERN  plain: SHAPE, READ of all but the last byte, READ of that byte; any script of the vendor's pattern
 *            window: a frame and its header in one READ, as long as the event says; then the release
 *            ahead: the same, the release and the next READ in one write, as long as the frame before
 *   ACK      on or off: acknowledge every packet
 *
 * Prints "ready" when the measured time begins, and at its end one JSON object: frames, seconds, bytes, cpuMs (user and
 * system), requests, writes, reads; pullMs, from the announcement of a frame to its last byte; intervalMs, from frame to frame.
 */
#include "reference-wire.h"

#include <sys/ioctl.h>
#include <sys/resource.h>

enum { PLAIN, WINDOW, AHEAD };
#define MAX_FRAME (16u << 20)
#define REFUSED UINT32_MAX
#define SILENCE_MS 5000
/* Without an event the camera is asked after this time. */
#define LOOK_MS 20

static double cpu_ms(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

/* ---- the line ---- */

static int port;
static int acks;              /* every packet is acknowledged */
static uint8_t sequence;      /* of the next request */
static int frame_channel = -1;
static uint32_t announced;    /* the frame channel's last event; 0: none since it was cleared */
static double announced_at;
static uint64_t requests, writes, reads;
static uint8_t out[4096];
static size_t out_size;
static uint8_t in[1 << 16];
static size_t in_from, in_to;

static void flush(void) {
    for (size_t sent = 0; sent < out_size;) {
        const ssize_t n = write(port, out + sent, out_size - sent);
        if (n < 0) die("cannot write: %s", strerror(errno));
        sent += n;
        writes++;
    }
    out_size = 0;
}

/* Packets leave with the next flush, together. */
static void queue(uint8_t number, uint8_t channel, uint8_t flags, uint8_t opcode, const uint8_t *payload, size_t size) {
    out_size += put_packet(out + out_size, number, channel, flags, opcode, payload, size);
}

static void ask(uint8_t channel, uint8_t opcode, const uint8_t *payload, size_t size) {
    queue(sequence, channel, 0, opcode, payload, size);
    requests++;
}

static void ask_read(uint32_t offset, uint32_t length) {
    uint8_t payload[8];
    put32(payload, offset), put32(payload + 4, length);
    ask(frame_channel, READ, payload, sizeof payload);
}

/* Makes `size` bytes of input available and returns them. */
static const uint8_t *need(size_t size) {
    while (in_to - in_from < size) {
        if (in_from > 0) {
            memmove(in, in + in_from, in_to - in_from);
            in_to -= in_from, in_from = 0;
        }
        struct pollfd one = {.fd = port, .events = POLLIN};
        ssize_t n = read(port, in + in_to, sizeof in - in_to);
        reads++;
        if (n < 0 && errno == EAGAIN) {
            if (poll(&one, 1, SILENCE_MS) == 0) die("the camera has been silent for %d ms", SILENCE_MS);
            continue;
        }
        if (n <= 0) die("the line ended: %s", n < 0 ? strerror(errno) : "end of file");
        in_to += n;
    }
    return in + in_from;
}

struct packet {
    uint8_t number, channel, flags, opcode;
    uint32_t size;
    const uint8_t *payload; /* valid until the next call */
};

/* The next good packet that is no event. */
static struct packet next_packet(void) {
    for (;;) {
        const uint8_t *p = need(HEADER);
        if (!good_header(p)) die("a header is damaged");
        const uint32_t size = get16(p + 6);
        if (size > MAX_PAYLOAD) die("a packet of %u bytes", size);
        const size_t whole = HEADER + (size > 0 ? size + CRC_SIZE : 0);
        p = need(whole);
        in_from += whole;
        const struct packet got = {p[2], p[3], p[4], p[5], size, p + HEADER};
        if (size > 0 && crc32(got.payload, size) != get32(got.payload + size)) die("a payload is damaged");
        if (got.flags & ACK_REQ) queue(got.number, got.channel, ACK, got.opcode, NULL, 0);
        if (!(got.flags & EVENT)) return got;
        if (got.channel == frame_channel && size == 2) announced = get16(got.payload), announced_at = now_ms();
    }
}

/* The reply to the request under way, put together in `target`; returns its size, REFUSED if it may be refused and is. */
static uint32_t reply_or_refusal(uint8_t opcode, uint8_t *target, uint32_t room, int may_refuse) {
    uint32_t size = 0;
    for (;;) {
        const struct packet got = next_packet();
        if (got.opcode == SYNC && opcode != SYNC) continue; /* the answer to one that was sent twice */
        if (got.opcode != opcode || got.number != sequence) die("a packet of opcode %02x came in between", got.opcode);
        sequence++;
        if (got.flags & NAK && may_refuse) return REFUSED;
        if (got.flags & NAK) die("opcode %02x was refused: %u", opcode, get16(got.payload));
        if (size + got.size > room) die("a reply is too long");
        memcpy(target + size, got.payload, got.size);
        size += got.size;
        if (!(got.flags & FRAGMENT)) return size;
        /* The next fragment comes when this one is acknowledged. */
        if (acks) flush();
    }
}

static uint32_t reply(uint8_t opcode, uint8_t *target, uint32_t room) {
    return reply_or_refusal(opcode, target, room, 0);
}

static uint32_t exchange(uint8_t channel, uint8_t opcode, const uint8_t *payload, size_t size, uint8_t *target, uint32_t room) {
    ask(channel, opcode, payload, size);
    flush();
    return reply(opcode, target, room);
}

static void open_port(const char *path) {
    struct termios t;
    port = open(path, O_RDWR | O_NOCTTY);
    if (port < 0) die("cannot open %s: %s", path, strerror(errno));
    if (tcgetattr(port, &t) != 0) die("%s is no terminal", path);
    cfmakeraw(&t);
    cfsetspeed(&t, B921600);
    t.c_cc[VMIN] = 1, t.c_cc[VTIME] = 0;
    if (tcsetattr(port, TCSANOW, &t) != 0) die("cannot set up %s: %s", path, strerror(errno));
    int dtr = TIOCM_DTR;
    ioctl(port, TIOCMBIS, &dtr); /* a pseudo-terminal has none */
}

/* SYNC until it is answered; whatever came before is thrown away. */
static void synchronize(void) {
    for (int attempt = 0; attempt < 50; attempt++) {
        tcflush(port, TCIFLUSH);
        in_from = in_to = out_size = 0;
        queue(0, 0, 0, SYNC, NULL, 0);
        flush();
        struct pollfd one = {.fd = port, .events = POLLIN};
        for (const double end = now_ms() + 200; now_ms() < end;) {
            if (poll(&one, 1, 200) == 0) break;
            const ssize_t n = read(port, in + in_to, sizeof in - in_to);
            if (n <= 0) die("the line ended");
            in_to += n;
            for (; in_to - in_from >= HEADER; in_from++) {
                const uint8_t *p = in + in_from;
                if (!good_header(p)) continue;
                if (p[5] != SYNC || !(p[4] & ACK)) continue;
                in_from += HEADER;
                sequence = 0;
                return;
            }
        }
    }
    die("the camera does not answer");
}

static void connect_camera(void) {
    uint8_t caps[16], list[16 * 32];
    synchronize();
    if (exchange(0, GET_CAPS, NULL, 0, caps, sizeof caps) != sizeof caps) die("strange capabilities");
    put32(caps, CRC_CAP | SEQUENCE_CAP | EVENTS_CAP | (acks ? ACK_CAP : 0));
    exchange(0, SET_CAPS, caps, sizeof caps, list, sizeof list);
    for (int attempt = 0; attempt < 100; attempt++) {
        const uint32_t size = exchange(0, CHANNEL_LIST, NULL, 0, list, sizeof list);
        for (uint32_t at = 0; at + 16 <= size; at += 16)
            if (strncmp((const char *)list + at + 2, "frame", 14) == 0) frame_channel = list[at];
        if (frame_channel >= 0) return;
        usleep(50000);
    }
    die("the camera has no channel `frame`");
}

/* ---- frames ---- */

static uint8_t *frame;
static uint64_t frames, bytes;
/* Of each frame: from its announcement to its last byte, and from the frame before. */
static double *times, *intervals;
static size_t timed, times_room;
static double taken_at;

static void taken(const uint8_t *jpeg, uint32_t size, double since) {
    if (size < 4 || jpeg[0] != 0xFF || jpeg[1] != 0xD8 || jpeg[size - 2] != 0xFF || jpeg[size - 1] != 0xD9)
        die("a frame is no JPEG");
    frames++;
    bytes += size;
    if (timed == times_room) {
        times_room = times_room ? 2 * times_room : 4096;
        times = realloc(times, times_room * sizeof *times);
        intervals = realloc(intervals, times_room * sizeof *intervals);
        if (!times || !intervals) die("no memory");
    }
    const double now = now_ms();
    times[timed] = now - since;
    intervals[timed++] = now - taken_at;
    taken_at = now;
}

/* Until the frame channel says something, or `ms` are over. What else comes in between is an event. */
static void await_event(int ms) {
    const double end = now_ms() + ms;
    flush(); /* the acknowledgement of what was read last */
    while (announced == 0) {
        struct pollfd one = {.fd = port, .events = POLLIN};
        if (in_to == in_from) {
            const int rest = (int)(end - now_ms());
            if (rest <= 0 || poll(&one, 1, rest) == 0) return;
        }
        /* An event, with its payload. */
        const uint8_t *p = need(HEADER);
        if (!(p[4] & EVENT)) die("a packet came unasked");
        const size_t size = get16(p + 6), whole = HEADER + (size > 0 ? size + CRC_SIZE : 0);
        p = need(whole);
        if (!good_header(p) || (size > 0 && crc32(p + HEADER, size) != get32(p + HEADER + size)))
            die("an event is damaged");
        if (p[4] & ACK_REQ) queue(p[2], p[3], ACK, p[5], NULL, 0), flush();
        if (p[3] == frame_channel && size == 2) announced = get16(p + HEADER), announced_at = now_ms();
        in_from += whole;
    }
}

static void plain_frame(void) {
    uint8_t shape[16];
    await_event(LOOK_MS);
    const double since = announced ? announced_at : now_ms();
    announced = 0;
    if (exchange(frame_channel, SHAPE, NULL, 0, shape, sizeof shape) < 4) die("the channel has no shape");
    const uint32_t size = get32(shape);
    if (size == 0) return;
    if (size < 4 || size > MAX_FRAME) die("a frame of %u bytes", size);
    ask_read(0, size - 1);
    flush();
    if (reply(READ, frame, MAX_FRAME) != size - 1) die("a frame is cut short");
    ask_read(size - 1, 1);
    flush();
    if (reply(READ, frame + size - 1, 1) != 1) die("the last byte is missing");
    taken(frame, size, since);
}

static uint32_t check_window(uint32_t got, uint32_t *jpeg_size) {
    if (got < FRAME_HEADER || get32(frame) != MAGIC) die("a frame has no header");
    *jpeg_size = get32(frame + 4);
    const uint64_t total = (uint64_t)FRAME_HEADER + *jpeg_size + get32(frame + 24);
    if (total > MAX_FRAME) die("a frame of %u bytes", *jpeg_size);
    return (uint32_t)total;
}

/* The frame of which `got` bytes are there, wholly; returns its number. */
static uint32_t window_frame(uint32_t got, double since) {
    uint32_t jpeg_size;
    const uint32_t total = check_window(got, &jpeg_size);
    if (total > got) {
        ask_read(WINDOW_AT + got, total - got);
        flush();
        reply(READ, frame + got, MAX_FRAME - got);
    }
    taken(frame + FRAME_HEADER, jpeg_size, since);
    return get32(frame + 12);
}

/* The window's length, from the event. No event comes for a frame that was there before: its header says it. */
static uint32_t announced_length(void) {
    const double end = now_ms() + SILENCE_MS;
    while (announced == 0) {
        uint8_t shape[16];
        await_event(LOOK_MS);
        if (announced != 0) break;
        if (now_ms() > end) die("no frame for %d ms", SILENCE_MS);
        if (exchange(frame_channel, SHAPE, NULL, 0, shape, sizeof shape) < 4 || get32(shape) == 0 || announced) continue;
        ask_read(WINDOW_AT, FRAME_HEADER);
        flush();
        uint32_t jpeg_size;
        const uint32_t total = check_window(reply(READ, frame, MAX_FRAME), &jpeg_size);
        announced_at = now_ms();
        return (total + UNIT - 1) / UNIT * UNIT;
    }
    if (!(announced & EVENT_SIZED)) die("the script does not say how long its frames are");
    const uint32_t length = (announced & ~EVENT_SIZED) * UNIT;
    announced = 0;
    return length;
}

/* A window READ has been asked for with the release of the frame before. */
static int asked_ahead;

static void release(uint32_t number, uint32_t ahead) {
    uint8_t answer;
    ask_read(RELEASE_AT + (number & NUMBER_MASK), 1);
    if (ahead > 0) {
        sequence++; /* the release is answered in one packet */
        ask_read(WINDOW_AT, ahead);
        sequence--;
    }
    flush();
    if (reply(READ, &answer, 1) != 1) die("a release was not answered");
}

static void window(void) {
    const uint32_t length = announced_length();
    const double since = announced_at;
    ask_read(WINDOW_AT, length);
    flush();
    release(window_frame(reply(READ, frame, MAX_FRAME), since), 0);
}

/* While frames wait at the camera the next READ does not wait for its announcement; it is refused when none does. */
static void ahead(void) {
    static uint32_t usual;
    uint32_t got = REFUSED;
    if (asked_ahead) got = reply_or_refusal(READ, frame, MAX_FRAME, 1);
    if (got == REFUSED) {
        usual = announced_length();
        ask_read(WINDOW_AT, usual);
        flush();
        got = reply(READ, frame, MAX_FRAME);
    }
    const double since = announced_at;
    announced = 0;
    release(window_frame(got, since), usual);
    asked_ahead = 1;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *values) {
    qsort(values, timed, sizeof *values, by_size);
    const double p50 = timed ? values[timed / 2] : 0, p99 = timed ? values[timed * 99 / 100] : 0,
                 p999 = timed ? values[timed * 999 / 1000] : 0;
    printf("\"%s\": {\"p50\": %.4f, \"p99\": %.4f, \"p999\": %.4f}", name, p50, p99, p999);
}

int main(int count, char **words) {
    begin(words[0]);
    if (count != 6) die("usage: reference-host PORT plain|window|ahead on|off WARM_UP_S SECONDS");
    const int pattern = strcmp(words[2], "plain") == 0 ? PLAIN : strcmp(words[2], "ahead") == 0 ? AHEAD : WINDOW;
    void (*const pull[])(void) = {plain_frame, window, ahead};
    frame = malloc(MAX_FRAME);
    if (!frame) die("no memory");
    acks = strcmp(words[3], "on") == 0;
    open_port(words[1]);
    connect_camera();
    for (const double end = now_ms() + atof(words[4]) * 1e3; now_ms() < end;) pull[pattern]();
    frames = bytes = requests = writes = reads = 0, timed = 0;
    puts("ready");
    fflush(stdout);
    const double start = taken_at = now_ms(), cpu = cpu_ms(), end = start + atof(words[5]) * 1e3;
    while (now_ms() < end) pull[pattern]();
    const double seconds = (now_ms() - start) / 1e3, used = cpu_ms() - cpu;
    printf("{\"frames\": %llu, \"seconds\": %.4f, \"bytes\": %llu, \"cpuMs\": %.3f, \"requests\": %llu, \"writes\": %llu, "
           "\"reads\": %llu, ",
           (unsigned long long)frames, seconds, (unsigned long long)bytes, used, (unsigned long long)requests,
           (unsigned long long)writes, (unsigned long long)reads);
    print_times("pullMs", times);
    printf(", ");
    print_times("intervalMs", intervals);
    puts("}");
    return 0;
}
