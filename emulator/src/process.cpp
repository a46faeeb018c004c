#include "process.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace emulator {
namespace {

// Field 22 of /proc/PID/stat: when the process was started; 0 if it has ended (field 3), waited for or not. The name
// before may hold anything, so read from the last bracket on (proc(5)).
std::uint64_t start_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto bracket = text.rfind(')');
    if (bracket == std::string::npos) return 0;
    std::istringstream fields(text.substr(bracket + 1));
    std::string word;
    for (int field = 3; field <= 22 && fields >> word; ++field)
        if (field == 3 && (word == "Z" || word == "X")) return 0;
    return std::strtoull(word.c_str(), nullptr, 10);
}

}  // namespace

bool Process::alive() const { return pid != 0 && (kill(pid, 0) == 0 || errno == EPERM) && start_of(pid) == started; }

Process this_process() { return {getpid(), start_of(getpid())}; }

}  // namespace emulator
