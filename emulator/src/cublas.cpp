// cuBLAS: matrix products take the time of their sizes; the rest of the library is refused by name (build.py).
#include <cublas_v2.h>

#include <algorithm>
#include <cstdio>

#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

struct Handle {
    cudaStream_t stream = nullptr;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};

Handle& of(cublasHandle_t handle) { return *reinterpret_cast<Handle*>(handle); }

// Whether the rate for a number format is known; others, such as 8 bits and complex ones, are refused.
bool modelled(cudaDataType type, const char* call) {
    if (type == CUDA_R_64F || type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF) return true;
    std::fprintf(stderr, "emulator: %s of cudaDataType %d is not modelled\n", call, static_cast<int>(type));
    return false;
}

Arithmetic arithmetic_of(cudaDataType type, bool tf32) {
    switch (type) {
        case CUDA_R_64F: return Arithmetic::Float64;
        case CUDA_R_16F: return Arithmetic::Float16;
        case CUDA_R_16BF: return Arithmetic::BFloat16;
        default: return tf32 ? Arithmetic::Tf32 : Arithmetic::Float32;
    }
}

bool tf32(cublasHandle_t handle, cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
    return (of(handle).math & CUBLAS_TF32_TENSOR_OP_MATH) || compute == CUBLAS_COMPUTE_32F_FAST_TF32;
}

cublasStatus_t run(cublasHandle_t handle, Nanos duration, Nanos called, WorkKind kind = WorkKind::Gemm) {
    const int error = launch(stream_of(of(handle).stream), kind, duration, nullptr, 0, called);
    answer(error);
    return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

// The library counts columns, gemm_time rows: m is the length of what lies together in memory, and its second matrix
// the first one there.
cublasStatus_t product(cublasHandle_t handle, cublasOperation_t second, double m, double n, double k, double batch,
                       Arithmetic arithmetic) {
    const Nanos called = now();
    return run(handle, gemm_time(n, m, k, batch, arithmetic, second != CUBLAS_OP_N), called);
}

cublasStatus_t matrix_vector(cublasHandle_t handle, double numbers, Arithmetic arithmetic) {
    const Nanos called = now();
    const double bytes = numbers * static_cast<double>(bytes_of(arithmetic));
    return run(handle, from_us(kernel_us(KernelKind::MatrixVector, bytes, 0)), called);
}

cublasStatus_t dot(cublasHandle_t handle, double n, Arithmetic arithmetic) {
    const Nanos called = now();
    const double bytes = 2 * n * static_cast<double>(bytes_of(arithmetic));
    const cublasStatus_t status =
        run(handle, from_us(kernel_us(KernelKind::MatrixVector, bytes, 0)), called, WorkKind::Kernel);
    if (of(handle).pointers == CUBLAS_POINTER_MODE_HOST) answer(synchronize(stream_of(of(handle).stream)));
    return status;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* out) {
    *out = reinterpret_cast<cublasHandle_t>(new Handle);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    delete &of(handle);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    of(handle).stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
    *stream = of(handle).stream;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, size_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t, int) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    of(handle).math = mode;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
    *mode = of(handle).math;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
    of(handle).pointers = mode;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
    *mode = of(handle).pointers;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k, const float*,
                              const float*, int, const float*, int, const float*, float*, int) {
    return product(handle, second, m, n, k, 1, arithmetic_of(CUDA_R_32F, tf32(handle)));
}
cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k, const double*,
                              const double*, int, const double*, int, const double*, double*, int) {
    return product(handle, second, m, n, k, 1, Arithmetic::Float64);
}
cublasStatus_t cublasSgemmEx(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k, const float*,
                             const void*, cudaDataType type, int, const void*, cudaDataType, int, const float*, void*,
                             cudaDataType, int) {
    if (!modelled(type, "cublasSgemmEx")) return CUBLAS_STATUS_NOT_SUPPORTED;
    return product(handle, second, m, n, k, 1, arithmetic_of(type, tf32(handle)));
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k, const void*,
                            const void*, cudaDataType type, int, const void*, cudaDataType, int, const void*, void*,
                            cudaDataType, int, cublasComputeType_t compute, cublasGemmAlgo_t) {
    if (!modelled(type, "cublasGemmEx")) return CUBLAS_STATUS_NOT_SUPPORTED;
    return product(handle, second, m, n, k, 1, arithmetic_of(type, tf32(handle, compute)));
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k,
                                         const float*, const float*, int, long long, const float*, int, long long,
                                         const float*, float*, int, long long, int batch) {
    return product(handle, second, m, n, k, batch, arithmetic_of(CUDA_R_32F, tf32(handle)));
}
cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k,
                                         const double*, const double*, int, long long, const double*, int, long long,
                                         const double*, double*, int, long long, int batch) {
    return product(handle, second, m, n, k, batch, Arithmetic::Float64);
}
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t, cublasOperation_t second, int m, int n, int k,
                                          const void*, const void*, cudaDataType type, int, long long, const void*,
                                          cudaDataType, int, long long, const void*, void*, cudaDataType, int, long long,
                                          int batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
    if (!modelled(type, "cublasGemmStridedBatchedEx")) return CUBLAS_STATUS_NOT_SUPPORTED;
    return product(handle, second, m, n, k, batch, arithmetic_of(type, tf32(handle, compute)));
}
cublasStatus_t cublasSgemv_v2(cublasHandle_t handle, cublasOperation_t, int m, int n, const float*, const float*, int,
                              const float*, int, const float*, float*, int) {
    return matrix_vector(handle, double(m) * n + m + n, Arithmetic::Float32);
}
cublasStatus_t cublasDgemv_v2(cublasHandle_t handle, cublasOperation_t, int m, int n, const double*, const double*, int,
                              const double*, int, const double*, double*, int) {
    return matrix_vector(handle, double(m) * n + m + n, Arithmetic::Float64);
}
cublasStatus_t cublasSdot_v2(cublasHandle_t handle, int n, const float*, int, const float*, int, float* result) {
    if (of(handle).pointers == CUBLAS_POINTER_MODE_HOST) *result = 0;
    return dot(handle, n, Arithmetic::Float32);
}
cublasStatus_t cublasDdot_v2(cublasHandle_t handle, int n, const double*, int, const double*, int, double* result) {
    if (of(handle).pointers == CUBLAS_POINTER_MODE_HOST) *result = 0;
    return dot(handle, n, Arithmetic::Float64);
}
cublasStatus_t cublasDotEx(cublasHandle_t handle, int n, const void*, cudaDataType type, int, const void*, cudaDataType, int,
                           void*, cudaDataType, cudaDataType) {
    if (!modelled(type, "cublasDotEx")) return CUBLAS_STATUS_NOT_SUPPORTED;
    return dot(handle, n, arithmetic_of(type, false));
}

const char* cublasGetStatusName(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        default: return "CUBLAS_STATUS_EXECUTION_FAILED";
    }
}
const char* cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }

}  // extern "C"
