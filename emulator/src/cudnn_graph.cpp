#include "cudnn_graph.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "kernels.h"

namespace emulator {
namespace {

using Sizes = std::vector<double>;

Sizes sizes_of(const Descriptor* operation, cudnnBackendAttributeName_t which) {
    const Descriptor* tensor = operation->child(which);
    const Attribute* found = tensor ? tensor->find(CUDNN_ATTR_TENSOR_DIMENSIONS) : nullptr;
    if (!found) return {};
    std::vector<std::int64_t> whole(static_cast<std::size_t>(found->count));
    std::memcpy(whole.data(), found->bytes.data(), found->bytes.size());
    return Sizes(whole.begin(), whole.end());
}

std::optional<Arithmetic> arithmetic_of(const Descriptor* operation, cudnnBackendAttributeName_t which) {
    const Descriptor* tensor = operation->child(which);
    const Attribute* found = tensor ? tensor->find(CUDNN_ATTR_TENSOR_DATA_TYPE) : nullptr;
    if (!found) return std::nullopt;
    cudnnDataType_t type;
    std::memcpy(&type, found->bytes.data(), sizeof type);
    switch (type) {
        case CUDNN_DATA_DOUBLE: return Arithmetic::Float64;
        // torch.backends.cudnn.allow_tf32 is on unless somebody turns it off.
        case CUDNN_DATA_FLOAT: return profile().capability_major >= 8 ? Arithmetic::Tf32 : Arithmetic::Float32;
        case CUDNN_DATA_HALF: return Arithmetic::Float16;
        case CUDNN_DATA_BFLOAT16: return Arithmetic::BFloat16;
        default: return std::nullopt;
    }
}

// Of all sizes from a place on.
double volume(const Sizes& sizes, std::size_t from) {
    double product = 1;
    for (std::size_t each = from; each < sizes.size(); ++each) product *= sizes[each];
    return product;
}

// A convolution as the matrix product that it is (implicit GEMM: Chetlur et al., cuDNN, 2014). x: images, channels and
// their sizes; w: filters, channels of a group and their sizes; y: images, filters and their sizes.
enum class Pass { Forward, Data, Filter };
Nanos convolution(Pass pass, const Sizes& x, const Sizes& w, const Sizes& y, Arithmetic arithmetic) {
    if (x.size() < 3 || w.size() < 3 || y.size() < 3) return 0;
    const double groups = std::max(1.0, x[1] / w[1]), filters = w[0] / groups, taps = volume(w, 2);
    const double pixels = y[0] * volume(y, 2), inputs = x[0] * volume(x, 2);
    switch (pass) {
        case Pass::Forward: return gemm_time(pixels, filters, w[1] * taps, groups, arithmetic);
        case Pass::Data: return gemm_time(inputs, w[1], filters * taps, groups, arithmetic);
        case Pass::Filter: return gemm_time(filters, w[1] * taps, pixels, groups, arithmetic);
    }
    return 0;
}

// Scaled dot-product attention as its products: scores and their use, and backwards both again with three gradients
// (Dao et al., FlashAttention, 2022). Sizes: batch, heads, tokens, features.
Nanos attention(const Descriptor& operation, cudnnBackendAttributeName_t query, cudnnBackendAttributeName_t key,
                cudnnBackendAttributeName_t value, bool backward) {
    const Sizes q = sizes_of(&operation, query), k = sizes_of(&operation, key), v = sizes_of(&operation, value);
    const auto arithmetic = arithmetic_of(&operation, query);
    if (q.size() != 4 || k.size() != 4 || v.size() != 4 || !arithmetic) return 0;
    const double batch = q[0] * q[1], tokens = q[2], others = k[2], features = q[3], wide = v[3];
    const auto product = [&](double m, double n, double depth) { return gemm_time(m, n, depth, batch, *arithmetic); };
    const Nanos forward = product(tokens, others, features) + product(tokens, wide, others);
    if (!backward) return forward;
    return forward + product(others, wide, tokens) + product(tokens, features, others) + product(others, features, tokens);
}

Nanos operation_time(const Descriptor& operation) {
    const auto run = [&](Pass pass, cudnnBackendAttributeName_t x, cudnnBackendAttributeName_t w, cudnnBackendAttributeName_t y) {
        const auto arithmetic = arithmetic_of(&operation, x);
        return arithmetic ? convolution(pass, sizes_of(&operation, x), sizes_of(&operation, w), sizes_of(&operation, y), *arithmetic) : 0;
    };
    switch (operation.type) {
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
            return run(Pass::Forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
            return run(Pass::Data, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
            return run(Pass::Filter, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY);
        case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR: {
            const Sizes a = sizes_of(&operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC);
            const Sizes b = sizes_of(&operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC);
            const auto arithmetic = arithmetic_of(&operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC);
            if (a.size() < 2 || b.size() < 2 || !arithmetic) return 0;
            const std::size_t rows = a.size() - 2;
            const double batch = volume(a, 0) / (a[rows] * a[rows + 1]);
            return gemm_time(a[rows], b.back(), a.back(), batch, *arithmetic);
        }
        case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
            return attention(operation, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
                             CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, false);
        case CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR:
            return attention(operation, CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC, CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC,
                             CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC, true);
        default: return 0;
    }
}

}  // namespace

const Attribute* Descriptor::find(cudnnBackendAttributeName_t name) const {
    for (const Named& each : attributes)
        if (each.name == name) return &each.value;
    return nullptr;
}

void Descriptor::set(cudnnBackendAttributeName_t name, Attribute value) {
    for (Named& each : attributes)
        if (each.name == name) {
            each.value = std::move(value);
            return;
        }
    attributes.push_back({name, std::move(value)});
}

const Descriptor* Descriptor::child(cudnnBackendAttributeName_t name) const {
    const Attribute* found = find(name);
    return found && !found->children.empty() ? found->children.front().get() : nullptr;
}

Nanos plan_time(const Descriptor& plan) {
    const Descriptor* at = &plan;
    for (const auto name : {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_ATTR_ENGINE_OPERATION_GRAPH}) {
        at = at->child(name);
        if (!at) return 0;
    }
    const Attribute* operations = at->find(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    Nanos total = 0;
    if (operations)
        for (const DescriptorRef& operation : operations->children) total += operation_time(*operation);
    return total;
}

}  // namespace emulator
