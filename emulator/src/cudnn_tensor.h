// A tensor as cuDNN is told of it.
#pragma once
#include <cudnn.h>

#include <vector>

namespace emulator {

struct CudnnTensor {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    std::vector<int> sizes, strides;
};
inline CudnnTensor& of(cudnnTensorDescriptor_t tensor) { return *reinterpret_cast<CudnnTensor*>(tensor); }

inline double item_bytes(cudnnDataType_t type) { return type == CUDNN_DATA_DOUBLE ? 8 : type == CUDNN_DATA_FLOAT ? 4 : 2; }

}  // namespace emulator
