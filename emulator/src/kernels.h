// How long a piece of work takes on the device: a roofline, the longer of computing and moving bytes, and never
// shorter than the shortest kernel.
#pragma once
#include <cstddef>

#include "clock.h"

namespace emulator {

// The rates that a matrix product can run at.
enum class Arithmetic { Float64, Float32, Tf32, Float16, BFloat16 };

std::size_t bytes_of(Arithmetic arithmetic);

// (m x k) times (k x n), `batch` of them.
Nanos gemm_time(double m, double n, double k, double batch, Arithmetic arithmetic);

// Reading and writing so many bytes of device memory.
Nanos memory_time(double bytes);

// Any other kernel, by its name (mangled, may be null) and its grid. arguments: pointers to its parameters.
// holds: set if it is PyTorch's spin kernel (torch.cuda._sleep), which does nothing for a number of cycles.
Nanos kernel_time(const char* name, double blocks, double threads_per_block, void** arguments, bool& holds);

Nanos host_copy_time(double bytes);
Nanos peer_copy_time(double bytes);

// Collectives over `ranks` devices, of so many bytes: `factor` of them pass each link (nccl-tests, PERFORMANCE.md:
// 2(n-1)/n for all-reduce, (n-1)/n for all-gather and reduce-scatter, 1 for broadcast).
Nanos collective_time(double bytes, double factor, int ranks);

}  // namespace emulator
