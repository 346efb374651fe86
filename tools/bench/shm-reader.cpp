// A reader for the shared-memory benchmark. Usage: shm-reader shm|place|pipe|socket NAME
// Prints "ready", reads until a frame of height 2, and prints what it saw as JSON: times in microseconds from the
// writer's start of publishing (CLOCK_MONOTONIC, in the frame's timestamp) to the frame being in this program's hands.
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cstdlib>

#include "../readers/openmv_shm.hpp"

static uint64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

struct Header {
    uint64_t timestamp;
    uint32_t size, last;
};

static bool read_all(int fd, void *target, size_t size) {
    for (size_t got = 0; got < size;) {
        const ssize_t n = read(fd, static_cast<char *>(target) + got, size - got);
        if (n <= 0) return false;
        got += n;
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const std::string mode = argv[1];
    std::vector<double> times;
    uint64_t frames = 0, bytes = 0, missed = 0;
    auto took = [&](uint64_t timestamp, size_t size) {
        const uint64_t end = now();
        times.push_back((end - timestamp) / 1e3);
        frames++;
        bytes += size;
    };
    if (mode == "shm" || mode == "place") {
        openmv_shm::Reader reader(argv[2], 10);
        openmv_shm::Frame frame;
        reader.skip();
        puts("ready");
        fflush(stdout);
        for (uint32_t height = 0; height != 2;) {
            if (mode == "shm") {
                if (!reader.next(frame, 10)) return 1;
                took(frame.timestamp_ns, frame.data.size());
                missed += frame.missed;
                height = frame.height;
            } else {
                const auto use = [&](const openmv_shm::Info &info, const uint8_t *data, size_t size) {
                    took(info.timestamp_ns, size);
                    volatile uint8_t sink = 0;
                    for (size_t i = 0; i < size; i += 64) sink = sink + data[i];
                    missed += info.missed;
                    height = info.height;
                };
                const auto whole = reader.in_place(use, 10);
                if (!whole) return 1;
                if (!*whole) missed++;
            }
        }
    } else {
        int fd = -1;
        if (mode == "pipe") {
            puts("ready");
            fflush(stdout);
            fd = open(argv[2], O_RDONLY);
        } else {
            fd = socket(AF_UNIX, SOCK_STREAM, 0);
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
            if (connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) return 1;
            puts("ready");
            fflush(stdout);
        }
        std::vector<uint8_t> data(1 << 24);
        Header header{};
        while (header.last == 0) {
            if (!read_all(fd, &header, sizeof header) || !read_all(fd, data.data(), header.size)) return 1;
            took(header.timestamp, header.size);
        }
    }
    // The last frame only ends it.
    times.pop_back();
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) { return times.empty() ? 0.0 : times[static_cast<size_t>(share * (times.size() - 1))]; };
    printf("{\"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"frames\": %llu, \"bytes\": %llu, \"missed\": %llu}\n", at(0.5),
           at(0.99), at(0.999), static_cast<unsigned long long>(frames), static_cast<unsigned long long>(bytes),
           static_cast<unsigned long long>(missed));
}
