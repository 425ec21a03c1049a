// The ring's memory format, version 1.0: every offset and constant of it, and nothing else.
// docs/ring-format.md is the same thing told to a reader who writes a peer in another language.
//
//      0  creator, constant   magic "SLUICERG", version, header_size, capacity
//    128  producer's line     tail, messages, state, pid, streams begun, claims
//    256  consumer's line     head, messages, state, pid, streams read to their end, claims
//    384  consumer_parked     1: the consumer sleeps or is about to
//    512  producer_parked     n > 0: the producer sleeps until n bytes of room are there
//    640  consumer_doorbell   futex word, incremented to wake the consumer
//    768  producer_doorbell   futex word, incremented to wake the producer
//   4096  data                capacity bytes of records
//
//   record:  | u32 length | i32 type | payload, zero to seven bytes of padding |   8-aligned
//
// A position counts bytes modulo 2^32; `position & (capacity - 1)` is where it lies in the data.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "the ring format is little endian");
static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

inline constexpr char kRingMagic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'R', 'G'};
inline constexpr uint32_t kRingVersionMajor = 1;
inline constexpr uint32_t kRingVersionMinor = 0;
inline constexpr uint32_t kRingVersion = kRingVersionMajor << 16 | kRingVersionMinor;
inline constexpr uint32_t kRingHeaderSize = 4096;
inline constexpr uint32_t kRingMinCapacity = 4096;
inline constexpr uint32_t kRingMaxCapacity = 1u << 30;
inline constexpr uint32_t kRecordHeaderSize = 8;
inline constexpr int32_t kPaddingType = -1;

// Life of a role. A holder that is gone while its state says `open` died (or gave the role up).
enum class RoleState : uint32_t { kNever = 0, kOpen = 1, kClosed = 2 };

// The words that one side writes in the hot path. Two of these are 128 bytes apart: two cache
// lines, because the adjacent-line prefetcher pulls lines in pairs.
struct alignas(128) RingSide {
  std::atomic<uint32_t> position;  // the producer's tail, the consumer's head
  std::atomic<uint32_t> messages;
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> pid;      // information only: liveness comes from the role's lock
  std::atomic<uint32_t> streams;  // begun by producers; seen to their end by consumers
  std::atomic<uint32_t> claims;   // tells one holder of the role from the next
};

struct alignas(128) RingWord {
  std::atomic<uint32_t> value;
};

struct RingHeader {
  char magic[8];
  std::atomic<uint32_t> version;  // stored last, with release; 0 until the ring is ready
  uint32_t header_size;
  uint32_t capacity;
  RingSide producer;
  RingSide consumer;
  RingWord consumer_parked;
  RingWord producer_parked;
  RingWord consumer_doorbell;
  RingWord producer_doorbell;
};

static_assert(offsetof(RingHeader, version) == 8);
static_assert(offsetof(RingHeader, header_size) == 12);
static_assert(offsetof(RingHeader, capacity) == 16);
static_assert(offsetof(RingHeader, producer) == 128);
static_assert(offsetof(RingHeader, consumer) == 256);
static_assert(offsetof(RingHeader, consumer_parked) == 384);
static_assert(offsetof(RingHeader, producer_parked) == 512);
static_assert(offsetof(RingHeader, consumer_doorbell) == 640);
static_assert(offsetof(RingHeader, producer_doorbell) == 768);
static_assert(offsetof(RingSide, messages) == 4);
static_assert(offsetof(RingSide, state) == 8);
static_assert(offsetof(RingSide, pid) == 12);
static_assert(offsetof(RingSide, streams) == 16);
static_assert(offsetof(RingSide, claims) == 20);
static_assert(sizeof(RingHeader) <= kRingHeaderSize);

constexpr bool ring_capacity_is_valid(uint64_t capacity) {
  return capacity >= kRingMinCapacity && capacity <= kRingMaxCapacity &&
         std::has_single_bit(capacity);
}

// Half the capacity, so that a record fits into an empty ring wherever its position lies.
constexpr uint32_t ring_max_message_length(uint32_t capacity) {
  return capacity / 2 - kRecordHeaderSize;
}

constexpr uint64_t ring_memory_size(uint32_t capacity) {
  return uint64_t{kRingHeaderSize} + capacity;
}

// Bytes that a record takes; `length` must not exceed the longest message.
constexpr uint32_t record_size(uint32_t length) {
  return kRecordHeaderSize + ((length + 7u) & ~7u);
}

}  // namespace sluice
