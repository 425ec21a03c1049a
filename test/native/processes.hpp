// Child processes and what they share with a test, by fork(2): not for Windows.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include "fixtures.hpp"

namespace fixtures {

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

}  // namespace fixtures
