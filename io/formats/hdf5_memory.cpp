#include "ripieno/io/formats/hdf5_memory.h"

#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif

#include <algorithm>
#include <exception>
#include <limits>

namespace ripieno::io {
namespace {

// The driver information that H5Pset_driver() copies into the property list.
struct Target {
  Hdf5Memory* memory;
};

struct MemoryFile : H5FD_t {
  Hdf5Memory* memory = nullptr;
};

Hdf5Memory& memory_of(const H5FD_t* file) { return *static_cast<const MemoryFile*>(file)->memory; }

H5FD_t* open_memory(const char*, unsigned, hid_t access, haddr_t) {
  const auto* target = static_cast<const Target*>(H5Pget_driver_info(access));
  if (target == nullptr) return nullptr;
  auto* file = new (std::nothrow) MemoryFile();
  if (file != nullptr) file->memory = target->memory;
  return file;
}

herr_t close_memory(H5FD_t* file) {
  delete static_cast<MemoryFile*>(file);
  return 0;
}

haddr_t size_of_memory(const H5FD_t* file, H5FD_mem_t) {
  return static_cast<haddr_t>(memory_of(file).size);
}

herr_t resize_memory(H5FD_t* file, H5FD_mem_t, haddr_t size) {
  memory_of(file).size = static_cast<int64_t>(size);
  return 0;
}

herr_t read_memory(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* into) {
  memory_of(file).read(static_cast<int64_t>(address), {static_cast<std::byte*>(into), size});
  return 0;
}

herr_t write_memory(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size,
                    const void* bytes) {
  try {
    memory_of(file).write(static_cast<int64_t>(address),
                          {static_cast<const std::byte*>(bytes), size});
    return 0;
  } catch (const std::exception&) {  // out of memory; an exception must not pass through libhdf5
    return -1;
  }
}

H5FD_class_t driver_class() {
  H5FD_class_t driver{};
  driver.name = "ripieno_memory";
  driver.maxaddr = std::numeric_limits<int64_t>::max();
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Target);
  driver.open = open_memory;
  driver.close = close_memory;
  driver.get_eoa = size_of_memory;
  driver.set_eoa = resize_memory;
  driver.get_eof = size_of_memory;
  driver.read = read_memory;
  driver.write = write_memory;
  return driver;  // fl_map is all zeros: each memory type is allocated separately
}

hid_t driver() {
  static const H5FD_class_t description = driver_class();
  static const hid_t id = check_hdf5(H5FDregister(&description), "hdf5: register the file driver");
  return id;
}

}  // namespace

Hdf5Handle Hdf5Memory::access() {
  Hdf5Handle list(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "hdf5: create a property list");
  const Target target{this};
  check_hdf5(H5Pset_driver(list.get(), driver(), &target), "hdf5: set the file driver");
  return list;
}

void Hdf5Memory::write(int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto within = static_cast<std::size_t>(offset % kPageBytes);
    const auto count = std::min(bytes.size(), kPageBytes - within);
    std::copy_n(bytes.begin(), count, pages_[offset / kPageBytes].begin() + within);
    bytes = bytes.subspan(count);
    offset += static_cast<int64_t>(count);
  }
}

void Hdf5Memory::read(int64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const auto within = static_cast<std::size_t>(offset % kPageBytes);
    const auto count = std::min(into.size(), kPageBytes - within);
    const auto page = pages_.find(offset / kPageBytes);
    if (page == pages_.end()) {
      std::fill_n(into.begin(), count, std::byte{0});
    } else {
      std::copy_n(page->second.begin() + within, count, into.begin());
    }
    into = into.subspan(count);
    offset += static_cast<int64_t>(count);
  }
}

}  // namespace ripieno::io
