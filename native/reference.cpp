#include "reference.h"

#include <cmath>
#include <fstream>
#include <sstream>

namespace native {

namespace {

constexpr const char* MAGIC = "harness-reference 1";
// A header has some 30 short lines; what is longer is no header.
constexpr size_t LONGEST_HEADER = 1 << 16;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

int64_t whole_number(const std::string& field, const std::string& text) {
  try {
    size_t used = 0;
    const int64_t value = std::stoll(text, &used);
    if (used == text.size() && value >= 0) return value;
  } catch (const std::exception&) {
  }
  throw Refused(field + "=" + text + ": not a whole number");
}

int64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, int64_t> sizes = {
      {"float64", 8}, {"float32", 4}, {"float16", 2}, {"bfloat16", 2}};
  const auto found = sizes.find(dtype);
  if (found == sizes.end()) throw Refused("dtype=" + dtype + ": not one of float64, float32, float16, bfloat16");
  return found->second;
}

// Its bytes are `available` at most, so that a torn header does not ask for all memory there is.
std::vector<int64_t> shape_of(const Reference& reference, const std::string& field, int64_t available,
                              std::vector<char>& bytes) {
  std::vector<int64_t> shape;
  int64_t size = element_bytes(reference.at("dtype"));
  for (const auto& part : split(reference.at(field))) {
    shape.push_back(whole_number(field, part));
    if (shape.back() && size > available / shape.back()) throw Refused("it is truncated");
    size *= shape.back();
  }
  bytes.resize(static_cast<size_t>(size));
  return shape;
}

int64_t size_of(std::ifstream& file) {
  const auto here = file.tellg();
  file.seekg(0, std::ios::end);
  const int64_t size = file.tellg();
  file.seekg(here);
  return size;
}

Reference parse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Refused("there is none, or it cannot be read; the export writes it beside the model");
  const int64_t size = size_of(file);
  std::string line;
  char magic[24] = "";
  file.read(magic, static_cast<std::streamsize>(std::string(MAGIC).size() + 1));
  if (std::string(magic) != std::string(MAGIC) + "\n") throw Refused("it does not begin with '" + std::string(MAGIC) + "'");
  Reference reference;
  bool ended = false;
  for (size_t read = 0; !ended && read < LONGEST_HEADER && std::getline(file, line); read += line.size()) {
    const auto equals = line.find('=');
    ended = line.empty();
    if (!ended && equals == std::string::npos) throw Refused("a line of its header has no '='");
    if (!ended) reference.fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (!ended) throw Refused("it is truncated");
  const int64_t available = size - static_cast<int64_t>(file.tellg());
  reference.columns = split(reference.at("columns"));
  reference.input_shape = shape_of(reference, "input_shape", available, reference.input);
  reference.output_shape = shape_of(reference, "output_shape", available, reference.expected);
  const auto promised = static_cast<int64_t>(reference.input.size() + reference.expected.size());
  if (available != promised) {
    throw Refused((available < promised ? "it is truncated: " : "it is too long: ") + std::to_string(available) +
                  " of " + std::to_string(promised) + " bytes of values");
  }
  file.read(reference.input.data(), static_cast<std::streamsize>(reference.input.size()));
  file.read(reference.expected.data(), static_cast<std::streamsize>(reference.expected.size()));
  if (!file) throw Refused("it is truncated");
  std::istringstream(reference.at("tolerance")) >> reference.tolerance;
  if (!(reference.tolerance > 0 && std::isfinite(reference.tolerance))) throw Refused("its tolerance is no number above 0");
  return reference;
}

}  // namespace

const std::string& Reference::at(const std::string& field) const {
  const auto found = fields.find(field);
  if (found == fields.end()) throw Refused("its header has no " + field);
  return found->second;
}

Reference read_reference(const std::string& model_path) {
  std::ifstream model(model_path, std::ios::binary);
  char first = 0;
  if (!model || !model.get(first)) throw Refused(model_path + ": there is no such file, or it cannot be read");
  const std::string path = model_path + ".reference";
  try {
    auto reference = parse(path);
    const int64_t size = size_of(model), expected = whole_number("file_bytes", reference.at("file_bytes"));
    if (size != expected) {
      throw Refused("it was written for a file of " + std::to_string(expected) + " bytes, and " + model_path + " has " +
                    std::to_string(size) + ": export the model again");
    }
    return reference;
  } catch (const Refused& error) {
    throw Refused(path + ": " + error.what());
  }
}

}  // namespace native
