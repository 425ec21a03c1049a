// A hostile peer, one lie at a time: each is ERR_SLUICE_CORRUPT, and the endpoint stays so.
#include <cstring>

#include "fixtures.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

constexpr std::string_view kRecord = "12345678";  // 16 bytes with its header

void set_word(const Ring& ring, uint32_t offset, uint32_t value) {
  std::memcpy(ring.memory().data() + offset, &value, sizeof(value));
}

// A consumer that sees the word at data offset `offset` become `value`, after `records` records
// from position `start` on.
void expect_consumer_refuses(uint32_t start, int records, uint32_t offset, uint32_t value,
                             const check::Where& where = check::Where::current()) {
  const Ring ring = ring_at(start);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (int i = 0; i < records; ++i) check::that(producer.try_write(bytes_of(kRecord)), "room");
  set_word(ring, offset, value);
  const auto drain = [&] { consumer.drain([](const auto&) { return true; }); };
  check::throws(error_code::kCorrupt, drain, where);
  check::throws(error_code::kCorrupt, drain, where);
  check::throws(
      error_code::kCorrupt, [&] { consumer.peek(); }, where);
  check::throws(
      error_code::kCorrupt, [&] { consumer.release(); }, where);
  check::throws(
      error_code::kCorrupt, [&] { consumer.wait_for_message(kLong); }, where);
  consumer.close();  // is all that is left
  check::throws(
      error_code::kClosed, [&] { consumer.peek(); }, where);
}

constexpr uint32_t committed(uint32_t length) {
  return kCommitted | length;
}

void commit_words_without_the_bit() {
  for (const uint32_t word : {1u, 8u, kSmall, 0x7fffffffu}) expect_consumer_refuses(0, 1, 0, word);
}

// There is nothing to check a length against: it is a message of what lies there, within the data.
void a_record_longer_than_what_was_written_is_a_message() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::that(producer.try_write(bytes_of(kRecord)), "room");
  set_word(ring, 0, committed(16));
  check::equal(consumer.peek()->payload.size(), 16u);
  consumer.release();
  check::that(!consumer.peek(), "nothing more");
}

void records_longer_than_any_message() {
  for (const uint32_t length :
       {kSmall / 2 - 15, kSmall - 8, kSmall - 7, kSmall, 0x7ffffff7u, 0x7ffffff8u, 0x7fffffffu}) {
    expect_consumer_refuses(0, kSmall / 16 - 1, 0, committed(length));
  }
}

void records_that_cross_the_end_of_the_data() {
  expect_consumer_refuses(kSmall - 16, 2, kSmall - 16, committed(9));
  expect_consumer_refuses(0u - 16, 2, kSmall - 16, committed(24));
}

void types_that_nobody_may_use() {
  for (const uint32_t type : {0xfffffffeu, 0x80000000u}) expect_consumer_refuses(0, 1, 4, type);
}

void padding_that_does_not_reach_to_the_end() {
  expect_consumer_refuses(kSmall - 32, 4, kSmall - 28, 0xffffffffu);
}

void padding_at_the_beginning() {
  expect_consumer_refuses(0, 2, 4, 0xffffffffu);
  // All of the data as one padding, which could be repeated for ever.
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  set_word(ring, 0, committed(kSmall - 8));
  set_word(ring, 4, 0xffffffffu);
  check::throws(error_code::kCorrupt, [&] { consumer.peek(); });
}

// Padding that leads to the beginning, where it must find a record.
void padding_that_leads_to_padding() {
  const Ring ring = ring_at(kSmall - 8);
  RingConsumer consumer = ring.consumer();
  set_word(ring, 0, committed(kSmall - 8));
  set_word(ring, 4, 0xffffffffu);
  set_word(ring, kSmall - 8, committed(0));
  set_word(ring, kSmall - 4, 0xffffffffu);
  check::throws(error_code::kCorrupt, [&] { consumer.peek(); });
}

// Without a zero anywhere, as behind a producer that writes as fast as it is read.
void every_call_ends_in_a_ring_without_an_end() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  for (uint32_t offset = 0; offset < kSmall; offset += 8) set_word(ring, offset, committed(0));
  for (int i = 0; i < 3; ++i) {
    check::equal(consumer.drain([](const auto&) { return true; }), kSmall / 8);
    check::equal(consumer.wait_for_message(kLong), WaitStatus::kReady);
  }
}

// A consumer takes nothing from the tail, which is a note for others.
void a_tail_that_lies_is_no_matter_to_a_consumer() {
  for (const uint32_t position : {0u, 0xfffff000u}) {
    for (const uint32_t distance : {kSmall + 8, kSmall + 1, 0x80000000u, 0u - 8, 0u - 1, 4u, 7u}) {
      const Ring ring = ring_at(position);
      RingProducer producer = ring.producer();
      RingConsumer consumer = ring.consumer();
      header(ring).producer.position = position + distance;
      check::that(!consumer.peek(), "nothing");
      check::that(producer.try_write(bytes_of(kRecord)), "room");
      header(ring).producer.position = position + distance;
      producer.announce(kSmall);  // now the tail is asked for
      check::equal(text_of(consumer.peek()), kRecord);
      consumer.release();
      check::that(!consumer.peek(), "nothing more");
    }
  }
}

