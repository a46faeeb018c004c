// Time: one clock for all processes of the machine, CLOCK_MONOTONIC in nanoseconds. Python's
// time.monotonic_ns() reads the same, so the harness's records and the emulator's ledger can be laid side by side.
#pragma once
#include <time.h>

#include <cstdint>

namespace emulator {

using Nanos = std::uint64_t;

inline Nanos now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanos>(t.tv_sec) * 1'000'000'000u + static_cast<Nanos>(t.tv_nsec);
}

inline Nanos from_us(double us) { return static_cast<Nanos>(us * 1e3 + 0.5); }

// Work of the host: burns the core until then, as a driver's call does. Answers the time.
Nanos spin_until(Nanos deadline);

// Waiting of the host: sleeps, and burns the core for the last moments only.
void wait_until(Nanos deadline);

}  // namespace emulator
