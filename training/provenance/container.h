// The container that this process runs in, for run.json.
#pragma once

#include <map>
#include <string>

namespace ripieno {

// Files that say something about a container; those of tests are elsewhere.
struct ContainerFiles {
  std::string podman = "/run/.containerenv";
  std::string docker = "/.dockerenv";
  std::string control_group = "/proc/self/cgroup";
};

// {"runtime": "podman", "image": …, "digest": …, "id": …}, of which only what is known; empty
// outside a container. No runtime tells a container the digest of its image by itself: whoever
// starts it can set RIPIENO_CONTAINER_DIGEST.
std::map<std::string, std::string> container_facts(const ContainerFiles& files = {});

}  // namespace ripieno
