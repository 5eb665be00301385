// Finds libraries of NVIDIA that are loaded when a program runs, in the places where toolkits,
// distributions and Python packages put them. Requires no CUDA.
#pragma once

#include <string>
#include <vector>

namespace ripieno::kernels::cuda {

struct NvidiaLibrary {
  std::string package;     // the folder of its Python package below nvidia/: "cudnn"
  std::string file;        // "libcudnn.so.9"
  std::string build_file;  // the file that the build found; may be empty
};

// Names to open, the best first:
//
//   1. in the folders of RIPIENO_NVIDIA_LIBRARIES, separated by colons
//   2. the file that the build found
//   3. the name alone: the loader searches LD_LIBRARY_PATH and the system's folders
//   4. in the program's folder, and in lib/ beside it
//   5. in the packages of $VIRTUAL_ENV, $CONDA_PREFIX, the python3 in PATH, and the user
//
// A folder also has a library in <package>/lib/ and nvidia/<package>/lib/, the layout of NVIDIA's
// Python packages. Files in folders are listed only if they exist.
std::vector<std::string> candidates_of(const NvidiaLibrary& library);

// For messages: what to do if a library is not found.
inline constexpr const char* kHowToFindLibraries =
    "install it, or set RIPIENO_NVIDIA_LIBRARIES to its folder";

// Functions that open a library, look up a symbol and close the library. They return null on
// failure; open() sets `why`. Tests replace them.
struct LibraryLoader {
  void* (*open)(const char* name, std::string& why);
  void* (*symbol)(void* library, const char* name);
  void (*close)(void* library);
};
LibraryLoader system_loader();

}  // namespace ripieno::kernels::cuda
