// The environment variables that can change what a run computes, without secrets, for run.json.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ripieno {

// The value in place of a secret.
inline constexpr std::string_view kRedacted = "(redacted)";

// Of `environment` ("NAME=value" each, ended by null), those that Ripieno and the libraries below
// it read; others are left out. The value of one is kRedacted if its name suggests a secret, or if
// it contains a URL with a password.
std::map<std::string, std::string> safe_environment(const char* const* environment);

}  // namespace ripieno
