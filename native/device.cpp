// What is told of the device that a model ran on.
#include <c10/core/CachingDeviceAllocator.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <fstream>

#include "loop.h"
#include "model.h"

namespace native {

namespace {

// Of /proc files: what follows "field :" in the first line that begins with it.
std::string field_of(const char* path, const std::string& field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, field.size(), field) != 0) continue;
    const auto colon = line.find(':');
    const auto start = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    if (start != std::string::npos) return line.substr(start);
  }
  return {};
}

// By the driver, which is there where CUDA works: the headers of the runtime are not, with torch's wheel alone.
std::string cuda_name(int index) {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (!driver) return {};
  const auto device_of = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto name_of = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName"));
  int device = 0;
  char name[256] = "";
  if (!device_of || !name_of || device_of(&device, index) || name_of(name, sizeof name, device)) return {};
  return name;
}

}  // namespace

std::string device_name(const std::string& device) {
  const auto where = existing_device(device);
  return where.is_cpu() ? field_of("/proc/cpuinfo", "model name") : cuda_name(where.index());
}

double peak_memory_mib(const std::string& device) {
  const auto where = existing_device(device);
  if (where.is_cpu()) {
    const auto kilobytes = field_of("/proc/self/status", "VmHWM");
    return kilobytes.empty() ? -1 : std::stod(kilobytes) / 1024;
  }
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 9
  using c10::CachingAllocator::StatType;
  const auto stats = c10::getDeviceAllocator(where.type())->getDeviceStats(where.index());
  return static_cast<double>(stats.allocated_bytes[static_cast<size_t>(StatType::AGGREGATE)].peak) / (1 << 20);
#else
  return -1;
#endif
}

}  // namespace native
