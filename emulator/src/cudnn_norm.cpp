// cuDNN: batch normalisation, which moves its tensor a few times. Tensors are described by sizes; strides do not matter.
#include <cudnn.h>

#include <cstdint>

#include "cudnn_handle.h"
#include "cudnn_tensor.h"
#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

double bytes_of(const CudnnTensor& tensor) {
    double bytes = item_bytes(tensor.type);
    for (const int size : tensor.sizes) bytes *= size;
    return bytes;
}

// passes: how often the tensor is read or written.
cudnnStatus_t normalise(cudnnHandle_t handle, cudnnTensorDescriptor_t x, double passes) {
    const Nanos called = now();
    const Nanos duration = from_us(kernel_us(KernelKind::Norm, passes * bytes_of(of(x)), 0));
    const int error = launch(stream_of(of(handle).stream), WorkKind::Kernel, duration, nullptr, 0, called);
    answer(error);
    return error ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t nothing(size_t* bytes) {
    *bytes = 0;
    return CUDNN_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* out) {
    *out = reinterpret_cast<cudnnTensorDescriptor_t>(new CudnnTensor);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) {
    delete &of(tensor);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int dimensions, const int sizes[],
                                         const int strides[]) {
    of(tensor) = {type, {sizes, sizes + dimensions}, {strides, strides + dimensions}};
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetTensorNdDescriptor(const cudnnTensorDescriptor_t tensor, int asked, cudnnDataType_t* type, int* dimensions,
                                         int sizes[], int strides[]) {
    const CudnnTensor& from = of(tensor);
    *type = from.type;
    *dimensions = static_cast<int>(from.sizes.size());
    for (int each = 0; each < asked && each < *dimensions; ++each) {
        sizes[each] = from.sizes[static_cast<std::size_t>(each)];
        strides[each] = from.strides[static_cast<std::size_t>(each)];
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBatchNormalizationForwardInference(cudnnHandle_t handle, cudnnBatchNormMode_t, const void*, const void*,
                                                      const cudnnTensorDescriptor_t x, const void*, const cudnnTensorDescriptor_t,
                                                      void*, const cudnnTensorDescriptor_t, const void*, const void*, const void*,
                                                      const void*, double) {
    return normalise(handle, x, 2);
}
cudnnStatus_t cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
    cudnnHandle_t, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnActivationDescriptor_t, size_t* bytes) {
    return nothing(bytes);
}
cudnnStatus_t cudnnGetBatchNormalizationBackwardExWorkspaceSize(
    cudnnHandle_t, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnActivationDescriptor_t, size_t* bytes) {
    return nothing(bytes);
}
cudnnStatus_t cudnnGetBatchNormalizationTrainingExReserveSpaceSize(cudnnHandle_t, cudnnBatchNormMode_t, cudnnBatchNormOps_t,
                                                                   const cudnnActivationDescriptor_t,
                                                                   const cudnnTensorDescriptor_t, size_t* bytes) {
    return nothing(bytes);
}
// Read for the mean and the variance, read again, written.
cudnnStatus_t cudnnBatchNormalizationForwardTrainingEx(
    cudnnHandle_t handle, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const void*, const void*, const cudnnTensorDescriptor_t x,
    const void*, const cudnnTensorDescriptor_t, const void*, const cudnnTensorDescriptor_t, void*, const cudnnTensorDescriptor_t,
    const void*, const void*, double, void*, void*, double, void*, void*, cudnnActivationDescriptor_t, void*, size_t, void*,
    size_t) {
    return normalise(handle, x, 3);
}
// Input and gradient read for the sums and again for the gradient, which is written.
cudnnStatus_t cudnnBatchNormalizationBackwardEx(
    cudnnHandle_t handle, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const void*, const void*, const void*, const void*,
    const cudnnTensorDescriptor_t x, const void*, const cudnnTensorDescriptor_t, const void*, const cudnnTensorDescriptor_t,
    const void*, const cudnnTensorDescriptor_t, void*, const cudnnTensorDescriptor_t, void*, const cudnnTensorDescriptor_t,
    const void*, const void*, void*, void*, double, const void*, const void*, cudnnActivationDescriptor_t, void*, size_t, void*,
    size_t) {
    return normalise(handle, x, 5);
}

}  // extern "C"
