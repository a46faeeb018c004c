// harness-native FILE: the saved model, checked and timed with no Python in the process.
// In: what `harness export` wrote. Out: a line of points.csv on stdout, or one line of error on stderr.
// FILE is code of its author, as a program is; nothing else is loaded, the reference is numbers and names.
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "loop.h"
#include "reference.h"
#include "timing.h"

namespace {

using native::Refused;
using Row = std::map<std::string, std::string>;

// Below it the thread waited for a core; as in harness/analysis/run.py.
constexpr double MAIN_THREAD_SHARE = 0.9;

constexpr const char* USAGE =
    "usage: harness-native FILE [options]\n"
    "Time a model that `harness export` saved, in a process without Python, and print a line of points.csv.\n"
    "FILE holds code, which is run: load only files from authors you trust.\n\n"
    "  --device cpu|cuda|cuda:N   where to run it (default: what it was exported for)\n"
    "  --threads N                intra-op threads (1)\n"
    "  --block-ms X               least wall time of a block (15)\n"
    "  --min-rounds N             blocks at least (40; 6 have an interval)\n"
    "  --max-rounds N             blocks at most (120)\n"
    "  --rel-width X              half width of the 95 % interval at which to stop (0.015)\n"
    "  --max-s X                  seconds of timed blocks at most (8)\n"
    "  --rounds OUT               also write each block's step time in microseconds, one a line\n\n"
    "Exit status: 0 timed, 1 failed or another output than eager's, 2 refused.\n";

struct Options {
  std::string file, device, rounds;
  int threads = 1;
  native::Limits limits;
};

double number(const std::string& option, const std::string& text, double least, bool whole) {
  double value = 0;
  std::istringstream stream(text);
  stream >> value;
  const bool read = stream && stream.eof() && value < 1e9;
  if (!read || value < least || (!whole && value <= 0) || (whole && value != static_cast<int>(value))) {
    throw Refused(option + "=" + text + ": not allowed; allowed: a " + (whole ? "whole " : "") + "number " +
                  (whole ? "of at least " + std::to_string(static_cast<int>(least)) : "above 0"));
  }
  return value;
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word.rfind("--", 0) != 0) {
      if (!options.file.empty()) throw Refused(word + ": one FILE at a time");
      options.file = word;
      continue;
    }
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const bool apart = equals == std::string::npos;
    if (apart && i + 1 == count) throw Refused(name + ": needs a value, or is not known (harness-native --help)");
    const std::string value = apart ? words[++i] : word.substr(equals + 1);
    auto& limits = options.limits;
    if (name == "--device") options.device = value;
    else if (name == "--rounds") options.rounds = value;
    else if (name == "--threads") options.threads = static_cast<int>(number(name, value, 1, true));
    else if (name == "--min-rounds") limits.min_rounds = static_cast<int>(number(name, value, 6, true));
    else if (name == "--max-rounds") limits.max_rounds = static_cast<int>(number(name, value, 6, true));
    else if (name == "--block-ms") limits.block_ms = number(name, value, 0, false);
    else if (name == "--rel-width") limits.rel_width = number(name, value, 0, false);
    else if (name == "--max-s") limits.max_s = number(name, value, 0, false);
    else throw Refused(name + ": no such option (harness-native --help)");
  }
  if (options.file.empty()) throw Refused("FILE is missing (harness-native --help)");
  if (options.limits.max_rounds < options.limits.min_rounds) {
    throw Refused("--max-rounds=" + std::to_string(options.limits.max_rounds) +
                  ": not allowed; allowed: a whole number of at least --min-rounds=" +
                  std::to_string(options.limits.min_rounds));
  }
  return options;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

// Before anything asks torch for CUDA: it looks once, and remembers. Loaded where it is wanted alone, since it
// takes time and memory that a scripted model on the CPU has no use for. A package names libtorch.so without
// saying where it is: it is found when it is there already, and brings CUDA's part along.
void open_device(const std::string& device, const std::string& mode) {
  const char* wanted = mode == "aoti" ? "libtorch.so" : device == "cpu" ? nullptr : "libtorch_cuda.so";
  if (wanted && !dlopen(wanted, RTLD_NOW | RTLD_GLOBAL)) {
    throw Refused("--device=" + device + ": not possible: a part of torch cannot be loaded: " + dlerror());
  }
  try {
    native::check_device(device);
  } catch (...) {
    throw Refused("--device=" + device + ": not allowed; " + native::describe_error());
  }
}

std::shared_ptr<native::Model> load(const native::Reference& reference, const Options& options) {
  const auto& mode = reference.at("mode");
  auto model = mode == "aoti" ? native::load_package_file(options.file, options.device)
                              : native::load_script_file(options.file, options.device);
  native::copy_input(*model, {reference.input.data(), reference.input_shape, reference.at("dtype")});
  return model;
}

int cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 0 : CPU_COUNT(&set);
}

