#include "ripieno/tools/launch/mpirun/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/host_name.h"

namespace ripieno::tools {
namespace {

constexpr uint32_t address(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

const std::vector<Interface> kInterfaces = {{"lo", address(127, 0, 0, 1), 8},
                                            {"docker0", address(172, 17, 0, 1), 16},
                                            {"eth0", address(10, 77, 0, 254), 24},
                                            {"br-4f1c", address(172, 18, 0, 1), 16},
                                            {"ib0", address(192, 168, 0, 9), 16}};

TEST(Network, IsTheOneThatLeadsToAllHosts) {
  EXPECT_EQ(choose_network(kInterfaces, {address(10, 77, 0, 1), address(10, 77, 0, 2)}),
            (NetworkChoice{"if_include", "10.77.0.0/24"}));
  EXPECT_EQ(choose_network(kInterfaces, {address(10, 77, 0, 1), address(192, 168, 3, 2)}),
            (NetworkChoice{"if_include", "10.77.0.0/24,192.168.0.0/16"}));
}

TEST(Network, IsNeverABridgeOfContainers) {
  const auto choice = choose_network(kInterfaces, {address(172, 17, 0, 5)});
  EXPECT_EQ(choice.option, "if_exclude");
  EXPECT_THAT(choice.value, testing::HasSubstr(",docker0,"));
  for (const char* name : {"docker0", "br-4f1c", "virbr0", "cni0", "veth12ab", "flannel.1"})
    EXPECT_TRUE(is_local_bridge(name)) << name;
  for (const char* name : {"eth0", "ens5", "bond0", "ib0", "br0", "wlan0", "lo"})
    EXPECT_FALSE(is_local_bridge(name)) << name;
}

TEST(Network, BehindARouterExcludesBridges) {
  for (const uint32_t elsewhere : {address(10, 99, 0, 1), uint32_t{0}}) {
    const auto choice = choose_network(kInterfaces, {address(10, 77, 0, 1), elsewhere});
    EXPECT_EQ(choice.option, "if_exclude");
    EXPECT_EQ(choice.value, "127.0.0.0/8,br-4f1c,cni0,docker0,lxdbr0,podman0,virbr0");
  }
}

TEST(Network, NeedsNoChoiceOnOneHost) {
  EXPECT_EQ(choose_network(kInterfaces, {address(127, 0, 1, 1)}), NetworkChoice{});
  EXPECT_EQ(choose_network(kInterfaces, {}), NetworkChoice{});
}

TEST(Network, AHostIsKnownByItsNameUpToTheFirstDot) {
  const std::vector<Host> hosts = {{"h1.example.org"}, {"h2"}};
  EXPECT_EQ(listed_name(hosts, "h1"), "h1.example.org");
  EXPECT_EQ(listed_name(hosts, "h2.example.org"), "h2");
  EXPECT_EQ(listed_name({}, "h3"), "h3");
  EXPECT_TRUE(is_this_host(host_name()));
  EXPECT_TRUE(is_this_host("localhost"));
  EXPECT_FALSE(is_this_host("no-such-host.invalid"));
}

}  // namespace
}  // namespace ripieno::tools
