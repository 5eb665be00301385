#include "ripieno/io/formats/hdf5_layout.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/io/formats/hdf5.h"
#include "ripieno/io/formats/not_finite.h"

namespace ripieno::io {
namespace {

constexpr hsize_t kAlignBytes = 64;       // so that tensors can be used directly in a mapped file
constexpr hsize_t kMetadataBytes = 8192;  // block size in which space for metadata is allocated
constexpr std::size_t kChunkBytes = 256 << 10;

using Sizes = std::array<hsize_t, Shape::kMaxRank>;

Hdf5Handle property_list(hid_t kind) {
  return {H5Pcreate(kind), H5Pclose, "hdf5: create a property list"};
}

Hdf5Handle creation_list() {
  Hdf5Handle list = property_list(H5P_DATASET_CREATE);
  // No timestamps, so that equal content gives identical bytes.
  check_hdf5(H5Pset_obj_track_times(list.get(), false), "hdf5: lay out a file");
  return list;
}

Hdf5Handle create_file(Hdf5Memory& memory) {
  const Hdf5Handle access = memory.access();
  const std::string what = "hdf5: lay out a file";
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V110), what);
  check_hdf5(H5Pset_alignment(access.get(), 1, kAlignBytes), what);
  check_hdf5(H5Pset_meta_block_size(access.get(), kMetadataBytes), what);
  return {H5Fcreate("layout", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose, what};
}

template <typename T>
void set_fill_value(hid_t creation, hid_t type, T value) {
  check_hdf5(H5Pset_fill_value(creation, type, &value), "hdf5: set a fill value");
}

void set_fill_value(hid_t creation, DType dtype) {
  const Hdf5Handle type = hdf5_type(dtype);
  switch (dtype) {
    case DType::float32:
      return set_fill_value(creation, type.get(), std::numeric_limits<float>::quiet_NaN());
    case DType::float64:
      return set_fill_value(creation, type.get(), std::numeric_limits<double>::quiet_NaN());
    case DType::bfloat16:
      return set_fill_value(creation, type.get(), uint16_t{0x7fc0});
    case DType::float16:
      return set_fill_value(creation, type.get(), uint16_t{0x7e00});
    case DType::int64:
      return set_fill_value(creation, type.get(), std::numeric_limits<int64_t>::lowest());
    case DType::int32:
      return set_fill_value(creation, type.get(), std::numeric_limits<int32_t>::lowest());
    case DType::uint8:
    case DType::boolean:
      return;  // zero, the default: all values are valid
  }
}

struct Box {
  Sizes start{}, count{};
};
// Appends to `boxes` the hyperslabs that make up elements begin <= i < end of a row-major `shape`:
// the rest of the first row, whole rows, and the beginning of the last row. Partial rows are split
// recursively, along the next axis.
void split_run(const Shape& shape, int axis, Sizes start, int64_t begin, int64_t end,
               std::vector<Box>& boxes) {
  if (begin == end) return;
  int64_t row = 1;
  for (int inner = axis + 1; inner < shape.rank(); ++inner) row *= shape[inner];
  const int64_t first = begin / row, last = (end - 1) / row;
  const bool splits_first = begin % row != 0, splits_last = end % row != 0;
  const auto within = [&](int64_t index, int64_t from, int64_t to) {
    start[axis] = static_cast<hsize_t>(index);
    split_run(shape, axis + 1, start, from - index * row, to - index * row, boxes);
  };
  if (first == last && (splits_first || splits_last)) return within(first, begin, end);

  if (splits_first) within(first, begin, (first + 1) * row);
  const int64_t whole_begin = first + splits_first, whole_end = last + 1 - splits_last;
  if (whole_begin < whole_end) {
    Box box{start, {}};
    box.count.fill(1);
    box.start[axis] = static_cast<hsize_t>(whole_begin);
    box.count[axis] = static_cast<hsize_t>(whole_end - whole_begin);
    for (int inner = axis + 1; inner < shape.rank(); ++inner) {
      box.start[inner] = 0;
      box.count[inner] = static_cast<hsize_t>(shape[inner]);
    }
    boxes.push_back(box);
  }
  if (splits_last) within(last, last * row, end);
}

// Maps a contiguous range of the virtual data set, from element source.begin, to the source. The
// boxes of the range take consecutive elements of the source.
void map_source(hid_t creation, const Shape& shape, const Hdf5Source& source) {
  const std::string what = "hdf5: map " + source.data_set + " of " + source.file;
  const Hdf5Handle whole = hdf5_space(shape), part = hdf5_space(source.shape);
  const auto map = [&] {
    check_hdf5(H5Pset_virtual(creation, whole.get(), source.file.c_str(), source.data_set.c_str(),
                              part.get()),
               what);
  };
  if (source.shape == shape) return map();

  std::vector<Box> boxes;
  split_run(shape, 0, {}, source.begin, source.begin + source.shape.elements(), boxes);
  hsize_t taken = 0;
  for (const Box& box : boxes) {
    const hsize_t count = std::accumulate(box.count.begin(), box.count.begin() + shape.rank(),
                                          hsize_t{1}, std::multiplies<>());
    check_hdf5(H5Sselect_hyperslab(whole.get(), H5S_SELECT_SET, box.start.data(), nullptr,
                                   box.count.data(), nullptr),
               what);
    check_hdf5(H5Sselect_hyperslab(part.get(), H5S_SELECT_SET, &taken, nullptr, &count, nullptr),
               what);
    map();
    taken += count;
  }
}

// Combines small writes into larger ones.
class GatheredOutput {
 public:
  explicit GatheredOutput(WritableFile& file) : file_(file) { gathered_.reserve(kChunkBytes); }

