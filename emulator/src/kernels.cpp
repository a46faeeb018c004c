#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace emulator {
namespace {

// As in emulator/times/kernels.py, which says why.
struct Rule {
    KernelKind kind;
    const char* parts[6];
};
constexpr Rule RULES[] = {
    {KernelKind::Other, {"AdamFunctor"}},
    {KernelKind::Optimizer, {"multi_tensor_apply"}},
    {KernelKind::SplitSum, {"splitKreduce"}},
    {KernelKind::MatrixVector, {"gemv", "dot_kernel", "reduce_1Block"}},
    {KernelKind::Fill, {"FillFunctor"}},
    {KernelKind::Softmax, {"softmax", "SoftMax", "nll_loss", "cunn_"}},
    {KernelKind::Norm, {"layer_norm", "LayerNorm", "batch_norm", "GammaBeta", "RowwiseMoments", "welford"}},
    {KernelKind::Index, {"index_elementwise", "scatter_gather", "embedding_b", "EmbeddingBag", "indexSelect", "nan_to_num"}},
    {KernelKind::Copy, {"CatArrayBatchedCopy", "CopyKernel"}},
    {KernelKind::ColumnSum, {"reduce_kernel<128, 4", "reduce_kernelILi128ELi4E"}},
    {KernelKind::Reduction, {"reduce_kernel"}},
    {KernelKind::Binary, {"CUDAFunctor_add", "BinaryFunctor", "CUDAFunctorOnOther", "backward_kernel"}},
    {KernelKind::Elementwise, {"vectorized_elementwise", "vectorized_templated"}},
    {KernelKind::Strided, {"elementwise_kernel", "elementwise"}},
};
constexpr const char* HALVES[] = {"4HalfE", "8BFloat16E", "c10::Half", "c10::BFloat16", "__half", "__nv_bfloat16"};
constexpr double ELEMENTS = 4, STRIDED_ELEMENTS = 2, CHUNK = 65536, ITEM = 4;

template <class Parts>
bool holds_any(const char* name, const Parts& parts) {
    return std::any_of(std::begin(parts), std::end(parts), [&](const char* part) { return part && std::strstr(name, part); });
}

// Read and written by an element-wise kernel: an array of as many pointers is one of its parameters.
double tensors_of(const char* name, KernelKind kind) {
    for (const char* before : {"arrayIPcLm", "array<char*, ", "array<char *, "})
        if (const char* found = std::strstr(name, before)) return found[std::strlen(before)] - '0';
    return kind == KernelKind::Fill ? 1 : kind == KernelKind::Binary ? 3 : 2;
}

double bytes_of(const Launched& launched, KernelKind kind) {
    const char* name = launched.name ? launched.name : "";
    const double item = holds_any(name, HALVES) ? ITEM / 2 : ITEM;
    if (kind == KernelKind::Optimizer) return launched.blocks * CHUNK * item * 3;
    const double threads = launched.blocks * launched.threads;
    const bool elementwise = kind == KernelKind::Fill || kind == KernelKind::Binary || kind == KernelKind::Elementwise ||
                             kind == KernelKind::Strided;
    if (!elementwise) return threads * ELEMENTS * item * 2;
    const double tensors = tensors_of(name, kind);
    // PyTorch's have the number of elements as their first argument, and threads take more of them in newer versions.
    if (launched.arguments && launched.arguments[0] && std::strstr(name, "at6native")) {
        int elements;
        std::memcpy(&elements, launched.arguments[0], sizeof elements);
        return std::max(elements, 0) * item * tensors;
    }
    const bool few = std::strstr(name, "::elementwise_kernel<") || std::strstr(name, "18elementwise_kernelI");
    return threads * (few ? STRIDED_ELEMENTS : ELEMENTS) * item * tensors;
}

Nanos at_least_shortest(double us) { return from_us(std::max(us, profile().shortest_kernel_us)); }

}  // namespace

KernelKind kind_of(const char* name) {
    for (const Rule& rule : RULES)
        if (name && holds_any(name, rule.parts)) return rule.kind;
    return KernelKind::Other;
}

double kernel_us(KernelKind kind, double bytes, double blocks_x) {
    const Profile& p = profile();
    const KernelTimes& times = p.kernels[static_cast<std::size_t>(kind)];
    return times.floor_us + bytes / (p.memory_gb_s * 1e3 * times.share) + times.root_us * std::sqrt(blocks_x);
}

Nanos memory_time(double bytes) { return at_least_shortest(bytes / (profile().memory_gb_s * 1e3)); }

Nanos kernel_time(const Launched& launched, bool& holds) {
    holds = launched.name && std::strstr(launched.name, "spin_kernel") && launched.arguments;
    if (holds) {
        std::int64_t cycles;
        std::memcpy(&cycles, launched.arguments[0], sizeof cycles);
        return at_least_shortest(static_cast<double>(std::max<std::int64_t>(cycles, 0)) / profile().sm_clock_mhz);
    }
    const KernelKind kind = kind_of(launched.name);
    return from_us(kernel_us(kind, bytes_of(launched, kind), launched.blocks_x));
}

Nanos host_copy_time(double bytes) { return at_least_shortest(bytes / (profile().host_copy_gb_s * 1e3)); }

Nanos peer_copy_time(double bytes) { return at_least_shortest(bytes / (profile().link_gb_s * 1e3)); }

Nanos collective_time(double bytes, double factor, int ranks) {
    if (ranks <= 1) return memory_time(2 * bytes);
    double fastest = HUGE_VAL;
    for (const Protocol& each : profile().protocols)
        fastest = std::min(fastest, each.base_us + each.hop_us * 2 * (ranks - 1) + bytes * factor / (each.gb_s * 1e3));
    return from_us(std::max(profile().collective_floor_us, fastest));
}

}  // namespace emulator
