/*
 * The least that it takes until a process that sleeps on a futex runs: no data, no checks, no other language. What a
 * reader of shared memory takes longer than this is copying and ours.
 *
 * Usage: futex-wake INTERVAL_US COUNT
 * Prints one JSON object: p50, p99 and p999 in microseconds.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared {
    uint32_t word;
    uint64_t woken_at;
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sleeper(struct shared *shared, uint32_t last) {
    double *times = calloc(last, sizeof *times);
    int taken = 0;
    for (uint32_t seen = 0; seen != last;) {
        syscall(SYS_futex, &shared->word, FUTEX_WAIT, seen, NULL, NULL, 0);
        const uint32_t word = __atomic_load_n(&shared->word, __ATOMIC_ACQUIRE);
        if (word == seen) continue;
        times[taken++] = (now() - shared->woken_at) / 1e3;
        seen = word;
    }
    qsort(times, taken, sizeof *times, by_size);
    printf("{\"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f}\n", times[taken / 2], times[taken * 99 / 100], times[taken * 999 / 1000]);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const uint64_t interval = atoi(argv[1]) * UINT64_C(1000);
    const int count = atoi(argv[2]);
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || count < 1) return 1;
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) sleeper(shared, count);
    usleep(50000);
    for (int i = 0; i < count; i++) {
        // Awake as the benchmark's writer is when frames come fast, asleep when they do not.
        const uint64_t until = now() + interval;
        if (interval >= 1000000) usleep(interval / 1000);
        while (now() < until) {}
        shared->woken_at = now();
        __atomic_add_fetch(&shared->word, 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}
