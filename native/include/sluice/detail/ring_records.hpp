// The data of a ring as records: where a record's header lies, and what one that was found says.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/ring_format.hpp"

namespace sluice {

class RingRecords {
 public:
  enum class Kind { kNothing, kRecord, kPadding, kBadPadding, kBadRecord };

  struct Found {
    Kind kind;
    uint32_t size = 0;    // bytes to the next record
    uint32_t length = 0;  // of the payload
    int32_t type = 0;
  };

  RingRecords(std::byte* data, uint32_t capacity)
      : data_(data), capacity_(capacity), longest_(ring_max_message_length(capacity)) {}

  uint32_t capacity() const { return capacity_; }
  uint32_t offset_of(uint32_t position) const { return position & (capacity_ - 1); }
  uint32_t to_the_end(uint32_t position) const { return capacity_ - offset_of(position); }

  std::atomic<uint32_t>& commit_at(uint32_t position) const { return word(offset_of(position)); }
  std::atomic<uint32_t>& type_at(uint32_t position) const { return word(offset_of(position) + 4); }
  std::byte* payload_at(uint32_t position) const {
    return data_ + offset_of(position) + kRecordHeaderSize;
  }

  // The record at a position that nobody but its consumer may give back to the producer. Loads each
  // word once, because a hostile producer may change it at any time.
  Found find(uint32_t position) const {
    // acquire: pairs with the release of the publication; the record and all that was published
    // with it are complete.
    const uint32_t commit = commit_at(position).load(std::memory_order_acquire);
    if (commit == 0) return {.kind = Kind::kNothing};
    // relaxed: ordered by the load of the commit word.
    const auto type = static_cast<int32_t>(type_at(position).load(std::memory_order_relaxed));
    const uint32_t length = commit & ~kCommitted;
    const uint32_t rest = to_the_end(position);
    if ((commit & kCommitted) == 0) return {.kind = Kind::kBadRecord};
    if (type >= 0) {
      if (length > longest_ || record_size(length) > rest) return {.kind = Kind::kBadRecord};
      return {.kind = Kind::kRecord, .size = record_size(length), .length = length, .type = type};
    }
    if (type != kPaddingType) return {.kind = Kind::kBadRecord};
    // Padding of all the data could be repeated for ever.
    if (rest == capacity_ || length != rest - kRecordHeaderSize) {
      return {.kind = Kind::kBadPadding};
    }
    return {.kind = Kind::kPadding, .size = rest};
  }

  // How a corrupt record is told of.
  static const char* complaint(Kind kind) {
    return kind == Kind::kBadPadding ? "padding does not reach to the end of the data"
                                     : "a record's header makes no sense";
  }

 private:
  std::atomic<uint32_t>& word(uint32_t offset) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(data_ + offset);
  }

  std::byte* data_;
  uint32_t capacity_;
  uint32_t longest_;
};

}  // namespace sluice
