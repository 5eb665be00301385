// The files of a data set: a path may be a file, a folder or a pattern.
#pragma once

#include <string>
#include <vector>

namespace ripieno::io {

// The files that `path` means, in the order in which they are read:
//   a file                        itself, also if its name has characters of a pattern
//   a folder                      the files in it by name, without hidden ones and folders
//   a pattern ("part_*.bin")      the files that match, by name
//   the stem of a Megatron pair   STEM.bin
// Of a Megatron pair, only STEM.bin is returned. Throws ConfigurationError if there is none.
std::vector<std::string> files_of(const std::string& path);

}  // namespace ripieno::io
