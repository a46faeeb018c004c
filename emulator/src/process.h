// A process as others on this machine know it: its number, and when it was started, so that a number that was given to
// another process is not taken for it.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace emulator {

struct Process {
    pid_t pid = 0;              // 0: none
    std::uint64_t started = 0;  // in ticks since the machine's start, as /proc has it

    // Whether it still runs: one that has ended but was not waited for does not.
    bool alive() const;
};

Process this_process();

}  // namespace emulator
