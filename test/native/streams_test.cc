// The end of a stream, and what follows it: closed, given up, or cut off by a death.
#include "fixtures.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

void write(RingProducer& producer, std::string_view text) {
  check::that(producer.try_write(bytes_of(text)), "there is room");
}

// Everything up to the first status that is not kReady.
std::pair<std::string, WaitStatus> read_all(RingConsumer& consumer) {
  std::string text;
  for (;;) {
    const WaitStatus status = consumer.wait_for_message(0ns);
    if (status != WaitStatus::kReady) return {text, status};
    consumer.drain([&](const RingConsumer::Message& message) {
      text += text_of(message.payload);
      return true;
    });
  }
}

void expect(RingConsumer& consumer, const std::string& text, WaitStatus status,
            const check::Where& where = check::Where::current()) {
  const auto [actual, end] = read_all(consumer);
  check::equal(actual, text, where);
  check::equal(end, status, where);
}

void a_closed_stream_is_read_to_its_end() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  expect(consumer, "", WaitStatus::kNothingYet);  // no producer yet
  RingProducer producer = ring.producer();
  expect(consumer, "", WaitStatus::kNothingYet);
  write(producer, "a");
  write(producer, "b");
  producer.close();
  expect(consumer, "ab", WaitStatus::kPeerClosed);
  expect(consumer, "", WaitStatus::kPeerClosed);  // for good
  check::that(!consumer.peek(), "nothing more");
}

void an_empty_stream_has_an_end() {
  const Ring ring = Ring::anonymous(kSmall);
  ring.producer().close();
  RingConsumer consumer = ring.consumer();
  expect(consumer, "", WaitStatus::kPeerClosed);
}

void an_end_that_nobody_has_seen_is_not_overwritten() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer first = ring.producer();
  write(first, "first");
  first.close();
  check::throws(error_code::kStreamEnded, [&] { ring.producer(); });
  check::throws(error_code::kStreamEnded, [&] { ring.producer(); });  // and holds no role
  RingConsumer consumer = ring.consumer();
  expect(consumer, "first", WaitStatus::kPeerClosed);
  RingProducer second = ring.producer();
  write(second, "second");
  expect(consumer, "", WaitStatus::kPeerClosed);  // this one has had its stream
  consumer.close();
  RingConsumer next = ring.consumer();
  expect(next, "second", WaitStatus::kNothingYet);
  second.close();
  expect(next, "", WaitStatus::kPeerClosed);
}

void an_end_that_was_seen_is_not_news() {
  const Ring ring = Ring::anonymous(kSmall);
  ring.producer().close();
  RingConsumer first = ring.consumer();
  expect(first, "", WaitStatus::kPeerClosed);
  first.close();
  RingConsumer second = ring.consumer();
  expect(second, "", WaitStatus::kNothingYet);
  RingProducer producer = ring.producer();
  write(producer, "x");
  producer.close();
  expect(second, "x", WaitStatus::kPeerClosed);
}

void a_consumer_that_leaves_early_leaves_the_rest() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  write(producer, "a");
  write(producer, "b");
  producer.close();
  {
    RingConsumer first = ring.consumer();
    check::equal(text_of(first.peek()), "a");
    first.release();
    check::equal(text_of(first.peek()), "b");  // but never released
    first.close();
  }
  RingConsumer second = ring.consumer();
  expect(second, "b", WaitStatus::kPeerClosed);
}

void a_role_given_up_leaves_its_stream_to_the_next() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  {
    RingProducer first = ring.producer();
    write(first, "a");
  }
  expect(consumer, "a", WaitStatus::kPeerDied);
  RingProducer second = ring.producer();
  write(second, "b");
  expect(consumer, "b", WaitStatus::kNothingYet);
  second.close();
  expect(consumer, "", WaitStatus::kPeerClosed);
}

void a_producer_learns_how_its_consumer_went() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  while (producer.try_write({})) {
  }
  check::equal(producer.wait_for_room(0, 0ns), WaitStatus::kNothingYet);  // nobody came yet
  ring.consumer().close();
  check::equal(producer.wait_for_room(0, 0ns), WaitStatus::kPeerClosed);
  { RingConsumer gives_up = ring.consumer(); }
  check::equal(producer.wait_for_room(0, 0ns), WaitStatus::kPeerDied);
  RingConsumer consumer = ring.consumer();
  check::equal(producer.wait_for_room(0, 0ns), WaitStatus::kNothingYet);
  consumer.drain([](const auto&) { return false; });
  check::equal(producer.wait_for_room(0, 0ns), WaitStatus::kReady);
}

// Where there is room, or a message, the peer's end is not yet of interest.
void what_is_there_comes_before_the_end() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  ring.consumer().close();
  check::equal(producer.wait_for_room(8, 0ns), WaitStatus::kReady);
  write(producer, "x");
  producer.close();
  RingConsumer consumer = ring.consumer();
  check::equal(consumer.wait_for_message(0ns), WaitStatus::kReady);
}

void stream_numbers_wrap() {
  const Ring ring = Ring::anonymous(kSmall);
  header(ring).producer.streams = 0xffffffffu;
  header(ring).consumer.streams = 0xffffffffu;
  for (int i = 0; i < 3; ++i) {
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
    write(producer, "x");
    producer.close();
    expect(consumer, "x", WaitStatus::kPeerClosed);
  }
  check::equal(header(ring).producer.streams.load(), 2u);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a closed stream is read to its end", a_closed_stream_is_read_to_its_end},
       {"an empty stream has an end", an_empty_stream_has_an_end},
       {"an end that nobody has seen is not overwritten",
        an_end_that_nobody_has_seen_is_not_overwritten},
       {"an end that was seen is not news", an_end_that_was_seen_is_not_news},
       {"a consumer that leaves early leaves the rest",
        a_consumer_that_leaves_early_leaves_the_rest},
       {"a role given up leaves its stream to the next",
        a_role_given_up_leaves_its_stream_to_the_next},
       {"a producer learns how its consumer went", a_producer_learns_how_its_consumer_went},
       {"what is there comes before the end", what_is_there_comes_before_the_end},
       {"stream numbers wrap", stream_numbers_wrap}},
      argc, argv);
}
