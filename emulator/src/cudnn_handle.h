// What a handle of cuDNN holds.
#pragma once
#include <cudnn.h>

namespace emulator {

struct CudnnHandle {
    cudaStream_t stream = nullptr;
};
inline CudnnHandle& of(cudnnHandle_t handle) { return *reinterpret_cast<CudnnHandle*>(handle); }

}  // namespace emulator
