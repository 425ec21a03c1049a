// When a consumer that finds nothing may look again.
//
// Each look at a record that is not there takes its cache line away from the producer, who may be
// about to write it. Behind a producer that streams, a consumer that looks all the time meets every
// record alone, and both crawl from line to line; one that looks away for about the time that a
// line travels finds several. Somebody who waits for an answer must look all the time.
//
// The two are told apart by how many looks in vain lie between two records: few mean that the
// producer is busy writing. The pause lies before a look, never in its place: what was there when
// the call began is found by it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "sluice/detail/cpu_relax.hpp"

namespace sluice {

class PoliteLooks {
 public:
  // After a look in vain. True when there was a pause, and a second look is due.
  bool pause() {
    if (pauses_ == 0 || looks_in_vain_ > 0) {
      looks_in_vain_ = std::min(looks_in_vain_ + 1, kMany);
      return false;
    }
    for (uint32_t i = 0; i < pauses_; ++i) cpu_relax();
    return true;
  }

  // The second look found something, or not.
  void found_after_pause() { pauses_ = std::min(pauses_ * 2, longest_); }
  void nothing_after_pause() {
    looks_in_vain_ = 1;
    pauses_ = 0;
  }

  // A record was found by a first look.
  void found() {
    if (looks_in_vain_ == 0) return;
    pauses_ = looks_in_vain_ < kMany ? shortest_ : 0;
    looks_in_vain_ = 0;
  }

 private:
  static constexpr uint32_t kMany = 16;
  static constexpr std::chrono::nanoseconds kShortest{40};
  static constexpr std::chrono::nanoseconds kLongest{160};

  const uint32_t shortest_ = relaxations_in(kShortest);
  const uint32_t longest_ = relaxations_in(kLongest);
  uint32_t pauses_ = 0;  // before the next second look; 0: look all the time
  uint32_t looks_in_vain_ = 0;
};

}  // namespace sluice
