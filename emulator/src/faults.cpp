#include "faults.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "profile.h"

namespace emulator {
namespace {

struct Order {
    std::string kind;
    int device = -1;
    std::uint64_t after = 0, times = 0;
    double factor = 2;
};

[[noreturn]] void refuse(const std::string& order) {
    std::fprintf(stderr,
                 "emulator: EMULATOR_FAULTS: %s is refused; allowed: oom, launch, lost, hang or slow, then "
                 ":device=D[,after=N][,times=T][,factor=F], D 0 to %d, several separated by ';'\n",
                 order.c_str(), profile().devices - 1);
    std::_Exit(1);
}

Order parse(const std::string& text) {
    Order order;
    const auto colon = text.find(':');
    order.kind = text.substr(0, colon);
    static const char* const KINDS[] = {"oom", "launch", "lost", "hang", "slow"};
    bool known = false;
    for (const char* kind : KINDS) known = known || order.kind == kind;
    if (!known || colon == std::string::npos) refuse(text);
    order.times = order.kind == "oom" ? 2 : 1;
    std::istringstream options(text.substr(colon + 1));
    for (std::string option; std::getline(options, option, ',');) {
        const auto equals = option.find('=');
        if (equals == std::string::npos) refuse(text);
        const std::string key = option.substr(0, equals), value = option.substr(equals + 1);
        char* end = nullptr;
        const double number = std::strtod(value.c_str(), &end);
        if (end == value.c_str() || *end || !(number >= 0 && number < 1e15)) refuse(text);
        if (key != "factor" && number != std::floor(number)) refuse(text);
        if (key == "device")
            order.device = static_cast<int>(number);
        else if (key == "after")
            order.after = static_cast<std::uint64_t>(number);
        else if (key == "times")
            order.times = static_cast<std::uint64_t>(number);
        else if (key == "factor" && number > 0)
            order.factor = number;
        else
            refuse(text);
    }
    if (order.device < 0 || order.device >= profile().devices) refuse(text);
    return order;
}

const std::vector<Order>& orders() {
    static const auto& parsed = *[] {
        auto* found = new std::vector<Order>;  // never destroyed: threads may outlive the destructors
        const char* given = std::getenv("EMULATOR_FAULTS");
        std::istringstream all(given ? given : "");
        for (std::string one; std::getline(all, one, ';');)
            if (!one.empty()) found->push_back(parse(one));
        return found;
    }();
    return parsed;
}

struct Meaning {
    const char* kind;
    Counter counter;
};

Meaning meaning(Fault fault) {
    switch (fault) {
        case Fault::OutOfMemory: return {"oom", ALLOCATIONS};
        case Fault::Launch: return {"launch", LAUNCHES};
        case Fault::Lost: return {"lost", LOSSES};
        case Fault::Hang: return {"hang", COLLECTIVES};
    }
    return {"", COUNTERS};
}

}  // namespace

bool strikes(Fault fault, int device) {
    if (orders().empty()) return false;
    const Meaning means = meaning(fault);
    bool asked = false;
    for (const Order& order : orders()) asked = asked || (order.kind == means.kind && order.device == device);
    if (!asked) return false;
    const std::uint64_t count = node().devices[device].counters[means.counter].fetch_add(1);
    for (const Order& order : orders())
        if (order.kind == means.kind && order.device == device && count >= order.after &&
            count < order.after + order.times)
            return true;
    return false;
}

void check_faults() { orders(); }

double slowness(int device) {
    double factor = 1;
    for (const Order& order : orders())
        if (order.kind == "slow" && order.device == device) factor *= order.factor;
    return factor;
}

}  // namespace emulator
