// cuDNN: recurrent networks, as the products that they are: of each layer one of all inputs at once and one of the state at
// every step, which a kernel on its gates follows (Appleyard et al., Optimizing Performance of Recurrent Neural Networks on
// GPUs, 2016). Layers and directions run one after the other; persistent kernels are not modelled.
#include <cudnn.h>

#include <cstddef>
#include <cstdint>

#include "cudnn_handle.h"
#include "cudnn_tensor.h"
#include "kernels.h"
#include "runtime.h"

using namespace emulator;

namespace {

struct Rnn {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    int gates = 1, input = 0, hidden = 0, layers = 0, directions = 1;
    bool tensor_cores = false;

    // What a layer reads: the input, or the states of both directions of the layer below.
    int wide(int layer) const { return layer ? hidden * directions : input; }
    std::size_t products(int layer) const {
        return static_cast<std::size_t>(gates) * static_cast<std::size_t>(hidden) * static_cast<std::size_t>(wide(layer) + hidden);
    }
    std::size_t biases() const { return 2 * static_cast<std::size_t>(gates) * static_cast<std::size_t>(hidden); }
    Arithmetic arithmetic() const {
        switch (type) {
            case CUDNN_DATA_DOUBLE: return Arithmetic::Float64;
            case CUDNN_DATA_HALF: return Arithmetic::Float16;
            case CUDNN_DATA_BFLOAT16: return Arithmetic::BFloat16;
            default: return tensor_cores && profile().capability_major >= 8 ? Arithmetic::Tf32 : Arithmetic::Float32;
        }
    }
};
Rnn& of(cudnnRNNDescriptor_t rnn) { return *reinterpret_cast<Rnn*>(rnn); }

struct Sequence {
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    int steps = 0, samples = 0;
};
Sequence& of(cudnnRNNDataDescriptor_t sequence) { return *reinterpret_cast<Sequence*>(sequence); }

class Issued {
public:
    Issued(cudnnHandle_t handle, const Rnn& rnn) : stream_(stream_of(emulator::of(handle).stream)), rnn_(rnn) {}

    void product(double m, double n, double k) { run(WorkKind::Gemm, gemm_time(m, n, k, 1, rnn_.arithmetic())); }
    void kernel(KernelKind kind, double items) {
        run(WorkKind::Kernel, from_us(kernel_us(kind, items * item_bytes(rnn_.type), 0)));
    }
    cudnnStatus_t status() const {
        answer(error_);
        return error_ ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
    }

private:
    void run(WorkKind kind, Nanos duration) {
        if (!error_) error_ = launch(stream_, kind, duration, nullptr, 0, now());
    }

