// A long stream of random records between two processes.
// SLUICE_TEST_SCALE makes it longer; see check::scaled.
#include "numbered_stream.hpp"
#include "processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

void between_processes() {
  const TemporaryName name;
  const Ring ring = Ring::create(name.get(), 1 << 16);
  header(ring).producer.position = kNearTheWrap;
  header(ring).consumer.position = kNearTheWrap;
  const uint64_t count = check::scaled(1'000'000);
  Child child([&] { produce(Ring::open(name.get()), count); });
  consume(ring, count);
  check::equal(child.wait(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run({{"between processes", between_processes}}, argc, argv);
}
