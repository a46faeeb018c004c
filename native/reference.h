// The reference that an export writes beside its file: what the model is, an input, and eager's output for it.
// In: a file. Out: its fields and bytes, checked. Must not know torch.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace native {

// Something the user can mend; told as one line, exit status 2.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Reference {
  std::map<std::string, std::string> fields;  // the header; what is named as a column is copied to the row
  std::vector<std::string> columns;
  std::vector<int64_t> input_shape, output_shape;
  std::vector<char> input, expected;
  double tolerance = 0;

  const std::string& at(const std::string& field) const;
};

// The reference of a saved model. Throws Refused where either is missing, torn, or they are not a pair.
Reference read_reference(const std::string& model_path);

}  // namespace native
