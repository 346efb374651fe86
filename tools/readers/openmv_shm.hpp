// Frames of openmv-bridge from shared memory: one header, C++17, Linux, nothing to link.
//
//     openmv_shm::Reader reader("/openmv_frame", 10);
//     openmv_shm::Frame frame;
//     for (;;) if (reader.next(frame, 1.0)) use(frame);
//
// It reads every layout that the bridge writes: the latest frame (VIZN), rings, arrays. A reader sleeps on a futex
// between frames, maps read-only, and checks every length before it uses it. When a writer has ended it goes on with the
// next one. One reader belongs to one thread.
#pragma once

#ifndef __linux__
#error "openmv-bridge has shared memory on Linux alone: there is none to read here."
#endif

#include <fcntl.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace openmv_shm {

/// What stands under a name cannot be read; what() says why.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A frame without its bytes.
struct Info {
    uint32_t width = 0, height = 0;   ///< pixels
    std::string format;               ///< like MJPG, RGB3, BGR3, GREY, RGBA; of an array, its dtype
    uint64_t timestamp_ns = 0;        ///< Unix time of the capture where the camera tells, else of the arrival
    uint64_t sequence = 0;            ///< the camera's count of delivered frames
    uint64_t number = 0;              ///< of a ring: its own count, from 1 without gaps
    uint64_t missed = 0;              ///< frames between the one before and this one that this reader did not get
    std::vector<uint32_t> shape;      ///< of an array
};

/// A frame, copied. Its buffer is used again by the next read into the same object.
struct Frame : Info {
    std::vector<uint8_t> data;
};

enum class Layout { vizn, ring, array };
enum class Status {
    empty,  ///< no frame yet
    live,
    stale,  ///< the writer died
    gone    ///< closed or replaced: the next read opens what has the name then
};

