// NCCL: ncclCommSplit. Colours and keys are exchanged through a round of the parent; all its ranks call this (nccl.h).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nccl_communicator.h"
#include "node.h"

using namespace emulator;

namespace {

struct Choice {
    int color, key;
    Process process;
};

// What each rank of the parent has chosen, by rank.
ncclResult_t exchange(const Communicator& parent, std::uint64_t number, const Choice& own, std::vector<Choice>& all) {
    Rounds& rounds = *parent.rounds;
    // Collectives that are still queued use the rounds before.
    if (const ncclResult_t error = rounds.await_turn(number, parent.device)) return error;
    std::memcpy(rounds.data(number, rounds.rank()), &own, sizeof own);
    rounds.come(number);
    if (const ncclResult_t error = rounds.await_complete(number, parent.device)) return error;
    all.resize(static_cast<std::size_t>(rounds.ranks()));
    for (int rank = 0; rank < rounds.ranks(); ++rank)
        std::memcpy(&all[static_cast<std::size_t>(rank)], rounds.data(number, rank), sizeof own);
    rounds.leave(number);
    node().ring();  // what another thread has queued behind it can begin
    return ncclSuccess;
}

// The same at all members and nowhere else; of one length, so that communicators can be split again and again.
ncclUniqueId id_of_part(const Rounds& parent, std::uint64_t number, int color) {
    ncclUniqueId id{};
    const std::string whole = parent.path().substr(parent.path().rfind(".nccl-"));
    const std::string name = whole + "-" + std::to_string(number) + "-" + std::to_string(color);
    const std::hash<std::string> hash;
    std::snprintf(id.internal, sizeof id.internal, "%016zx%016zx", hash(name), hash(name + "+"));
    return id;
}

}  // namespace

extern "C" ncclResult_t ncclCommSplit(ncclComm_t handle, int color, int key, ncclComm_t* out, ncclConfig_t*) {
    const CommunicatorRef parent = communicator_of(handle);  // another thread may abort it while this one waits
    const std::uint64_t number = parent->rounds->next();
    *out = nullptr;
    std::vector<Choice> all;
    if (const ncclResult_t error = exchange(*parent, number, {color, key, this_process()}, all)) return error;
    if (color < 0) return ncclSuccess;
    std::vector<std::pair<int, int>> members;  // key, rank in the parent
    for (int rank = 0; rank < parent->rounds->ranks(); ++rank)
        if (const Choice& choice = all[static_cast<std::size_t>(rank)]; choice.color == color) members.emplace_back(choice.key, rank);
    std::sort(members.begin(), members.end());
    std::vector<Process> processes;
    for (const auto& member : members) processes.push_back(all[static_cast<std::size_t>(member.second)].process);
    const auto me = std::find(members.begin(), members.end(), std::make_pair(key, parent->rounds->rank()));
    return join(out, static_cast<int>(members.size()), id_of_part(*parent->rounds, number, color),
                static_cast<int>(me - members.begin()), std::move(processes));
}
