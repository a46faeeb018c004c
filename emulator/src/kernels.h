// How long a piece of work takes on the device: the formulas of emulator/times/ (docs/kernel-times.md), in C++.
#pragma once
#include <cstddef>

#include "clock.h"
#include "profile.h"

namespace emulator {

std::size_t bytes_of(Arithmetic arithmetic);

// (m x k) times (k x n), `batch` of them, rows of memory along n and k; transposed: the first one's along m. products.cpp.
Nanos gemm_time(double m, double n, double k, double batch, Arithmetic arithmetic, bool transposed = false);

// Reading and writing so many bytes of device memory.
Nanos memory_time(double bytes);

// Any other kernel, by its name (mangled, may be null) and its grid. arguments: pointers to its parameters, or null.
struct Launched {
    const char* name;
    double blocks, blocks_x, threads;  // threads: of a block
    void** arguments;
};
KernelKind kind_of(const char* name);
double kernel_us(KernelKind kind, double bytes, double blocks_x);
// holds: set if it is PyTorch's spin kernel (torch.cuda._sleep), which does nothing for a number of cycles.
Nanos kernel_time(const Launched& launched, bool& holds);

Nanos host_copy_time(double bytes);
Nanos peer_copy_time(double bytes);

// Collectives over `ranks` devices, of so many bytes: `factor` of them pass each link (nccl-tests, PERFORMANCE.md:
// 2(n-1)/n for all-reduce, (n-1)/n for all-gather and reduce-scatter, 1 for broadcast).
Nanos collective_time(double bytes, double factor, int ranks);

}  // namespace emulator
