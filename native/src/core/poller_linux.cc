#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "core/poller.hpp"

namespace sluice::binding {
namespace {

// Never an id: those are counted from 1.
constexpr Watcher::Id kInterrupt = 0;

Error failed(const char* syscall) {
  return cannot_watch(syscall, errno);
}

Readiness to_readiness(uint32_t events) {
  // Whoever reads or writes a failed descriptor finds out what is wrong.
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return kReadable | kWritable;
  Readiness readiness = 0;
  if ((events & EPOLLIN) != 0) readiness |= kReadable;
  if ((events & EPOLLOUT) != 0) readiness |= kWritable;
  return readiness;
}

}  // namespace

bool is_poller(int descriptor) {
  const FileDescriptor stranger(::eventfd(0, EFD_CLOEXEC));
  // epoll says that it does not know it, all others that they are not epoll.
  epoll_event event{};
  return stranger.valid() && ::epoll_ctl(descriptor, EPOLL_CTL_MOD, stranger.get(), &event) != 0 &&
         errno == ENOENT;
}

Poller::Poller()
    : queue_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!queue_.valid()) throw failed("epoll_create1");
  if (!wake_.valid()) throw failed("eventfd");
  epoll_event event = {.events = EPOLLIN, .data = {.u32 = kInterrupt}};
  if (::epoll_ctl(queue_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    throw failed("epoll_ctl");
  }
}

void Poller::arm(int descriptor, Watcher::Id id, Readiness wanted) {
  epoll_event event = {.events = EPOLLONESHOT, .data = {.u32 = id}};
  if ((wanted & kReadable) != 0) event.events |= EPOLLIN;
  if ((wanted & kWritable) != 0) event.events |= EPOLLOUT;
  if (::epoll_ctl(queue_.get(), EPOLL_CTL_MOD, descriptor, &event) == 0) return;
  if (errno == ENOENT && ::epoll_ctl(queue_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0) return;
  throw failed("epoll_ctl");
}

void Poller::remove(int descriptor) {
  ::epoll_ctl(queue_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

std::vector<Poller::Event> Poller::wait() {
  std::array<epoll_event, 64> ready;
  const int count = ::epoll_wait(queue_.get(), ready.data(), ready.size(), -1);
  std::vector<Event> events;
  for (size_t i = 0; std::cmp_less(i, count); ++i) {
    if (ready[i].data.u32 == kInterrupt) {
      eventfd_t value = 0;
      ::eventfd_read(wake_.get(), &value);
    } else {
      events.push_back({ready[i].data.u32, to_readiness(ready[i].events)});
    }
  }
  return events;
}

void Poller::interrupt() {
  ::eventfd_write(wake_.get(), 1);
}

}  // namespace sluice::binding
