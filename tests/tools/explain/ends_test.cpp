#include <csignal>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;

// The second failure within the end of the job is not a second cause.
TEST(EndDiagnoses, NameFailuresThatFollowedAnother) {
  RecordedRun run(2);
  run.write({.rank = 0, .ended = 10, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::exception, 74, 0, "disk full");
             }});
  run.write({.rank = 1, .ended = 5, .acts = [](auto& writer) {
               writer.end_process(io::FlightEnd::Kind::signal, 134, SIGABRT, "ABRT");
             }});
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-CKPT-02", "R-END-03"));
  EXPECT_THAT(findings[1], AllOf(is_finding("R-END-03", Role::consequence, 1), says("signal 6")));
}

// Nothing says why: then that is the cause as far as it is known.
TEST(EndDiagnoses, AreTheCauseIfNothingElseIsKnown) {
  RecordedRun run(2);
  run.write(0, 2, {.acts = [](auto& writer) {
              writer.end_process(io::FlightEnd::Kind::exception, 76, 0, "lost a peer");
            }});
  EXPECT_THAT(run.findings(), ElementsAre(AllOf(is_finding("R-END-01", Role::root, 0),
                                                says("ranks 0, 1 gave up waiting for other ranks: "
                                                     "lost a peer"))));
}

}  // namespace
}  // namespace ripieno::tools::explain
