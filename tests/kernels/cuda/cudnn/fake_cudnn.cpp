#include "kernels/cuda/cudnn/fake_cudnn.h"

#include <cstring>

namespace ripieno::testing {
namespace {

FakeCudnn* fake = nullptr;
cudaStream_t stream = nullptr;

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  FakeCudnn::Run pack;
  bool from_text = false;
};

cudnnStatus_t create(cudnnHandle_t* handle) {
  static int any = 0;
  *handle = reinterpret_cast<cudnnHandle_t>(&any);
  return fake->makes_handles ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_INITIALIZED;
}

cudnnStatus_t set_stream(cudnnHandle_t, cudaStream_t to) {
  stream = to;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t create_descriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* to) {
  *to = new Descriptor{type, {}, false};
  ++fake->created[type];
  ++fake->live_descriptors;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t destroy_descriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Descriptor*>(descriptor);
  --fake->live_descriptors;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t set_attribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t, int64_t count, const void* values) {
  FakeCudnn::Run& pack = static_cast<Descriptor*>(descriptor)->pack;
  if (name == CUDNN_ATTR_TENSOR_DIMENSIONS) {
    fake->first_dimensions.push_back(*static_cast<const int64_t*>(values));
  } else if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) {
    const auto* const numbers = static_cast<const int64_t*>(values);
    pack.numbers.assign(numbers, numbers + count);
  } else if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS) {
    auto* const* const pointers = static_cast<void* const*>(values);
    pack.pointers.assign(pointers, pointers + count);
  } else if (name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION) {
    fake->texts.emplace_back(static_cast<const char*>(values), count);
    static_cast<Descriptor*>(descriptor)->from_text = true;
  } else if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) {
    pack.workspace = *static_cast<void* const*>(values);
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t get_attribute(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t, int64_t, int64_t* count, void* values) {
  *count = 1;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) *count = fake->proposals;
  if (name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION) {
    *count = static_cast<int64_t>(fake->text.size());
    if (values) std::memcpy(values, fake->text.data(), fake->text.size());
  }
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    std::memcpy(values, &fake->workspace_bytes, sizeof(int64_t));
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t finalize(cudnnBackendDescriptor_t descriptor) {
  const auto& [type, pack, from_text] = *static_cast<Descriptor*>(descriptor);
  if (from_text && !fake->takes_texts) return CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH;
  if (type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || fake->refused_plans == 0) {
    return CUDNN_STATUS_SUCCESS;
  }
  --fake->refused_plans;
  return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
}

cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t,
                      cudnnBackendDescriptor_t pack) {
  FakeCudnn::Run run = static_cast<Descriptor*>(pack)->pack;
  run.handle = handle;
  run.stream = stream;
  fake->runs.push_back(run);
  return fake->runs_plans ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

}  // namespace

FakeCudnn::FakeCudnn() { fake = this; }
FakeCudnn::~FakeCudnn() { fake = nullptr; }

kernels::cuda::CudnnFunctions FakeCudnn::functions() const {
  return {[]() -> std::size_t { return 91900; },
          [](cudnnStatus_t status) {
            return status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                           : "CUDNN_STATUS_NOT_SUPPORTED_SHAPE";
          },
          [](char* to, std::size_t) { std::strcpy(to, "too\nodd"); },
          create,
          set_stream,
          create_descriptor,
          destroy_descriptor,
          set_attribute,
          get_attribute,
          finalize,
          execute};
}

}  // namespace ripieno::testing