void fill(Row& row, const native::Measured& found, const Options& options) {
  const auto step = found.step_us();
  const double wall_s = found.wall_ns / 1e9;
  row["step_us"] = text_of(step.median);
  row["step_us_low"] = text_of(step.low);
  row["step_us_high"] = text_of(step.high);
  row["throughput_samples_s"] = text_of(std::stod(row["batch"]) / step.median * 1e6);
  row["host_cpu_share"] = text_of(found.cpu_ns / found.wall_ns);
  row["main_thread_share"] = text_of(native::median(found.main_share));
  row["preemptions_s"] = text_of(static_cast<double>(found.preemptions) / wall_s);
  row["waits_s"] = text_of(static_cast<double>(found.waits) / wall_s);
  row["rounds"] = std::to_string(found.step_ns.size());
  row["steps"] = std::to_string(found.steps);
  const bool waited = options.device == "cpu" && native::median(found.main_share) < MAIN_THREAD_SHARE;
  const bool crowded = waited || (cores() && options.threads > cores());
  row["warnings"] = std::string(found.narrow ? "" : "capped") + (crowded && !found.narrow ? ";" : "") +
                    (crowded ? "oversubscribed" : "");
}

void write_rounds(const std::string& path, const native::Measured& found) {
  // Only a new file: nothing tells that one of that name is ours to replace.
  const int made = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (made < 0) throw std::runtime_error("--rounds=" + path + ": cannot be made: " + std::strerror(errno));
  close(made);
  std::ofstream file(path);
  file.precision(17);
  for (const double step : found.step_ns) file << step / 1e3 << '\n';
  if (!file.flush()) throw std::runtime_error("--rounds=" + path + ": cannot be written");
}

// Fills the row as far as it comes. Answers whether the output was eager's.
bool check_and_time(const native::Reference& reference, const Options& options, Row& row) {
  std::shared_ptr<native::Model> model;
  const auto wait = [&] { native::wait_for(options.device); };
  row["prepare_s"] = text_of(native::seconds_of([&] { model = load(reference, options); wait(); }));
  native::Model* driven = model.get();
  const auto run = [&](int64_t steps) { native::run(&driven, 1, steps); };
  row["first_call_s"] = text_of(native::seconds_of([&] { run(1); wait(); }));
  const double gap =
      native::difference(*model, {reference.expected.data(), reference.output_shape, reference.at("dtype")});
  if (!(gap <= reference.tolerance)) {
    row["status"] = "mismatch";
    row["error"] = "the output differs from eager's by " + text_of(gap) + " of its largest value, tolerance " +
                   text_of(reference.tolerance);
    return false;
  }
  const auto found = native::measure(run, wait, options.limits);
  if (const double peak = native::peak_memory_mib(options.device); peak >= 0) row["process_peak_mib"] = text_of(peak);
  fill(row, found, options);
  if (!options.rounds.empty()) write_rounds(options.rounds, found);
  row["status"] = "ok";
  return true;
}

std::string quoted(const std::string& value) {
  if (value.find_first_of(",\"\n\r") == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

void print(const std::vector<std::string>& columns, Row& row) {
  std::string names, values;
  for (const auto& column : columns) {
    names += (names.empty() ? "" : ",") + quoted(column);
    values += (&column == &columns.front() ? "" : ",") + quoted(row[column]);
  }
  std::cout << names << '\n' << values << std::endl;
}

int measure_file(Options options) {
  const auto reference = native::read_reference(options.file);
  if (options.device.empty()) options.device = reference.at("device_kind");
  Row row = reference.fields;
  row["threads"] = std::to_string(options.threads);
  if (const int usable = cores()) row["cores"] = std::to_string(usable);
  open_device(options.device, reference.at("mode"));
  native::set_up(options.threads);
  const auto kind = options.device.substr(0, options.device.find(':'));
  if (reference.at("mode") == "aoti" && kind != reference.at("device_kind")) {
    throw Refused("--device=" + options.device + ": not allowed; allowed: " + reference.at("device_kind") +
                  ", which the package was compiled for");
  }
  row["device_kind"] = kind;
  row["device_name"] = native::device_name(options.device);
  bool equal = false;
  try {
    equal = check_and_time(reference, options, row);
  } catch (...) {
    row["status"] = "failed";
    row["error"] = native::describe_error();
  }
  print(reference.columns, row);
  if (!equal) std::cerr << "harness-native: error: " << options.file << ": " << row["error"] << std::endl;
  return equal && std::cout ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  try {
    for (int i = 1; i < count; ++i) {
      if (!std::strcmp(words[i], "--help") || !std::strcmp(words[i], "-h")) return std::fputs(USAGE, stdout) < 0;
    }
    return measure_file(parse(count, words));
  } catch (const Refused& refused) {
    std::cerr << "harness-native: error: " << refused.what() << std::endl;
    return 2;
  } catch (...) {
    std::cerr << "harness-native: error: " << native::describe_error() << std::endl;
    return 1;
  }
}