class Reader {
   public:
    /// Opens `name`, waiting for it for `timeout` seconds; the array `cam_image` is found too, which is `cam_image_shm`.
    /// Throws Error.
    explicit Reader(const std::string &name = "/openmv_frame", double timeout = 0)
        : name_(name.empty() || name[0] != '/' ? "/" + name : name) {
        const auto end = deadline(timeout);
        while (!map() && !map_array_of_that_name()) {
            if (Clock::now() >= end)
                throw Error("There is no shared memory " + name_ + ". Start the bridge that writes it.");
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
    Reader(const Reader &) = delete;
    Reader &operator=(const Reader &) = delete;
    ~Reader() { unmap(); }

    const std::string &name() const { return name_; }
    Layout layout() const { return layout_; }
    size_t size() const { return size_; }
    /// Of a ring: frames that were overwritten before they were read, and the number of the last one taken.
    uint64_t missed() const { return missed_; }
    uint64_t cursor() const { return cursor_; }

    /// The next frame that this reader has not given; false after `timeout` seconds. When the writer has ended, it goes
    /// on with the next one; without a timeout (below 0) it is false when there is none for half a second. Throws Error
    /// when the segment contradicts itself.
    bool next(Frame &frame, double timeout = -1) {
        return wait_for([&] { return take(frame); }, timeout);
    }

    /// Of a ring: calls `use(info, data, size)` with the next frame in place, without a copy, and tells afterwards whether
    /// the frame was whole until `use` returned; none as of `next()`. The writer uses the memory again when it comes round,
    /// and it goes with the segment: `use` copies what is to stay, and leaves the reader alone.
    template <typename Use>
    std::optional<bool> in_place(Use use, double timeout = -1) {
        Look look{};
        const auto look_at = [&](const Look &found) {
            look = found;
            return true;
        };
        const auto take = [&] {
            if (layout_ != Layout::ring) throw Error(name_ + " is no ring.");
            return advance(look_at);
        };
        if (!wait_for(take, timeout)) return std::nullopt;
        use(static_cast<const Info &>(look.info), look.data, static_cast<size_t>(look.size));
        return unchanged(look);
    }

    /// The newest frame, given before or not; when its writer has ended, that of the next one.
    bool latest(Frame &frame) {
        if (gone() && !reopen()) return false;
        check();
        if (layout_ == Layout::vizn) return read_vizn(frame, 0);
        if (layout_ == Layout::array) return read_array(frame, 0);
        const uint64_t newest = head(), before = cursor_, missed = missed_;
        if (newest == 0) return false;
        cursor_ = newest - 1;
        const bool found = take(frame);
        missed_ = missed;
        if (!found) cursor_ = before;
        return found;
    }

    /// What is there already is not given by `next()`.
    void skip() {
        Frame frame;
        check();
        if (layout_ == Layout::ring) cursor_ = head(), backlog_ = 0;
        else if (latest(frame)) last_ = frame.sequence;
    }

    /// Throws Error when the segment was cut short.
    Status status() const {
        if (gone()) return Status::gone;
        if (owned() && owner_dead()) return Status::stale;
        const bool none = layout_ == Layout::ring    ? head() == 0
                          : layout_ == Layout::vizn ? load(32) == 0
                                                    : lock_ != nullptr ? load64(32) == 0
                                                     : load(trailer_ + 12) == 0;
        return none ? Status::empty : Status::live;
    }

    /// Opens what has the name now, waiting for it for `timeout` seconds. False: there is nothing new that can be read.
    bool reopen(double timeout = 0) {
        const auto end = deadline(timeout);
        while (!try_reopen()) {
            if (Clock::now() >= end) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return true;
    }

   private:
    using Clock = std::chrono::steady_clock;
    static constexpr uint32_t VIZN = 0x56495A4E, RING = 0x52564D4F, ARRAY = 0x12345678;
    static constexpr uint32_t OWNER = 0x42564D4F, TRAILER = 0x54564D4F;
    static constexpr int MAX_ATTEMPTS = 64, MAX_SURPLUS = 10000, QUICK_LOOKS = 200;
    /// Seconds for a writer at work: well above the time for a large frame, and a bound when it has died.
    static constexpr double PATIENCE = 0.02;
    static constexpr double LOOK_AFTER = 0.5;
    static constexpr double END_OF_TIME = 18446744073.0;  // of a 64-bit count of nanoseconds, in seconds

    struct Look {
        Info info;
        const uint8_t *data;
        uint32_t size, version;
        const uint32_t *version_word;
    };

    static Clock::time_point deadline(double seconds) {
        return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    }
    std::string path() const { return "/dev/shm" + name_; }

    const uint32_t *word(size_t offset) const { return reinterpret_cast<const uint32_t *>(bytes_ + offset); }
    uint32_t load(size_t offset) const { return __atomic_load_n(word(offset), __ATOMIC_ACQUIRE); }
    uint64_t load64(size_t offset) const {
        return __atomic_load_n(reinterpret_cast<const uint64_t *>(bytes_ + offset), __ATOMIC_ACQUIRE);
    }
    uint64_t head() const { return load64(64); }
    size_t owner_at() const { return layout_ == Layout::vizn ? 56 : layout_ == Layout::ring ? 32 : 40; }
    bool owned() const { return load(owner_at()) == OWNER; }
    bool closed() const { return owned() && load(owner_at() + 20) == 2; }
    /// Whether the writer closed the segment, the name no longer leads to it, or nothing is open at all.
    bool gone() const {
        struct stat current {};
        if (bytes_ == nullptr) return true;
        check();
        return closed() || stat(path().c_str(), &current) != 0 || !is_ours(current);
    }

    bool is_ours(const struct stat &found) const { return found.st_dev == device_ && found.st_ino == inode_; }

    bool try_reopen() {
        struct stat now {};
        if (stat(path().c_str(), &now) != 0 || (bytes_ != nullptr && is_ours(now))) return false;
        unmap();
        try {
            return map();
        } catch (const Error &) {
            return false;
        }
    }

    bool map_array_of_that_name() {
        name_ += "_shm";
        if (map()) return true;
        name_.resize(name_.size() - 4);
        return false;
    }

    bool map() {
        if (name_.size() < 2 || name_.find('/', 1) != std::string::npos)
            throw Error(name_ + " is no name of shared memory. Use one like /openmv_frame.");
        unmap();
        fd_ = open(path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd_ < 0) {
            if (errno == ENOENT) return false;
            throw Error("Cannot open the shared memory " + name_ + ": " + strerror(errno) + ".");
        }
        struct stat file {};
        const bool regular = fstat(fd_, &file) == 0 && S_ISREG(file.st_mode);
        size_ = static_cast<size_t>(file.st_size);
        device_ = file.st_dev, inode_ = file.st_ino;
        if (!regular || size_ < 64 || size_ > (size_t{1} << 30)) fail("is no shared memory of a known layout");
        if (file.st_uid != 0 && file.st_uid != geteuid() && (file.st_mode & S_IWOTH) != 0)
            fail("belongs to another user and may be written by everybody");
        void *mapped = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_, 0);
        if (mapped == MAP_FAILED) fail("cannot be mapped");
        bytes_ = static_cast<const uint8_t *>(mapped);
        last_ = cursor_ = missed_ = lost_ = backlog_ = 0;
        const uint32_t magic = load(0);
        if (magic == VIZN && size_ >= 128) layout_ = Layout::vizn;
        else if (magic == RING && size_ >= 128) map_ring();
        else if (magic == ARRAY) map_array();
        else fail("begins with nothing that we know");
        return true;
    }

    [[noreturn]] void fail(const char *why) {
        unmap();
        throw Error("The shared memory " + name_ + " " + why + ".");
    }

    void unmap() {
        if (bytes_ != nullptr) munmap(const_cast<uint8_t *>(bytes_), size_);
        if (fd_ >= 0) close(fd_);
        if (lock_ != nullptr) sem_close(lock_);
        lock_ = nullptr;
        bytes_ = nullptr;
        fd_ = -1;
    }

    void map_ring() {
        layout_ = Layout::ring;
        count_ = load(8), stride_ = load(12), capacity_ = load(16), index_ = load(20), slots_ = load(24);
        const bool possible = load(4) == 1 && count_ >= 4 && count_ <= 1024 && capacity_ >= 1 && stride_ % 64 == 0 &&
                              stride_ >= uint64_t{64} + capacity_ && index_ % 4 == 0 && index_ >= 128 &&
                              slots_ % 64 == 0 && slots_ >= index_ + uint64_t{4} * count_ &&
                              slots_ + uint64_t{count_} * stride_ <= size_;
        if (!possible) fail("has a ring header that contradicts itself or its size");
        backlog_ = head();
        cursor_ = backlog_ > count_ ? backlog_ - count_ : 0;
    }

    void map_array() {
        static const char *const names[] = {"uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "bool"};
        static const uint64_t sizes[] = {1, 1, 2, 2, 4, 4, 8, 1};
        layout_ = Layout::array;
        const uint32_t dtype = load(4), dimensions = load(8);
        if (dtype > 7 || dimensions > 5) fail("has an array header that cannot be");
        uint64_t length = sizes[dtype];
        shape_.clear();
        for (uint32_t i = 0; i < dimensions; i++) {
            shape_.push_back(load(12 + 4 * i));
            length *= shape_.back();
            if (length > size_) fail("is too small for its shape");
        }
        dtype_ = names[dtype];
        array_size_ = length;
        trailer_ = 64 + (length + 7) / 8 * 8;
        if (length == 0 || 64 + length > size_) fail("has the header of no array");
        if (trailer_ + 16 == size_ && load(trailer_) == TRAILER) return;
        // Another program's, such as the public package's: it has a semaphore alone.
        lock_ = sem_open((name_.substr(0, name_.size() - 4) + "_sem").c_str(), 0);
        if (lock_ == SEM_FAILED) {
            lock_ = nullptr;
            fail("has no semaphore that can be opened");
        }
    }

    // Touching what another program cut off would kill the process.
    void check() const {
        struct stat file {};
        if (fd_ < 0) throw Error("The reader of " + name_ + " has nothing open: reopen it.");
        if (fstat(fd_, &file) != 0 || static_cast<size_t>(file.st_size) < size_)
            throw Error(name_ + " was cut short. Restart the program that writes it.");
    }

    // None where no writer wakes: then readers look again and again.
    std::optional<size_t> wake_offset() const {
        if (layout_ == Layout::ring) return 72;
        if (layout_ == Layout::array) return lock_ ? std::nullopt : std::optional<size_t>(trailer_ + 8);
        return load(84) == 1 && owned() ? std::optional<size_t>(80) : std::nullopt;
    }
    uint32_t seen() const {
        check();
        const auto offset = wake_offset();
        return offset ? load(*offset) : 0;
    }

    void sleep(uint32_t value, double seconds) const {
        const auto offset = wake_offset();
        if (!offset) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return;
        }
        timespec limit{};
        limit.tv_sec = static_cast<time_t>(seconds);
        limit.tv_nsec = static_cast<long>((seconds - std::floor(seconds)) * 1e9);
        syscall(SYS_futex, bytes_ + *offset, FUTEX_WAIT, value, &limit, nullptr, 0);
    }

    template <typename Take>
    bool wait_for(Take take, double timeout) {
        const auto end = deadline(std::max(timeout, 0.0));
        for (;;) {
            double left = LOOK_AFTER;
            if (timeout >= 0) left = std::min(left, std::chrono::duration<double>(end - Clock::now()).count());
            if (bytes_ != nullptr) {
                const uint32_t before = seen();
                if (take()) return true;
                if (!gone()) {
                    if (left <= 0) return false;
                    sleep(before, left);
                    continue;
                }
                // The last may have come between the look and the end.
                if (take()) return true;
            }
            if (!reopen(std::max(left, 0.0)) && (timeout < 0 || Clock::now() >= end)) return false;
        }
    }

    bool take(Frame &frame) {
        switch (layout_) {
            case Layout::vizn:
                return remember(read_vizn(frame, last_), frame);
            case Layout::array:
                return remember(read_array(frame, last_), frame);
            default:
                return advance([&](const Look &look) {
                    frame.data.assign(look.data, look.data + look.size);
                    if (!unchanged(look)) return false;
                    static_cast<Info &>(frame) = look.info;
                    return true;
                });
        }
    }

    bool remember(bool found, const Frame &frame) {
        if (found) last_ = mark(frame);
        return found;
    }

    /// Differs from frame to frame: arrays of other programs have no sequence.
    static uint64_t mark(const Frame &frame) { return frame.sequence != 0 ? frame.sequence : frame.timestamp_ns; }

    /// Calls `read` until it ran while nothing was being written: a bounded number of times.
    template <typename Read>
    bool stable(size_t version_offset, Read read) const {
        std::optional<Clock::time_point> end;
        for (int attempts = 0, looks = 0; attempts < MAX_ATTEMPTS;) {
            const uint32_t before = load(version_offset);
            if ((before & 1) == 0) {
                attempts++;
                const bool found = read();
                std::atomic_thread_fence(std::memory_order_acquire);
                if (load(version_offset) == before) return found;
            } else if (++looks > QUICK_LOOKS) {
                if (!end) end = deadline(PATIENCE);
                if (Clock::now() >= *end) return false;
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            }
        }
        return false;
    }

    static uint64_t skipped(uint64_t after, uint64_t sequence) {
        return after == 0 || sequence <= after ? 0 : sequence - after - 1;
    }

    static std::string text(const uint8_t *field) {
        const char *start = reinterpret_cast<const char *>(field);
        return {start, strnlen(start, 16)};
    }

    bool read_vizn(Frame &frame, uint64_t after) {
        check();
        uint32_t size = 0;
        bool fits = true;
        const bool found = stable(36, [&] {
            const uint32_t sequence = load(32);
            if (sequence == 0 || sequence == after) return false;
            size = load(16);
            fits = size <= size_ - 128;
            if (fits) frame.data.assign(bytes_ + 128, bytes_ + 128 + size);
            frame.width = load(4), frame.height = load(8);
            frame.format = text(bytes_ + 40);
            memcpy(&frame.timestamp_ns, bytes_ + 24, 8);
            frame.sequence = sequence;
            return true;
        });
        if (!found) return false;
        if (!fits) throw Error(name_ + " says that its frame has " + std::to_string(size) + " bytes: it is damaged.");
        frame.missed = skipped(after, frame.sequence);
        frame.number = 0;
        frame.shape.clear();
        return true;
    }

    bool read_array(Frame &frame, uint64_t after) {
        check();
        const auto copy = [&] { return copy_array(frame); };
        if (!(lock_ != nullptr ? read_locked(frame) : stable(trailer_ + 4, copy))) return false;
        if (after != 0 && mark(frame) == after) return false;
        frame.missed = frame.sequence != 0 ? skipped(after, frame.sequence) : 0;
        return true;
    }

    /// The array that is there; false: none yet, which other programs tell by the timestamp alone.
    bool copy_array(Frame &frame) const {
        double timestamp = 0;
        memcpy(&timestamp, bytes_ + 32, 8);
        frame.sequence = lock_ != nullptr ? 0 : load(trailer_ + 12);
        if (lock_ != nullptr ? timestamp == 0 : frame.sequence == 0) return false;
        frame.timestamp_ns = timestamp > 0 && timestamp < END_OF_TIME ? static_cast<uint64_t>(timestamp * 1e6 + 0.5) * 1000 : 0;
        frame.data.assign(bytes_ + 64, bytes_ + 64 + array_size_);
        frame.format = dtype_;
        frame.shape = shape_;
        frame.height = shape_.empty() ? 1 : shape_[0];
        frame.width = shape_.size() > 1 ? shape_[1] : 1;
        frame.number = 0;
        return true;
    }

    /// Under the semaphore, which some post without having waited: only what stayed the same from before the copy to
    /// after it, while no other process came out of the lock, counts.
    bool read_locked(Frame &frame) const {
        if (sem_trywait(lock_) != 0) return false;
        const auto drain = [&] {
            int surplus = 0;
            while (surplus < MAX_SURPLUS && sem_trywait(lock_) == 0) surplus++;
            return surplus > 0;
        };
        bool good = !drain() && copy_array(frame) && memcmp(frame.data.data(), bytes_ + 64, array_size_) == 0;
        Frame again;
        good = good && copy_array(again) && again.timestamp_ns == frame.timestamp_ns;
        good = !drain() && good;
        sem_post(lock_);
        return good;
    }

    bool unchanged(const Look &look) const {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return __atomic_load_n(look.version_word, __ATOMIC_ACQUIRE) == look.version;
    }

    /// Where frame `number` is, and what its header says; false: it is gone, or goes at this moment.
    bool find(uint64_t number, Look &look) const {
        const uint32_t slot = load(index_ + 4 * (number % count_));
        if (slot >= count_) throw Error(name_ + " has a frame in a slot that it has not: it is damaged.");
        const uint8_t *at = bytes_ + slots_ + size_t{slot} * stride_;
        look.version_word = reinterpret_cast<const uint32_t *>(at);
        look.version = __atomic_load_n(look.version_word, __ATOMIC_ACQUIRE);
        memcpy(&look.size, at + 4, 4);
        memcpy(&look.info.number, at + 8, 8);
        memcpy(&look.info.timestamp_ns, at + 16, 8);
        memcpy(&look.info.width, at + 24, 4);
        memcpy(&look.info.height, at + 28, 4);
        memcpy(&look.info.sequence, at + 48, 8);
        look.info.format = text(at + 32);
        look.info.missed = lost_;
        look.data = at + 64;
        if ((look.version & 1) != 0 || !unchanged(look) || look.info.number != number) return false;
        if (look.size > capacity_) throw Error(name_ + " has a frame larger than its slot: it is damaged.");
        return true;
    }

    /// Takes the first frame after the cursor that can still be had.
    template <typename Take>
    bool advance(Take take) {
        check();
        for (uint32_t tries = 0; tries < 2 * count_; tries++) {
            const uint64_t newest = head();
            if (newest <= cursor_) return false;
            const uint64_t oldest = newest >= count_ ? newest - count_ + 1 : 1;
            const uint64_t number = std::max(cursor_ + 1, oldest);
            pass(number - 1);
            Look look{};
            if (find(number, look) && take(look)) {
                cursor_ = number;
                lost_ = backlog_ = 0;
                return true;
            }
            pass(number);
        }
        return false;
    }

    /// Moves the cursor past frames that are gone. Those that were there before the reader, and went before it took its
    /// first, it has not missed: it begins with the oldest that it can have.
    void pass(uint64_t last) {
        const uint64_t from = std::max(cursor_, backlog_);
        if (last > from) missed_ += last - from, lost_ += last - from;
        cursor_ = last;
    }

    bool owner_dead() const {
        const size_t at = owner_at();
        const auto pid = static_cast<pid_t>(load(at + 4));
        struct stat space {};
        const uint32_t theirs = load(at + 16);
        if (theirs != 0 && stat("/proc/self/ns/pid", &space) == 0 && static_cast<uint32_t>(space.st_ino) != theirs)
            return false;
        if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH)) return true;
        uint64_t start;
        memcpy(&start, bytes_ + at + 8, 8);
        FILE *file = fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
        if (file == nullptr || start == 0) {
            if (file != nullptr) fclose(file);
            return false;
        }
        char line[1024] = {};
        const size_t length = fread(line, 1, sizeof line - 1, file);
        fclose(file);
        const char *fields = length > 0 ? strrchr(line, ')') : nullptr;
        char state = 0;
        unsigned long long started = 0;
        const char *format =
            ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu";
        if (fields == nullptr || sscanf(fields, format, &state, &started) != 2) return false;
        return state == 'Z' || state == 'X' || started != start;
    }

    std::string name_;
    Layout layout_ = Layout::vizn;
    int fd_ = -1;
    size_t size_ = 0;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    const uint8_t *bytes_ = nullptr;
    uint64_t last_ = 0;
    // Of a ring.
    uint32_t count_ = 0, stride_ = 0, capacity_ = 0, index_ = 0, slots_ = 0;
    uint64_t cursor_ = 0, missed_ = 0, lost_ = 0;
    /// Newest of the frames that were there before this reader; 0 once it has taken one.
    uint64_t backlog_ = 0;
    // Of an array.
    std::vector<uint32_t> shape_;
    std::string dtype_;
    size_t array_size_ = 0, trailer_ = 0;
    /// Of an array of another program.
    sem_t *lock_ = nullptr;
};

}  // namespace openmv_shm
