// The whole public API in one header, for training programs: #include <ripieno/ripieno.h>
#pragma once

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/losses/mse.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/sequential.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/print.h"
#include "ripieno/core/random.h"
#include "ripieno/core/recomputation.h"
#include "ripieno/core/tensor.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/data/image_loader.h"
#include "ripieno/io/data/memory_loader.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/training/keeper.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/mlp_settings.h"
#include "ripieno/training/models/model_kinds.h"
#include "ripieno/training/profile/profile.h"
#include "ripieno/training/program.h"
#include "ripieno/training/run/run.h"
#include "ripieno/training/run/training_state.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/settings/token_data_settings.h"
#include "ripieno/training/step_graph.h"
#include "ripieno/training/training_program.h"
#include "ripieno/training/weights.h"

namespace ripieno {

using distributed::DataParallel;
using io::ImageLoader;
using io::MemoryDataset;
using io::MemoryLoader;
using io::TokenLoader;

}  // namespace ripieno
