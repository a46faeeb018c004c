// The node's memory that all processes share: who uses which device, when each was busy, what has gone wrong.
// A file named by EMULATOR_NODE, mapped by every process that uses a device and by every NVML client.
#pragma once
#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "clock.h"

namespace emulator {

constexpr int MAX_DEVICES = 16;
constexpr int MAX_CONTEXTS = 128;  // one a process and device
// Busy intervals kept per context. Kernels a few microseconds apart fill a utilisation window of 1 s with
// some 200,000; the file is sparse, so only what is used takes memory.
constexpr std::uint64_t INTERVALS = 1u << 18;

struct Interval {
    std::atomic<Nanos> start, end;
};

// A process's use of a device. Written by that process alone (under its device's lock), read by all.
struct Context {
    std::atomic<pid_t> pid;  // 0: free
    std::uint64_t process_started;  // from /proc, so that a number given to another process is not taken for it
    std::int32_t device;
    std::atomic<std::uint64_t> memory_bytes;
    std::atomic<Nanos> busy_ns;  // union of the intervals, those that lie ahead included
    std::atomic<std::uint64_t> launches;
    std::atomic<Nanos> work_ns;         // sum over all work, overlap counted twice
    std::atomic<Nanos> launch_host_ns;  // what the launch calls took of the host
    std::atomic<Nanos> open_since;      // a collective that has begun and has no end yet; 0: none
    std::atomic<std::uint32_t> writing;  // odd while intervals are being changed
    std::atomic<std::uint64_t> written;  // intervals so far; the last of them are kept
    std::atomic<Nanos> retired_at;       // of a free one: until when its last user's work counts
    Interval intervals[INTERVALS];

    // The device works from start to end: joined with what it does already. Called in no particular order, but
    // never with a start far before the last ones.
    void add_busy(Nanos start, Nanos end);
    // Nanoseconds within [from, to) in which any work ran; what came before the kept intervals is not counted.
    Nanos busy_between(Nanos from, Nanos to) const;
    // Nanoseconds up to `at` in which any work ran.
    Nanos busy_until(Nanos at) const;
    // Whether the process still runs: one that has ended but was not waited for has given its devices back.
    bool alive() const;

   private:
    // As busy_between, of what has an end; and with it busy_ns of the same moment.
    Nanos closed_between(Nanos from, Nanos to, Nanos* total = nullptr) const;
};

// What faults and limits count, over all processes.
enum Counter { ALLOCATIONS, LAUNCHES, LOSSES, COLLECTIVES, COUNTERS };

struct DeviceState {
    std::atomic<std::uint32_t> lost;
    std::atomic<std::uint64_t> counters[COUNTERS];
    Nanos retired_busy_ns;  // of contexts whose processes are gone
    Nanos told_busy_ns;     // the most that was told: a counter never goes back
};

struct Node {
    std::uint64_t magic;
    Nanos created;
    pthread_mutex_t lock;
    std::atomic<std::uint64_t> lines;     // of numbers drawn, see jitter.cpp
    std::atomic<std::uint32_t> doorbell;  // futex: rung when a collective has its end
    DeviceState devices[MAX_DEVICES];
    Context contexts[MAX_CONTEXTS];

    // This process's context on a device, made at its first use. Null where there is no room.
    Context* open_context(int device);
    // Free what processes that are gone have left behind.
    void retire_dead();
    // The same, but not more often than a sampler that asks many things at a time needs it.
    void retire_dead_now_and_then();
    // Memory in use on a device, all processes.
    std::uint64_t memory_used(int device);
    // Share of [from, to) in which the device worked, 0 to 1: contexts share a device by turns.
    double utilization(int device, Nanos from, Nanos to);
    // Nanoseconds up to `at` in which the device worked, all processes there ever were.
    Nanos busy_until(int device, Nanos at);
    // Contexts of a device whose processes live.
    std::vector<Context*> users(int device);

    void ring();
    // Return when the doorbell no longer shows `seen`.
    void await_ring(std::uint32_t seen);
};

// The node this process belongs to; ends the process with a message where it cannot be mapped.
Node& node();

}  // namespace emulator
