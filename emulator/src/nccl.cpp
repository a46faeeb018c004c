// NCCL: collectives between the ranks of a node. Ranks meet in a file beside the node's; the collective begins when
// the last one's stream has come to it and takes the time of its bytes. Integers are moved and reduced for real, since
// PyTorch checks shapes and buckets with them; of floating-point data, which mostly nobody computed, only a little.
#include <nccl.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "faults.h"
#include "kernels.h"
#include "own_file.h"
#include "runtime.h"

using namespace emulator;

namespace {

constexpr int MAX_RANKS = 64;
// A rank comes to a round only after it has left the one before, so two rounds would do; four are a power of two.
constexpr std::uint64_t ROUNDS = 4;
// Floating-point numbers are moved and reduced only where they are a few, such as a figure that ranks agree on.
constexpr std::size_t KEPT_FLOATS = 4096;

struct Round {
    std::atomic<std::uint64_t> arrived;  // over all uses of this round
    std::atomic<Nanos> arrivals[MAX_RANKS];
    std::atomic<Nanos> durations[MAX_RANKS];
};

struct Shared {
    std::atomic<std::uint32_t> attached;
    Round rounds[ROUNDS];
    char data[ROUNDS][MAX_RANKS][KEPT_BYTES];
};

struct Communicator {
    int ranks, rank, device;  // device: as this process sees it
    std::string path;
    Shared* shared = nullptr;
    std::atomic<std::uint64_t> next{0};  // sequence number of the next collective
    // Collectives run one after the other, on whichever streams they are: how many this rank has been through, and
    // when the last of them ended.
    std::atomic<std::uint64_t> left{0};
    std::atomic<Nanos> free_at{0};
    std::atomic<bool> aborted{false};

    ~Communicator() {
        if (shared) munmap(shared, sizeof(Shared));
    }
};
using CommunicatorRef = std::shared_ptr<Communicator>;

struct Handle {
    CommunicatorRef communicator;
};

CommunicatorRef& of(ncclComm_t handle) { return reinterpret_cast<Handle*>(handle)->communicator; }

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

std::size_t size_of(ncclDataType_t type) {
    switch (type) {
        case ncclInt8:
        case ncclUint8:
        case ncclFloat8e4m3:
        case ncclFloat8e5m2: return 1;
        case ncclFloat16:
        case ncclBfloat16: return 2;
        case ncclInt64:
        case ncclUint64:
        case ncclFloat64: return 8;
        default: return 4;
    }
}

bool is_integer(ncclDataType_t type) { return type <= ncclUint64; }

template <class T>
void reduce(char* into, const char* from, std::size_t count, ncclRedOp_t operation) {
    T *a = reinterpret_cast<T*>(into);
    const T* b = reinterpret_cast<const T*>(from);
    for (std::size_t i = 0; i < count; ++i) {
        if (operation == ncclProd)
            a[i] = static_cast<T>(a[i] * b[i]);
        else if (operation == ncclMax)
            a[i] = std::max(a[i], b[i]);
        else if (operation == ncclMin)
            a[i] = std::min(a[i], b[i]);
        else
            a[i] = static_cast<T>(a[i] + b[i]);
    }
}

void reduce(char* into, const char* from, std::size_t count, ncclDataType_t type, ncclRedOp_t operation) {
    switch (type) {
        case ncclInt8: return reduce<std::int8_t>(into, from, count, operation);
        case ncclUint8: return reduce<std::uint8_t>(into, from, count, operation);
        case ncclInt32: return reduce<std::int32_t>(into, from, count, operation);
        case ncclUint32: return reduce<std::uint32_t>(into, from, count, operation);
        case ncclInt64: return reduce<std::int64_t>(into, from, count, operation);
        case ncclFloat32: return reduce<float>(into, from, count, operation);
        case ncclFloat64: return reduce<double>(into, from, count, operation);
        default: return reduce<std::uint64_t>(into, from, count, operation);
    }
}

template <class T>
void average(char* sums, std::size_t count, int ranks) {
    for (std::size_t i = 0; i < count; ++i) reinterpret_cast<T*>(sums)[i] /= static_cast<T>(ranks);
}

void average(char* sums, std::size_t count, ncclDataType_t type, int ranks) {
    switch (type) {
        case ncclInt8: return average<std::int8_t>(sums, count, ranks);
        case ncclUint8: return average<std::uint8_t>(sums, count, ranks);
        case ncclInt32: return average<std::int32_t>(sums, count, ranks);
        case ncclUint32: return average<std::uint32_t>(sums, count, ranks);
        case ncclInt64: return average<std::int64_t>(sums, count, ranks);
        case ncclFloat32: return average<float>(sums, count, ranks);
        case ncclFloat64: return average<double>(sums, count, ranks);
        default: return average<std::uint64_t>(sums, count, ranks);
    }
}

class RankMeeting : public Meeting {
   public:
    RankMeeting(CommunicatorRef communicator, const Collective& collective, Nanos duration)
        : comm_(std::move(communicator)), collective_(collective), duration_(duration), number_(comm_->next++) {}

