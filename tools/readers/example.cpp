// Shows the frames of a running bridge. Build: g++ -std=c++17 -O2 example.cpp -o example
// Usage: example [NAME] [COUNT]: a segment such as /openmv_frame, a ring, or an array such as /cam_image_shm.
#include <cstdio>
#include <cstdlib>

#include "openmv_shm.hpp"

static uint32_t crc32(const std::vector<uint8_t> &bytes) {
    uint32_t crc = ~0u;
    for (uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "/openmv_frame";
    const long count = argc > 2 ? atol(argv[2]) : -1;
    try {
        openmv_shm::Reader reader(name, 10);
        openmv_shm::Frame frame;
        for (long shown = 0; shown != count;) {
            if (!reader.next(frame, 1)) {
                if (reader.status() == openmv_shm::Status::gone) reader.reopen(10);
                continue;
            }
            printf("%llu %s %ux%u %zu crc32=%08x missed=%llu\n", static_cast<unsigned long long>(frame.sequence),
                   frame.format.c_str(), frame.width, frame.height, frame.data.size(), crc32(frame.data),
                   static_cast<unsigned long long>(frame.missed));
            fflush(stdout);
            shown++;
        }
    } catch (const openmv_shm::Error &error) {
        fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
