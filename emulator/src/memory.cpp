#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "errors.h"
#include "faults.h"
#include "timeline.h"

namespace emulator {
namespace {

constexpr std::size_t PAGE = 4096;

using Ranges = std::map<std::uintptr_t, std::size_t>;  // begin and length

// Never destroyed: other threads may still use them while the process ends.
std::mutex& lock = *new std::mutex;
std::map<std::uintptr_t, Place>& allocations = *new std::map<std::uintptr_t, Place>;
Ranges& pinned = *new Ranges;
// Where copies left something, per device; no range reaches over the end of an allocation.
Ranges (&written)[MAX_DEVICES] = *new Ranges[1][MAX_DEVICES];
std::atomic<bool> any_written[MAX_DEVICES];

template <class Map>
auto holding(const Map& map, const void* at) {
    auto found = map.upper_bound(reinterpret_cast<std::uintptr_t>(at));
    return found == map.begin() ? map.end() : --found;
}

std::size_t up_to_page(std::size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

}  // namespace

int allocate(int visible, std::size_t bytes, void** at) {
    Device& on = *device(visible);
    if (strikes(Fault::OutOfMemory, on.index)) return OUT_OF_MEMORY;
    // Claimed first and checked then, so that two processes cannot both take the last of it.
    on.context->memory_bytes.fetch_add(bytes);
    if (node().memory_used(on.index) > profile().memory_bytes()) {
        node().retire_dead();
        if (node().memory_used(on.index) > profile().memory_bytes()) {
            on.context->memory_bytes.fetch_sub(bytes);
            return OUT_OF_MEMORY;
        }
    }
    const std::size_t mapped = up_to_page(bytes ? bytes : 1);
    // Pages of zeros that take no memory until something is copied into them.
    void* got = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) {
        on.context->memory_bytes.fetch_sub(bytes);
        return OUT_OF_MEMORY;
    }
    const std::lock_guard<std::mutex> guard(lock);
    allocations[reinterpret_cast<std::uintptr_t>(got)] = {visible, reinterpret_cast<std::uintptr_t>(got), bytes};
    *at = got;
    return OK;
}

bool release(void* at) {
    Place place;
    {
        const std::lock_guard<std::mutex> guard(lock);
        const auto found = allocations.find(reinterpret_cast<std::uintptr_t>(at));
        if (found == allocations.end()) return false;
        place = found->second;
        allocations.erase(found);
        Ranges& of_device = written[physical(place.device)];
        of_device.erase(of_device.lower_bound(place.begin), of_device.lower_bound(place.begin + place.bytes));
    }
    munmap(at, up_to_page(place.bytes ? place.bytes : 1));
    device(place.device)->context->memory_bytes.fetch_sub(place.bytes);
    return true;
}

bool find(const void* at, Place& place) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = holding(allocations, at);
    if (found == allocations.end()) return false;
    place = found->second;
    return reinterpret_cast<std::uintptr_t>(at) < place.begin + (place.bytes ? place.bytes : 1);
}

int allocate_host(std::size_t bytes, void** at) {
    *at = std::aligned_alloc(PAGE, up_to_page(bytes ? bytes : 1));
    if (!*at) return OUT_OF_MEMORY;
    register_host(*at, bytes);
    return OK;
}

void release_host(void* at) {
    unregister_host(at);
    std::free(at);
}

void register_host(void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> guard(lock);
    pinned[reinterpret_cast<std::uintptr_t>(at)] = bytes;
}

void unregister_host(void* at) {
    const std::lock_guard<std::mutex> guard(lock);
    pinned.erase(reinterpret_cast<std::uintptr_t>(at));
}

bool is_pinned(const void* at) {
    const std::lock_guard<std::mutex> guard(lock);
    const auto found = holding(pinned, at);
    return found != pinned.end() && reinterpret_cast<std::uintptr_t>(at) < found->first + found->second;
}

void move_bytes(void* to, const void* from, std::size_t bytes) {
    Place place;
    const bool to_device = find(to, place);
    if (bytes > KEPT_BYTES) {
        if (to_device)
            clear_bytes(to, bytes);
        else
            std::memset(to, 0, bytes);
        return;
    }
    std::memmove(to, from, bytes);
    if (to_device) {
        const std::lock_guard<std::mutex> guard(lock);
        const int index = physical(place.device);
        std::size_t& length = written[index][reinterpret_cast<std::uintptr_t>(to)];
        length = std::max(length, bytes);
        any_written[index].store(true);
    }
}

void clear_bytes(void* at, std::size_t bytes) {
    Place place;
    if (!find(at, place)) return;
    const int index = physical(place.device);
    if (!any_written[index].load()) return;
    const std::lock_guard<std::mutex> guard(lock);
    const auto begin = reinterpret_cast<std::uintptr_t>(at), end = begin + bytes;
    for (const auto& [from, length] : written[index]) {
        const auto first = std::max(from, begin), last = std::min(from + length, end);
        if (first < last) std::memset(reinterpret_cast<void*>(first), 0, last - first);
    }
}

void forget_contents(int device) {
    if (!any_written[device].load(std::memory_order_relaxed)) return;
    const std::lock_guard<std::mutex> guard(lock);
    for (const auto& [begin, length] : written[device]) std::memset(reinterpret_cast<void*>(begin), 0, length);
    written[device].clear();
    any_written[device].store(false);
}

}  // namespace emulator
