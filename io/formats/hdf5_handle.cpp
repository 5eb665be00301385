#include "ripieno/io/formats/hdf5_handle.h"

#include <array>
#include <cstdint>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

// H5Ewalk2 callback: takes the first entry of the error stack, which is the cause.
herr_t keep_first(unsigned index, const H5E_error2_t* error, void* reason) {
  if (index == 0 && error->desc != nullptr) *static_cast<std::string*>(reason) = error->desc;
  return 0;
}

std::string last_reason() {
  std::string reason = "unknown reason";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  return reason;
}

Hdf5Handle copy_of(hid_t type) { return {H5Tcopy(type), H5Tclose, "hdf5: copy a type"}; }

Hdf5Handle bfloat16_type() {
  Hdf5Handle type = copy_of(H5T_IEEE_F32LE);
  check_hdf5(H5Tset_fields(type.get(), 15, 7, 8, 0, 7), "hdf5: define bfloat16");
  check_hdf5(H5Tset_size(type.get(), 2), "hdf5: define bfloat16");
  check_hdf5(H5Tset_ebias(type.get(), 127), "hdf5: define bfloat16");
  return type;
}

Hdf5Handle float16_type() {
  Hdf5Handle type = copy_of(H5T_IEEE_F32LE);
  check_hdf5(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "hdf5: define float16");
  check_hdf5(H5Tset_size(type.get(), 2), "hdf5: define float16");
  check_hdf5(H5Tset_ebias(type.get(), 15), "hdf5: define float16");
  return type;
}

Hdf5Handle boolean_type() {
  Hdf5Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "hdf5: define bool");
  const int8_t no = 0, yes = 1;
  check_hdf5(H5Tenum_insert(type.get(), "FALSE", &no), "hdf5: define bool");
  check_hdf5(H5Tenum_insert(type.get(), "TRUE", &yes), "hdf5: define bool");
  return type;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(library_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // a setting of the current thread
}

template <typename T>
T check_hdf5(T returned, const std::string& what) {
  if (returned < 0) throw DataError(what + ": " + last_reason());
  return returned;
}
template herr_t check_hdf5(herr_t, const std::string&);
template hid_t check_hdf5(hid_t, const std::string&);
template hssize_t check_hdf5(hssize_t, const std::string&);

void Hdf5Handle::close(const std::string& what) {
  const Closer closer = std::exchange(closer_, nullptr);
  if (closer != nullptr) check_hdf5(closer(id_), what);
}

Hdf5Handle hdf5_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return copy_of(H5T_IEEE_F32LE);
    case DType::bfloat16:
      return bfloat16_type();
    case DType::float16:
      return float16_type();
    case DType::float64:
      return copy_of(H5T_IEEE_F64LE);
    case DType::int64:
      return copy_of(H5T_STD_I64LE);
    case DType::int32:
      return copy_of(H5T_STD_I32LE);
    case DType::uint8:
      return copy_of(H5T_STD_U8LE);
    case DType::boolean:
      return boolean_type();
  }
  fail("hdf5: unknown element type");
}

Hdf5Handle hdf5_space(const Shape& shape) {
  if (shape.rank() == 0)
    return {H5Screate(H5S_SCALAR), H5Sclose, "hdf5: create a scalar data space"};
  std::array<hsize_t, Shape::kMaxRank> sizes{};
  for (int axis = 0; axis < shape.rank(); ++axis) sizes[axis] = static_cast<hsize_t>(shape[axis]);
  return {H5Screate_simple(shape.rank(), sizes.data(), nullptr), H5Sclose,
          "hdf5: create a data space"};
}

}  // namespace ripieno::io
