#include "ripieno/io/run/ranks/paths.h"

#include <fmt/format.h>

namespace ripieno::io {
namespace {

std::string aged(const std::string& directory, const char* name, int age, const char* ending) {
  return age == 0 ? fmt::format("{}/{}.{}", directory, name, ending)
                  : fmt::format("{}/{}.{}.{}", directory, name, age, ending);
}

}  // namespace

std::string ranks_directory(const std::string& run_directory) { return run_directory + "/ranks"; }

std::string rank_directory(const std::string& run_directory, int rank) {
  return fmt::format("{}/rank_{:05}", ranks_directory(run_directory), rank);
}

std::string flight_path(const std::string& directory, int age) {
  return aged(directory, "flight_record", age, "bin");
}

std::string flight_copy_path(const std::string& directory, int age) {
  return aged(directory, "flight_record", age, "copy");
}

std::string stacks_path(const std::string& directory, int age) {
  return aged(directory, "stacks", age, "txt");
}

}  // namespace ripieno::io
