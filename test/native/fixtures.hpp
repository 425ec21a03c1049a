// Rings, child processes and random records for the tests.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "sluice/ring.hpp"

namespace fixtures {

using namespace std::chrono_literals;

inline constexpr uint32_t kSmall = sluice::kRingMinCapacity;

// Far beyond anything that a test waits for: it only keeps a broken test from hanging.
inline constexpr std::chrono::seconds kLong{60};

// A name that no other test has, removed at the end.
class TemporaryName {
 public:
  TemporaryName() {
    static int count = 0;
    name_ = "/sluice-test." + std::to_string(::getpid()) + "." + std::to_string(++count);
  }
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;
  ~TemporaryName() { ::shm_unlink(name_.c_str()); }

  const std::string& get() const { return name_; }
  bool exists() const { return std::filesystem::exists("/dev/shm" + name_); }

 private:
  std::string name_;
};

inline sluice::RingHeader& header(const sluice::Ring& ring) {
  return ring.memory().header();
}

// An empty ring whose positions stand at `position`.
inline sluice::Ring ring_at(uint32_t position, uint32_t capacity = kSmall) {
  sluice::Ring ring = sluice::Ring::anonymous(capacity);
  header(ring).producer.position = position;
  header(ring).consumer.position = position;
  return ring;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string text_of(const std::optional<sluice::RingConsumer::Message>& message) {
  return message ? text_of(message->payload) : "(none)";
}

// A process that runs `body`; the destructor kills it if it still lives.
class Child {
 public:
  explicit Child(const std::function<void()>& body) {
    std::cout.flush();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ != 0) return;
    int code = 0;
    try {
      body();
    } catch (const std::exception& error) {
      std::cerr << "in the child: " << error.what() << std::endl;
      code = 1;
    }
    ::_exit(code);  // without the parent's destructors and buffers
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { kill(); }

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }

  // The exit code, or minus the signal.
  int wait() {
    int status = 0;
    while (::waitpid(std::exchange(pid_, -1), &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Returns when it is dead.
  void kill() {
    if (pid_ <= 0) return;
    signal(SIGKILL);
    wait();
  }

 private:
  pid_t pid_;
};

// Lets one process wait for another to have come somewhere.
class Signal {
 public:
  Signal() {
    std::array<int, 2> ends = {};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read_ = sluice::FileDescriptor(ends[0]);
    write_ = sluice::FileDescriptor(ends[1]);
  }
  void raise(int count = 1) const {
    for (; count > 0; --count) check::equal(::write(write_.get(), "x", 1), 1);
  }
  // Every caller gets one of the raised signals. The own writing end stays open, so a peer that
  // dies before it raises leaves this waiting; CTest's time limit ends that.
  void wait() const {
    char byte = 0;
    check::equal(::read(read_.get(), &byte, 1), 1);
  }

 private:
  sluice::FileDescriptor read_;
  sluice::FileDescriptor write_;
};

// A plain structure that parent and children share.
template <typename T>
class Shared {
 public:
  Shared() : memory_(sluice::SharedMemory::anonymous(sizeof(T))) {}
  T& operator*() const { return *reinterpret_cast<T*>(memory_.data()); }
  T* operator->() const { return &**this; }

 private:
  sluice::SharedMemory memory_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(next() % limit); }

 private:
  uint64_t state_;
};

inline void spin(uint32_t turns) {
  for (; turns > 0; --turns) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Record number n has a length, a type and bytes that follow from n alone.
struct NumberedRecord {
  uint64_t number;
  uint32_t length;
  int32_t type;

  NumberedRecord(uint64_t n, uint32_t longest) : number(n) {
    Random random(n);
    // Mostly short, now and then any length at all.
    length = random.below(64) == 0 ? random.below(longest + 1) : random.below(120);
    length = std::min(length, longest);
    type = static_cast<int32_t>(random.below(0x80000000u));
  }

  uint64_t word(uint32_t index) const { return (number + index) * 0x9e3779b97f4a7c15u; }

  void fill(std::span<std::byte> payload) const {
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
      const uint64_t value = word(at);
      std::memcpy(&payload[at], &value, 8);
    }
    const uint64_t rest = word(at);
    if (at < length) std::memcpy(&payload[at], &rest, length - at);
  }

  bool matches(const sluice::RingConsumer::Message& message) const {
    if (message.type != type || message.payload.size() != length) return false;
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
      const uint64_t value = word(at);
      if (std::memcmp(&message.payload[at], &value, 8) != 0) return false;
    }
    const uint64_t rest = word(at);
    return at == length || std::memcmp(&message.payload[at], &rest, length - at) == 0;
  }
};

// Blocks for room where it must. False if the consumer is gone.
inline bool write_numbered(sluice::RingProducer& producer, uint64_t number) {
  const NumberedRecord record(number, producer.ring().max_message_length());
  for (;;) {
    const auto room = producer.try_reserve(record.length, record.type);
    if (room.data() != nullptr) {
      record.fill(room);
      producer.commit();
      return true;
    }
    if (producer.wait_for_room(record.length, kLong) != sluice::WaitStatus::kReady) return false;
  }
}

}  // namespace fixtures
