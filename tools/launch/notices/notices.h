// Preemption notices of clouds: what their metadata services say about this machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ripieno::tools {

enum class Cloud { none, aws, gcp, azure };

// The seconds that the clouds promise between a notice and the end.
double promised_seconds(Cloud cloud);
// "AWS".
const char* name_of(Cloud cloud);

// The cloud that this machine belongs to, by what its firmware says (`vendor`, `product` and
// `chassis_tag` of /sys/class/dmi/id); without a request over the network.
Cloud cloud_of(std::string_view vendor, std::string_view product, std::string_view chassis_tag);
Cloud detect_cloud();

struct Notice {
  Cloud cloud = Cloud::none;
  std::string what = {};     // "terminate", "preempted", "Preempt"
  double seconds_left = 0;   // until the machine ends; 0 if the time has passed
  std::string text() const;  // "AWS announced terminate in 118 s"
};

// What an answer says: `notice`, if the machine ends; `is_understood`, if the answer has the form
// that the cloud documents.
struct ParsedNotice {
  bool is_understood = false;
  std::optional<Notice> notice = {};
};
// The body of /latest/meta-data/spot/instance-action. `now`: seconds since the epoch.
ParsedNotice parse_aws(std::string_view body, double now);
// The bodies of …/instance/preempted and …/instance/maintenance-event.
ParsedNotice parse_gcp_preempted(std::string_view body);
ParsedNotice parse_gcp_maintenance(std::string_view body);
// The body of /metadata/scheduledevents. `own_name`: this machine, as in "Resources"; empty:
// unknown, and events of all machines count.
ParsedNotice parse_azure(std::string_view body, std::string_view own_name, double now);

// Asks the metadata service of one cloud. Each request takes at most a second. Not thread-safe.
class NoticeService {
 public:
  // `base_url`: instead of the cloud's own, for tests.
  NoticeService(Cloud cloud, const std::string& base_url);

  // Nullopt if there is no notice, or the service does not answer as documented.
  std::optional<Notice> poll();
  // Whether the last poll got an answer of the documented form.
  bool is_understood() const { return is_understood_; }
  const std::string& base_url() const { return base_; }

 private:
  std::optional<Notice> poll_aws();
  std::optional<Notice> poll_gcp();
  std::optional<Notice> poll_azure();
  std::optional<Notice> accept(const ParsedNotice& parsed);

  Cloud cloud_;
  std::string base_;
  std::string token_;     // of AWS
  std::string own_name_;  // of Azure
  bool is_understood_ = true;
};

}  // namespace ripieno::tools
