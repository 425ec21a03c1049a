// Started by produce.mjs, which tells how to build it.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>

#include <sluice/ring.hpp>

namespace {

struct Measurement {
  std::uint32_t sensor;
  std::uint32_t time;
  double value;
};

int consume(const char* name) {
  const sluice::Ring ring = sluice::Ring::open(name);
  sluice::RingConsumer consumer = ring.consumer();
  std::array<double, 4> sums{};
  std::size_t count = 0;
  for (;;) {
    const auto status = consumer.wait_for_message(std::chrono::seconds(10));
    if (status == sluice::WaitStatus::kPeerClosed) break;
    if (status != sluice::WaitStatus::kReady) {
      std::cerr << "c++: the producer died or is silent\n";
      return 1;
    }
    count += consumer.drain([&](const sluice::RingConsumer::Message& message) {
      Measurement measurement;
      if (message.payload.size() != sizeof measurement) return false;
      std::memcpy(&measurement, message.payload.data(), sizeof measurement);
      sums.at(measurement.sensor) += measurement.value;
      return true;
    });
  }
  std::cout << "c++: received " << count << " measurements\n";
  for (std::size_t sensor = 0; sensor < sums.size(); ++sensor) {
    std::cout << "c++: sensor " << sensor << ": mean "
              << sums.at(sensor) / (static_cast<double>(count) / sums.size()) << '\n';
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: consume <ring>\n";
    return 2;
  }
  try {
    return consume(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "c++: " << error.what() << '\n';
    return 1;
  }
}
