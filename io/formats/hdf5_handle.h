// Each libhdf5 call once, checked: what the other hdf5 files of io are written with. Not installed.
//
// libhdf5 has one lock and a state per process; whoever calls it here holds an Hdf5Lock meanwhile.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

#include "ripieno/core/dtype.h"
#include "ripieno/core/shape.h"

namespace ripieno::io {

// Keeps libhdf5 for this thread, and keeps it from printing.
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// The number that a libhdf5 call returned. Negative: throws DataError with `what` and libhdf5's
// reason.
template <typename T>
T check_hdf5(T returned, const std::string& what);
extern template herr_t check_hdf5(herr_t, const std::string&);
extern template hid_t check_hdf5(hid_t, const std::string&);
extern template hssize_t check_hdf5(hssize_t, const std::string&);

// Owns one identifier of libhdf5. Destroyed while an Hdf5Lock is held.
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
  // Closing can fail where it writes; destruction ignores it, this throws.
  void close(const std::string& what);

 private:
  void swap(Hdf5Handle& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
  }

  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

// How an element type lies in a file: little-endian; bfloat16 is a 16-bit float of 1 sign, 8
// exponent and 7 mantissa bits; bool is h5py's enumeration of FALSE and TRUE.
Hdf5Handle hdf5_type(DType dtype);
// Row-major; a scalar for rank 0.
Hdf5Handle hdf5_space(const Shape& shape);

}  // namespace ripieno::io
