// Variation of times, for a profile that asks for it: jitter multiplies the spreads below; 0 is none. What was modelled
// without it stands beside what happened in the ledger, so that statistics can be held against a known truth.
#pragma once
#include "clock.h"

namespace emulator {

// What varies, each by a factor whose logarithm is normal. Spreads at jitter 1, as docs/kernel-times.md has them from
// traces of real devices: a kernel's time from launch to launch 3 %, launch latency 10 %, the launch call 15 %.
enum class Varied { Kernel, Latency, Call };

// works: of how many works it is the sum, whose variations average out.
Nanos varied(Varied what, Nanos modelled, double works = 1);

// A device's clock wanders: a factor on what its kernels take, 1 % at jitter 1, that changes within some 5 s. The same
// for all processes that use the device.
double clock_factor(int device, Nanos at);

}  // namespace emulator
