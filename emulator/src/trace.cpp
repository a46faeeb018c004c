#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "own_file.h"

namespace emulator {
namespace {

// Written out in small parts, so that no launch call is much longer than the others.
constexpr std::size_t HELD_BACK = 512;

struct Trace {
    std::mutex lock;
    std::vector<TraceRecord> records;
    int file = -1;
    pid_t owner = getpid();

    Trace() {
        const char* folder = std::getenv("EMULATOR_TRACE");
        if (!folder || !*folder) return;
        const std::string path = std::string(folder) + "/" + std::to_string(getpid()) + ".trace";
        file = open_own(path, O_WRONLY | O_APPEND);
        if (file < 0) std::fprintf(stderr, "emulator: EMULATOR_TRACE: %s cannot be written\n", path.c_str());
    }

    void write_out() {
        if (file >= 0 && !records.empty()) {
            const char* from = reinterpret_cast<const char*>(records.data());
            for (std::size_t left = records.size() * sizeof(TraceRecord); left;) {
                const ssize_t done = write(file, from, left);
                if (done < 0 && errno == EINTR) continue;
                if (done <= 0) {
                    std::fprintf(stderr, "emulator: EMULATOR_TRACE: %s, records are lost\n", std::strerror(errno));
                    break;
                }
                from += done;
                left -= static_cast<std::size_t>(done);
            }
        }
        records.clear();
    }
};

std::atomic<bool> traced{false};  // most processes of a node use no device and leave no file

Trace& trace_file() {
    static Trace& opened = *new Trace;  // never destroyed: other threads may still launch while the process ends
    traced.store(true);
    return opened;
}

__attribute__((destructor)) void at_exit() { flush_trace(); }

}  // namespace

void trace(const TraceRecord& record) {
    Trace& out = trace_file();
    if (out.file < 0) return;
    const std::lock_guard<std::mutex> guard(out.lock);
    out.records.push_back(record);
    if (out.records.size() >= HELD_BACK) out.write_out();
}

void flush_trace() {
    if (!traced.load()) return;
    Trace& out = trace_file();
    if (out.owner != getpid()) return;  // a forked child holds a copy of its parent's records, and maybe of its lock
    const std::lock_guard<std::mutex> guard(out.lock);
    out.write_out();
}

}  // namespace emulator
