// NCCL: communicators, from their id to their end.
#include "nccl_communicator.h"

#include <errno.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "runtime.h"

using namespace emulator;

namespace {

// Calls between ncclGroupStart and ncclGroupEnd return before the others have come.
thread_local int group_depth = 0;
thread_local std::vector<CommunicatorRef> group_waits;

// Joining is the first round.
ncclResult_t await_all(const Communicator& communicator) {
    if (const ncclResult_t error = communicator.rounds->await_complete(0, communicator.device)) return error;
    communicator.rounds->leave(0);
    return ncclSuccess;
}

std::string path_of(const ncclUniqueId& id) {
    const char* named = std::getenv("EMULATOR_NODE");
    return std::string(named && *named ? named : "/tmp/emulated-node") + ".nccl-" +
           std::string(id.internal, strnlen(id.internal, sizeof id.internal));
}

ncclUniqueId new_id() {
    ncclUniqueId id{};
    std::random_device random;
    std::snprintf(id.internal, sizeof id.internal, "%08x%08x%08x%08x", random(), random(), random(), random());
    return id;
}

}  // namespace

ncclResult_t emulator::join(ncclComm_t* out, int ranks, const ncclUniqueId& id, int rank, std::vector<Process> known) {
    if (ranks < 1 || ranks > MAX_RANKS || rank < 0 || rank >= ranks) return ncclInvalidArgument;
    const auto comm = std::make_shared<Communicator>();
    comm->device = current_index();
    comm->rounds = Rounds::of_file(path_of(id), ranks, rank, std::move(known));
    if (!comm->rounds) {
        std::fprintf(stderr, "emulator: %s: %s\n", path_of(id).c_str(), std::strerror(errno));
        return ncclSystemError;
    }
    comm->rounds->come(comm->rounds->next());
    listen_for_doorbell();
    if (group_depth)
        group_waits.push_back(comm);  // the handle is the caller's whatever the others do, as of one that does not block
    else if (const ncclResult_t error = await_all(*comm)) {
        *out = nullptr;
        return error;
    }
    *out = reinterpret_cast<ncclComm_t>(new Handle{comm});
    return ncclSuccess;
}

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
        case ncclRemoteError: return "remote process exited";
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
        // Those that have joined shall not wait for the rest.
        for (int made = 0; result && made < rank; ++made) ncclCommAbort(out[made]);
    }
    set_current(before);
    const ncclResult_t ended = ncclGroupEnd();
    return result ? result : ended;
}

ncclResult_t ncclCommFinalize(ncclComm_t) { return ncclSuccess; }
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
    delete reinterpret_cast<Handle*>(comm);
    return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
    communicator_of(comm)->rounds->abort();
    return ncclCommDestroy(comm);
}
ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
    *count = communicator_of(comm)->rounds->ranks();
    return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
    *rank = communicator_of(comm)->rounds->rank();
    return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* index) {
    *index = communicator_of(comm)->device;
    return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
    *error = device(communicator_of(comm)->device)->error.load() ? ncclUnhandledCudaError : ncclSuccess;
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
    if (--group_depth) return ncclSuccess;
    ncclResult_t result = ncclSuccess;
    for (const CommunicatorRef& comm : group_waits)
        if (!result) result = await_all(*comm);
    if (!group_waits.empty()) node().ring();  // collectives of the same group can begin
    group_waits.clear();
    return result;
}

}  // extern "C"
