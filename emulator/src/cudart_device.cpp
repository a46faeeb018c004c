// Runtime: devices, their properties, and errors.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <iterator>

#include "identity.h"
#include "runtime.h"

namespace emulator {
namespace {
thread_local cudaError_t last_error = cudaSuccess;
}

cudaError_t answer(int error) {
    if (error != cudaSuccess) last_error = static_cast<cudaError_t>(error);
    return static_cast<cudaError_t>(error);
}

void* driver_function(const char* name) {
    // Headers map old names to versioned ones; callers ask for the plain name and the version they were built with.
    for (const char* suffix : {"_v3", "_v2", ""})
        if (void* found = dlsym(RTLD_DEFAULT, (std::string(name) + suffix).c_str())) return found;
    return nullptr;
}
}  // namespace emulator

using namespace emulator;

namespace {

// What does not depend on the profile: the same on every device since compute capability 7.0.
constexpr int WARP = 32, BLOCK_THREADS = 1024, SM_THREADS = 2048, SM_BLOCKS = 32;
constexpr int BLOCK_REGISTERS = 65536, BLOCK_SHARED = 49152, SM_SHARED = 98304;
constexpr int L2_BYTES = 6 << 20;

int attribute(cudaDeviceAttr which, int device) {
    const Profile& p = profile();
    switch (which) {
        case cudaDevAttrComputeCapabilityMajor: return p.capability_major;
        case cudaDevAttrComputeCapabilityMinor: return p.capability_minor;
        case cudaDevAttrMultiProcessorCount: return p.sms;
        case cudaDevAttrWarpSize: return WARP;
        case cudaDevAttrMaxThreadsPerBlock:
        case cudaDevAttrMaxBlockDimX:
        case cudaDevAttrMaxBlockDimY: return BLOCK_THREADS;
        case cudaDevAttrMaxBlockDimZ: return 64;
        case cudaDevAttrMaxGridDimX: return 2147483647;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: return 65535;
        case cudaDevAttrMaxThreadsPerMultiProcessor: return SM_THREADS;
        case cudaDevAttrMaxBlocksPerMultiprocessor: return SM_BLOCKS;
        case cudaDevAttrMaxSharedMemoryPerBlock: return BLOCK_SHARED;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return SM_SHARED;
        case cudaDevAttrMaxRegistersPerBlock:
        case cudaDevAttrMaxRegistersPerMultiprocessor: return BLOCK_REGISTERS;
        case cudaDevAttrClockRate: return static_cast<int>(p.sm_clock_mhz * 1e3);
        case cudaDevAttrMemoryClockRate: return 877'000;
        case cudaDevAttrGlobalMemoryBusWidth: return 4096;
        case cudaDevAttrL2CacheSize: return L2_BYTES;
        case cudaDevAttrPciBusId: return pci_bus(physical(device));
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrAsyncEngineCount:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrStreamPrioritiesSupported: return 1;
        case cudaDevAttrTextureAlignment: return 512;
        default: return 0;  // a feature that is not there
    }
}

struct ErrorText {
    cudaError_t error;
    const char *name, *text;
};

const ErrorText& text_of(cudaError_t error) {
    static const ErrorText TEXTS[] = {
        {cudaSuccess, "cudaSuccess", "no error"},
        {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
        {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
        {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
        {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
        {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
        {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
        {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
        {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
        {cudaErrorIllegalState, "cudaErrorIllegalState",
         "the operation cannot be performed in the present state"},
        {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
        {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
        {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported (by the emulated node)"},
        {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
         "operation not permitted when stream is capturing"},
        {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
         "capturing stream has unjoined work"},
        {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
         "dependency created on uncaptured work in another stream"},
        {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
         "operation not permitted on an event last recorded in a capturing stream"},
        {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
    };
    for (const ErrorText& each : TEXTS)
        if (each.error == error) return each;
    return *(std::end(TEXTS) - 1);
}

bool is_sticky(cudaError_t error) { return error == cudaErrorLaunchFailure || error == cudaErrorDevicesUnavailable; }

// The thread's last error. A sticky one stays, but is a device's: it is forgotten when the thread has gone on to another.
cudaError_t last_error_here() {
    if (is_sticky(last_error) && !(visible_devices() && used(current_index()) && current().error.load() == last_error))
        last_error = cudaSuccess;
    return last_error;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
    *count = visible_devices();
    return answer(*count ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int index) {
    if (index < 0 || index >= visible_devices()) return answer(cudaErrorInvalidDevice);
    set_current(index);
    return answer(device(index)->error.load());
}

cudaError_t cudaGetDevice(int* index) {
    *index = current_index();
    return visible_devices() ? cudaSuccess : answer(cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* out, int index) {
    if (index < 0 || index >= visible_devices()) return answer(cudaErrorInvalidDevice);
    const Profile& p = profile();
    std::memset(out, 0, sizeof *out);
    std::snprintf(out->name, sizeof out->name, "%s", p.name.c_str());
    unsigned char uuid[16];
    uuid_bytes(physical(index), uuid);
    std::memcpy(out->uuid.bytes, uuid, sizeof uuid);
    out->major = p.capability_major;
    out->minor = p.capability_minor;
    out->totalGlobalMem = p.memory_bytes();
    out->totalConstMem = 65536;
    out->multiProcessorCount = p.sms;
    out->warpSize = WARP;
    out->maxThreadsPerBlock = BLOCK_THREADS;
    out->maxThreadsPerMultiProcessor = SM_THREADS;
    out->maxBlocksPerMultiProcessor = SM_BLOCKS;
    out->sharedMemPerBlock = BLOCK_SHARED;
    out->sharedMemPerBlockOptin = out->sharedMemPerMultiprocessor = SM_SHARED;
    out->regsPerBlock = out->regsPerMultiprocessor = BLOCK_REGISTERS;
    out->maxThreadsDim[0] = out->maxThreadsDim[1] = BLOCK_THREADS;
    out->maxThreadsDim[2] = 64;
    out->maxGridSize[0] = 2147483647;
    out->maxGridSize[1] = out->maxGridSize[2] = 65535;
    out->textureAlignment = 512;
    out->l2CacheSize = L2_BYTES;
    out->memoryBusWidth = attribute(cudaDevAttrGlobalMemoryBusWidth, index);
    out->pciBusID = pci_bus(physical(index));
    out->unifiedAddressing = out->concurrentKernels = out->asyncEngineCount = out->streamPrioritiesSupported = 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int index) {
    if (index < 0 || index >= visible_devices()) return answer(cudaErrorInvalidDevice);
    *value = attribute(which, index);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int index) {
    if (index < 0 || index >= visible_devices()) return answer(cudaErrorInvalidDevice);
    std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", static_cast<unsigned>(pci_bus(physical(index))));
    return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int from, int to) {
    *can = from != to;
    return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }

cudaError_t cudaDeviceSynchronize() {
    if (capturing(current())) return answer(cudaErrorStreamCaptureUnsupported);
    return answer(synchronize(current()));
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetLastError() {
    const cudaError_t error = last_error_here();
    if (!is_sticky(error)) last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError() { return last_error_here(); }

const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
    *function = driver_function(name);
    if (result) *result = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

}  // extern "C"
