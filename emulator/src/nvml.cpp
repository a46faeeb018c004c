// NVML: what pynvml and PyTorch ask of it, answered from the memory that the node's processes share. A sampler in a
// process of its own needs EMULATOR_PROFILE and EMULATOR_NODE only. NVML's header does not come with the wheels, so
// the few structures are declared here as nvml.h (NVML API reference) has them.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "identity.h"
#include "node.h"
#include "profile.h"

using namespace emulator;

namespace {

enum Return { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
              DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };

using Device_t = void*;

struct Memory { unsigned long long total, free, used; };
struct Memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };
struct Utilization { unsigned gpu, memory; };
struct PciInfo { char busIdLegacy[16]; unsigned domain, bus, device, pciDeviceId, pciSubSystemId; char busId[32]; };
struct ProcessInfo_v1 {
    unsigned pid;
    unsigned long long usedGpuMemory;
};
struct Sample { unsigned long long microseconds; union { unsigned small; unsigned long long large; } value; };
struct ProcessInfo { unsigned pid; unsigned long long usedGpuMemory; unsigned gpuInstanceId, computeInstanceId; };

enum Sampling { TOTAL_POWER = 0, GPU_UTILIZATION = 1, MEMORY_UTILIZATION = 2 };
constexpr int VALUE_UNSIGNED = 1;
constexpr unsigned SAMPLES_KEPT = 16;

constexpr unsigned long long CLOCKS_IDLE = 0x1;  // nvmlClocksEventReasonGpuIdle

std::atomic<int> users{0};

int index_of(Device_t handle) { return static_cast<int>(reinterpret_cast<std::uintptr_t>(handle)) - 1; }
int count() { return std::min(profile().devices, MAX_DEVICES); }

int check(Device_t handle) {
    if (users.load() == 0) return UNINITIALIZED;
    if (index_of(handle) < 0 || index_of(handle) >= count()) return INVALID_ARGUMENT;
    return node().devices[index_of(handle)].lost.load() ? GPU_IS_LOST : SUCCESS;
}

// NVML's utilisation is that of its last sample period: here of the last one that is complete, counted from the
// node's beginning, so that two clients see the same.
double last_window(int index) {
    const Nanos window = from_us(profile().utilization_window_ms * 1e3), created = node().created;
    const Nanos end = created + (now() - created) / window * window;
    return end == created ? 0 : node().utilization(index, end - window, end);
}

unsigned long long window_us() { return static_cast<unsigned long long>(profile().utilization_window_ms * 1e3); }

double watts(double utilization) {
    return profile().power_idle_w + utilization * (profile().power_full_w - profile().power_idle_w);
}

int put(char* out, unsigned length, const std::string& text) {
    if (text.size() >= length) return INSUFFICIENT_SIZE;
    std::memcpy(out, text.c_str(), text.size() + 1);
    return SUCCESS;
}

std::string bus_id(int index) {
    char text[32];
    std::snprintf(text, sizeof text, "00000000:%02X:00.0", static_cast<unsigned>(pci_bus(index)));
    return text;
}

}  // namespace

#define CHECK(handle)                          \
    if (const int bad = check(handle)) return bad; \
    const int index = index_of(handle);        \
    (void)index

