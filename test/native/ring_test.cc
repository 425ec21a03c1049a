// Producer and consumer in one thread: what goes in comes out, at every position and length.
#include <deque>

#include "fixtures.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

bool write(RingProducer& producer, std::string_view text, int32_t type = 0) {
  return producer.try_write(bytes_of(text), type);
}

std::string read(RingConsumer& consumer) {
  std::string text = text_of(consumer.peek());
  if (text != "(none)") consumer.release();
  return text;
}

void messages_arrive_in_order_with_their_types() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::equal(read(consumer), "(none)");
  check::that(
      write(producer, "one", 1) && write(producer, "", INT32_MAX) && write(producer, "three"),
      "there is room");
  const auto first = consumer.peek();
  check::equal(text_of(first), "one");
  check::equal(first->type, 1);
  consumer.release();
  const auto second = consumer.peek();
  check::equal(text_of(second), "");
  check::equal(second->type, INT32_MAX);
  check::equal(text_of(consumer.peek()), "");  // the same, until it is released
  consumer.release();
  check::equal(read(consumer), "three");
  check::equal(read(consumer), "(none)");
}

void payloads_are_aligned_to_eight_bytes() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (uint32_t length = 0; length < 64; ++length) {
    check::equal(reinterpret_cast<uintptr_t>(producer.try_reserve(length).data()) % 8, 0u);
    producer.commit();
    check::equal(reinterpret_cast<uintptr_t>(consumer.peek()->payload.data()) % 8, 0u);
    consumer.release();
  }
}

// A reference model: a deque. Thousands of steps of every kind from each starting position.
void behaves_like_a_queue_from(uint32_t position, uint64_t seed) {
  const Ring ring = ring_at(position);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  const uint32_t longest = ring.memory().max_message_length();
  Random random(seed);
  std::deque<uint64_t> expected;
  uint64_t number = 0;
  for (int step = 0; step < 5000; ++step) {
    const NumberedRecord record(number, longest);
    if (random.below(2) == 0) {
      const auto room = producer.try_reserve(record.length, record.type);
      if (room.data() == nullptr) {
        check::that(!expected.empty(), "an empty ring takes every message");
        continue;
      }
      record.fill(room);
      if (random.below(8) == 0) {
        producer.abort();
        continue;
      }
      producer.commit();
      expected.push_back(number++);
    } else if (const auto message = consumer.peek()) {
      check::that(!expected.empty(), "nothing is invented");
      check::that(NumberedRecord(expected.front(), longest).matches(*message), "content");
      if (random.below(8) == 0) continue;
      consumer.release();
      expected.pop_front();
    } else {
      check::that(expected.empty(), "nothing is lost");
    }
  }
  check::that(number > 1000, "most messages went through");
}

void behaves_like_a_queue_from_every_kind_of_position() {
  const std::array<uint32_t, 9> positions = {
      0u, 8u, kSmall - 8, kSmall, 0x7ffffff8u, 0x80000000u, 0xfffff000u, 0xfffff008u, 0xfffffff8u};
  uint64_t seed = 1;
  for (const uint32_t position : positions) behaves_like_a_queue_from(position, seed++);
}

void the_longest_message_fits_at_every_position() {
  for (uint32_t offset = 0; offset < kSmall; offset += 8) {
    const Ring ring = ring_at(offset - kSmall);  // the 32-bit position wraps on the way, too
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
    const std::string text(ring.memory().max_message_length(), 'm');
    for (int i = 0; i < 4; ++i) {
      check::that(write(producer, text), "it fits into an empty ring");
      check::equal(read(consumer), text);
    }
  }
}

void too_long_a_message_is_refused() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  check::equal(ring.memory().max_message_length(), kSmall / 2 - 16);
  for (const uint32_t length : {kSmall / 2 - 15, kSmall, 0x7fffffffu, 0xfffffff8u, 0xffffffffu}) {
    check::throws(error_code::kMessageTooLong, [&] { producer.try_reserve(length); });
    check::throws(error_code::kMessageTooLong, [&] { producer.wait_for_room(length, kLong); });
  }
  const std::string text(kSmall, 'm');
  check::throws(error_code::kMessageTooLong, [&] { write(producer, text); });
}

