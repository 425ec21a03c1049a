// The ring's memory as a peer in another language sees it: bytes at offsets, not C++ structures.
#include <cstring>

#include "fixtures.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

uint32_t word(const Ring& ring, size_t offset) {
  uint32_t value = 0;
  std::memcpy(&value, ring.memory().memory().data() + offset, sizeof(value));
  return value;
}

std::string hex(const Ring& ring, size_t offset, size_t length) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(ring.memory().memory().data()[offset + i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void a_new_ring_has_its_constants_and_zeros() {
  const Ring ring = Ring::anonymous(8192);
  check::equal(ring.memory().memory().size(), 4096u + 8192u);
  check::equal(hex(ring, 0, 24),
               "534c554943455247"
               "00000200"
               "00100000"
               "00200000"
               "00000000");
  for (size_t offset = 20; offset < 4096 + 8192; offset += 4) check::equal(word(ring, offset), 0u);
}

void every_word_lies_at_its_offset() {
  const Ring ring = ring_at(0x1000);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::that(producer.try_write(bytes_of("12345678")), "there is room");
  check::equal(word(ring, 128), 0x1010u);
  check::equal(word(ring, 132), 1u);
  check::equal(word(ring, 136), 1u);
  check::equal(word(ring, 140), static_cast<uint32_t>(::getpid()));
  check::equal(word(ring, 144), 1u);
  check::equal(word(ring, 148), 1u);
  check::equal(word(ring, 256), 0x1000u);
  check::equal(word(ring, 260), 0u);
  check::equal(word(ring, 264), 1u);
  check::equal(word(ring, 268), static_cast<uint32_t>(::getpid()));
  check::equal(word(ring, 272), 0u);
  check::equal(word(ring, 276), 1u);
  consumer.drain([](const auto&) { return true; });
  check::equal(word(ring, 256), 0x1010u);
  check::equal(word(ring, 260), 1u);
  // Where there is no remote barrier, both have bit 31 set from their claims on.
  const uint32_t fence_wanted = word(ring, 384);
  check::that((fence_wanted & 0x7fffffffu) == 0, "nothing but that bit");
  check::equal(word(ring, 512), fence_wanted);
  consumer.announce(0);
  check::equal(word(ring, 384), fence_wanted | 1u);
  producer.announce(100);
  check::equal(word(ring, 512), fence_wanted | kSmall / 2);
  producer.announce(kSmall - 8);
  check::equal(word(ring, 512), fence_wanted | (kSmall - 8));
  consumer.wake_peer();
  producer.wake_peer();
  check::equal(word(ring, 384), fence_wanted);
  check::equal(word(ring, 512), fence_wanted);
  check::equal(word(ring, 640), 1u);
  check::equal(word(ring, 768), 1u);
  producer.close();
  consumer.close();
  check::equal(word(ring, 136), 2u);
  check::equal(word(ring, 264), 2u);
}

// The same bytes as in docs/ring-format.md.
void records_lie_as_documented() {
  const Ring ring = ring_at(4096 - 24);
  RingProducer producer = ring.producer();
  check::that(producer.try_write(bytes_of("abc"), 7), "there is room");
  check::that(producer.try_write(bytes_of("hello, ring"), 1), "there is room");
  check::equal(hex(ring, 4096 + 4072, 11),
               "0300008007000000"
               "616263");
  check::equal(hex(ring, 4096 + 4088, 8), "00000080ffffffff");
  check::equal(hex(ring, 4096, 19),
               "0b00008001000000"
               "68656c6c6f2c2072696e67");
  check::equal(word(ring, 4096 + 24), 0u);  // the zero ahead
  check::equal(word(ring, 128), 4096u + 24u);
}

// Nothing behind the first word of a batch can be reached before that word is there.
void a_batch_lies_complete_behind_its_first_word() {
  const Ring ring = ring_at(4096 - 32);
  RingProducer producer = ring.producer();
  producer.cork();
  for (const char* text : {"12345678", "a", "after the padding"}) {
    check::that(producer.try_write(bytes_of(text), 5), "there is room");
  }
  const std::string second = hex(ring, 4096 + 4080, 9);
  const std::string behind = hex(ring, 4096, 25);
  check::equal(hex(ring, 4096 + 4064, 16), "00000000050000003132333435363738");
  check::equal(second, "010000800500000061");
  check::equal(behind,
               "110000800500000061667465722074686520706164"
               "64696e67");
  check::equal(word(ring, 128), 4096u - 32u);
  producer.uncork();
  check::equal(hex(ring, 4096 + 4064, 16), "08000080050000003132333435363738");
  check::equal(hex(ring, 4096 + 4080, 9), second);
  check::equal(hex(ring, 4096, 25), behind);
  check::equal(word(ring, 128), 4096u + 32u);
}

void capacities_outside_the_format_are_refused() {
  for (const uint64_t capacity :
       {uint64_t{0}, uint64_t{1}, uint64_t{2048}, uint64_t{4095}, uint64_t{4097}, uint64_t{6144},
        uint64_t{1} << 31, uint64_t{1} << 32, (uint64_t{1} << 32) + 4096, UINT64_MAX}) {
    check::throws(error_code::kInvalidArgument, [&] { Ring::anonymous(capacity); });
  }
  for (uint64_t capacity = 4096; capacity <= 1 << 20; capacity *= 2) {
    check::equal(Ring::anonymous(capacity).capacity(), capacity);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a new ring has its constants and zeros", a_new_ring_has_its_constants_and_zeros},
       {"every word lies at its offset", every_word_lies_at_its_offset},
       {"records lie as documented", records_lie_as_documented},
       {"a batch lies complete behind its first word", a_batch_lies_complete_behind_its_first_word},
       {"capacities outside the format are refused", capacities_outside_the_format_are_refused}},
      argc, argv);
}