    void arrive(Nanos at) override { came_ = std::max<Nanos>(at, 1); }

    Nanos end() override {
        if (comm_->aborted.load()) return came_;
        if (!announced_ && comm_->left.load() == number_) announce();
        Round& round = comm_->shared->rounds[number_ % ROUNDS];
        if (!announced_ || round.arrived.load() < complete()) return 0;
        Nanos begin = 0, takes = 0;
        for (int rank = 0; rank < comm_->ranks; ++rank) {
            begin = std::max(begin, round.arrivals[rank].load());
            takes = std::max(takes, round.durations[rank].load());  // the slowest device's
        }
        return end_ = begin + takes;
    }

    void deliver() override {
        if (!end_) return;  // aborted
        bring();
        comm_->free_at.store(end_);
        comm_->left.store(number_ + 1);
    }

   private:
    // The others may see that this rank has come.
    void announce() {
        announced_ = true;
        Round& round = comm_->shared->rounds[number_ % ROUNDS];
        const bool sending = collective_.pattern != Pattern::Broadcast || comm_->rank == collective_.root;
        if (moves() && sending)
            std::memcpy(comm_->shared->data[number_ % ROUNDS][comm_->rank], collective_.send, sends());
        round.arrivals[comm_->rank].store(std::max(came_, comm_->free_at.load()));
        round.durations[comm_->rank].store(duration_);
        if (strikes(Fault::Hang, physical(comm_->device))) return;  // it never comes, and the others wait
        if (round.arrived.fetch_add(1) + 1 == complete()) node().ring();
    }

    void bring() {
        const std::size_t bytes = collective_.count * size_of(collective_.type);
        if (!moves()) {
            const bool gathers = collective_.pattern == Pattern::AllGather;
            return clear_bytes(collective_.receive, gathers ? bytes * static_cast<std::size_t>(comm_->ranks) : bytes);
        }
        char* const to = static_cast<char*>(collective_.receive);
        switch (collective_.pattern) {
            case Pattern::Broadcast: move_bytes(to, sent(collective_.root), bytes); break;
            case Pattern::AllGather:
                for (int rank = 0; rank < comm_->ranks; ++rank) move_bytes(to + bytes * static_cast<std::size_t>(rank), sent(rank), bytes);
                break;
            case Pattern::Reduce:
                if (comm_->rank != collective_.root) break;
                [[fallthrough]];
            case Pattern::AllReduce: reduced(to, 0, bytes); break;
            case Pattern::ReduceScatter: reduced(to, bytes * static_cast<std::size_t>(comm_->rank), bytes); break;
        }
    }

    bool moves() const {
        if (is_integer(collective_.type)) return sends() <= KEPT_BYTES;
        return (collective_.type == ncclFloat32 || collective_.type == ncclFloat64) && sends() <= KEPT_FLOATS;
    }
    std::size_t sends() const {
        const std::size_t bytes = collective_.count * size_of(collective_.type);
        return collective_.pattern == Pattern::ReduceScatter ? bytes * static_cast<std::size_t>(comm_->ranks) : bytes;
    }
    std::uint64_t complete() const { return static_cast<std::uint64_t>(comm_->ranks) * (number_ / ROUNDS + 1); }
    const char* sent(int rank) const { return comm_->shared->data[number_ % ROUNDS][rank]; }

    void reduced(char* to, std::size_t offset, std::size_t bytes) {
        std::vector<char> sum(sent(0) + offset, sent(0) + offset + bytes);
        for (int rank = 1; rank < comm_->ranks; ++rank)
            reduce(sum.data(), sent(rank) + offset, collective_.count, collective_.type, collective_.operation);
        if (collective_.operation == ncclAvg) average(sum.data(), collective_.count, collective_.type, comm_->ranks);
        move_bytes(to, sum.data(), bytes);
    }