  void append(std::span<const std::byte> bytes) {
    if (gathered_.size() + bytes.size() > kChunkBytes) flush();
    if (bytes.size() >= kChunkBytes) return file_.append(bytes);
    gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  }
  void flush() {
    if (!gathered_.empty()) file_.append(gathered_);
    gathered_.clear();
  }

 private:
  WritableFile& file_;
  std::vector<std::byte> gathered_;
};

struct Appended {
  uint64_t hash;
  int64_t not_finite = 0;
};

// Works in chunks that stay in the cache between checksum and copy.
Appended append_hashed(GatheredOutput& output, DType dtype, std::span<const std::byte> bytes) {
  Hash hash;
  int64_t not_finite = 0;
  while (!bytes.empty()) {
    const auto chunk = bytes.first(std::min(bytes.size(), kChunkBytes));
    hash.add(chunk);
    not_finite += count_not_finite(dtype, chunk);
    output.append(chunk);
    bytes = bytes.subspan(chunk.size());
  }
  return {hash.value(), not_finite};
}

std::vector<std::size_t> order_by_offset(const std::vector<Hdf5Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return blocks[a].offset < blocks[b].offset; });
  return order;
}

}  // namespace

Hdf5Layout::Hdf5Layout() {
  const Hdf5Lock lock;
  file_ = create_file(memory_);
  link_ = property_list(H5P_LINK_CREATE);
  check_hdf5(H5Pset_create_intermediate_group(link_.get(), 1), "hdf5: lay out a file");
  contiguous_ = creation_list();
  check_hdf5(H5Pset_layout(contiguous_.get(), H5D_CONTIGUOUS), "hdf5: lay out a file");
  check_hdf5(H5Pset_alloc_time(contiguous_.get(), H5D_ALLOC_TIME_EARLY), "hdf5: lay out a file");
  check_hdf5(H5Pset_fill_time(contiguous_.get(), H5D_FILL_TIME_NEVER), "hdf5: lay out a file");
}

Hdf5Layout::~Hdf5Layout() {
  const Hdf5Lock lock;
  link_ = {};
  contiguous_ = {};
  file_ = {};
}

void Hdf5Layout::create(const std::string& path, DType dtype, const Shape& shape, hid_t creation,
                        Hdf5Handle& data_set) {
  const std::string what = "hdf5: create data set " + path;
  data_set = {H5Dcreate2(file_.get(), path.c_str(), hdf5_type(dtype).get(), hdf5_space(shape).get(),
                         link_.get(), creation, H5P_DEFAULT),
              H5Dclose, what};
}

int64_t Hdf5Layout::add(const std::string& path, DType dtype, const Shape& shape) {
  const Hdf5Lock lock;
  Hdf5Handle data_set;
  create(path, dtype, shape, contiguous_.get(), data_set);
  if (shape.elements() == 0) return 0;
  const haddr_t offset = H5Dget_offset(data_set.get());
  if (offset == HADDR_UNDEF)
    throw DataError("hdf5: no space in the file was allocated for data set " + path);
  return static_cast<int64_t>(offset);
}

void Hdf5Layout::add_virtual(const std::string& path, DType dtype, const Shape& shape,
                             const std::vector<Hdf5Source>& sources) {
  if (shape.elements() == 0) {
    add(path, dtype, shape);
    return;
  }
  const Hdf5Lock lock;
  const Hdf5Handle creation = creation_list();
  set_fill_value(creation.get(), dtype);
  for (const Hdf5Source& source : sources) map_source(creation.get(), shape, source);
  Hdf5Handle data_set;
  create(path, dtype, shape, creation.get(), data_set);
}

void Hdf5Layout::finish() {
  const Hdf5Lock lock;
  file_.close("hdf5: lay out a file");
}

Hdf5Written write_laid_out(FileSystem& files, const std::string& path, const Hdf5Layout& layout,
                           const std::vector<Hdf5Block>& blocks) {
  const auto file = files.create(path);
  file->reserve(layout.size());
  GatheredOutput output(*file);
  Hash outside;
  int64_t written = 0;
  const auto write_layout_until = [&](int64_t end) {
    std::vector<std::byte> bytes;
    for (; written < end; written += static_cast<int64_t>(bytes.size())) {
      bytes.resize(static_cast<std::size_t>(std::min<int64_t>(end - written, 1 << 20)));
      layout.read(written, bytes);
      outside.add(bytes);
      output.append(bytes);
    }
  };
  Hdf5Written result{layout.size(), 0, std::vector<uint64_t>(blocks.size()),
                     std::vector<int64_t>(blocks.size())};
  for (const std::size_t index : order_by_offset(blocks)) {
    write_layout_until(blocks[index].offset);
    const Tensor numbers = blocks[index].numbers.to(Device::cpu()).dense();
    const std::span bytes(static_cast<const std::byte*>(numbers.raw_data()), numbers.bytes());
    const Appended appended = append_hashed(output, numbers.dtype(), bytes);
    result.block_hashes[index] = appended.hash;
    result.not_finite[index] = appended.not_finite;
    written += static_cast<int64_t>(bytes.size());
  }
  write_layout_until(layout.size());
  output.flush();
  file->sync();
  result.outside_hash = outside.value();
  return result;
}

void write_hdf5(FileSystem& files, const std::string& path,
                const std::vector<std::pair<std::string, Tensor>>& data_sets) {
  Hdf5Layout layout;
  std::vector<Hdf5Block> blocks;
  for (const auto& [name, numbers] : data_sets) {
    const int64_t offset = layout.add(name, numbers.dtype(), numbers.shape());
    if (numbers.elements() > 0) blocks.push_back({offset, numbers});
  }
  layout.finish();
  write_aside(files, path,
              [&](const std::string& aside) { write_laid_out(files, aside, layout, blocks); });
}

}  // namespace ripieno::io