void a_record_wakes_a_sleeper_that_finds_the_corruption() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  const RingEndpoint::Sleep sleep = consumer.announce(0);
  set_word(ring, 0, 1);
  check::equal(consumer.look(sleep), WaitStatus::kReady);
  consumer.retract();
  check::throws(error_code::kCorrupt, [&] { consumer.wait_for_message(kLong); });
}

void heads_that_cannot_be() {
  for (const uint32_t position : {0u, 0xfffff000u}) {
    for (const uint32_t distance :
         {8u, 0x80000000u, kSmall, 0u - kSmall, 0u - kSmall - 8, 0u - 4, 0u - 1}) {
      const Ring ring = ring_at(position);
      RingProducer producer = ring.producer();
      while (producer.try_write(bytes_of(kRecord))) {
      }
      header(ring).consumer.position = header(ring).producer.position + distance;
      const auto write = [&] { producer.try_write(bytes_of(kRecord)); };
      check::throws(error_code::kCorrupt, write);
      check::throws(error_code::kCorrupt, write);
      check::throws(error_code::kCorrupt, [&] { producer.wait_for_room(8, kLong); });
      producer.close();
      check::throws(error_code::kClosed, write);
    }
  }
}

// Between two commits of a corked producer the head may seem to be in order, seen from what was
// published, and yet lie behind where it was.
void a_head_that_goes_backwards() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  while (producer.try_write(bytes_of(kRecord))) {
  }
  consumer.drain([](const auto&) { return true; });
  producer.cork();
  for (uint32_t i = 1; i < kSmall / 16; ++i) {
    check::that(producer.try_write(bytes_of(kRecord)), "room");
  }
  header(ring).consumer.position = 0;
  check::throws(error_code::kCorrupt, [&] { producer.try_write(bytes_of(kRecord)); });
}

void a_head_wakes_a_sleeper_that_finds_the_corruption() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  while (producer.try_write(bytes_of(kRecord))) {
  }
  header(ring).consumer.position = kSmall + 8;
  check::equal(producer.look(producer.announce(16)), WaitStatus::kReady);
  check::throws(error_code::kCorrupt, [&] { producer.wait_for_room(8, kLong); });
}

void positions_that_do_not_fit_when_a_role_is_claimed() {
  const auto expect_refused = [](uint32_t tail, uint32_t head) {
    const Ring ring = Ring::anonymous(kSmall);
    header(ring).producer.position = tail;
    header(ring).consumer.position = head;
    check::throws(error_code::kCorrupt, [&] { ring.producer(); });
    check::throws(error_code::kCorrupt, [&] { ring.consumer(); });
    // And the refused claims hold no role.
    header(ring).producer.position = head & ~7u;
    header(ring).consumer.position = head & ~7u;
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
  };
  expect_refused(kSmall + 8, 0);
  expect_refused(kSmall, 0);
  expect_refused(0, kSmall);
  expect_refused(4, 0);
  expect_refused(12, 4);
  expect_refused(0x80000000u, 0);
}

// A head beyond the tail may be that of a producer that died before it noted its last publication.
void a_head_beyond_what_is_committed() {
  const Ring ring = Ring::anonymous(kSmall);
  header(ring).consumer.position = 16;
  check::throws(error_code::kCorrupt, [&] { ring.producer(); });
  ring.consumer();
  set_word(ring, 0, committed(0));  // up to 8
  check::throws(error_code::kCorrupt, [&] { ring.producer(); });
  set_word(ring, 8, committed(0));  // and 16
  ring.producer();
}

void records_that_a_successor_cannot_walk_over() {
  const auto expect_refused = [](auto&& scribble) {
    const Ring ring = Ring::anonymous(kSmall);
    scribble(ring);
    check::throws(error_code::kCorrupt, [&] { ring.producer(); });
    ring.consumer();
  };
  expect_refused([](const Ring& ring) { set_word(ring, 0, 1); });
  expect_refused([](const Ring& ring) { set_word(ring, 0, committed(kSmall / 2)); });
  expect_refused([](const Ring& ring) {
    set_word(ring, 0, committed(0));
    set_word(ring, 12, 0xffffffffu);
    set_word(ring, 8, committed(8));
  });
  expect_refused([](const Ring& ring) {  // round and round
    for (uint32_t offset = 0; offset < kSmall; offset += 8) set_word(ring, offset, committed(0));
  });
  expect_refused([](const Ring& ring) {  // more than the head leaves room for
    header(ring).producer.position = kSmall - 16;
    set_word(ring, kSmall - 16, committed(0));
    set_word(ring, kSmall - 8, committed(0));
  });
}

