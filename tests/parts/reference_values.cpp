#include "parts/reference_values.h"

#include <map>
#include <set>
#include <string>

#include "ripieno/io/formats/hdf5.h"

namespace ripieno::testing {
namespace {

// An open file, whose data sets are listed once.
class ReferenceFile {
 public:
  explicit ReferenceFile(const std::string& path) : file_(path) {
    for (const io::Hdf5DataSet& set : file_.data_sets()) paths_.insert(set.path);
  }
  // prefix0, prefix1, … as far as there are such data sets.
  Tensors read_numbered(const std::string& prefix) const {
    Tensors tensors;
    for (;;) {
      const std::string path = prefix + std::to_string(tensors.size());
      if (!paths_.contains(path)) return tensors;
      tensors.push_back(file_.read(path));
    }
  }

 private:
  io::Hdf5File file_;
  std::set<std::string> paths_;
};

const ReferenceFile& file_of(const std::string& list) {
  static auto& files = *new std::map<std::string, ReferenceFile>;
  const auto found = files.find(list);
  if (found != files.end()) return found->second;
  return files.try_emplace(list, RIPIENO_REFERENCES "/" + list + ".h5").first->second;
}

}  // namespace

ReferenceValues read_reference(const std::string& list, const std::string& part,
                               const std::string& name) {
  const ReferenceFile& file = file_of(list);
  const std::string group = "/" + part + "/" + name + "/";
  ReferenceValues values{file.read_numbered(group + "input_"),
                         file.read_numbered(group + "output_"), file.read_numbered(group + "seed_"),
                         file.read_numbered(group + "gradient_")};
  if (values.outputs.empty()) fail("the references of " + list + " have no values for " + group);
  return values;
}

}  // namespace ripieno::testing
