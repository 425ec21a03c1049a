// The ring between this library and peers in Python that were written from docs/ring-format.md.
#include <array>

#include "../native/processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

constexpr uint32_t kRecords = 10'000;
constexpr uint64_t kCapacity = 1 << 20;
const std::string kMinimal = INTEROP_DIRECTORY "/minimal_peer.py";
const std::string kFull = INTEROP_DIRECTORY "/full_peer.py";

// The same number as the Python peers' Digest.
class Digest {
 public:
  void add(std::span<const std::byte> payload, int32_t type) {
    uint64_t content = 0;
    for (size_t i = payload.size(); i > 0; --i) {
      content = (content * 256 + static_cast<uint64_t>(payload[i - 1])) % kModulus;
    }
    value_ = (value_ * 31 + payload.size() * 7 + static_cast<uint32_t>(type) + content) % kModulus;
    ++count_;
  }
  std::string text() const {
    return "records " + std::to_string(count_) + " digest " + std::to_string(value_) + "\n";
  }

 private:
  static constexpr uint64_t kModulus = 4294967291;
  uint64_t count_ = 0;
  uint64_t value_ = 0;
};

// A Python program whose output is read when it has ended.
class Peer {
 public:
  explicit Peer(std::vector<std::string> arguments) {
    std::array<int, 2> ends = {};
    check::equal(::pipe2(ends.data(), O_CLOEXEC), 0);
    output_ = FileDescriptor(ends[0]);
    FileDescriptor write(ends[1]);
    arguments.insert(arguments.begin(), "python3");
    child_.emplace([&] {
      ::dup2(write.get(), STDOUT_FILENO);
      ::dup2(write.get(), STDERR_FILENO);
      std::vector<char*> pointers;
      for (std::string& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      ::execvp("python3", pointers.data());
      ::_exit(127);
    });
  }

  Child& child() { return *child_; }

  std::string output() {
    std::string text;
    std::array<char, 4096> part = {};
    for (ssize_t count = 0; (count = ::read(output_.get(), part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(count));
    }
    return text;
  }

  void expect(const std::string& output, int exit_code = 0,
              const check::Where& where = check::Where::current()) {
    check::equal(this->output(), output, where);
    check::equal(child_->wait(), exit_code, where);
  }

 private:
  FileDescriptor output_;
  std::optional<Child> child_;
};

Digest write_random(RingProducer& producer) {
  Digest digest;
  for (uint32_t number = 0; number < kRecords; ++number) {
    const NumberedRecord record(number, producer.ring().max_message_length() / 16);
    std::vector<std::byte> payload(record.length);
    record.fill(payload);
    while (!producer.try_write(payload, record.type)) {
      check::equal(producer.wait_for_room(record.length, kLong), WaitStatus::kReady);
    }
    digest.add(payload, record.type);
  }
  return digest;
}

Digest read_to_the_end(RingConsumer& consumer, WaitStatus end) {
  Digest digest;
  for (;;) {
    const WaitStatus status = consumer.wait_for_message(kLong);
    if (status != WaitStatus::kReady) {
      check::equal(status, end);
      return digest;
    }
    consumer.drain([&](const RingConsumer::Message& message) {
      digest.add(message.payload, message.type);
      return true;
    });
  }
}

// A ring whose 32-bit positions wrap on the way.
Ring named_ring(const TemporaryName& name) {
  Ring ring = Ring::create(name.get(), kCapacity);
  header(ring).producer.position = 0u - 65536;
  header(ring).consumer.position = 0u - 65536;
  return ring;
}

// Two streams one after the other, each read to its end.
void expect_python_reads(const std::string& script) {
  const TemporaryName name;
  const Ring ring = named_ring(name);
  for (int stream = 0; stream < 2; ++stream) {
    Peer reader({script, "read", name.get()});
    // The first reader has closed the role; the second one opens it again.
    while (header(ring).consumer.state == static_cast<uint32_t>(RoleState::kClosed)) {
      ::sched_yield();
    }
    RingProducer producer = ring.producer();
    const Digest digest = write_random(producer);
    producer.close();
    reader.expect(digest.text());
  }
}

void expect_python_writes(const std::string& script) {
  const TemporaryName name;
  const Ring ring = named_ring(name);
  for (int stream = 0; stream < 2; ++stream) {
    Peer writer({script, "write", name.get(), std::to_string(kRecords), "42"});
    RingConsumer consumer = ring.consumer();
    const Digest digest = read_to_the_end(consumer, WaitStatus::kPeerClosed);
    writer.expect(digest.text());
  }
}

void a_minimal_peer_reads() {
  expect_python_reads(kMinimal);
}
void a_minimal_peer_writes() {
  expect_python_writes(kMinimal);
}
void a_full_peer_reads() {
  expect_python_reads(kFull);
}
void a_full_peer_writes() {
  expect_python_writes(kFull);
}

void two_python_peers_understand_each_other() {
  for (const auto& [reads, writes] : {std::pair(kMinimal, kFull), std::pair(kFull, kMinimal)}) {
    const TemporaryName name;
    const Ring ring = named_ring(name);
    Peer reader({reads, "read", name.get()});
    Peer writer({writes, "write", name.get(), "2000"});
    reader.expect(writer.output());
  }
}

void a_full_peer_has_its_role_alone_and_its_death_is_noticed() {
  const TemporaryName name;
  const Ring ring = named_ring(name);
  RingConsumer consumer = ring.consumer();
  Peer writer({kFull, "write", name.get(), "1000000000"});
  check::equal(consumer.wait_for_message(kLong), WaitStatus::kReady);
  const Error error = check::throws(error_code::kRoleTaken, [&] { ring.producer(); });
  check::equal(error.pid().value_or(0), static_cast<uint32_t>(writer.child().pid()));
  writer.child().kill();
  read_to_the_end(consumer, WaitStatus::kPeerDied);
  Peer successor({kFull, "write", name.get(), "100"});
  check::that(successor.output().starts_with("records 100 "), "it goes on");
  read_to_the_end(consumer, WaitStatus::kPeerClosed);
}

void a_full_peer_respects_a_taken_role_and_notices_a_death() {
  const TemporaryName name;
  const Ring ring = named_ring(name);
  const std::string pid = std::to_string(::getpid());
  RingProducer producer = ring.producer();
  Peer refused({kFull, "write", name.get(), "1"});
  refused.expect(kFull + ": the role is taken by process " + pid + "\n", 1);
  check::that(producer.try_write(bytes_of("last words")), "room");
  producer.abandon();
  Peer reader({kFull, "read", name.get()});
  reader.expect(kFull + ": the producer died\n", 1);
}

void a_python_consumer_that_leaves_early_is_seen_to_close() {
  for (const std::string& script : {kMinimal, kFull}) {
    const TemporaryName name;
    const Ring ring = named_ring(name);
    RingProducer producer = ring.producer();
    while (producer.try_write(std::array<std::byte, 1000>{})) {
    }
    Peer reader({script, "read", name.get(), "3"});
    check::that(reader.output().starts_with("records 3 "), "it read three");
    while (producer.try_write(std::array<std::byte, 1000>{})) {
    }
    check::equal(producer.wait_for_room(1000, kLong), WaitStatus::kPeerClosed);
    check::equal(header(ring).consumer.messages.load(), 3u);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a minimal peer reads", a_minimal_peer_reads},
       {"a minimal peer writes", a_minimal_peer_writes},
       {"a full peer reads", a_full_peer_reads},
       {"a full peer writes", a_full_peer_writes},
       {"two Python peers understand each other", two_python_peers_understand_each_other},
       {"a full peer has its role alone, and its death is noticed",
        a_full_peer_has_its_role_alone_and_its_death_is_noticed},
       {"a full peer respects a taken role, and notices a death",
        a_full_peer_respects_a_taken_role_and_notices_a_death},
       {"a Python consumer that leaves early is seen to close",
        a_python_consumer_that_leaves_early_is_seen_to_close}},
      argc, argv);
}
