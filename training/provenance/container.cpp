#include "ripieno/training/provenance/container.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

namespace ripieno {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The value in a line `name="value"`; empty if there is none.
std::string quoted(std::string_view text, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  for (auto at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at > 0 && text[at - 1] != '\n') continue;
    const auto value = text.substr(at + key.size());
    return std::string(value.substr(0, value.find('"')));
  }
  return "";
}

// The id of a container in the path of a control group: 64 hexadecimal digits.
std::string id_in(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  std::size_t length = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool is_digit = i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) ||
                                              (text[i] >= 'a' && text[i] <= 'f'));
    if (!is_digit && length == kDigits) return std::string(text.substr(i - kDigits, kDigits));
    length = is_digit ? length + 1 : 0;
  }
  return "";
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::map<std::string, std::string> container_facts(const ContainerFiles& files) {
  const std::string podman = text_of(files.podman);
  std::map<std::string, std::string> facts;
  if (!podman.empty()) {
    facts = {{"runtime", "podman"},
             {"image", quoted(podman, "image")},
             {"image_id", quoted(podman, "imageid")},
             {"id", quoted(podman, "id")}};
  } else if (std::ifstream(files.docker).is_open()) {
    facts = {{"runtime", "docker"}, {"id", id_in(text_of(files.control_group))}};
  }
  for (const char* name : {"APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"}) {
    if (const auto image = variable(name); !image.empty())
      facts = {{"runtime", "apptainer"}, {"image", image}};
  }
  facts["digest"] = variable("RIPIENO_CONTAINER_DIGEST");
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

}  // namespace ripieno
