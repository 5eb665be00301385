#include "ripieno/io/formats/hdf5_whole.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

constexpr int kDeepest = 8;  // nesting of virtual data sets

using Sizes = std::array<hsize_t, H5S_MAX_RANK>;

// A data set being examined.
struct Examined {
  hid_t data_set;
  std::string path;  // of its file
  std::string what;  // its name in messages
  int depth;         // number of virtual data sets that lead to it
};

void require_whole(const Examined& examined);

void require_filters(hid_t creation, const std::string& what) {
  const int count = check_hdf5(H5Pget_nfilters(creation), what);
  for (int i = 0; i < count; ++i) {
    std::array<char, 100> name{};
    unsigned flags = 0, configuration = 0;
    std::size_t values = 0;
    const auto id = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                   name.size() - 1, name.data(), &configuration);
    if (H5Zfilter_avail(id) > 0) continue;
    throw ConfigurationError(fmt::format(
        "{} is compressed with the filter \"{}\" (number {}), which is not available in this HDF5 "
        "library; convert the file to gzip (h5repack -f GZIP=4), or set HDF5_PLUGIN_PATH to the "
        "directory of the filter's plugin",
        what, name.data(), static_cast<int>(id)));
  }
}

[[noreturn]] void refuse_unwritten(const std::string& what, const std::string& part) {
  throw DataError(
      fmt::format("{} has {} that were never written (HDF5 would read fill values)", what, part));
}

// Indices of the first element of the first chunk that is not stored in the file.
std::vector<hsize_t> first_missing(hid_t data_set, int rank, const Sizes& sizes,
                                   const Sizes& chunk) {
  std::vector<hsize_t> at(static_cast<std::size_t>(rank), 0);
  while (true) {
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    if (H5Dget_chunk_info_by_coord(data_set, at.data(), &mask, &address, &bytes) < 0 ||
        address == HADDR_UNDEF)
      return at;
    int axis = rank - 1;
    for (; axis >= 0; --axis) {
      const auto i = static_cast<std::size_t>(axis);
      at[i] += chunk[i];
      if (at[i] < sizes[i]) break;
      at[i] = 0;
    }
    if (axis < 0) return at;
  }
}

void require_chunks(const Examined& examined, hid_t creation, hid_t space) {
  Sizes sizes{}, chunk{};
  const int rank = H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
  check_hdf5(H5Pget_chunk(creation, rank, chunk.data()), examined.what);
  hsize_t expected = 1, stored = 0;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis)
    expected *= (sizes[axis] + chunk[axis] - 1) / chunk[axis];
  check_hdf5(H5Dget_num_chunks(examined.data_set, space, &stored), examined.what);
  if (stored >= expected) return;
  refuse_unwritten(
      examined.what,
      fmt::format("{} of {} chunks, the first at [{}],", expected - stored, expected,
                  fmt::join(first_missing(examined.data_set, rank, sizes, chunk), ", ")));
}

std::string text_of(ssize_t size, const auto& get) {
  std::string text(static_cast<std::size_t>(std::max<ssize_t>(size, 0)), '\0');
  get(text.data(), text.size() + 1);
  return text;
}

// The path of a source file, found by the same rules and in the same order as libhdf5.
std::string found_source(const std::string& path, const std::string& source,
                         const std::string& what) {
  if (source == ".") return path;
  std::vector<std::string> candidates;
  if (const char* prefix = std::getenv("HDF5_VDS_PREFIX"); prefix != nullptr && *prefix != '\0')
    candidates.push_back(fmt::format("{}/{}", prefix, source));
  if (!source.starts_with('/')) candidates.push_back(fmt::format("{}/{}", parent_of(path), source));
  candidates.push_back(source);
  std::exception_ptr unreadable;  // like libhdf5, tries the next path after an error
  for (const std::string& candidate : candidates) {
    try {
      if (local_files().exists(candidate)) return candidate;
    } catch (const StorageError&) {
      if (!unreadable) unreadable = std::current_exception();
    }
  }
  if (unreadable) std::rethrow_exception(unreadable);
  throw DataError(fmt::format("{} refers to {}, which does not exist", what, source));
}

int64_t points_in(hid_t space) { return static_cast<int64_t>(H5Sget_select_npoints(space)); }

