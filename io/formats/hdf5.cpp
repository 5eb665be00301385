#include "ripieno/io/formats/hdf5.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "ripieno/core/error.h"
#include "ripieno/io/formats/hdf5_handle.h"
#include "ripieno/io/formats/hdf5_whole.h"

namespace ripieno::io {
namespace {

// The smallest integer DType that can represent every value of the file's type; nullopt if none
// can.
std::optional<DType> integer_type(hid_t type) {
  const auto size = H5Tget_size(type);
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  if (size == 1 && !is_signed) return DType::uint8;
  if (size < 4 || (size == 4 && is_signed)) return DType::int32;
  if (size == 4 || (size == 8 && is_signed)) return DType::int64;
  return std::nullopt;
}

std::optional<DType> floating_point_type(hid_t type) {
  std::size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  const auto size = H5Tget_size(type);
  if (size == 2 && exponent_bits == 8) return DType::bfloat16;
  if (size == 2 && exponent_bits == 5) return DType::float16;
  if (size == 4) return DType::float32;
  if (size == 8) return DType::float64;
  return std::nullopt;
}

std::optional<DType> type_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return integer_type(type);
    case H5T_FLOAT:
      return floating_point_type(type);
    case H5T_ENUM:
      if (H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2) return DType::boolean;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Shape> shape_of(hid_t space) {
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  const int rank = H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
  if (rank < 0 || rank > Shape::kMaxRank) return std::nullopt;
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) shape.push_back(static_cast<int64_t>(sizes[axis]));
  return shape;
}

// A type that cannot be read, as messages show it: "strings", "uint64".
std::string name_of_type(hid_t type) {
  const auto bits = H5Tget_size(type) * 8;
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return fmt::format("{}int{}", H5Tget_sign(type) == H5T_SGN_2 ? "" : "u", bits);
    case H5T_FLOAT:
      return fmt::format("{}-bit floating-point numbers", bits);
    case H5T_STRING:
      return "strings";
    case H5T_COMPOUND:
      return "compound values";
    case H5T_ENUM:
      return "enumeration values";
    case H5T_REFERENCE:
      return "references";
    case H5T_VLEN:
      return "variable-length sequences";
    case H5T_ARRAY:
      return "arrays";
    default:
      return "of an unknown class";
  }
}

// Why describe() returned nullopt for this data set.
std::string reason_not_read(hid_t data_set, const std::string& what) {
  const Hdf5Handle type(H5Dget_type(data_set), H5Tclose, what);
  const Hdf5Handle space(H5Dget_space(data_set), H5Sclose, what);
  if (!type_of(type.get()))
    return fmt::format(
        "its elements are {}, which are not supported; write it as float32, float64, int64, int32 "
        "or uint8",
        name_of_type(type.get()));
  return fmt::format("it has {} axes; at most {} are supported",
                     H5Sget_simple_extent_ndims(space.get()), Shape::kMaxRank);
}

std::optional<Hdf5DataSet> describe(hid_t data_set, const std::string& path,
                                    const std::string& what) {
  const Hdf5Handle type(H5Dget_type(data_set), H5Tclose, what);
  const Hdf5Handle space(H5Dget_space(data_set), H5Sclose, what);
  const auto dtype = type_of(type.get());
  const auto shape = shape_of(space.get());
  if (!dtype || !shape) return std::nullopt;
  return Hdf5DataSet{path, *dtype, *shape};
}

}  // namespace

struct Hdf5File::Handles {
  std::string path;
  Hdf5Handle file;
  std::set<std::string> whole = {};  // data sets that passed require_whole()

  std::string named(const std::string& data_set) const { return path + ": data set " + data_set; }

  Hdf5Handle open(const std::string& data_set) const {
    return {H5Dopen2(file.get(), data_set.c_str(), H5P_DEFAULT), H5Dclose, named(data_set)};
  }
  // Opens a data set for reading; throws if any of its values are missing.
  Hdf5Handle open_whole(const std::string& data_set) {
    Hdf5Handle opened = open(data_set);
    if (!whole.contains(data_set)) require_whole(opened.get(), path, data_set);
    whole.insert(data_set);
    return opened;
  }
};

Hdf5File::Hdf5File(const std::string& path) : handles_(new Handles{path, open_hdf5(path)}) {}

Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;

Hdf5File::~Hdf5File() {
  const Hdf5Lock lock;
  handles_.reset();
}

std::vector<Hdf5DataSet> Hdf5File::data_sets() const {
  const Hdf5Lock lock;
  std::vector<std::string> paths;
  const auto collect = [](hid_t, const char* name, const H5O_info_t* object, void* into) -> herr_t {
    if (object->type == H5O_TYPE_DATASET)
      static_cast<std::vector<std::string>*>(into)->push_back(std::string("/") + name);
    return 0;
  };
  check_hdf5(
      H5Ovisit2(handles_->file.get(), H5_INDEX_NAME, H5_ITER_INC, collect, &paths, H5O_INFO_BASIC),
      "cannot list " + handles_->path);
  std::vector<Hdf5DataSet> found;
  for (const std::string& path : paths) {
    const Hdf5Handle data_set = handles_->open(path);
    if (auto described = describe(data_set.get(), path, handles_->named(path)))
      found.push_back(*std::move(described));
  }
  return found;
}

Hdf5DataSet Hdf5File::data_set(const std::string& path) const {
  const Hdf5Lock lock;
  const Hdf5Handle data_set = handles_->open(path);
  auto described = describe(data_set.get(), path, handles_->named(path));
  if (!described)
    throw ConfigurationError(fmt::format("{}: {}", handles_->named(path),
                                         reason_not_read(data_set.get(), handles_->named(path))));
  return *std::move(described);
}

Tensor Hdf5File::read(const std::string& path) const {
  const Hdf5DataSet described = data_set(path);
  const Hdf5Lock lock;
  Tensor tensor(described.shape, described.dtype);
  if (tensor.elements() == 0) return tensor;
  const Hdf5Handle data_set = handles_->open_whole(path);
  check_hdf5(H5Dread(data_set.get(), hdf5_type(described.dtype).get(), H5S_ALL, H5S_ALL,
                     H5P_DEFAULT, tensor.raw_data()),
             handles_->named(path));
  return tensor;
}

Tensor Hdf5File::read_rows(const std::string& path, int64_t begin, int64_t end) const {
  const Hdf5DataSet described = data_set(path);
  Shape shape = described.shape;
  if (shape.rank() == 0 || begin < 0 || begin > end || end > shape[0])
    fail(fmt::format("{}: rows {} .. {} are outside its shape {}", handles_->named(path), begin,
                     end, to_string(shape)));
  shape[0] = end - begin;
  const Hdf5Lock lock;
  Tensor tensor(shape, described.dtype);
  if (tensor.elements() == 0) return tensor;
  const Hdf5Handle data_set = handles_->open_whole(path);
  const Hdf5Handle rows(H5Dget_space(data_set.get()), H5Sclose, handles_->named(path));
  std::array<hsize_t, Shape::kMaxRank> start{static_cast<hsize_t>(begin)}, count{};
  std::copy(shape.begin(), shape.end(), count.begin());
  check_hdf5(
      H5Sselect_hyperslab(rows.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
      handles_->named(path));
  check_hdf5(H5Dread(data_set.get(), hdf5_type(described.dtype).get(), hdf5_space(shape).get(),
                     rows.get(), H5P_DEFAULT, tensor.raw_data()),
             handles_->named(path));
  return tensor;
}

}  // namespace ripieno::io