// The last eight bytes are the zero ahead of the last record.
void a_ring_fills_to_the_last_eight_bytes() {
  for (const uint32_t position : {16u, 0xfffff010u}) {
    const Ring ring = ring_at(position);
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
    for (uint32_t i = 1; i < kSmall / 16; ++i) check::that(write(producer, "12345678"), "room");
    check::that(write(producer, ""), "room for eight bytes more");
    check::equal(header(ring).producer.position - header(ring).consumer.position, kSmall - 8);
    check::that(!write(producer, ""), "the ring is full");
    check::equal(read(consumer), "12345678");
    check::that(write(producer, "abcdefgh"), "room for exactly one");
    check::that(!write(producer, ""), "the ring is full again");
    for (uint32_t i = 2; i < kSmall / 16; ++i) check::equal(read(consumer), "12345678");
    check::equal(read(consumer), "");
    check::equal(read(consumer), "abcdefgh");
    check::equal(read(consumer), "(none)");
  }
}

// Padding alone never fills up what a full ring has left.
void a_message_that_does_not_fit_leaves_the_ring_as_it_was() {
  const Ring ring = ring_at(kSmall - 64);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::that(write(producer, "12345678"), "room");
  check::equal(producer.needed(100), 48u + 112u + 8u);
  const std::string large(kSmall / 2 - 16, 'x');
  check::that(write(producer, large), "room, after padding");
  check::that(!write(producer, large), "no room");
  check::equal(header(ring).producer.position.load(), kSmall + kSmall / 2 - 8);
  check::equal(read(consumer), "12345678");
  check::equal(read(consumer), large);
  check::equal(read(consumer), "(none)");
}

void commit_may_shorten() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (const uint32_t kept : {0u, 1u, 7u, 8u, 9u, 100u}) {
    const auto room = producer.try_reserve(100);
    std::memset(room.data(), 's', room.size());
    producer.commit(kept);
    check::equal(read(consumer), std::string(kept, 's'));
  }
  check::that(write(producer, "next"), "room");
  check::equal(read(consumer), "next");
  producer.try_reserve(10);
  check::throws(error_code::kInvalidArgument, [&] { producer.commit(11); });
  producer.commit(10);
}

void an_aborted_reservation_leaves_nothing() {
  const Ring ring = ring_at(kSmall - 16);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  producer.try_reserve(100);
  producer.abort();
  check::equal(read(consumer), "(none)");
  check::that(write(producer, "kept"), "room");
  check::equal(read(consumer), "kept");
  check::equal(header(ring).producer.messages.load(), 1u);
}

void nothing_is_visible_before_commit() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  std::memcpy(producer.try_reserve(5).data(), "later", 5);
  check::equal(read(consumer), "(none)");
  producer.commit();
  check::equal(read(consumer), "later");
}

void the_order_of_calls_is_checked() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::throws(error_code::kInvalidState, [&] { producer.commit(); });
  check::throws(error_code::kInvalidState, [&] { consumer.release(); });
  producer.try_reserve(8);
  check::throws(error_code::kInvalidState, [&] { producer.try_reserve(8); });
  check::throws(error_code::kInvalidState, [&] { write(producer, "x"); });
  producer.commit();
  check::throws(error_code::kInvalidState, [&] { producer.commit(); });
  consumer.peek();
  consumer.release();
  check::throws(error_code::kInvalidState, [&] { consumer.release(); });
  check::throws(error_code::kInvalidArgument, [&] { producer.try_reserve(8, -1); });
}

void corked_messages_leave_together() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  producer.cork();
  check::that(write(producer, "a") && write(producer, "b"), "room");
  check::equal(read(consumer), "(none)");
  producer.uncork();
  check::equal(read(consumer), "a");
  check::equal(read(consumer), "b");
  check::equal(read(consumer), "(none)");
}

void corked_messages_leave_when_the_ring_is_full_or_closed() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  producer.cork();
  uint32_t written = 0;
  while (write(producer, "12345678")) ++written;
  check::equal(written, kSmall / 16 - 1);
  check::equal(consumer.drain([](const auto&) { return true; }), written);
  check::that(write(producer, "last"), "room");
  producer.close();
  check::equal(read(consumer), "last");
}

void drain_takes_a_batch_up_to_its_limit() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (const char* text : {"a", "b", "c", "d", "e"}) check::that(write(producer, text), "room");
  std::string seen;
  const auto collect = [&](const RingConsumer::Message& message) {
    seen += text_of(message.payload);
    return seen != "abc";
  };
  check::equal(consumer.drain(collect, 0), 0u);
  check::equal(consumer.drain(collect, 2), 2u);
  check::equal(seen, "ab");
  check::equal(consumer.drain(collect), 1u);  // stops after the message that said so
  check::equal(consumer.drain(collect), 2u);
  check::equal(seen, "abcde");
  check::equal(header(ring).consumer.messages.load(), 5u);
}

