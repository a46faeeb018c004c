// What the emulated node is: read from the file that EMULATOR_PROFILE names, lines of `key value`.
// The values and their sources stand in conf/emulator/.
#pragma once
#include <string>

#include "clock.h"

namespace emulator {

struct Profile {
    std::string name;
    int devices, capability_major, capability_minor, sms;
    double sm_clock_mhz;
    double memory_mib, memory_gb_s;
    double flop_s_float64, flop_s_float32, flop_s_tf32, flop_s_float16, flop_s_bfloat16;
    double gemm_efficiency;
    double launch_host_us, launch_latency_us, shortest_kernel_us;
    double host_copy_gb_s;
    double link_latency_us, link_gb_s;
    double power_idle_w, power_full_w;
    double utilization_window_ms;

    std::uint64_t memory_bytes() const { return static_cast<std::uint64_t>(memory_mib * 1048576.0); }
};

// The node's profile; ends the process with a message where there is none or it lacks a value.
const Profile& profile();

}  // namespace emulator