// Checks that the elements selected from a source lie within it.
void require_within(hid_t selected, hid_t source, int64_t wanted, const std::string& what) {
  const Hdf5Handle space(H5Dget_space(source), H5Sclose, what);
  Sizes sizes{}, begin{}, end{};
  const int rank = H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  bool is_within = H5Sget_simple_extent_npoints(space.get()) >= wanted;
  const bool has_bounds = H5Sget_simple_extent_ndims(selected) == rank &&
                          H5Sget_select_bounds(selected, begin.data(), end.data()) >= 0;
  for (std::size_t axis = 0; has_bounds && axis < static_cast<std::size_t>(rank); ++axis)
    is_within = is_within && end[axis] < sizes[axis];
  if (!is_within) throw DataError(what + " has fewer elements than the virtual data set needs");
}

// Checks source `index` of a virtual data set. Returns the number of elements it supplies.
int64_t require_source(const Examined& examined, hid_t creation, std::size_t index) {
  const Hdf5Handle target(H5Pget_virtual_vspace(creation, index), H5Sclose, examined.what);
  const Hdf5Handle selected(H5Pget_virtual_srcspace(creation, index), H5Sclose, examined.what);
  const auto file_name = text_of(
      H5Pget_virtual_filename(creation, index, nullptr, 0),
      [&](char* to, std::size_t room) { H5Pget_virtual_filename(creation, index, to, room); });
  const auto name = text_of(
      H5Pget_virtual_dsetname(creation, index, nullptr, 0),
      [&](char* to, std::size_t room) { H5Pget_virtual_dsetname(creation, index, to, room); });
  const int64_t wanted = points_in(target.get());
  const std::string pattern = "%b";  // stands for the number of a file in a series
  if (wanted < 0 || file_name.find(pattern) != std::string::npos ||
      name.find(pattern) != std::string::npos)
    throw ConfigurationError(
        examined.what + " refers to an unlimited series of files (\"%b\"), which is not supported");
  const std::string path = found_source(examined.path, file_name, examined.what);
  const Hdf5Handle file = open_hdf5(path);
  const std::string what = fmt::format("{}: its source {} of {}", examined.what, name, path);
  const Hdf5Handle source(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose, what);
  require_within(selected.get(), source.get(), wanted, what);
  require_whole({source.get(), path, what, examined.depth + 1});
  return wanted;
}

void require_sources(const Examined& examined, hid_t creation, hid_t space) {
  if (examined.depth >= kDeepest)
    throw ConfigurationError(examined.what + ": virtual data sets are nested deeper than " +
                             std::to_string(kDeepest) + " levels");
  std::size_t count = 0;
  check_hdf5(H5Pget_virtual_count(creation, &count), examined.what);
  int64_t given = 0;
  for (std::size_t i = 0; i < count; ++i) given += require_source(examined, creation, i);
  if (const auto all = points_in(space); given < all)
    throw DataError(
        fmt::format("{}: its sources supply {} of {} elements (HDF5 would read fill values for the "
                    "others)",
                    examined.what, given, all));
}

void require_whole(const Examined& examined) {
  const std::string& what = examined.what;
  const Hdf5Handle space(H5Dget_space(examined.data_set), H5Sclose, what);
  if (H5Sget_simple_extent_npoints(space.get()) <= 0) return;
  const Hdf5Handle creation(H5Dget_create_plist(examined.data_set), H5Pclose, what);
  if (H5Pget_external_count(creation.get()) > 0)
    throw ConfigurationError(what +
                             " uses external storage (a separate raw file), which is not "
                             "supported; convert it with h5repack");
  switch (H5Pget_layout(creation.get())) {
    case H5D_CHUNKED:
      require_filters(creation.get(), what);
      return require_chunks(examined, creation.get(), space.get());
    case H5D_VIRTUAL:
      return require_sources(examined, creation.get(), space.get());
    case H5D_CONTIGUOUS:
      if (H5Dget_offset(examined.data_set) == HADDR_UNDEF) refuse_unwritten(what, "elements");
      return;
    default:  // compact: stored in the object header
      return;
  }
}

}  // namespace

Hdf5Handle open_hdf5(const std::string& path) {
  local_files().open(path);  // throws with the system's reason if the file cannot be read
  const Hdf5Lock lock;
  const std::string what = "cannot read " + path + " as HDF5";
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, what);
  // Some shared storage does not support locks.
  check_hdf5(H5Pset_file_locking(access.get(), false, true), what);
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, what};
}

void require_whole(hid_t data_set, const std::string& path, const std::string& name) {
  require_whole({data_set, path, fmt::format("{}: data set {}", path, name), 0});
}

}  // namespace ripieno::io
