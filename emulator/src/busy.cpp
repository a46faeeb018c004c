// When a context's device was busy: written by the one process that uses it, read by all while it goes on.
#include <time.h>

#include <algorithm>
#include <utility>

#include "node.h"

namespace emulator {
namespace {

// A reader tries again while a context is being changed. A change takes less than a microsecond, but its writer may
// have lost the core meanwhile, so after some tries the reader gives way; if the writer died in the middle of it, the
// reader takes what there is.
constexpr int TRIES = 300, TRIES_AT_ONCE = 20;
constexpr timespec GIVE_WAY{0, 200'000};
// Intervals that are overwritten while later ones are taken back are not read (see add_busy).
constexpr std::uint64_t READABLE = INTERVALS - 4096;
// The last intervals, which may still change: the next one is joined with one or a few of them. Those before are final.
constexpr std::uint64_t TAIL = 64;

}  // namespace

void Context::add_busy(Nanos start, Nanos end) {
    if (end <= start) return;
    writing.fetch_add(1);
    std::atomic_thread_fence(std::memory_order_release);
    // Take back the intervals that reach into the new one or lie behind it; usually none or one.
    Interval* last = nullptr;
    std::vector<std::pair<Nanos, Nanos>> behind;
    std::uint64_t count = written.load(std::memory_order_relaxed);
    const std::uint64_t floor = count > INTERVALS ? count - INTERVALS : 0;
    Nanos before = 0;
    while (count > floor) {
        last = &intervals[(count - 1) % INTERVALS];
        const Nanos s = last->start.load(std::memory_order_relaxed), e = last->end.load(std::memory_order_relaxed);
        if (e < start) break;
        --count;
        before += e - s;
        if (s > end)
            behind.emplace_back(s, e);
        else {
            start = std::min(start, s);
            end = std::max(end, e);
        }
    }
    Nanos after = 0;
    auto put = [&](Nanos s, Nanos e) {
        Interval& slot = intervals[count++ % INTERVALS];
        slot.start.store(s, std::memory_order_relaxed);
        slot.end.store(e, std::memory_order_relaxed);
        after += e - s;
    };
    put(start, end);
    for (auto it = behind.rbegin(); it != behind.rend(); ++it) put(it->first, it->second);
    written.store(count, std::memory_order_relaxed);
    busy_ns.store(busy_ns.load(std::memory_order_relaxed) + after - before, std::memory_order_relaxed);
    writing.fetch_add(1);
}

Nanos Context::closed_between(Nanos from, Nanos to, Nanos* total) const {
    Nanos sum = 0;
    std::uint64_t count = 0, floor = 0;
    auto add = [&](std::uint64_t number) {
        const Interval& interval = intervals[number % INTERVALS];
        const Nanos end = interval.end.load(std::memory_order_relaxed);
        if (end <= from) return false;
        const Nanos s = std::max(interval.start.load(std::memory_order_relaxed), from);
        const Nanos e = std::min(end, to);
        if (e > s) sum += e - s;
        return true;
    };
    bool more = true;
    // The tail alone is read in one piece: reading all of a window takes longer than a busy writer pauses, and the
    // reader would try again and again.
    for (int tries = 0; tries < TRIES; ++tries) {
        const bool last = tries + 1 == TRIES;
        const std::uint32_t before = writing.load();
        if (before % 2 && !last) {
            if (tries >= TRIES_AT_ONCE) nanosleep(&GIVE_WAY, nullptr);
            continue;
        }
        sum = 0;
        more = true;
        if (total) *total = busy_ns.load();
        count = written.load();
        floor = count > READABLE ? count - READABLE : 0;
        const std::uint64_t final = std::max(floor, count > TAIL ? count - TAIL : 0);
        while (count > final && (more = add(count - 1))) --count;
        std::atomic_thread_fence(std::memory_order_acquire);
        if (writing.load() == before) break;
    }
    while (count > floor && more && (more = add(count - 1))) --count;
    return sum;
}

Nanos Context::busy_between(Nanos from, Nanos to) const {
    if (to <= from) return 0;
    const Nanos open = open_since.load();
    if (!open || open >= to) return closed_between(from, to);
    // From its beginning on the open collective covers whatever else runs.
    return closed_between(from, std::max(open, from)) + (to - std::max(open, from));
}

Nanos Context::busy_until(Nanos at) const {
    const Nanos open = open_since.load();
    const Nanos from = open && open < at ? open : at;
    Nanos total = 0;
    const Nanos ahead = closed_between(from, ~Nanos{0}, &total);
    return (total > ahead ? total - ahead : 0) + (at - from);
}

}  // namespace emulator
