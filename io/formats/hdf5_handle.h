// Checked wrappers around libhdf5, used by all HDF5 code of io. Not installed.
//
// libhdf5 has global state and is not thread-safe: hold an Hdf5Lock during every call.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

#include "ripieno/core/dtype.h"
#include "ripieno/core/shape.h"

namespace ripieno::io {

// Serializes access to libhdf5 (a recursive lock) and disables its printing of errors to stderr.
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Returns the result of a libhdf5 call. Throws DataError "<what>: <libhdf5's error>" if it is
// negative.
template <typename T>
T check_hdf5(T returned, const std::string& what);
extern template herr_t check_hdf5(herr_t, const std::string&);
extern template hid_t check_hdf5(hid_t, const std::string&);
extern template hssize_t check_hdf5(hssize_t, const std::string&);

// Owns one libhdf5 identifier. Must be destroyed while an Hdf5Lock is held.
class Hdf5Handle {
 public:
  using Closer = herr_t (*)(hid_t);

  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Closer closer, const std::string& what)
      : id_(check_hdf5(id, what)), closer_(closer) {}
  ~Hdf5Handle() {
    if (closer_ != nullptr) closer_(id_);
  }
  Hdf5Handle(Hdf5Handle&& other) noexcept { swap(other); }
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    swap(other);
    return *this;
  }

  hid_t get() const { return id_; }
  // Closes the identifier and throws DataError on failure (closing may write). The destructor
  // ignores failures.
  void close(const std::string& what);

 private:
  void swap(Hdf5Handle& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
  }

  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

// The file representation of an element type: little-endian; bfloat16 is a 16-bit float with 1
// sign, 8 exponent and 7 mantissa bits; bool is h5py's enumeration of FALSE and TRUE.
Hdf5Handle hdf5_type(DType dtype);
// A row-major data space; scalar for rank 0.
Hdf5Handle hdf5_space(const Shape& shape);

}  // namespace ripieno::io
