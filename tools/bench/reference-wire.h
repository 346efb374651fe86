/* What both ends of the line in C share: the form of packets, their CRCs, the window of frames. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { ACK = 1, NAK = 2, ACK_REQ = 8, FRAGMENT = 16, EVENT = 32 };
enum { SYNC = 0x00, GET_CAPS = 0x01, SET_CAPS = 0x02, STATS = 0x03, VERSION = 0x04, INFO = 0x12, MEMORY = 0x14 };
enum { CHANNEL_LIST = 0x20, POLL = 0x21, LOCK = 0x22, UNLOCK = 0x23, SHAPE = 0x24, SIZE = 0x25, READ = 0x26 };
enum { CHANNEL_EVENT = 0x29, CRC_CAP = 1, SEQUENCE_CAP = 2, ACK_CAP = 4, EVENTS_CAP = 8 };
enum { HEADER = 10, CRC_SIZE = 4, MAX_PAYLOAD = 16384, FRAME_HEADER = 32, UNIT = 32 };
/* A frame and its header in one READ, and the release, in windows of the frame channel's offsets. */
#define WINDOW_AT 0x20000000u
#define RELEASE_AT 0x30000000u
#define NUMBER_MASK 0x0FFFFFFFu
#define MAGIC 0x31464D4Fu
/* An event of the frame channel that says how long the window is, in units. */
#define EVENT_SIZED 0x8000u

static const char *program;

static void die(const char *format, ...) {
    va_list words;
    va_start(words, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* ---- CRCs, most significant bit first; eight bytes a step ---- */

static uint32_t table16[8][256], table32[8][256];

static void make_tables(uint32_t tables[8][256], uint32_t polynomial) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte << 24;
        for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc & 0x80000000u ? polynomial : 0);
        tables[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++)
            tables[slice][byte] = tables[slice - 1][byte] << 8 ^ tables[0][tables[slice - 1][byte] >> 24];
}

static uint32_t crc_of(uint32_t tables[8][256], uint32_t crc, const uint8_t *p, size_t size) {
    for (; size >= 8; size -= 8, p += 8)
        crc = tables[7][p[0] ^ crc >> 24] ^ tables[6][p[1] ^ (crc >> 16 & 255)] ^ tables[5][p[2] ^ (crc >> 8 & 255)] ^
              tables[4][p[3] ^ (crc & 255)] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
    while (size-- > 0) crc = crc << 8 ^ tables[0][crc >> 24 ^ *p++];
    return crc;
}

static uint16_t crc16(const uint8_t *p, size_t size) { return crc_of(table16, 0xFFFF0000u, p, size) >> 16; }
static uint32_t crc32(const uint8_t *p, size_t size) { return crc_of(table32, 0xFFFFFFFFu, p, size); }

static uint32_t get16(const uint8_t *p) { return p[0] | p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }
static void put16(uint8_t *p, uint32_t value) { p[0] = value, p[1] = value >> 8; }
static void put32(uint8_t *p, uint32_t value) { put16(p, value), put16(p + 2, value >> 16); }

/* Writes a packet to `p`; returns its size. */
static size_t put_packet(uint8_t *p, uint8_t number, uint8_t channel, uint8_t flags, uint8_t opcode,
                         const uint8_t *payload, size_t size) {
    put16(p, 0xD5AA);
    p[2] = number, p[3] = channel, p[4] = flags, p[5] = opcode;
    put16(p + 6, size);
    put16(p + 8, crc16(p, 8));
    if (size == 0) return HEADER;
    memcpy(p + HEADER, payload, size);
    put32(p + HEADER + size, crc32(payload, size));
    return HEADER + size + CRC_SIZE;
}

static int good_header(const uint8_t *p) { return get16(p) == 0xD5AA && crc16(p, 8) == get16(p + 8); }

static void begin(const char *name) {
    program = name;
    make_tables(table16, 0xF94F0000u);
    make_tables(table32, 0xFA567D89u);
}
