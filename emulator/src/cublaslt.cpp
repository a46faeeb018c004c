// cuBLASLt: what torch.nn.functional.linear with a bias calls. Sizes come from the layouts, the transposition of
// the first matrix from the description.
#include <cublasLt.h>

#include <cstdio>
#include <cstring>

#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

struct Layout {
    cudaDataType type;
    std::uint64_t rows, columns;
    std::int32_t batch;
};

struct Description {
    cublasComputeType_t compute;
    std::int32_t transposed_a, transposed_b;
};

// Both live in the opaque structures, which callers may put on their stack.
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t), "a layout must fit");
static_assert(sizeof(Description) <= sizeof(cublasLtMatmulDescOpaque_t), "a description must fit");

Layout& of(cublasLtMatrixLayout_t layout) { return *reinterpret_cast<Layout*>(layout); }
Description& of(cublasLtMatmulDesc_t description) { return *reinterpret_cast<Description*>(description); }

Arithmetic arithmetic_of(const Layout& layout, cublasComputeType_t compute) {
    switch (layout.type) {
        case CUDA_R_64F: return Arithmetic::Float64;
        case CUDA_R_16F: return Arithmetic::Float16;
        case CUDA_R_16BF: return Arithmetic::BFloat16;
        default: return compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? Arithmetic::Tf32 : Arithmetic::Float32;
    }
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* out) {
    static int handle;
    *out = reinterpret_cast<cublasLtHandle_t>(&handle);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
size_t cublasLtGetVersion() { return CUBLAS_VERSION; }

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t layout, size_t, cudaDataType type, uint64_t rows,
                                                 uint64_t columns, int64_t) {
    of(layout) = {type, rows, columns, 1};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* out, cudaDataType type, uint64_t rows, uint64_t columns,
                                          int64_t ld) {
    *out = new cublasLtMatrixLayoutOpaque_t{};
    return cublasLtMatrixLayoutInit_internal(*out, sizeof **out, type, rows, columns, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which,
                                                const void* value, size_t) {
    if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) std::memcpy(&of(layout).batch, value, sizeof of(layout).batch);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t description, size_t, cublasComputeType_t compute,
                                               cudaDataType_t) {
    of(description) = {compute, CUBLAS_OP_N, CUBLAS_OP_N};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* out, cublasComputeType_t compute, cudaDataType_t scale) {
    *out = new cublasLtMatmulDescOpaque_t{};
    return cublasLtMatmulDescInit_internal(*out, sizeof **out, compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
    delete description;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t which,
                                              const void* value, size_t) {
    if (which == CUBLASLT_MATMUL_DESC_TRANSA)
        std::memcpy(&of(description).transposed_a, value, sizeof of(description).transposed_a);
    if (which == CUBLASLT_MATMUL_DESC_TRANSB)
        std::memcpy(&of(description).transposed_b, value, sizeof of(description).transposed_b);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t, size_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* out) {
    *out = new cublasLtMatmulPreferenceOpaque_t{};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int asked, cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
    *found = asked > 0;
    if (asked > 0) {
        std::memset(results, 0, sizeof results[0]);
        results[0].state = CUBLAS_STATUS_SUCCESS;
        results[0].wavesCount = 1;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void*, const void*,
                              cublasLtMatrixLayout_t a, const void*, cublasLtMatrixLayout_t, const void*, const void*,
                              cublasLtMatrixLayout_t, void*, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t*, void*,
                              size_t, cudaStream_t stream) {
    const cudaDataType type = of(a).type;
    if (type != CUDA_R_64F && type != CUDA_R_32F && type != CUDA_R_16F && type != CUDA_R_16BF) {
        std::fprintf(stderr, "emulator: cublasLtMatmul of cudaDataType %d is not modelled\n", static_cast<int>(type));
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    const Nanos called = now();
    const Layout &first = of(a), &result = of(d);
    const double k = static_cast<double>(of(description).transposed_a == CUBLAS_OP_N ? first.columns : first.rows);
    // Columns are what lies together in memory here; see product() in cublas.cpp.
    const Nanos duration = gemm_time(static_cast<double>(result.columns), static_cast<double>(result.rows), k, result.batch,
                                     arithmetic_of(first, of(description).compute), of(description).transposed_b != CUBLAS_OP_N);
    const int error = launch(stream_of(stream), WorkKind::Gemm, duration, nullptr, 0, called);
    answer(error);
    return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
