// Cache files for results that took time to compute, such as measured algorithms. Several processes
// may share them: files are replaced atomically, and contents are trusted only if their checksum
// matches. Private to kernels/cuda.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace ripieno::kernels::cuda {

// Folder of the cache files, from environment variables; empty if none of them is set.
std::filesystem::path cache_folder();

// Content of a file; nullopt if it cannot be read.
std::optional<std::string> content_of(const std::filesystem::path& file);
// Replaces a file atomically, and creates its folder. On failure returns false, and an existing
// file is unchanged.
bool write_whole(const std::filesystem::path& file, const std::string& content);

// FNV-1a (Fowler, Noll, Vo) of the concatenated parts.
uint64_t checksum_of(std::initializer_list<std::string_view> parts);
std::string hexadecimal(uint64_t word);  // 16 digits

}  // namespace ripieno::kernels::cuda