// The words that only inform, or only wake, can be anything.
void the_other_words_do_no_harm() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    RingHeader& memory = header(ring);
    const std::array<std::atomic<uint32_t>*, 15> words = {
        &memory.producer.position,      &memory.producer.messages,
        &memory.producer.state,         &memory.producer.pid,
        &memory.producer.streams,       &memory.producer.claims,
        &memory.consumer.messages,      &memory.consumer.state,
        &memory.consumer.pid,           &memory.consumer.streams,
        &memory.consumer.claims,        &memory.consumer_parked.value,
        &memory.producer_parked.value,  &memory.consumer_doorbell.value,
        &memory.producer_doorbell.value};
    *words[random.below(words.size())] = static_cast<uint32_t>(random.next());
    check::that(producer.try_write(bytes_of(kRecord)), "room");
    check::equal(text_of(consumer.peek()), kRecord);
    consumer.release();
    producer.wait_for_room(kSmall / 2 - 16, 0ns);
    consumer.look(consumer.announce(0));
  }
}

SharedMemory scribbled(uint64_t size, uint32_t offset, uint32_t value) {
  SharedMemory memory = SharedMemory::anonymous(size);
  const auto shared =
      std::make_shared<SharedMemory>(SharedMemory::from_descriptor(memory.descriptor().get()));
  RingMemory::initialise(shared, kSmall);
  std::memcpy(memory.data() + offset, &value, sizeof(value));
  return memory;
}

void memory_that_is_no_ring() {
  const auto attach = [](uint64_t size, uint32_t offset, uint32_t value) {
    const SharedMemory memory = scribbled(size, offset, value);
    Ring::from_descriptor(memory.descriptor().get());
  };
  const uint64_t size = ring_memory_size(kSmall);
  attach(size, 20, 0xffffffffu);  // reserved, so it is ignored
  check::throws(error_code::kNotARing, [&] { attach(size, 0, 0); });
  check::throws(error_code::kNotARing, [&] { attach(size, 4, 0x20202020u); });
  for (const uint32_t bytes : {0u, 128u, 4095u, 8192u, 0xffffffffu}) {
    check::throws(error_code::kNotARing, [&] { attach(size, 12, bytes); });
  }
  for (const uint32_t capacity : {0u, 1u, 2048u, 4104u, 6144u, 0x80000000u, 0xffffffffu}) {
    check::throws(error_code::kNotARing, [&] { attach(size, 16, capacity); });
  }
  check::throws(error_code::kNotARing, [&] { attach(size, 16, 8192); });  // shorter than it says
  check::throws(error_code::kNotARing, [&] {
    const SharedMemory memory = SharedMemory::anonymous(4096);
    Ring::from_descriptor(memory.descriptor().get());
  });
}

void other_versions() {
  const auto attach = [](uint32_t version) {
    const SharedMemory memory = scribbled(ring_memory_size(kSmall), 8, version);
    Ring::from_descriptor(memory.descriptor().get());
  };
  attach(0x00020001);  // a later minor version is compatible
  check::throws(error_code::kVersionMismatch, [&] { attach(0x00010000); });
  check::throws(error_code::kVersionMismatch, [&] { attach(0x00030000); });
  check::throws(error_code::kVersionMismatch, [&] { attach(0x00000001); });
  check::throws(error_code::kVersionMismatch, [&] { attach(0xffffffffu); });
  check::throws(error_code::kTimeout, [&] { attach(0); });
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"commit words without the bit", commit_words_without_the_bit},
       {"a record longer than what was written is a message",
        a_record_longer_than_what_was_written_is_a_message},
       {"records longer than any message", records_longer_than_any_message},
       {"records that cross the end of the data", records_that_cross_the_end_of_the_data},
       {"types that nobody may use", types_that_nobody_may_use},
       {"padding that does not reach to the end", padding_that_does_not_reach_to_the_end},
       {"padding at the beginning", padding_at_the_beginning},
       {"padding that leads to padding", padding_that_leads_to_padding},
       {"every call ends in a ring without an end", every_call_ends_in_a_ring_without_an_end},
       {"a tail that lies is no matter to a consumer", a_tail_that_lies_is_no_matter_to_a_consumer},
       {"a record wakes a sleeper that finds the corruption",
        a_record_wakes_a_sleeper_that_finds_the_corruption},
       {"heads that cannot be", heads_that_cannot_be},
       {"a head that goes backwards", a_head_that_goes_backwards},
       {"a head wakes a sleeper that finds the corruption",
        a_head_wakes_a_sleeper_that_finds_the_corruption},
       {"positions that do not fit when a role is claimed",
        positions_that_do_not_fit_when_a_role_is_claimed},
       {"a head beyond what is committed", a_head_beyond_what_is_committed},
       {"records that a successor cannot walk over", records_that_a_successor_cannot_walk_over},
       {"the other words do no harm", the_other_words_do_no_harm},
       {"memory that is no ring", memory_that_is_no_ring},
       {"other versions", other_versions}},
      argc, argv);
}
