// Files that keep for the next process what took time to find out. Any number of processes share
// them, so each is written whole or not at all, and nothing is believed without its checksum.
// Private to kernels/cuda.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace ripieno::kernels::cuda {

// The folder for them, by the environment; empty where that names none.
std::filesystem::path cache_folder();

// Nothing where the file cannot be read.
std::optional<std::string> content_of(const std::filesystem::path& file);
// Makes its folder too. False where it cannot be written; then an older file still stands.
bool write_whole(const std::filesystem::path& file, const std::string& content);

// FNV-1a (Fowler, Noll, Vo) of the parts, one after the other.
uint64_t checksum_of(std::initializer_list<std::string_view> parts);
std::string hexadecimal(uint64_t word);  // 16 digits

}  // namespace ripieno::kernels::cuda
