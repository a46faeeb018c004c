#include "profile.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

namespace emulator {
namespace {

[[noreturn]] void refuse(const std::string& why) {
    std::fprintf(stderr, "emulator: EMULATOR_PROFILE: %s\n", why.c_str());
    std::_Exit(1);
}

std::map<std::string, std::string> read_lines(const char* path) {
    std::ifstream file(path);
    if (!file) refuse(std::string(path) + " cannot be read");
    std::map<std::string, std::string> values;
    std::string key, value;
    while (file >> key && std::getline(file >> std::ws, value)) values[key] = value;
    return values;
}

Profile load() {
    const char* path = std::getenv("EMULATOR_PROFILE");
    if (!path || !*path) refuse("is not set; it names a file that `python -m emulator` writes");
    const auto values = read_lines(path);
    auto text = [&](const std::string& key) {
        const auto found = values.find(key);
        if (found == values.end()) refuse(std::string(path) + " lacks " + key);
        return found->second;
    };
    auto at_least_0 = [&](const std::string& key) {
        const std::string value = text(key);
        char* end = nullptr;
        const double parsed = std::strtod(value.c_str(), &end);
        if (end == value.c_str() || *end || !(parsed >= 0 && std::isfinite(parsed)))
            refuse(std::string(path) + ": " + key + " is no number of at least 0: " + value);
        return parsed;
    };
    auto above_0 = [&](const std::string& key) {
        const double parsed = at_least_0(key);
        if (parsed == 0) refuse(std::string(path) + ": " + key + " is 0");
        return parsed;
    };
    Profile p;
    p.name = text("name");
    p.devices = static_cast<int>(above_0("devices"));
    p.capability_major = static_cast<int>(above_0("capability_major"));
    p.capability_minor = static_cast<int>(at_least_0("capability_minor"));
    p.sms = static_cast<int>(above_0("sms"));
    p.sm_clock_mhz = above_0("sm_clock_mhz");
    p.memory_mib = above_0("memory_mib");
    p.memory_gb_s = above_0("memory_gb_s");
    for (std::size_t each = 0; each < ARITHMETICS.size(); ++each) {
        const std::string name = ARITHMETICS[each], before = "products." + name + ".";
        p.flop_s[each] = above_0("flop_s." + name);
        p.products[each] = {at_least_0(before + "floor_us"), above_0(before + "share"),
                            at_least_0(before + "half"),     at_least_0(before + "step_us"),
                            at_least_0(before + "ramp_us"),  above_0(before + "unaligned"),
                            above_0(before + "memory_share"), at_least_0(before + "split_us")};
    }
    for (std::size_t each = 0; each < KERNEL_KINDS.size(); ++each) {
        const std::string before = std::string("kernels.") + KERNEL_KINDS[each] + ".";
        p.kernels[each] = {at_least_0(before + "floor_us"), above_0(before + "share"), at_least_0(before + "root_us")};
    }
    p.launch_host_us = at_least_0("launch_host_us");
    p.launch_latency_us = at_least_0("launch_latency_us");
    p.queued_gap_us = at_least_0("queued_gap_us");
    p.graph_gap_us = at_least_0("graph_gap_us");
    p.shortest_kernel_us = above_0("shortest_kernel_us");
    p.host_copy_gb_s = above_0("host_copy_gb_s");
    const auto protocols = static_cast<std::size_t>(above_0("protocols"));
    if (protocols > MOST_PROTOCOLS) refuse(std::string(path) + ": protocols are too many");
    for (std::size_t each = 0; each < protocols; ++each) {
        const std::string before = "protocols." + std::to_string(each) + ".";
        p.protocols.push_back({at_least_0(before + "base_us"), at_least_0(before + "hop_us"), above_0(before + "gb_s")});
    }
    p.collective_floor_us = at_least_0("collective_floor_us");
    p.link_gb_s = above_0("link_gb_s");
    p.power_idle_w = at_least_0("power_idle_w");
    p.power_full_w = above_0("power_full_w");
    p.utilization_window_ms = above_0("utilization_window_ms");
    p.jitter = at_least_0("jitter");
    p.jitter_seed = static_cast<std::uint64_t>(at_least_0("jitter_seed"));
    return p;
}

}  // namespace

const Profile& profile() {
    static const Profile& loaded = *new Profile(load());  // never destroyed: threads may outlive the destructors
    return loaded;
}

}  // namespace emulator
