// What the emulated node is: read from the file that EMULATOR_PROFILE names, lines of `key value`.
// The values and their sources stand in conf/emulator/; what the constants of times mean, in emulator/times/.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "clock.h"

namespace emulator {

// The rates that a matrix product can run at.
enum class Arithmetic { Float64, Float32, Tf32, Float16, BFloat16 };
constexpr std::array<const char*, 5> ARITHMETICS = {"float64", "float32", "tf32", "float16", "bfloat16"};

// Other kernels, by what decides on their time; in the order of KINDS in times/kernels.py.
enum class KernelKind {
    Optimizer, SplitSum, MatrixVector, Fill, Softmax, Norm, Index, Copy, ColumnSum, Reduction, Binary, Elementwise, Strided, Other
};
constexpr std::array<const char*, 14> KERNEL_KINDS = {
    "optimizer", "split_sum",  "matrix_vector", "fill",   "softmax",     "norm",    "index",
    "copy",      "column_sum", "reduction",     "binary", "elementwise", "strided", "other"};

constexpr std::size_t MOST_PROTOCOLS = 4;

struct ProductTimes {
    double floor_us, share, half, step_us, ramp_us, unaligned, memory_share, split_us;
};

struct KernelTimes {
    double floor_us, share, root_us;
};

struct Protocol {
    double base_us, hop_us, gb_s;
};

struct Profile {
    std::string name;
    int devices, capability_major, capability_minor, sms;
    double sm_clock_mhz;
    double memory_mib, memory_gb_s;
    std::array<double, ARITHMETICS.size()> flop_s;
    std::array<ProductTimes, ARITHMETICS.size()> products;
    std::array<KernelTimes, KERNEL_KINDS.size()> kernels;
    double launch_host_us, launch_latency_us, queued_gap_us, graph_gap_us, shortest_kernel_us;
    double host_copy_gb_s;
    std::vector<Protocol> protocols;
    double collective_floor_us, link_gb_s;
    double power_idle_w, power_full_w;
    double utilization_window_ms;
    double jitter;
    std::uint64_t jitter_seed;

    std::uint64_t memory_bytes() const { return static_cast<std::uint64_t>(memory_mib * 1048576.0); }
};

// The node's profile; ends the process with a message where there is none or it lacks a value.
const Profile& profile();

}  // namespace emulator