extern "C" {

int nvmlInitWithFlags(unsigned) {
    if (!std::getenv("EMULATOR_PROFILE")) return DRIVER_NOT_LOADED;
    node();
    users.fetch_add(1);
    return SUCCESS;
}
int nvmlInit_v2() { return nvmlInitWithFlags(0); }
int nvmlInit() { return nvmlInitWithFlags(0); }
int nvmlShutdown() {
    if (users.load() == 0) return UNINITIALIZED;
    users.fetch_sub(1);
    return SUCCESS;
}

const char* nvmlErrorString(int error) {
    switch (error) {
        case SUCCESS: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID_ARGUMENT: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case NOT_FOUND: return "Not Found";
        case INSUFFICIENT_SIZE: return "Insufficient Size";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char* out, unsigned length) { return put(out, length, "emulated"); }
int nvmlSystemGetNVMLVersion(char* out, unsigned length) { return put(out, length, "emulated"); }
int nvmlSystemGetCudaDriverVersion_v2(int* version) {
    *version = EMULATED_CUDA_MAJOR * 1000;
    return SUCCESS;
}
int nvmlSystemGetCudaDriverVersion(int* version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

int nvmlDeviceGetCount_v2(unsigned* out) {
    if (users.load() == 0) return UNINITIALIZED;
    *out = static_cast<unsigned>(count());
    return SUCCESS;
}
int nvmlDeviceGetCount(unsigned* out) { return nvmlDeviceGetCount_v2(out); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device_t* out) {
    *out = reinterpret_cast<Device_t>(static_cast<std::uintptr_t>(index) + 1);
    return check(*out);
}
int nvmlDeviceGetHandleByIndex(unsigned index, Device_t* out) { return nvmlDeviceGetHandleByIndex_v2(index, out); }
int nvmlDeviceGetHandleByUUID(const char* uuid, Device_t* out) {
    for (int each = 0; each < count(); ++each)
        if (uuid_text(each) == uuid) return nvmlDeviceGetHandleByIndex_v2(static_cast<unsigned>(each), out);
    return NOT_FOUND;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* text, Device_t* out) {
    unsigned domain, bus, slot;
    if (std::sscanf(text, "%x:%x:%x", &domain, &bus, &slot) == 3)
        for (int each = 0; each < count(); ++each)
            if (pci_bus(each) == static_cast<int>(bus)) return nvmlDeviceGetHandleByIndex_v2(static_cast<unsigned>(each), out);
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(Device_t handle, unsigned* out) {
    CHECK(handle);
    *out = static_cast<unsigned>(index);
    return SUCCESS;
}
int nvmlDeviceGetMinorNumber(Device_t handle, unsigned* out) { return nvmlDeviceGetIndex(handle, out); }
int nvmlDeviceGetName(Device_t handle, char* out, unsigned length) {
    CHECK(handle);
    return put(out, length, profile().name);
}
int nvmlDeviceGetUUID(Device_t handle, char* out, unsigned length) {
    CHECK(handle);
    return put(out, length, uuid_text(index));
}
int nvmlDeviceGetPciInfo_v3(Device_t handle, PciInfo* out) {
    CHECK(handle);
    *out = {};
    out->bus = static_cast<unsigned>(pci_bus(index));
    put(out->busId, sizeof out->busId, bus_id(index));
    put(out->busIdLegacy, sizeof out->busIdLegacy, bus_id(index).substr(4));
    return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(Device_t handle, int* major, int* minor) {
    CHECK(handle);
    *major = profile().capability_major;
    *minor = profile().capability_minor;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Device_t handle, Memory* out) {
    CHECK(handle);
    out->total = profile().memory_bytes();
    out->used = std::min<unsigned long long>(node().memory_used(index), out->total);
    out->free = out->total - out->used;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(Device_t handle, Memory_v2* out) {
    Memory memory;
    if (const int bad = nvmlDeviceGetMemoryInfo(handle, &memory)) return bad;
    out->total = memory.total;
    out->reserved = 0;
    out->free = memory.free;
    out->used = memory.used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Device_t handle, Utilization* out) {
    CHECK(handle);
    // Every kernel of this model reads or writes memory, so the two shares are one.
    out->gpu = out->memory = static_cast<unsigned>(std::lround(100 * last_window(index)));
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(Device_t handle, unsigned* milliwatts) {
    CHECK(handle);
    *milliwatts = static_cast<unsigned>(std::lround(1e3 * watts(last_window(index))));
    return SUCCESS;
}
// The last windows that are complete, as the driver keeps them: their ends (here of the monotonic clock) and values.
// Those before the node's beginning were idle: a driver is there before anybody asks.
int nvmlDeviceGetSamples(Device_t handle, int what, unsigned long long last_seen, int* value_type, unsigned* room, Sample* out) {
    CHECK(handle);
    if (what > MEMORY_UTILIZATION) return NOT_SUPPORTED;
    const Nanos window = from_us(static_cast<double>(window_us())), created = node().created;
    const Nanos last = created + (now() - created) / window * window;
    unsigned kept = static_cast<unsigned>(std::min<Nanos>(last / window, SAMPLES_KEPT));
    while (kept && (last - (kept - 1) * window) / 1000 <= last_seen) --kept;
    *value_type = VALUE_UNSIGNED;
    if (out) {
        kept = std::min(kept, *room);
        for (unsigned each = 0; each < kept; ++each) {
            const Nanos end = last - (kept - 1 - each) * window;
            const double share = node().utilization(index, end - window, end);
            out[each].microseconds = end / 1000;
            out[each].value.large = 0;
            out[each].value.small = static_cast<unsigned>(std::lround(what == TOTAL_POWER ? 1e3 * watts(share) : 100 * share));
        }
    }
    *room = kept;
    return kept ? SUCCESS : NOT_FOUND;
}
int nvmlDeviceGetTotalEnergyConsumption(Device_t handle, unsigned long long* millijoules) {
    CHECK(handle);
    const Nanos at = now();
    const double all = static_cast<double>(at - node().created);
    // Processes share a device by turns, so that it is never busier than all the time.
    const double busy = std::min(all, static_cast<double>(node().busy_until(index, at)));
    *millijoules = static_cast<unsigned long long>((profile().power_idle_w * (all - busy) + profile().power_full_w * busy) / 1e6);
    return SUCCESS;
}
int nvmlDeviceGetEnforcedPowerLimit(Device_t handle, unsigned* milliwatts) {
    CHECK(handle);
    *milliwatts = static_cast<unsigned>(std::lround(1e3 * profile().power_full_w));
    return SUCCESS;
}
int nvmlDeviceGetPowerManagementLimit(Device_t handle, unsigned* milliwatts) {
    return nvmlDeviceGetEnforcedPowerLimit(handle, milliwatts);
}

int nvmlDeviceGetClockInfo(Device_t handle, int, unsigned* mhz) {
    CHECK(handle);
    *mhz = static_cast<unsigned>(std::lround(profile().sm_clock_mhz));
    return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(Device_t handle, int which, unsigned* mhz) { return nvmlDeviceGetClockInfo(handle, which, mhz); }
int nvmlDeviceGetApplicationsClock(Device_t handle, int which, unsigned* mhz) {
    return nvmlDeviceGetClockInfo(handle, which, mhz);
}

int nvmlDeviceGetCurrentClocksEventReasons(Device_t handle, unsigned long long* reasons) {
    CHECK(handle);
    *reasons = last_window(index) > 0 ? 0 : CLOCKS_IDLE;
    return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Device_t handle, unsigned long long* reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(handle, reasons);
}
int nvmlDeviceGetSupportedClocksEventReasons(Device_t handle, unsigned long long* reasons) {
    CHECK(handle);
    *reasons = CLOCKS_IDLE;
    return SUCCESS;
}
int nvmlDeviceGetSupportedClocksThrottleReasons(Device_t handle, unsigned long long* reasons) {
    return nvmlDeviceGetSupportedClocksEventReasons(handle, reasons);
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device_t handle, unsigned* room, ProcessInfo* out) {
    CHECK(handle);
    node().retire_dead_now_and_then();
    const auto contexts = node().users(index);
    const unsigned asked = *room;
    *room = static_cast<unsigned>(contexts.size());
    if (asked < contexts.size()) return INSUFFICIENT_SIZE;
    for (std::size_t i = 0; i < contexts.size(); ++i)
        out[i] = {static_cast<unsigned>(contexts[i]->pid.load()), contexts[i]->memory_bytes.load(), ~0u, ~0u};
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v2(Device_t handle, unsigned* room, ProcessInfo* out) {
    return nvmlDeviceGetComputeRunningProcesses_v3(handle, room, out);
}
// The first version, which PyTorch looks up for its message when memory runs out.
int nvmlDeviceGetComputeRunningProcesses(Device_t handle, unsigned* room, ProcessInfo_v1* out) {
    CHECK(handle);
    node().retire_dead();
    const auto contexts = node().users(index);
    const unsigned asked = *room;
    *room = static_cast<unsigned>(contexts.size());
    if (asked < contexts.size()) return INSUFFICIENT_SIZE;
    for (std::size_t i = 0; i < contexts.size(); ++i)
        out[i] = {static_cast<unsigned>(contexts[i]->pid.load()), contexts[i]->memory_bytes.load()};
    return SUCCESS;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(Device_t handle, unsigned* room, ProcessInfo*) {
    CHECK(handle);
    *room = 0;
    return SUCCESS;
}

}  // extern "C"
