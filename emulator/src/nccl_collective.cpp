// NCCL: collectives. Each begins when the last rank's stream has come to it and takes the time of its bytes. Integers
// are moved and reduced for real, since PyTorch checks shapes and buckets with them; of floating-point data, which
// mostly nobody computed, only a little.
#include <algorithm>
#include <cstring>
#include <vector>

#include "faults.h"
#include "jitter.h"
#include "kernels.h"
#include "nccl_communicator.h"
#include "nccl_values.h"
#include "runtime.h"

using namespace emulator;

namespace {

// Floating-point numbers are moved and reduced only where they are a few, such as a figure that ranks agree on.
constexpr std::size_t KEPT_FLOATS = 4096;

enum class Pattern { AllReduce, Reduce, Broadcast, AllGather, ReduceScatter };

struct Collective {
    Pattern pattern;
    const void* send;
    void* receive;
    std::size_t count;  // as the call gives it
    ncclDataType_t type;
    ncclRedOp_t operation;
    int root;
};

class RankMeeting : public Meeting {
   public:
    RankMeeting(CommunicatorRef communicator, const Collective& collective, Nanos duration)
        : comm_(std::move(communicator)), rounds_(*comm_->rounds), collective_(collective), duration_(duration),
          number_(rounds_.next()) {}

    void arrive(Nanos at) override { came_ = std::max<Nanos>(at, 1); }

    Nanos end() override {
        if (rounds_.aborted()) return came_;
        if (!announced_ && rounds_.has_turn(number_)) announce();
        if (!announced_ || !rounds_.complete(number_)) return 0;
        Nanos begin, takes;
        rounds_.read_times(number_, begin, takes);
        return end_ = begin + takes;
    }

    void deliver() override {
        if (!end_) return;  // aborted
        bring();
        comm_->free_at.store(end_);
        rounds_.leave(number_);
    }

   private:
    // The others may see that this rank has come.
    void announce() {
        announced_ = true;
        const bool sending = collective_.pattern != Pattern::Broadcast || rounds_.rank() == collective_.root;
        if (moves() && sending) std::memcpy(rounds_.data(number_, rounds_.rank()), collective_.send, sends());
        rounds_.tell_times(number_, std::max(came_, comm_->free_at.load()), duration_);
        if (strikes(Fault::Hang, physical(comm_->device))) return;  // it never comes, and the others wait
        rounds_.come(number_);
    }

    void bring() {
        const std::size_t bytes = collective_.count * size_of(collective_.type);
        if (!moves()) {
            const bool gathers = collective_.pattern == Pattern::AllGather;
            return clear_bytes(collective_.receive, gathers ? bytes * static_cast<std::size_t>(rounds_.ranks()) : bytes);
        }
        char* const to = static_cast<char*>(collective_.receive);
        switch (collective_.pattern) {
            case Pattern::Broadcast: move_bytes(to, sent(collective_.root), bytes); break;
            case Pattern::AllGather:
                for (int rank = 0; rank < rounds_.ranks(); ++rank)
                    move_bytes(to + bytes * static_cast<std::size_t>(rank), sent(rank), bytes);
                break;
            case Pattern::Reduce:
                if (rounds_.rank() != collective_.root) break;
                [[fallthrough]];
            case Pattern::AllReduce: reduced(to, 0, bytes); break;
            case Pattern::ReduceScatter: reduced(to, bytes * static_cast<std::size_t>(rounds_.rank()), bytes); break;
        }
    }

    bool moves() const {
        if (is_integer(collective_.type)) return sends() <= KEPT_BYTES;
        return (collective_.type == ncclFloat32 || collective_.type == ncclFloat64) && sends() <= KEPT_FLOATS;
    }
    std::size_t sends() const {
        const std::size_t bytes = collective_.count * size_of(collective_.type);
        return collective_.pattern == Pattern::ReduceScatter ? bytes * static_cast<std::size_t>(rounds_.ranks()) : bytes;
    }
    const char* sent(int rank) const { return rounds_.data(number_, rank); }

    void reduced(char* to, std::size_t offset, std::size_t bytes) {
        std::vector<char> sum(sent(0) + offset, sent(0) + offset + bytes);
        for (int rank = 1; rank < rounds_.ranks(); ++rank)
            reduce(sum.data(), sent(rank) + offset, collective_.count, collective_.type, collective_.operation);
        if (collective_.operation == ncclAvg) average(sum.data(), collective_.count, collective_.type, rounds_.ranks());
        move_bytes(to, sum.data(), bytes);
    }

    CommunicatorRef comm_;
    Rounds& rounds_;
    Collective collective_;
    Nanos duration_;
    std::uint64_t number_;
    Nanos came_ = 0, end_ = 0;
    bool announced_ = false;
};

ncclResult_t run(const Collective& collective, ncclComm_t handle, cudaStream_t stream) {
    const CommunicatorRef comm = communicator_of(handle);
    const int ranks = comm->rounds->ranks();
    const double n = ranks, share = (n - 1) / n;
    double bytes = static_cast<double>(collective.count * size_of(collective.type)), factor = 1;
    if (collective.pattern == Pattern::AllReduce) factor = 2 * share;
    if (collective.pattern == Pattern::AllGather || collective.pattern == Pattern::ReduceScatter) {
        bytes *= n;
        factor = share;
    }
    const auto duration = static_cast<Nanos>(static_cast<double>(collective_time(bytes, factor, ranks)) *
                                             slowness(physical(comm->device)));
    // Made when the call is, or when a graph that holds it is launched: the order of meetings is the order of calls.
    const auto make = [=]() -> std::shared_ptr<Meeting> {
        return std::make_shared<RankMeeting>(comm, collective, varied(Varied::Kernel, duration));
    };
    const int before = current_index();
    set_current(comm->device);  // whose default stream is meant where none is named
    const int error = launch_meeting(stream_of(stream), duration, make);
    set_current(before);
    answer(error);
    return error ? ncclUnhandledCudaError : ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t comm, cudaStream_t stream) {
    return run({Pattern::AllReduce, send, receive, count, type, operation, 0}, comm, stream);
}
ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t operation, int root,
                        ncclComm_t comm, cudaStream_t stream) {
    return run({Pattern::Reduce, send, receive, count, type, operation, root}, comm, stream);
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
    return run({Pattern::Broadcast, send, receive, count, type, ncclSum, root}, comm, stream);
}
ncclResult_t ncclBcast(void* buffer, size_t count, ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream) {
    return ncclBroadcast(buffer, buffer, count, type, root, comm, stream);
}
ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
    return run({Pattern::AllGather, send, receive, count, type, ncclSum, 0}, comm, stream);
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                               ncclComm_t comm, cudaStream_t stream) {
    return run({Pattern::ReduceScatter, send, receive, count, type, operation, 0}, comm, stream);
}

}  // extern "C"
