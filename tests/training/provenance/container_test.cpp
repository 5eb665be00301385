#include "ripieno/training/provenance/container.h"

#include <gmock/gmock.h>

#include <fstream>

#include "io/files/temporary_directory.h"
#include "ripieno/training/provenance/libraries.h"
#include "ripieno/training/session/build_facts.h"

namespace ripieno {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class ContainerTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(directory.path() + "/" + name) << text;
    return directory.path() + "/" + name;
  }
  io::TemporaryDirectory directory;
  ContainerFiles files = {directory.path() + "/none", directory.path() + "/none",
                          directory.path() + "/none"};
};

TEST_F(ContainerTest, HasNothingOutsideOfOne) { EXPECT_THAT(container_facts(files), IsEmpty()); }

TEST_F(ContainerTest, HasWhatPodmanSays) {
  files.podman = write("p", "engine=\"podman-4\"\nid=\"12\"\nimage=\"a:b\"\nimageid=\"34\"\n");
  EXPECT_THAT(container_facts(files),
              UnorderedElementsAre(Pair("runtime", "podman"), Pair("id", "12"),
                                   Pair("image", "a:b"), Pair("image_id", "34")));
}

TEST_F(ContainerTest, HasTheIdOfDocker) {
  const std::string id(64, 'a');
  files.docker = write("d", "");
  files.control_group = write("c", "0::/system.slice/docker-" + id + ".scope\n");
  EXPECT_THAT(container_facts(files),
              UnorderedElementsAre(Pair("runtime", "docker"), Pair("id", id)));
}

TEST_F(ContainerTest, HasTheDigestThatItIsTold) {
  ::setenv("RIPIENO_CONTAINER_DIGEST", "sha256:12", 1);
  EXPECT_THAT(container_facts(files), UnorderedElementsAre(Pair("digest", "sha256:12")));
  ::unsetenv("RIPIENO_CONTAINER_DIGEST");
}

TEST(LibraryVersions, AreThoseOfLoadedLibraries) {
  const auto versions = library_versions();
  EXPECT_EQ(versions.at("MPI"), build_facts().mpi);
  for (const auto& [library, version] : versions) EXPECT_NE(version, "") << library;
}

}  // namespace
}  // namespace ripieno
