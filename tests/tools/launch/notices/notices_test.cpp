#include "ripieno/tools/launch/notices/notices.h"

#include <gtest/gtest.h>

#include "ripieno/tools/launch/notices/http_get.h"

namespace ripieno::tools {
namespace {

constexpr double kNow = 1795996800;  // 2026-11-30T00:00:00Z

TEST(AwsNotice, HasAnActionAndATime) {
  const auto parsed = parse_aws(R"({"action": "terminate", "time": "2026-11-30T00:01:58Z"})", kNow);
  ASSERT_TRUE(parsed.notice);
  EXPECT_EQ(parsed.notice->text(), "AWS announced terminate in 118 s");
  EXPECT_EQ(
      parse_aws(R"({"action": "stop", "time": "2026-11-29T00:00:00Z"})", kNow).notice->seconds_left,
      0);
}

TEST(AwsNotice, OfAnotherFormIsNotUnderstood) {
  for (const char* body : {"", "null", "[]", "{}", "<html>", R"({"action": 1})",
                           R"({"action": "dance", "time": "2026-11-30T00:01:58Z"})"}) {
    EXPECT_FALSE(parse_aws(body, kNow).is_understood) << body;
    EXPECT_FALSE(parse_aws(body, kNow).notice) << body;
  }
}

TEST(GcpNotice, IsTheWordTrue) {
  EXPECT_EQ(parse_gcp_preempted("TRUE\n").notice->seconds_left, 30);
  EXPECT_TRUE(parse_gcp_preempted("FALSE").is_understood);
  EXPECT_FALSE(parse_gcp_preempted("FALSE").notice);
  for (const char* body : {"", "true or false", "<html>TRUE</html>"})
    EXPECT_FALSE(parse_gcp_preempted(body).is_understood) << body;
  EXPECT_EQ(parse_gcp_maintenance("TERMINATE_ON_HOST_MAINTENANCE").notice->seconds_left, 60);
  EXPECT_FALSE(parse_gcp_maintenance("MIGRATE_ON_HOST_MAINTENANCE").notice);
}

std::string azure_event(const std::string& kind, const std::string& machine) {
  return R"({"DocumentIncarnation": 1, "Events": [{"EventId": "A", "EventType": ")" + kind +
         R"(", "ResourceType": "VirtualMachine", "Resources": [")" + machine +
         R"("], "EventStatus": "Scheduled", "NotBefore": "Mon, 30 Nov 2026 00:00:35 GMT"}]})";
}

TEST(AzureNotice, ConcernsThisMachine) {
  const auto parsed = parse_azure(azure_event("Preempt", "vm_1"), "vm_1", kNow);
  ASSERT_TRUE(parsed.notice);
  EXPECT_EQ(parsed.notice->seconds_left, 35);
  EXPECT_FALSE(parse_azure(azure_event("Preempt", "vm_2"), "vm_1", kNow).notice);
  EXPECT_TRUE(parse_azure(azure_event("Preempt", "vm_2"), "", kNow).notice);
}

TEST(AzureNotice, OfAPauseIsIgnored) {
  EXPECT_FALSE(parse_azure(azure_event("Freeze", "vm_1"), "vm_1", kNow).notice);
  EXPECT_TRUE(parse_azure(R"({"DocumentIncarnation": 1, "Events": []})", "", kNow).is_understood);
  for (const char* body : {"", "{}", R"({"Events": 3})", R"({"Events": [3]})"})
    EXPECT_FALSE(parse_azure(body, "", kNow).is_understood) << body;
}

TEST(Clouds, AreKnownByTheirFirmware) {
  EXPECT_EQ(cloud_of("Amazon EC2\n", "m7i.large", ""), Cloud::aws);
  EXPECT_EQ(cloud_of("Google", "Google Compute Engine", ""), Cloud::gcp);
  EXPECT_EQ(
      cloud_of("Microsoft Corporation", "Virtual Machine", "7783-7084-3265-9085-8269-3286-77"),
      Cloud::azure);
  EXPECT_EQ(cloud_of("Microsoft Corporation", "Surface", "1"), Cloud::none);
  EXPECT_EQ(cloud_of("", "", ""), Cloud::none);
}

TEST(BaseUrl, HasANumericAddress) {
  for (const char* url : {"http://127.0.0.1", "http://127.0.0.1:8080", "http://localhost:1"})
    EXPECT_TRUE(is_base_url(url)) << url;
  for (const char* url : {"", "127.0.0.1", "https://127.0.0.1", "http://example.org", "http://",
                          "http://127.0.0.1:99999", "http://127.0.0.1:8080/"})
    EXPECT_FALSE(is_base_url(url)) << url;
}

TEST(HttpRequest, ToAPortWhereNobodyListensHasNoAnswer) {
  EXPECT_FALSE(http_request("http://127.0.0.1:1", "GET", "/", {}));
}

}  // namespace
}  // namespace ripieno::tools
