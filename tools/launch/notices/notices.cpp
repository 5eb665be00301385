#include "ripieno/tools/launch/notices/notices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/tools/launch/notices/http_get.h"

namespace ripieno::tools {
namespace {

constexpr const char* kBase = "http://169.254.169.254";  // of all three
constexpr const char* kGoogleHeader = "Metadata-Flavor: Google";
constexpr const char* kAzureHeader = "Metadata: true";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// nullopt unless the text begins with such a time, in UTC.
std::optional<double> time_in(const std::string& text, const char* format) {
  std::tm time = {};
  if (strptime(text.c_str(), format, &time) == nullptr) return std::nullopt;
  return static_cast<double>(timegm(&time));
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string first_line_of(const char* path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

std::string text_in(const nlohmann::json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

bool is_machine_name(std::string_view text) {
  const auto is_allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), is_allowed);
}

bool concerns(const nlohmann::json& event, std::string_view own_name) {
  if (own_name.empty() || !event.contains("Resources") || !event["Resources"].is_array())
    return true;
  const auto& resources = event["Resources"];
  return std::any_of(resources.begin(), resources.end(), [&](const auto& resource) {
    return resource.is_string() && resource.template get<std::string>() == own_name;
  });
}

}  // namespace

double promised_seconds(Cloud cloud) { return cloud == Cloud::aws ? 120 : 30; }

const char* name_of(Cloud cloud) {
  switch (cloud) {
    case Cloud::aws:
      return "AWS";
    case Cloud::gcp:
      return "GCP";
    case Cloud::azure:
      return "Azure";
    case Cloud::none:
      break;
  }
  return "no cloud";
}

Cloud cloud_of(std::string_view vendor, std::string_view product, std::string_view chassis_tag) {
  constexpr std::string_view kAzureTag = "7783-7084-3265-9085-8269-3286-77";
  if (trimmed(vendor) == "Amazon EC2") return Cloud::aws;
  if (trimmed(product) == "Google Compute Engine") return Cloud::gcp;
  if (trimmed(chassis_tag) == kAzureTag)
    return Cloud::azure;  // other Hyper-V machines have another
  return Cloud::none;
}

Cloud detect_cloud() {
  return cloud_of(first_line_of("/sys/class/dmi/id/sys_vendor"),
                  first_line_of("/sys/class/dmi/id/product_name"),
                  first_line_of("/sys/class/dmi/id/chassis_asset_tag"));
}

std::string Notice::text() const {
  return fmt::format("{} announced {} in {:.0f} s", name_of(cloud), what, seconds_left);
}

ParsedNotice parse_aws(std::string_view body, double now) {
  const auto answer = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return {};
  const std::string action = text_in(answer, "action");
  if (action != "terminate" && action != "stop" && action != "hibernate") return {};
  const auto time = time_in(text_in(answer, "time"), "%Y-%m-%dT%H:%M:%SZ");
  const double left = time ? std::max(0.0, *time - now) : promised_seconds(Cloud::aws);
  return {true, Notice{Cloud::aws, action, left}};
}

ParsedNotice parse_gcp_preempted(std::string_view body) {
  const auto text = trimmed(body);
  if (text == "FALSE") return {true, {}};
  if (text != "TRUE") return {};
  return {true, Notice{Cloud::gcp, "preemption", promised_seconds(Cloud::gcp)}};
}

ParsedNotice parse_gcp_maintenance(std::string_view body) {
  const auto text = trimmed(body);
  if (text == "NONE" || text == "MIGRATE_ON_HOST_MAINTENANCE") return {true, {}};
  if (text != "TERMINATE_ON_HOST_MAINTENANCE") return {};
  return {true, Notice{Cloud::gcp, "termination for maintenance", 60}};
}

ParsedNotice parse_azure(std::string_view body, std::string_view own_name, double now) {
  const auto answer = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || !answer.contains("Events") || !answer["Events"].is_array()) return {};
  for (const auto& event : answer["Events"]) {
    if (!event.is_object()) return {};
    const std::string kind = text_in(event, "EventType");
    const bool ends = kind == "Preempt" || kind == "Terminate" || kind == "Reboot" ||
                      kind == "Redeploy";  // not Freeze, a pause of seconds
    if (!ends || !concerns(event, own_name)) continue;
    const auto time = time_in(text_in(event, "NotBefore"), "%a, %d %b %Y %H:%M:%S GMT");
    const double left = time ? std::max(0.0, *time - now) : promised_seconds(Cloud::azure);
    return {true, Notice{Cloud::azure, kind, left}};
  }
  return {true, {}};
}

NoticeService::NoticeService(Cloud cloud, const std::string& base_url)
    : cloud_(cloud), base_(base_url.empty() ? kBase : base_url) {}

std::optional<Notice> NoticeService::poll() {
  is_understood_ = false;
  switch (cloud_) {
    case Cloud::aws:
      return poll_aws();
    case Cloud::gcp:
      return poll_gcp();
    case Cloud::azure:
      return poll_azure();
    case Cloud::none:
      break;
  }
  return std::nullopt;
}

std::optional<Notice> NoticeService::accept(const ParsedNotice& parsed) {
  is_understood_ = parsed.is_understood;
  return parsed.notice;
}

std::optional<Notice> NoticeService::poll_aws() {
  if (token_.empty()) {
    const auto answer = http_request(base_, "PUT", "/latest/api/token",
                                     {"X-aws-ec2-metadata-token-ttl-seconds: 21600"});
    if (!answer || answer->status != 200) return std::nullopt;
    token_ = trimmed(answer->body);
    if (token_.find_first_of("\r\n") != std::string::npos) token_.clear();
    if (token_.empty()) return std::nullopt;
  }
  const auto answer = http_request(base_, "GET", "/latest/meta-data/spot/instance-action",
                                   {"X-aws-ec2-metadata-token: " + token_});
  if (!answer) return std::nullopt;
  if (answer->status == 401) token_.clear();  // it has expired
  if (answer->status == 404 || answer->status == 401) return accept({true, {}});
  if (answer->status != 200) return std::nullopt;
  return accept(parse_aws(answer->body, now_seconds()));
}

std::optional<Notice> NoticeService::poll_gcp() {
  const auto ask = [&](const char* what) {
    const auto answer = http_request(
        base_, "GET", fmt::format("/computeMetadata/v1/instance/{}", what), {kGoogleHeader});
    return answer && answer->status == 200 ? answer->body : std::string();
  };
  if (auto notice = accept(parse_gcp_preempted(ask("preempted")))) return notice;
  if (!is_understood_) return std::nullopt;
  const auto maintenance = parse_gcp_maintenance(ask("maintenance-event"));
  return maintenance.notice;  // not every machine has this answer
}

std::optional<Notice> NoticeService::poll_azure() {
  if (own_name_.empty()) {
    const auto answer = http_request(
        base_, "GET", "/metadata/instance/compute/name?api-version=2021-02-01&format=text",
        {kAzureHeader});
    if (answer && answer->status == 200 && is_machine_name(trimmed(answer->body)))
      own_name_ = trimmed(answer->body);
  }
  const auto answer = http_request(base_, "GET", "/metadata/scheduledevents?api-version=2020-07-01",
                                   {kAzureHeader});
  if (!answer || answer->status != 200) return std::nullopt;
  return accept(parse_azure(answer->body, own_name_, now_seconds()));
}

}  // namespace ripieno::tools
