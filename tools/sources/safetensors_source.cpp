#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/io/formats/safetensors.h"
#include "ripieno/tools/sources/foreign_json.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

// The file name of each tensor, by tensor name, according to the index file at `path`.
std::map<std::string, std::string> weight_map(const io::FileSystem& files,
                                              const std::string& path) {
  std::map<std::string, std::string> file_names;
  try {
    file_names = read_json(files, path).at("weight_map").get<decltype(file_names)>();
  } catch (const json::exception&) {
    throw DataError(path + ": weight_map is missing or does not map tensor names to file names");
  }
  for (const auto& [tensor, file] : file_names) {
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos)
      throw DataError(fmt::format(
          "{}: \"{}\" in weight_map is not the name of a file in the same directory", path, file));
  }
  return file_names;
}

// The strides must fit into 64 bits, even those of a tensor without elements.
void require_addressable(const std::string& path, const io::SafetensorsTensor& tensor) {
  int64_t elements = 1;
  for (const int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements) ||
        elements > INT64_MAX / static_cast<int64_t>(sizeof(double)))
      throw DataError(fmt::format("{}: {} has shape {}, which is larger than any memory", path,
                                  tensor.name, to_string(tensor.shape)));
  }
}

class SafetensorsSource final : public TensorSource {
 public:
  SafetensorsSource(const io::FileSystem& file_system, const std::string& source_path)
      : TensorSource(Format::safetensors, source_path) {
    const bool is_folder = !path.ends_with(".safetensors");
    const std::string folder = is_folder ? path : io::parent_of(path);
    const std::string index = folder + "/" + std::string(kIndexName);
    if (is_folder && file_system.exists(index))
      open_indexed(file_system, index);
    else
      open_file(file_system, is_folder ? path + "/" + std::string(kModelName) : path);
    if (file_system.exists(folder + "/" + std::string(kConfigName)))
      configuration = read_json(file_system, folder + "/" + std::string(kConfigName));
    read_our_metadata();
    add_aliases();
  }

  Tensor read(std::size_t index) const override {
    const auto& [reader, tensor] = locations_[index];
    Tensor whole(tensors[index].shape, tensors[index].dtype);
    readers_[reader]->read(readers_[reader]->header().tensors[tensor], 0,
                           std::span(static_cast<std::byte*>(whole.raw_data()), whole.bytes()));
    return whole;
  }

 private:
  void open_file(const io::FileSystem& file_system, const std::string& file_path) {
    readers_.push_back(std::make_unique<io::SafetensorsReader>(file_system, file_path));
    const io::SafetensorsHeader& header = readers_.back()->header();
    file_paths.push_back(file_path);
    metadata_.insert(header.metadata.begin(), header.metadata.end());
    for (std::size_t i = 0; i < header.tensors.size(); ++i) {
      const auto& tensor = header.tensors[i];
      require_addressable(file_path, tensor);
      tensors.push_back({tensor.name, io::StateKind::parameter, tensor.dtype, tensor.shape});
      locations_.emplace_back(readers_.size() - 1, i);
    }
  }

  void open_indexed(const io::FileSystem& file_system, const std::string& index) {
    const auto expected = weight_map(file_system, index);
    std::map<std::string, std::string> found;
    std::set<std::string> names;
    for (const auto& [tensor, file] : expected) names.insert(file);
    for (const std::string& name : names) {
      const std::size_t first = tensors.size();
      open_file(file_system, io::parent_of(index) + "/" + name);
      for (std::size_t i = first; i < tensors.size(); ++i) {
        if (!found.emplace(tensors[i].name, name).second)
          throw DataError(fmt::format("{}: {} is in two files", index, tensors[i].name));
      }
    }
    for (const auto& [tensor, file] : expected) {
      const auto entry = found.find(tensor);
      if (entry == found.end() || entry->second != file)
        throw DataError(fmt::format("{}: {} should be in {}, but that file does not have it", index,
                                    tensor, file));
    }
    if (found.size() != expected.size())
      throw DataError(fmt::format("{} lists {} tensors, but its files have {}", index,
                                  expected.size(), found.size()));
  }

  // safetensors' save_model() and accelerate write a tensor that has several names only once; the
  // metadata has its other names: {"transformer.wte.weight": "lm_head.weight"}.
  void add_aliases() {
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < tensors.size(); ++i) index.emplace(tensors[i].name, i);
    for (const auto& [name, written_as] : metadata_) {
      const auto written = index.find(written_as);
      if (written == index.end() || index.contains(name)) continue;
      SourceTensor other = tensors[written->second];
      other.name = name;
      other.same_as = written->second;
      tensors.push_back(std::move(other));
      locations_.push_back(locations_[written->second]);
    }
  }

  // Reads what a conversion from a checkpoint stored in the metadata.
  void read_our_metadata() {
    const auto ours = metadata_.find(kOurMetadata);
    if (ours == metadata_.end()) return;
    try {
      const json kept = parse_json(ours->second);
      step = io::count_of(kept.at("step"));
      training_state = kept.at("training_state");
      has_our_names = kept.at("names") == "ours";
      for (SourceTensor& tensor : tensors) {
        const std::string kind = kept.at("kinds").value(tensor.name, "parameter");
        for (const auto known : {io::StateKind::buffer, io::StateKind::optimizer})
          if (kind == io::name_of(known)) tensor.kind = known;
      }
    } catch (const json::exception& error) {
      refuse_metadata(error.what());
    } catch (const DataError& error) {
      refuse_metadata(error.what());
    }
  }

  [[noreturn]] void refuse_metadata(const char* why) const {
    throw DataError(fmt::format("{}: invalid metadata \"{}\": {}", path, kOurMetadata, why));
  }

  std::vector<std::unique_ptr<io::SafetensorsReader>> readers_;
  std::vector<std::pair<std::size_t, std::size_t>>
      locations_;  // of each tensor: reader, index in its file
  std::map<std::string, std::string> metadata_;
};

}  // namespace

std::unique_ptr<TensorSource> open_safetensors(const io::FileSystem& files,
                                               const std::string& path) {
  return std::make_unique<SafetensorsSource>(files, path);
}

}  // namespace ripieno::tools
