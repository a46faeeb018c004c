// The driver's API: the part that PyTorch calls beside the runtime, by name through cuGetProcAddress, and what code
// compiled at run time (TorchScript's fuser) is launched with.
#include <cuda.h>

#include <cstdio>
#include <cstring>

#include "identity.h"
#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

CUresult as_driver(int error) { return static_cast<CUresult>(error); }  // the numbers agree

CUcontext context_of(int index) { return reinterpret_cast<CUcontext>(static_cast<std::uintptr_t>(index) + 1); }

char module;  // something for handles to point to

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return visible_devices() ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE; }

CUresult cuDriverGetVersion(int* version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char* name, void** function, int, cuuint64_t, CUdriverProcAddressQueryResult* result) {
    *function = driver_function(name);
    if (result) *result = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetErrorString(CUresult error, const char** text) {
    *text = cudaGetErrorString(static_cast<cudaError_t>(error));
    return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char** text) {
    *text = cudaGetErrorName(static_cast<cudaError_t>(error));
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
    *count = visible_devices();
    return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int index) {
    *device = index;
    return index >= 0 && index < visible_devices() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult cuDeviceGetName(char* name, int length, CUdevice) {
    std::snprintf(name, static_cast<std::size_t>(length), "%s", profile().name.c_str());
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
    unsigned char bytes[16];
    uuid_bytes(physical(device), bytes);
    std::memcpy(uuid->bytes, bytes, sizeof bytes);
    return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
    *bytes = profile().memory_bytes();
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice device) {
    return as_driver(cudaDeviceGetAttribute(value, static_cast<cudaDeviceAttr>(which), device));
}

CUresult cuCtxGetCurrent(CUcontext* context) {
    *context = context_of(current_index());
    return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
    if (context) set_current(static_cast<int>(reinterpret_cast<std::uintptr_t>(context)) - 1);
    return CUDA_SUCCESS;
}
CUresult cuCtxGetDevice(CUdevice* device) {
    *device = current_index();
    return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent_v2(CUcontext context) { return cuCtxSetCurrent(context); }
CUresult cuCtxPopCurrent_v2(CUcontext* context) { return cuCtxGetCurrent(context); }
CUresult cuCtxSynchronize() { return as_driver(cudaDeviceSynchronize()); }
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    *context = context_of(device);
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
    *flags = 0;
    *active = 1;
    return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute which, CUdeviceptr at) {
    Place place;
    const void* address = reinterpret_cast<const void*>(at);
    const bool on_device = find(address, place);
    if (!on_device && !is_pinned(address)) return CUDA_ERROR_INVALID_VALUE;
    switch (which) {
        case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
            *static_cast<unsigned*>(value) = on_device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_CONTEXT:
            *static_cast<CUcontext*>(value) = context_of(on_device ? place.device : current_index());
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
            *static_cast<int*>(value) = on_device ? place.device : current_index();
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
            *static_cast<CUdeviceptr*>(value) = at;
            return CUDA_SUCCESS;
        default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* begin, size_t* bytes, CUdeviceptr at) {
    Place place;
    if (!find(reinterpret_cast<const void*>(at), place)) return CUDA_ERROR_NOT_FOUND;
    if (begin) *begin = place.begin;
    if (bytes) *bytes = place.bytes;
    return CUDA_SUCCESS;
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned, size_t count, CUstream stream) {
    return as_driver(cudaMemsetAsync(reinterpret_cast<void*>(to), 0, count * 4, stream));
}

// Modules hold code that is not executed; a function is a name.
CUresult cuModuleLoadData(CUmodule* out, const void*) {
    *out = reinterpret_cast<CUmodule>(&module);
    return CUDA_SUCCESS;
}
CUresult cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned, CUjit_option*, void**) {
    return cuModuleLoadData(out, image);
}
CUresult cuModuleLoad(CUmodule* out, const char*) { return cuModuleLoadData(out, nullptr); }
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction* out, CUmodule, const char* name) {
    *out = reinterpret_cast<CUfunction>(strdup(name));  // as long as the module, which is as long as the process
    return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) { return CUDA_SUCCESS; }
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute which, CUfunction) {
    *value = which == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
    return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads, size_t shared) {
    return as_driver(cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, nullptr, threads, shared));
}
CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned, CUstream stream, void** arguments, void**) {
    bool holds = false;
    const Launched launched{reinterpret_cast<const char*>(function), double(gx) * gy * gz, double(gx), double(bx) * by * bz,
                            arguments};
    const Nanos duration = kernel_time(launched, holds);
    return as_driver(answer(launch(stream_of(stream), WorkKind::Kernel, duration)));
}
CUresult cuLaunchKernelEx(const CUlaunchConfig* how, CUfunction function, void** arguments, void** extra) {
    return cuLaunchKernel(function, how->gridDimX, how->gridDimY, how->gridDimZ, how->blockDimX, how->blockDimY,
                          how->blockDimZ, how->sharedMemBytes, how->hStream, arguments, extra);
}

}  // extern "C"
