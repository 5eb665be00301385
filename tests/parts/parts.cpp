#include "parts/part.h"

namespace ripieno::testing {

std::vector<PartList> all_parts() {
  return {
      activations_parts(), convolution_parts(), core_parts(),        elementwise_parts(),
      gpt_parts(),         image_model_parts(), initializer_parts(), layer_parts(),
      loss_parts(),        optimizer_parts(),   rearrange_parts(),   recurrent_parts(),
      reductions_parts(),  schedule_parts(),
  };
}

std::string name_of(PartKind kind) {
  switch (kind) {
    case PartKind::operation:
      return "operation";
    case PartKind::layer:
      return "layer";
    case PartKind::loss:
      return "loss";
    case PartKind::optimizer:
      return "optimizer";
    case PartKind::schedule:
      return "schedule";
    case PartKind::initializer:
      return "initializer";
    case PartKind::model:
      return "model";
  }
  return "";
}

}  // namespace ripieno::testing