void a_message_whose_handler_throws_stays() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::that(write(producer, "good") && write(producer, "bad"), "room");
  try {
    consumer.drain([](const RingConsumer::Message& message) {
      if (text_of(message.payload) == "bad") throw std::runtime_error("refused");
      return true;
    });
    check::fail("nothing was thrown");
  } catch (const std::runtime_error& error) {
    check::equal(std::string(error.what()), "refused");
  }
  check::equal(header(ring).consumer.messages.load(), 1u);
  check::equal(read(consumer), "bad");
}

void a_long_drain_gives_room_back_on_the_way() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  while (write(producer, "12345678")) {
  }
  uint32_t most_held = 0;
  consumer.drain([&](const auto&) {
    const uint32_t held = header(ring).producer.position - header(ring).consumer.position;
    most_held = std::max(most_held, kSmall - held);
    return true;
  });
  check::that(most_held > kSmall / 2, "the head moves before the end of the batch");
}

void an_endpoint_cannot_be_used_after_close() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  producer.close();
  producer.close();
  consumer.close();
  check::throws(error_code::kClosed, [&] { write(producer, "x"); });
  check::throws(error_code::kClosed, [&] { producer.try_reserve(1); });
  check::throws(error_code::kClosed, [&] { producer.commit(); });
  check::throws(error_code::kClosed, [&] { producer.wait_for_room(1, kLong); });
  check::throws(error_code::kClosed, [&] { consumer.peek(); });
  check::throws(error_code::kClosed, [&] { consumer.release(); });
  check::throws(error_code::kClosed, [&] { consumer.wait_for_message(kLong); });
}

void a_producer_that_gave_up_its_role_no_longer_writes() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer first = ring.producer();
  first.cork();
  check::that(write(first, "corked"), "room");
  first.abandon();
  RingProducer second = ring.producer();
  RingConsumer consumer = ring.consumer();
  check::equal(read(consumer), "corked");  // it was committed
  first.uncork();
  check::equal(read(consumer), "(none)");
  check::that(write(second, "second"), "room");
  check::equal(read(consumer), "second");
}

void a_consumer_closed_by_its_handler_moves_no_further() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer first = ring.consumer();
  check::that(write(producer, "a") && write(producer, "b"), "room");
  first.drain([&](const auto&) {
    first.close();
    return false;
  });
  RingConsumer second = ring.consumer();
  check::equal(read(second), "a");
  check::equal(read(second), "b");
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"messages arrive in order with their types", messages_arrive_in_order_with_their_types},
       {"payloads are aligned to eight bytes", payloads_are_aligned_to_eight_bytes},
       {"behaves like a queue from every kind of position",
        behaves_like_a_queue_from_every_kind_of_position},
       {"the longest message fits at every position", the_longest_message_fits_at_every_position},
       {"too long a message is refused", too_long_a_message_is_refused},
       {"a ring fills to the last eight bytes", a_ring_fills_to_the_last_eight_bytes},
       {"a message that does not fit leaves the ring as it was",
        a_message_that_does_not_fit_leaves_the_ring_as_it_was},
       {"commit may shorten", commit_may_shorten},
       {"an aborted reservation leaves nothing", an_aborted_reservation_leaves_nothing},
       {"nothing is visible before commit", nothing_is_visible_before_commit},
       {"the order of calls is checked", the_order_of_calls_is_checked},
       {"corked messages leave together", corked_messages_leave_together},
       {"corked messages leave when the ring is full or closed",
        corked_messages_leave_when_the_ring_is_full_or_closed},
       {"drain takes a batch up to its limit", drain_takes_a_batch_up_to_its_limit},
       {"a message whose handler throws stays", a_message_whose_handler_throws_stays},
       {"a long drain gives room back on the way", a_long_drain_gives_room_back_on_the_way},
       {"an endpoint cannot be used after close", an_endpoint_cannot_be_used_after_close},
       {"a producer that gave up its role no longer writes",
        a_producer_that_gave_up_its_role_no_longer_writes},
       {"a consumer closed by its handler moves no further",
        a_consumer_closed_by_its_handler_moves_no_further}},
      argc, argv);
}
