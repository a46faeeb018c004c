// An AOTInductor package as a Model.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/version.h>

#include "loop.h"
#include "model.h"

namespace native {

namespace {

using Loader = torch::inductor::AOTIModelPackageLoader;

std::unique_ptr<Loader> open_package(const std::string& path, c10::Device device) {
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 8
  return std::make_unique<Loader>(path, "model", false, 1, device.is_cpu() ? -1 : device.index());
#else
  TORCH_CHECK(device.is_cpu() || device.index() == 0, "before torch 2.8 a package runs on cuda:0 alone");
  return std::make_unique<Loader>(path, "model");
#endif
}

class PackageModel : public Model {
 public:
  PackageModel(const std::string& path, c10::Device device) : Model(device), loader_(open_package(path, device)) {}

  void step() override { loader_->run(inputs); }

  at::Tensor call() override {
    auto outputs = loader_->run(inputs);
    TORCH_CHECK(outputs.size() == 1, "the model has ", outputs.size(), " outputs, not one");
    return std::move(outputs.front());
  }

 private:
  std::unique_ptr<Loader> loader_;
};

}  // namespace

std::shared_ptr<Model> load_package_file(const std::string& path, const std::string& device) {
  return std::make_shared<PackageModel>(path, existing_device(device));
}

}  // namespace native
