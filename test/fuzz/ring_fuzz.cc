// A peer that lies: any bytes as header and records, changed by a second thread while the endpoints
// work on them. Whatever it does, nothing but sluice::Error may come out, every payload must lie
// within the data, and all must end.
//
// The input:  u8 choices | u16 n, n bytes over the header | u16 n, n bytes over the data |
//             u8 n, n of { u16 offset, u32 value } for the second thread | operations, 3 bytes each
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "sluice/ring.hpp"

using namespace sluice;

namespace {

constexpr uint32_t kCapacity = 4096;
constexpr uint64_t kSize = ring_memory_size(kCapacity);
constexpr int kRoundsOfChanges = 100;  // not for ever, so that an endless drain is a defect

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint32_t number(size_t size) {
    uint32_t value = 0;
    const auto part = take(size);
    for (size_t i = 0; i < part.size(); ++i) value |= uint32_t{part[i]} << (8 * i);
    return value;
  }
  std::span<const uint8_t> take(size_t size) {
    const auto part = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(part.size());
    return part;
  }

 private:
  std::span<const uint8_t> bytes_;
};

// One mapping for all runs, with pages on both sides that nobody may touch.
const std::shared_ptr<SharedMemory>& guarded_memory() {
  static const std::shared_ptr<SharedMemory> memory = [] {
    auto mapped = std::make_shared<SharedMemory>(SharedMemory::anonymous(kSize));
    constexpr size_t kGuard = 1 << 16;
    for (std::byte* guard : {mapped->data() - kGuard, mapped->data() + kSize}) {
      // Where something lies already, the access control of that has to do.
      ::mmap(guard, kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    return mapped;
  }();
  return memory;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "not so: " << what << std::endl;
  std::abort();
}

void require_inside(std::span<const std::byte> payload) {
  const std::byte* data = guarded_memory()->data() + kRingHeaderSize;
  require(payload.data() >= data && payload.data() + payload.size() <= data + kCapacity,
          "a payload lies within the data");
}

struct Change {
  uint32_t offset;
  uint32_t value;
};

void apply(const std::vector<Change>& changes) {
  for (int round = 0; round < kRoundsOfChanges; ++round) {
    for (const Change& change : changes) {
      reinterpret_cast<std::atomic<uint32_t>*>(guarded_memory()->data() + change.offset)
          ->store(change.value + static_cast<uint32_t>(round) * 8, std::memory_order_relaxed);
    }
  }
}

uint32_t digest(std::span<const std::byte> payload) {
  uint32_t sum = 0;
  for (const std::byte byte : payload) sum = sum * 31 + static_cast<uint32_t>(byte);
  return sum;
}

template <typename Action>
void allow_errors(Action&& action) {
  try {
    action();
  } catch (const Error&) {
  }
}

class Session {
 public:
  Session(const RingMemory& ring, bool with_producer, bool with_consumer) {
    if (with_producer) allow_errors([&] { producer_.emplace(ring); });
    if (with_consumer) allow_errors([&] { consumer_.emplace(ring); });
  }

  void step(uint32_t operation, uint32_t argument) {
    if (operation % 2 == 0 && producer_) allow_errors([&] { produce(operation / 2, argument); });
    if (operation % 2 == 1 && consumer_) allow_errors([&] { consume(operation / 2, argument); });
  }

 private:
  void produce(uint32_t operation, uint32_t argument) {
    switch (operation % 10) {
      case 0:
      case 1: {
        const auto room = producer_->try_reserve(argument % (kCapacity / 2));
        if (room.data() == nullptr) return;
        require_inside(room);
        std::memset(room.data(), 0x5a, room.size());
        return;
      }
      case 2:
        return producer_->commit();
      case 3:
        return producer_->commit(argument);
      case 4:
        return producer_->abort();
      case 5:
        return producer_->cork();
      case 6:
        return producer_->uncork();
      case 7:
        producer_->wait_for_room(argument, std::chrono::nanoseconds::zero());
        return;
      case 8:
        producer_->try_write(std::array<std::byte, 24>{}, static_cast<int32_t>(argument));
        return;
      default:
        if (argument % 16 == 0) producer_->close();
    }
  }

  void consume(uint32_t operation, uint32_t argument) {
    switch (operation % 6) {
      case 0:
        if (const auto message = consumer_->peek()) {
          require_inside(message->payload);
          digest_ = digest_ + digest(message->payload);
        }
        return;
      case 1:
        return consumer_->release();
      case 2:
      case 3:
        return drain(operation % 2 == 0 ? SIZE_MAX : argument % 8);
      case 4:
        consumer_->wait_for_message(std::chrono::nanoseconds::zero());
        return;
      default:
        if (argument % 16 == 0) consumer_->close();
    }
  }

  // However fast the second thread commits what was read: no more than a ring's bytes, and the
  // record that goes beyond.
  void drain(size_t limit) {
    size_t bytes = 0;
    consumer_->drain(
        [&](const RingConsumer::Message& message) {
          require_inside(message.payload);
          digest_ = digest_ + digest(message.payload);
          bytes += record_size(static_cast<uint32_t>(message.payload.size()));
          require(bytes <= kCapacity + kCapacity / 2, "a drain is bounded");
          return true;
        },
        limit);
  }

  std::optional<RingProducer> producer_;
  std::optional<RingConsumer> consumer_;
  volatile uint32_t digest_ = 0;  // so that the payloads are really read
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input({bytes, size});
  const std::shared_ptr<SharedMemory>& memory = guarded_memory();
  std::memset(memory->data(), 0, kSize);
  RingMemory::initialise(memory, kCapacity);

  const uint32_t choices = input.number(1);
  const auto header = input.take(input.number(2) % 1024);
  // A scribbled first line is nearly always refused at once, so half of the inputs keep it.
  const size_t header_offset = (choices & 1) != 0 ? 128 : 0;
  std::ranges::copy(std::as_bytes(header), memory->data() + header_offset);
  const auto data = input.take(input.number(2) % (kCapacity + 1));
  std::ranges::copy(std::as_bytes(data), memory->data() + kRingHeaderSize);
  std::vector<Change> changes(input.number(1) % 32);
  for (Change& change : changes) {
    change.offset = input.number(2) % kSize & ~3u;
    change.value = input.number(4);
  }

  allow_errors([&] {
    const RingMemory ring = RingMemory::attach(memory);
    // Before the claims: a successor walks over records that change.
    std::jthread hostile;
    if (!changes.empty()) hostile = std::jthread([&] { apply(changes); });
    Session session(ring, (choices & 2) == 0, (choices & 4) == 0);
    while (!input.empty()) {
      const uint32_t operation = input.number(1);
      session.step(operation, input.number(2));
    }
  });
  return 0;
}
