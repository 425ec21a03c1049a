// Just enough of a test framework: named tests, checks that say where they failed, and a count of
// what every test must leave as it found it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "open_handles.hpp"
#include "sluice/error.hpp"

namespace check {

class Failure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where a check stands. std::source_location needs a newer clang.
struct Where {
  const char* file;
  int line;
  static constexpr Where current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

[[noreturn]] inline void fail(const std::string& what, const Where& where = Where::current()) {
  throw Failure(std::string(where.file) + ":" + std::to_string(where.line) + ": " + what);
}

inline void that(bool condition, const std::string& what, const Where& where = Where::current()) {
  if (!condition) fail("not so: " + what, where);
}

template <typename T>
auto printable(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<int64_t>(value);
  } else {
    return value;
  }
}

template <typename A, typename B>
void equal(const A& actual, const B& expected, const Where& where = Where::current()) {
  if (actual == expected) return;
  std::ostringstream text;
  text << "expected " << printable(expected) << ", got " << printable(actual);
  fail(text.str(), where);
}

// Calls `action`, which must throw a sluice::Error with this code, and returns that.
template <typename Action>
sluice::Error throws(const std::string& code, Action&& action,
                     const Where& where = Where::current()) {
  try {
    action();
  } catch (const sluice::Error& error) {
    if (error.code() == code) return error;
    fail("expected " + code + ", got " + error.code() + ": " + error.what(), where);
  }
  fail("expected " + code + ", but nothing was thrown", where);
}

struct Test {
  std::string name;
  void (*run)();
};

// Runs all tests, or those whose name contains the first argument. The exit code of `main`.
inline int run(const std::vector<Test>& tests, int argc, char** argv) {
  const std::string filter = argc > 1 ? argv[1] : "";
  int failed = 0;
  int passed = 0;
  for (const Test& test : tests) {
    if (test.name.find(filter) == std::string::npos) continue;
    try {
      const size_t handles = open_handles();
      test.run();
      equal(open_handles(), handles);
      std::cout << "ok      " << test.name << std::endl;
      ++passed;
    } catch (const std::exception& error) {
      std::cout << "FAILED  " << test.name << "\n        " << error.what() << std::endl;
      ++failed;
    }
  }
  std::cout << passed << " passed, " << failed << " failed" << std::endl;
  return failed == 0 && passed > 0 ? 0 : 1;
}

// The size of a stress test: `normal`, times SLUICE_TEST_SCALE percent.
inline uint64_t scaled(uint64_t normal) {
  const char* percent = std::getenv("SLUICE_TEST_SCALE");
  const uint64_t scale = percent == nullptr ? 100 : std::strtoull(percent, nullptr, 10);
  return std::max<uint64_t>(1, normal * scale / 100);
}

}  // namespace check