    CommunicatorRef comm_;
    Collective collective_;
    Nanos duration_;
    std::uint64_t number_;
    Nanos came_ = 0, end_ = 0;
    bool announced_ = false;
};

ncclResult_t run(const Collective& collective, ncclComm_t handle, cudaStream_t stream) {
    const CommunicatorRef comm = of(handle);
    const double n = comm->ranks, share = (n - 1) / n;
    double bytes = static_cast<double>(collective.count * size_of(collective.type)), factor = 1;
    if (collective.pattern == Pattern::AllReduce) factor = 2 * share;
    if (collective.pattern == Pattern::AllGather || collective.pattern == Pattern::ReduceScatter) {
        bytes *= n;
        factor = share;
    }
    const auto duration = static_cast<Nanos>(static_cast<double>(collective_time(bytes, factor, comm->ranks)) *
                                             slowness(physical(comm->device)));
    // Made when the call is, or when a graph that holds it is launched: the order of meetings is the order of calls.
    const auto make = [=]() -> std::shared_ptr<Meeting> { return std::make_shared<RankMeeting>(comm, collective, duration); };
    const int before = current_index();
    set_current(comm->device);  // whose default stream is meant where none is named
    const int error = launch_meeting(stream_of(stream), duration, make);
    set_current(before);
    answer(error);
    return error ? ncclUnhandledCudaError : ncclSuccess;
}

// Calls between ncclGroupStart and ncclGroupEnd return before the others have come.
thread_local int group_depth = 0;
thread_local std::vector<CommunicatorRef> group_waits;

void await_all(const Communicator& communicator) {
    constexpr timespec PAUSE{0, 1'000'000};
    while (communicator.shared->attached.load() % static_cast<std::uint32_t>(communicator.ranks) != 0 ||
           communicator.shared->attached.load() == 0)
        nanosleep(&PAUSE, nullptr);
    unlink(communicator.path.c_str());  // all have it mapped; nothing is left behind
}

std::string path_of(const ncclUniqueId& id) {
    const char* named = std::getenv("EMULATOR_NODE");
    return std::string(named && *named ? named : "/tmp/emulated-node") + ".nccl-" +
           std::string(id.internal, strnlen(id.internal, sizeof id.internal));
}

ncclResult_t join(ncclComm_t* out, int ranks, const ncclUniqueId& id, int rank) {
    if (ranks < 1 || ranks > MAX_RANKS || rank < 0 || rank >= ranks) return ncclInvalidArgument;
    auto comm = std::make_shared<Communicator>();
    comm->ranks = ranks;
    comm->rank = rank;
    comm->device = current_index();
    comm->path = path_of(id);
    const int file = open_own(comm->path, O_RDWR);
    if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) {
        std::fprintf(stderr, "emulator: %s: %s\n", comm->path.c_str(), std::strerror(errno));
        if (file >= 0) close(file);
        return ncclSystemError;
    }
    void* at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return ncclSystemError;
    comm->shared = static_cast<Shared*>(at);
    comm->shared->attached.fetch_add(1);
    listen_for_doorbell();
    *out = reinterpret_cast<ncclComm_t>(new Handle{comm});
    if (group_depth)
        group_waits.push_back(comm);
    else
        await_all(*comm);
    return ncclSuccess;
}

