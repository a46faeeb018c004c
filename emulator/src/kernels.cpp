#include "kernels.h"

#include <algorithm>
#include <cstring>

#include "profile.h"

namespace emulator {
namespace {

// PyTorch's element-wise kernels: a thread takes 4 elements (thread_work_size, aten/src/ATen/native/cuda/
// thread_constants.h) of mostly 4 bytes, reads one operand and writes the result.
constexpr double BYTES_PER_THREAD = 4 * 4 * 2;
// Optimizers' and other fused lists of tensors: a block takes a chunk of up to 65,536 elements (kChunkSize,
// MultiTensorApply.cuh), reads parameter and gradient and writes the parameter.
constexpr double BYTES_PER_CHUNK = 65536.0 * 4 * 3;

Nanos at_least_shortest(double seconds) {
    return std::max(from_us(seconds * 1e6), from_us(profile().shortest_kernel_us));
}

double flop_s(Arithmetic arithmetic) {
    const Profile& p = profile();
    switch (arithmetic) {
        case Arithmetic::Float64: return p.flop_s_float64;
        case Arithmetic::Float32: return p.flop_s_float32;
        case Arithmetic::Tf32: return p.flop_s_tf32;
        case Arithmetic::Float16: return p.flop_s_float16;
        case Arithmetic::BFloat16: return p.flop_s_bfloat16;
    }
    return p.flop_s_float32;
}

}  // namespace

std::size_t bytes_of(Arithmetic arithmetic) {
    switch (arithmetic) {
        case Arithmetic::Float64: return 8;
        case Arithmetic::Float32:
        case Arithmetic::Tf32: return 4;
        case Arithmetic::Float16:
        case Arithmetic::BFloat16: return 2;
    }
    return 4;
}

Nanos gemm_time(double m, double n, double k, double batch, Arithmetic arithmetic) {
    const double computing = batch * 2 * m * n * k / (flop_s(arithmetic) * profile().gemm_efficiency);
    const double bytes = batch * (m * k + k * n + m * n) * static_cast<double>(bytes_of(arithmetic));
    return at_least_shortest(std::max(computing, bytes / (profile().memory_gb_s * 1e9)));
}

Nanos memory_time(double bytes) { return at_least_shortest(bytes / (profile().memory_gb_s * 1e9)); }

Nanos kernel_time(const char* name, double blocks, double threads_per_block, void** arguments, bool& holds) {
    holds = name && std::strstr(name, "spin_kernel") && arguments;
    if (holds) {
        std::int64_t cycles;
        std::memcpy(&cycles, arguments[0], sizeof cycles);
        return at_least_shortest(static_cast<double>(std::max<std::int64_t>(cycles, 0)) / (profile().sm_clock_mhz * 1e6));
    }
    if (name && std::strstr(name, "multi_tensor_apply_kernel")) return memory_time(blocks * BYTES_PER_CHUNK);
    return memory_time(blocks * threads_per_block * BYTES_PER_THREAD);
}

Nanos host_copy_time(double bytes) { return at_least_shortest(bytes / (profile().host_copy_gb_s * 1e9)); }

Nanos peer_copy_time(double bytes) { return at_least_shortest(bytes / (profile().link_gb_s * 1e9)); }

Nanos collective_time(double bytes, double factor, int ranks) {
    if (ranks <= 1) return memory_time(2 * bytes);
    return from_us(profile().link_latency_us + bytes * factor / (profile().link_gb_s * 1e3));
}

}  // namespace emulator