    Stream* stream_;
    const Rnn& rnn_;
    int error_ = 0;
};

template <class Action>
void each_layer(const Rnn& rnn, Action action) {
    for (int layer = 0; layer < rnn.layers; ++layer)
        for (int direction = 0; direction < rnn.directions; ++direction) action(rnn.wide(layer));
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreateDropoutDescriptor(cudnnDropoutDescriptor_t* out) {
    *out = reinterpret_cast<cudnnDropoutDescriptor_t>(new char);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyDropoutDescriptor(cudnnDropoutDescriptor_t dropout) {
    delete reinterpret_cast<char*>(dropout);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDropoutGetStatesSize(cudnnHandle_t, size_t* bytes) {
    *bytes = 1024;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t, cudnnHandle_t, float, void*, size_t, unsigned long long) {
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnRestoreDropoutDescriptor(cudnnDropoutDescriptor_t, cudnnHandle_t, float, void*, size_t, unsigned long long) {
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateRNNDescriptor(cudnnRNNDescriptor_t* out) {
    *out = reinterpret_cast<cudnnRNNDescriptor_t>(new Rnn);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyRNNDescriptor(cudnnRNNDescriptor_t rnn) {
    delete &of(rnn);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetRNNDescriptor_v8(cudnnRNNDescriptor_t rnn, cudnnRNNAlgo_t, cudnnRNNMode_t mode, cudnnRNNBiasMode_t,
                                       cudnnDirectionMode_t direction, cudnnRNNInputMode_t, cudnnDataType_t type, cudnnDataType_t,
                                       cudnnMathType_t math, int32_t input, int32_t hidden, int32_t projected, int32_t layers,
                                       cudnnDropoutDescriptor_t, uint32_t) {
    if (projected != hidden) return CUDNN_STATUS_NOT_SUPPORTED;
    const int gates = mode == CUDNN_LSTM ? 4 : mode == CUDNN_GRU ? 3 : 1;
    const int directions = direction == CUDNN_BIDIRECTIONAL ? 2 : 1;
    of(rnn) = {type, gates, input, hidden, layers, directions, math != CUDNN_FMA_MATH};
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnCreateRNNDataDescriptor(cudnnRNNDataDescriptor_t* out) {
    *out = reinterpret_cast<cudnnRNNDataDescriptor_t>(new Sequence);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroyRNNDataDescriptor(cudnnRNNDataDescriptor_t sequence) {
    delete &of(sequence);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetRNNDataDescriptor(cudnnRNNDataDescriptor_t sequence, cudnnDataType_t type, cudnnRNNDataLayout_t, int steps,
                                        int samples, int, const int[], void*) {
    of(sequence) = {type, steps, samples};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetRNNTempSpaceSizes(cudnnHandle_t, cudnnRNNDescriptor_t descriptor, cudnnForwardMode_t mode,
                                        cudnnRNNDataDescriptor_t sequence, size_t* workspace, size_t* reserve) {
    const Rnn& rnn = of(descriptor);
    const auto item = static_cast<std::size_t>(item_bytes(rnn.type));
    const auto states = static_cast<std::size_t>(of(sequence).steps) * static_cast<std::size_t>(of(sequence).samples) *
                        static_cast<std::size_t>(rnn.hidden) * static_cast<std::size_t>(rnn.directions) * item;
    // The gates of a layer; for the way back those of all layers, and what the cells held.
    if (workspace) *workspace = states * static_cast<std::size_t>(rnn.gates);
    if (reserve)
        *reserve = mode == CUDNN_FWD_MODE_TRAINING ? states * static_cast<std::size_t>((rnn.gates + 2) * rnn.layers) : 0;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetRNNWeightSpaceSize(cudnnHandle_t, cudnnRNNDescriptor_t descriptor, size_t* bytes) {
    const Rnn& rnn = of(descriptor);
    std::size_t items = 0;
    for (int layer = 0; layer < rnn.layers; ++layer)
        items += static_cast<std::size_t>(rnn.directions) * (rnn.products(layer) + rnn.biases());
    *bytes = items * static_cast<std::size_t>(item_bytes(rnn.type));
    return CUDNN_STATUS_SUCCESS;
}
// Matrices of all layers, then biases; of a layer those on its input, then those on its state, a gate after the other.
cudnnStatus_t cudnnGetRNNWeightParams(cudnnHandle_t, cudnnRNNDescriptor_t descriptor, int32_t pseudo, size_t, const void* space,
                                      int32_t gate, cudnnTensorDescriptor_t matrix, void** matrix_at, cudnnTensorDescriptor_t bias,
                                      void** bias_at) {
    const Rnn& rnn = of(descriptor);
    if (pseudo < 0 || pseudo >= rnn.layers * rnn.directions || gate < 0 || gate >= 2 * rnn.gates) return CUDNN_STATUS_BAD_PARAM;
    const auto hidden = static_cast<std::size_t>(rnn.hidden);
    std::size_t before = 0, matrices = 0;
    for (int each = 0; each < rnn.layers * rnn.directions; ++each) {
        if (each < pseudo) before += rnn.products(each / rnn.directions);
        matrices += rnn.products(each / rnn.directions);
    }
    const int wide = rnn.wide(pseudo / rnn.directions), of_state = gate - rnn.gates;
    const auto on_input = static_cast<std::size_t>(of_state < 0 ? gate : rnn.gates) * hidden * static_cast<std::size_t>(wide);
    before += on_input + (of_state < 0 ? 0 : static_cast<std::size_t>(of_state) * hidden * hidden);
    const auto item = static_cast<std::size_t>(item_bytes(rnn.type));
    auto* const start = static_cast<char*>(const_cast<void*>(space));
    const int columns = of_state < 0 ? wide : rnn.hidden;
    if (matrix) emulator::of(matrix) = {rnn.type, {1, rnn.hidden, columns}, {rnn.hidden * columns, columns, 1}};
    if (matrix_at) *matrix_at = start + before * item;
    const auto place = static_cast<std::size_t>(pseudo) * rnn.biases() + static_cast<std::size_t>(gate) * hidden;
    if (bias) emulator::of(bias) = {rnn.type, {1, rnn.hidden, 1}, {rnn.hidden, 1, 1}};
    if (bias_at) *bias_at = start + (matrices + place) * item;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnRNNForward(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor, cudnnForwardMode_t, const int32_t[],
                              cudnnRNNDataDescriptor_t x, const void*, cudnnRNNDataDescriptor_t, void*, cudnnTensorDescriptor_t,
                              const void*, void*, cudnnTensorDescriptor_t, const void*, void*, size_t, const void*, size_t, void*,
                              size_t, void*) {
    if (!descriptor || !x) return CUDNN_STATUS_BAD_PARAM;
    const Rnn& rnn = of(descriptor);
    const double steps = of(x).steps, samples = of(x).samples, rows = rnn.gates * rnn.hidden;
    Issued issued(handle, rnn);
    each_layer(rnn, [&](int wide) {
        issued.product(steps * samples, rows, wide);
        for (int step = 0; step < of(x).steps; ++step) {
            issued.product(samples, rows, rnn.hidden);
            issued.kernel(KernelKind::Elementwise, samples * (rows + 3 * rnn.hidden));
        }
    });
    return issued.status();
}
// The state's gradient passes through the gates of every step; the input's is one product in the end.
cudnnStatus_t cudnnRNNBackwardData_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor, const int32_t[],
                                      cudnnRNNDataDescriptor_t, const void*, const void*, cudnnRNNDataDescriptor_t x, void*,
                                      cudnnTensorDescriptor_t, const void*, const void*, void*, cudnnTensorDescriptor_t,
                                      const void*, const void*, void*, size_t, const void*, size_t, void*, size_t, void*) {
    const Rnn& rnn = of(descriptor);
    const double steps = of(x).steps, samples = of(x).samples, rows = rnn.gates * rnn.hidden;
    Issued issued(handle, rnn);
    each_layer(rnn, [&](int wide) {
        for (int step = 0; step < of(x).steps; ++step) {
            issued.kernel(KernelKind::Elementwise, samples * (2 * rows + 3 * rnn.hidden));
            issued.product(samples, rnn.hidden, rows);
        }
        issued.product(steps * samples, wide, rows);
    });
    return issued.status();
}
cudnnStatus_t cudnnRNNBackwardWeights_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t descriptor, cudnnWgradMode_t, const int32_t[],
                                         cudnnRNNDataDescriptor_t x, const void*, cudnnTensorDescriptor_t, const void*,
                                         cudnnRNNDataDescriptor_t, const void*, size_t, void*, size_t, void*, size_t, void*) {
    const Rnn& rnn = of(descriptor);
    const double all = static_cast<double>(of(x).steps) * of(x).samples, rows = rnn.gates * rnn.hidden;
    Issued issued(handle, rnn);
    each_layer(rnn, [&](int wide) {
        issued.product(rows, wide, all);
        issued.product(rows, rnn.hidden, all);
        issued.kernel(KernelKind::ColumnSum, all * rows);
    });
    return issued.status();
}

}  // extern "C"