ncclUniqueId new_id() {
    ncclUniqueId id{};
    std::random_device random;
    std::snprintf(id.internal, sizeof id.internal, "%08x%08x%08x%08x", random(), random(), random(), random());
    return id;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
    switch (result) {
        case ncclSuccess: return "no error";
        case ncclUnhandledCudaError: return "unhandled cuda error";
        case ncclInvalidArgument: return "invalid argument";
        case ncclInvalidUsage: return "invalid usage (or not supported by the emulated node)";
        default: return "system error";
    }
}
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
    *id = new_id();
    return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* out, int ranks, ncclUniqueId id, int rank) { return join(out, ranks, id, rank); }
ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int ranks, ncclUniqueId id, int rank, ncclConfig_t*) {
    return join(out, ranks, id, rank);
}
ncclResult_t ncclCommInitRankScalable(ncclComm_t* out, int ranks, int rank, int, ncclUniqueId* ids, ncclConfig_t*) {
    return join(out, ranks, ids[0], rank);
}
ncclResult_t ncclCommInitAll(ncclComm_t* out, int count, const int* devices) {
    if (count < 1 || count > MAX_RANKS) return ncclInvalidArgument;
    for (int rank = 0; rank < count; ++rank) {
        const int asked = devices ? devices[rank] : rank;
        if (asked < 0 || asked >= visible_devices()) return ncclInvalidArgument;
    }
    const ncclUniqueId id = new_id();
    const int before = current_index();
    ncclResult_t result = ncclSuccess;
    ++group_depth;
    for (int rank = 0; rank < count && result == ncclSuccess; ++rank) {
        set_current(devices ? devices[rank] : rank);
        result = join(&out[rank], count, id, rank);
    }
    set_current(before);
    return ncclGroupEnd() == ncclSuccess ? result : ncclSystemError;
}

ncclResult_t ncclCommSplit(ncclComm_t parent, int color, int key, ncclComm_t* out, ncclConfig_t*) {
    // Colours and keys are exchanged through a round of the parent; all ranks call this (nccl.h).
    Communicator& comm = *of(parent);
    const std::uint64_t number = comm.next++;
    constexpr timespec PAUSE{0, 1'000'000};
    while (comm.left.load() != number) {  // collectives that are still queued use the rounds before
        if (comm.aborted.load() || device(comm.device)->error.load()) return ncclUnhandledCudaError;
        nanosleep(&PAUSE, nullptr);
    }
    Round& round = comm.shared->rounds[number % ROUNDS];
    const int own[2] = {color, key};
    std::memcpy(comm.shared->data[number % ROUNDS][comm.rank], own, sizeof own);
    round.arrived.fetch_add(1);
    while (round.arrived.load() < static_cast<std::uint64_t>(comm.ranks) * (number / ROUNDS + 1)) nanosleep(&PAUSE, nullptr);
    std::vector<std::pair<int, int>> members;  // key, rank in the parent
    for (int rank = 0; rank < comm.ranks; ++rank) {
        int theirs[2];
        std::memcpy(theirs, comm.shared->data[number % ROUNDS][rank], sizeof theirs);
        if (theirs[0] == color) members.emplace_back(theirs[1], rank);
    }
    comm.left.store(number + 1);
    if (color < 0) {
        *out = nullptr;
        return ncclSuccess;
    }
    std::sort(members.begin(), members.end());
    const auto me = std::find(members.begin(), members.end(), std::make_pair(key, comm.rank));
    // The same at all members and nowhere else; of one length, so that communicators can be split again and again.
    ncclUniqueId id{};
    const std::string name = comm.path.substr(comm.path.rfind(".nccl-")) + "-" + std::to_string(number) + "-" + std::to_string(color);
    const std::hash<std::string> hash;
    std::snprintf(id.internal, sizeof id.internal, "%016zx%016zx", hash(name), hash(name + "+"));
    return join(out, static_cast<int>(members.size()), id, static_cast<int>(me - members.begin()));
}

ncclResult_t ncclCommFinalize(ncclComm_t) { return ncclSuccess; }
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
    delete reinterpret_cast<Handle*>(comm);
    return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
    of(comm)->aborted.store(true);
    node().ring();  // what waits for it goes on
    return ncclCommDestroy(comm);
}
ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
    *count = of(comm)->ranks;
    return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
    *rank = of(comm)->rank;
    return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* index) {
    *index = of(comm)->device;
    return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
    *error = device(of(comm)->device)->error.load() ? ncclUnhandledCudaError : ncclSuccess;
    return ncclSuccess;
}
ncclResult_t ncclCommRegister(const ncclComm_t, void*, size_t, void** handle) {
    *handle = nullptr;
    return ncclSuccess;
}
ncclResult_t ncclCommDeregister(const ncclComm_t, void*) { return ncclSuccess; }

ncclResult_t ncclGroupStart() {
    ++group_depth;
    return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
    if (group_depth == 0) return ncclInvalidUsage;
    if (--group_depth == 0) {
        for (const CommunicatorRef& comm : group_waits) await_all(*comm);
        group_waits.clear();
    }
    return ncclSuccess;
}

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
