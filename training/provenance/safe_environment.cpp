#include "ripieno/training/provenance/safe_environment.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace ripieno {
namespace {

// A list of what is recorded, rather than of what is secret: nobody knows the names of all secrets.
constexpr std::array<std::string_view, 24> kPrefixes = {
    "RIPIENO_", "OMP_",   "GOMP_",   "KMP_",   "OPENBLAS_", "MKL_", "ONEDNN_", "DNNL_",
    "CUDA_",    "CUDNN_", "CUBLAS_", "NCCL_",  "NVIDIA_",   "UCX_", "FI_",     "OMPI_MCA_",
    "PMIX_MCA", "HDF5_",  "MALLOC_", "SLURM_", "LD_",       "LC_",  "HWLOC_",  "PRTE_MCA"};
constexpr std::array<std::string_view, 3> kNames = {"GLIBC_TUNABLES", "LANG", "TZ"};
constexpr std::array<std::string_view, 10> kSecrets = {"KEY",    "TOKEN",      "SECRET", "PASSWORD",
                                                       "PASSWD", "PASSPHRASE", "CRED",   "COOKIE",
                                                       "AUTH",   "PRIVATE"};

std::string in_capitals(std::string_view text) {
  std::string capitals(text);
  std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return capitals;
}

bool is_recorded(std::string_view name) {
  const bool has_name = std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  return has_name || std::any_of(kPrefixes.begin(), kPrefixes.end(),
                                 [&](auto prefix) { return name.starts_with(prefix); });
}

bool suggests_a_secret(std::string_view name) {
  const std::string capitals = in_capitals(name);
  return std::any_of(kSecrets.begin(), kSecrets.end(),
                     [&](auto secret) { return capitals.find(secret) != std::string::npos; });
}

// "https://user:password@host/", anywhere in the value.
bool has_url_with_password(std::string_view value) {
  for (auto begin = value.find("://"); begin != std::string_view::npos;
       begin = value.find("://", begin + 3)) {
    const auto rest = value.substr(begin + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?# \t\n"));
    if (authority.find('@') != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::map<std::string, std::string> safe_environment(const char* const* environment) {
  std::map<std::string, std::string> safe;
  for (; environment && *environment; ++environment) {
    const std::string_view variable = *environment;
    const auto equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = variable.substr(0, equals), value = variable.substr(equals + 1);
    if (!is_recorded(name)) continue;
    const bool is_secret = suggests_a_secret(name) || has_url_with_password(value);
    safe.emplace(name, is_secret ? kRedacted : value);
  }
  return safe;
}

}  // namespace ripieno
