// DoctorConfiguration: what a training configuration (TOML) says about data, model and checkpoints.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/core/dtype.h"
#include "ripieno/training/models/model_settings.h"
#include "ripieno/training/settings/token_data_settings.h"

namespace ripieno::tools::doctor {

struct DoctorConfiguration {
  std::string path = {};
  // Of images: only paths; else with the context, 0 if it is not known, and the size of a batch.
  TokenDataSettings data = {};
  int64_t model_vocabulary = 0;  // model.vocab; 0: that of the data
  DType precision = DType::float32;
  std::shared_ptr<ModelSettings> model = {};
};

// Reads a configuration of train_gpt or train_image_classifier. Throws ConfigurationError, which
// names the file and the key, for anything that those would refuse.
DoctorConfiguration read_configuration(const std::string& path);

// runs/NAME for NAME.toml: the run directory of a program that is not given another.
std::string run_directory_for(const std::string& path);

// Estimated size of a checkpoint, on the high side: parameters and two values of state for each.
// Throws ConfigurationError if the model does not fit the data.
int64_t checkpoint_bytes(const DoctorConfiguration& configuration, const DataShape& data);

}  // namespace ripieno::tools::doctor
