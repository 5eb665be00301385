#include <fmt/format.h>

#include "ripieno/io/formats/safetensors.h"
#include "ripieno/tools/convert/conversion.h"
#include "ripieno/tools/convert/hugging_face.h"
#include "ripieno/tools/convert/write_output.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw_data()), tensor.bytes()};
}

// What the format has no field for, so that converting back restores it.
std::map<std::string, std::string> metadata_of(const Conversion& conversion) {
  std::map<std::string, std::string> metadata{{"format", "pt"}};  // required by transformers
  if (!conversion.training_state.is_object()) return metadata;
  json kinds = json::object();
  for (const Target& target : conversion.targets) {
    if (target.kind != io::StateKind::parameter) kinds[target.name] = io::name_of(target.kind);
  }
  metadata[kOurMetadata] = json{
      {"step", conversion.step},
      {"names", conversion.names == Names::ours ? "ours" : "huggingface"},
      {"training_state", conversion.training_state},
      {"kinds", kinds}}.dump();
  return metadata;
}

using Range = std::span<const Target>;

void write_file(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                Range targets, const std::map<std::string, std::string>& metadata,
                const Written& written) {
  io::SafetensorsHeader header{{}, metadata};
  for (const Target& target : targets)
    header.tensors.push_back({target.name, target.dtype, target.shape});
  io::SafetensorsWriter writer(files, path, header);
  for (const Target& target : targets) {
    const Tensor tensor = converted(conversion, target);
    writer.append(bytes_of(tensor));
    written(target.bytes());
  }
  writer.finish();
}

// Consecutive targets of at most `shard_bytes` together; a larger one is a shard by itself.
std::vector<Range> split(const std::vector<Target>& targets, int64_t shard_bytes) {
  std::vector<Range> shards;
  std::size_t begin = 0;
  int64_t bytes = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i > begin && bytes + targets[i].bytes() > shard_bytes) {
      shards.push_back(std::span(targets).subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += targets[i].bytes();
  }
  shards.push_back(std::span(targets).subspan(begin));
  return shards;
}

void write_shards(io::FileSystem& files, const std::string& directory, const Conversion& conversion,
                  const std::vector<Range>& shards, const Written& written) {
  json weight_map = json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    std::map<std::string, std::string> metadata{{"format", "pt"}};
    if (i == 0) metadata = metadata_of(conversion);
    write_file(files, directory + "/" + name, conversion, shards[i], metadata, written);
    for (const Target& target : shards[i]) weight_map[target.name] = name;
  }
  const json index = {{"metadata", {{"total_size", conversion.bytes()}}},
                      {"weight_map", weight_map}};
  io::write_file(files, fmt::format("{}/{}", directory, kIndexName), index.dump(2) + "\n");
}

void write_folder(io::FileSystem& files, const std::string& directory, const Conversion& conversion,
                  int64_t shard_bytes, const Written& written) {
  files.make_directories(directory);
  const auto shards = split(conversion.targets, shard_bytes);
  if (shards.size() == 1)
    write_file(files, fmt::format("{}/{}", directory, kModelName), conversion, shards[0],
               metadata_of(conversion), written);
  else
    write_shards(files, directory, conversion, shards, written);
  if (conversion.config.is_object())
    io::write_file(files, fmt::format("{}/{}", directory, kConfigName),
                   conversion.config.dump(2) + "\n");
  for (const auto& [name, content] : conversion.files) {
    io::write_file(files, fmt::format("{}/{}", directory, name), content);
  }
  files.sync_directory(directory);
}

}  // namespace

void write_safetensors(io::FileSystem& files, const std::string& path, const Conversion& conversion,
                       int64_t shard_bytes, bool force, const Written& written) {
  write_output(files, path, force, [&](const std::string& temporary) {
    if (path.ends_with(".safetensors"))
      write_file(files, temporary, conversion, conversion.targets, metadata_of(conversion),
                 written);
    else
      write_folder(files, temporary, conversion, shard_bytes, written);
  });
}

}  // namespace ripieno::tools
