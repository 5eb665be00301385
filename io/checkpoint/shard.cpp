#include "ripieno/io/checkpoint/shard.h"

#include <fmt/format.h>

#include <set>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/files/sealed_json.h"
#include "ripieno/io/formats/hdf5_layout.h"

namespace ripieno::io {
namespace {

std::string group_of(StateKind kind) {
  switch (kind) {
    case StateKind::parameter:
      return "/parameters/";
    case StateKind::buffer:
      return "/buffers/";
    case StateKind::optimizer:
      return "/optimizer/";
  }
  fail("unknown kind of state");
}

std::string path_of(StateKind kind, const std::string& name) { return group_of(kind) + name; }

bool is_whole(const Piece& piece, const Shape& shape) { return piece.count == shape.elements(); }

// In a shard, a complete tensor keeps its shape; a piece of one is flat.
Shape shape_in_shard(const Piece& piece, const Shape& shape) {
  return is_whole(piece, shape) ? shape : Shape{piece.count};
}

void check_tensor(const StateTensor& tensor) {
  const int64_t count = tensor.count();
  if (!is_tensor_name(tensor.name))
    fail(fmt::format(
        "save_checkpoint: \"{}\" is not a valid tensor name; it must not be empty, and must not "
        "contain an empty or \".\" component or a control character",
        tensor.name));
  if (count > 0 && tensor.part.dtype() != tensor.dtype)
    fail(fmt::format("save_checkpoint: {} is {}, but its part is {}; they must match", tensor.name,
                     ripieno::name_of(tensor.dtype), ripieno::name_of(tensor.part.dtype())));
  if (tensor.begin < 0 || count > tensor.shape.elements() - tensor.begin)
    fail(fmt::format("save_checkpoint: {} elements from element {} are outside {} of shape {}",
                     count, tensor.begin, tensor.name, to_string(tensor.shape)));
}

// Path of the data set. If a shard has several pieces of a tensor, "@<begin>" is appended to the
// names of all but the first.
std::string unused_path(std::set<std::string>& used, const StateTensor& tensor) {
  std::string path = path_of(tensor.kind, tensor.name);
  if (!used.insert(path).second) {
    path += fmt::format("@{}", tensor.begin);
    if (!used.insert(path).second)
      fail(fmt::format("save_checkpoint: {} from element {} was passed twice", tensor.name,
                       tensor.begin));
  }
  return path;
}

void lay_out(std::vector<Hdf5DataSetPlan> plan, LaidOut& laid_out) {
  if (laid_out.layout != nullptr && laid_out.plan == plan) return;
  auto layout = std::make_shared<Hdf5Layout>();
  std::vector<int64_t> offsets(plan.size());
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto& [path, dtype, shape, sources] = plan[i];
    if (sources.empty()) {
      offsets[i] = layout->add(path, dtype, shape);
    } else {
      layout->add_virtual(path, dtype, shape, sources);
    }
  }
  layout->finish();
  laid_out = {std::move(plan), std::move(layout), std::move(offsets)};
}

}  // namespace

bool is_tensor_name(const std::string& name) {
  const std::string path = "/" + name + "/";
  return path.find("//") == std::string::npos && path.find("/./") == std::string::npos &&
         !has_control_character(name);
}

std::string shard_name(int rank, int size) {
  return fmt::format("shard_{:05}_of_{:05}.h5", rank, size);
}

std::string side_name(int rank, int size) {
  return fmt::format("shard_{:05}_of_{:05}.json", rank, size);
}

Shard write_shard(FileSystem& files, const std::string& directory, int rank, int size,
                  const State& mine, LaidOut& laid_out) {
  Shard shard{{shard_name(rank, size), 0, 0}, {}};
  std::vector<Hdf5DataSetPlan> plan;
  std::set<std::string> paths;
  for (const StateTensor& tensor : mine) {
    check_tensor(tensor);
    SavedTensor saved{tensor.name, tensor.kind, tensor.dtype, tensor.shape, {}};
    if (tensor.count() > 0) {
      const Piece piece{.file = shard.file.name,
                        .data_set = unused_path(paths, tensor),
                        .begin = tensor.begin,
                        .count = tensor.count(),
                        .bytes = static_cast<int64_t>(tensor.part.bytes())};
      plan.push_back({piece.data_set, tensor.dtype, shape_in_shard(piece, tensor.shape), {}});
      saved.pieces.push_back(piece);
    }
    shard.tensors.push_back(std::move(saved));
  }
  lay_out(std::move(plan), laid_out);

  std::vector<Hdf5Block> blocks;
  for (const StateTensor& tensor : mine) {
    if (tensor.count() > 0) blocks.push_back({laid_out.offsets[blocks.size()], tensor.part});
  }
  const Hdf5Written written =
      write_laid_out(files, directory + "/" + shard.file.name, *laid_out.layout, blocks);
  shard.file.bytes = written.bytes;
  shard.file.outside_hash = written.outside_hash;
  std::size_t block = 0;
  for (SavedTensor& tensor : shard.tensors) {
    for (Piece& piece : tensor.pieces) {
      piece.file_offset = blocks[block].offset;
      piece.hash = written.block_hashes[block];
      piece.not_finite = written.not_finite[block++];
    }
  }
  return shard;
}

SavedFile write_view(FileSystem& files, const std::string& directory,
                     const std::vector<SavedTensor>& tensors, LaidOut& laid_out) {
  std::vector<Hdf5DataSetPlan> plan;
  for (const SavedTensor& tensor : tensors) {
    std::vector<Hdf5Source> sources;
    for (const Piece& piece : tensor.pieces)
      sources.push_back(
          {piece.file, piece.data_set, shape_in_shard(piece, tensor.shape), piece.begin});
    plan.push_back(
        {path_of(tensor.kind, tensor.name), tensor.dtype, tensor.shape, std::move(sources)});
  }
  lay_out(std::move(plan), laid_out);
  const std::string name(kViewName);
  const Hdf5Written written = write_laid_out(files, directory + "/" + name, *laid_out.layout, {});
  return {name, written.bytes, written.outside_hash};
}

std::string to_text(const Side& side) {
  nlohmann::ordered_json json = {{"attempt", side.attempt}};
  if (side.error) {
    json["error"] = *side.error;
  } else {
    json["file"] = to_json(side.shard.file);
    json["tensors"] = nlohmann::ordered_json::array();
    for (const SavedTensor& tensor : side.shard.tensors) {
      if (!tensor.pieces.empty()) json["tensors"].push_back(to_json(tensor));
    }
  }
  return seal("\"side\": " + json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Side side_from_text(std::string_view text) {
  const nlohmann::json sealed = unseal(text);
  const nlohmann::json& json = member(sealed, "side");
  Side side{text_member(json, "attempt"), {}, std::nullopt};
  if (json.contains("error")) {
    side.error = text_member(json, "error");
    return side;
  }
  side.shard.file = file_from_json(member(json, "file"));
  for_each_in(json, "tensors", [&](const nlohmann::json& tensor) {
    side.shard.tensors.push_back(tensor_from_json(tensor));
  });
  return side;
}

}  // namespace ripieno::io
