#include "clock.h"

#include <sys/prctl.h>

namespace emulator {
namespace {

// A sleeping thread is woken late by some tens of microseconds even with the smallest timer slack; so much
// earlier the sleep ends, and the rest is spun. Longer would burn a core while a device is merely busy.
constexpr Nanos WOKEN_LATE = 40'000;

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

Nanos spin_until(Nanos deadline) {
    Nanos at;
    while ((at = now()) < deadline) pause();
    return at;
}

void wait_until(Nanos deadline) {
    thread_local bool exact = false;
    if (!exact) {
        prctl(PR_SET_TIMERSLACK, 1);  // the default lets the kernel add 50 us to every sleep
        exact = true;
    }
    const Nanos start = now();
    if (deadline > start + 2 * WOKEN_LATE) {
        const Nanos until = deadline - WOKEN_LATE;
        const timespec t{static_cast<time_t>(until / 1'000'000'000u), static_cast<long>(until % 1'000'000'000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) != 0) {
        }
    }
    spin_until(deadline);
}

}  // namespace emulator
