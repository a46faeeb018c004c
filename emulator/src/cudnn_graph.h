// cuDNN's graphs: descriptors, which callers fill with attributes, and what a finished plan is made of.
#pragma once
#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "clock.h"

namespace emulator {

struct Descriptor;
using DescriptorRef = std::shared_ptr<const Descriptor>;

struct Attribute {
    std::vector<char> bytes;              // of plain values
    std::vector<DescriptorRef> children;  // as they were when they were given
    std::int64_t count = 0;
};

struct Descriptor {
    cudnnBackendDescriptorType_t type;
    struct Named {
        cudnnBackendAttributeName_t name;
        Attribute value;
    };
    std::vector<Named> attributes;  // a few

    // The first descriptor under that name; null where there is none.
    const Descriptor* child(cudnnBackendAttributeName_t name) const;
    const Attribute* find(cudnnBackendAttributeName_t name) const;
    void set(cudnnBackendAttributeName_t name, Attribute value);
};

// What all operations of a plan take that are matrix products or convolutions; what surrounds them is done on the way.
// 0 where there is none, or one in a number format that is not modelled.
Nanos plan_time(const Descriptor& plan);

}  // namespace emulator
