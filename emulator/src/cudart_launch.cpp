// Runtime: kernels. nvcc's code registers every kernel by its host function and launches it through these calls.
#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "kernels.h"
#include "runtime.h"

namespace emulator {
namespace {

std::mutex names_lock;
std::unordered_map<const void*, const char*>& names() {
    static auto& all = *new std::unordered_map<const void*, const char*>;
    return all;
}

struct Configuration {
    dim3 grid, block;
    size_t shared;
    void* stream;
};
thread_local std::vector<Configuration> configurations;

cudaError_t launch_kernel(const void* function, dim3 grid, dim3 block, void** arguments, void* stream) {
    const Nanos called = now();
    bool holds = false;
    const Launched launched{kernel_name(function), double(grid.x) * grid.y * grid.z, double(grid.x),
                            double(block.x) * block.y * block.z, arguments};
    const Nanos duration = kernel_time(launched, holds);
    return answer(launch(stream_of(stream), holds ? WorkKind::Hold : WorkKind::Kernel, duration, nullptr, 0, called));
}

}  // namespace

const char* kernel_name(const void* host_function) {
    const std::lock_guard<std::mutex> guard(names_lock);
    const auto found = names().find(host_function);
    return found == names().end() ? nullptr : found->second;
}

}  // namespace emulator

using namespace emulator;

extern "C" {

void** __cudaRegisterFatBinary(void*) {
    static void* handle = nullptr;
    return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void**, const char* host_function, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
    const std::lock_guard<std::mutex> guard(names_lock);
    names()[host_function] = name;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, CUstream_st* stream) {
    configurations.push_back({grid, block, shared, stream});
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
    if (configurations.empty()) return answer(cudaErrorInvalidConfiguration);
    const Configuration last = configurations.back();
    configurations.pop_back();
    *grid = last.grid;
    *block = last.block;
    *shared = last.shared;
    *static_cast<void**>(stream) = last.stream;
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* function) {
    *out = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
    return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t stream) {
    return launch_kernel(kernel, grid, block, arguments, stream);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t stream) {
    return launch_kernel(function, grid, block, arguments, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t,
                                        cudaStream_t stream) {
    return launch_kernel(function, grid, block, arguments, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
    return launch_kernel(function, config->gridDim, config->blockDim, arguments, config->stream);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* out, const void*) {
    *out = {};
    out->maxThreadsPerBlock = 1024;
    out->numRegs = 32;
    // CUB refuses a device older than all that the wheel has code for (7.5 and later for CUDA 13); here none is executed.
    constexpr int OLDEST_CODE = 75;
    out->binaryVersion = out->ptxVersion =
        std::max(profile().capability_major * 10 + profile().capability_minor, OLDEST_CODE);
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int threads, size_t, unsigned) {
    *blocks = threads > 0 ? std::max(1, 2048 / threads) : 1;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads, size_t shared) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}

}  // extern "C"
