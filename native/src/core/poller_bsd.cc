#include <sys/event.h>

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

struct kevent make_event(uintptr_t what, int16_t filter, uint16_t flags, Watcher::Id id) {
  struct kevent event = {};
  EV_SET(&event, what, filter, flags, 0, 0, reinterpret_cast<void*>(static_cast<uintptr_t>(id)));
  return event;
}

}  // namespace

bool is_poller(int descriptor) {
  // No change and no room for an event: nothing happens, and others than kqueue refuse it.
  return ::kevent(descriptor, nullptr, 0, nullptr, 0, nullptr) == 0;
}

Poller::Poller() : queue_(::kqueue()) {
  if (!queue_.valid()) throw failed("kqueue");
  ::fcntl(queue_.get(), F_SETFD, FD_CLOEXEC);
  const auto event = make_event(0, EVFILT_USER, EV_ADD | EV_CLEAR, kInterrupt);
  if (::kevent(queue_.get(), &event, 1, nullptr, 0, nullptr) != 0) throw failed("kevent");
}

void Poller::arm(int descriptor, Watcher::Id id, Readiness wanted) {
  // A filter that is added again is enabled again. A filter to delete may not be there, which is an
  // error, so each change is made by itself.
  const auto change = [&](int16_t filter, bool on) {
    const auto flags = static_cast<uint16_t>(on ? EV_ADD | EV_ENABLE | EV_DISPATCH : EV_DELETE);
    const auto event = make_event(static_cast<uintptr_t>(descriptor), filter, flags, id);
    if (::kevent(queue_.get(), &event, 1, nullptr, 0, nullptr) != 0 && on) throw failed("kevent");
  };
  change(EVFILT_READ, (wanted & kReadable) != 0);
  change(EVFILT_WRITE, (wanted & kWritable) != 0);
}

void Poller::remove(int descriptor) {
  arm(descriptor, kInterrupt, 0);
}

std::vector<Poller::Event> Poller::wait() {
  std::array<struct kevent, 64> ready;
  const int count =
      ::kevent(queue_.get(), nullptr, 0, ready.data(), static_cast<int>(ready.size()), nullptr);
  std::vector<Event> events;
  for (size_t i = 0; std::cmp_less(i, count); ++i) {
    const auto id = static_cast<Watcher::Id>(reinterpret_cast<uintptr_t>(ready[i].udata));
    if (ready[i].filter == EVFILT_READ) events.push_back({id, kReadable});
    if (ready[i].filter == EVFILT_WRITE) events.push_back({id, kWritable});
  }
  return events;
}

void Poller::interrupt() {
  auto event = make_event(0, EVFILT_USER, 0, kInterrupt);
  event.fflags = NOTE_TRIGGER;
  ::kevent(queue_.get(), &event, 1, nullptr, 0, nullptr);
}

}  // namespace sluice::binding
