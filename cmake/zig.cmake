# Building by zig, which brings the headers and libraries of other systems. In the environment:
#   SLUICE_ZIG         the program
#   SLUICE_ZIG_TARGET  for what, as zig calls it: x86_64-linux-gnu.2.28, aarch64-macos.11.0
# scripts/zig.mjs sets them. The C++ library comes to lie in the binary.
set(target $ENV{SLUICE_ZIG_TARGET})
if(target MATCHES "^([^-]+)-macos")
  set(CMAKE_SYSTEM_NAME Darwin)
elseif(target MATCHES "^([^-]+)-freebsd")
  set(CMAKE_SYSTEM_NAME FreeBSD)
elseif(target MATCHES "^([^-]+)-linux")
  set(CMAKE_SYSTEM_NAME Linux)
else()
  message(FATAL_ERROR "SLUICE_ZIG_TARGET is no target that sluice is built for: '${target}'")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})

set(CMAKE_C_COMPILER $ENV{SLUICE_ZIG} cc -target ${target})
set(CMAKE_CXX_COMPILER $ENV{SLUICE_ZIG} c++ -target ${target})
# CMake would link a program to learn this, for which zig compiles its whole C++ library.
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_VERSION 21)
endforeach()
set(CMAKE_C_STANDARD_COMPUTED_DEFAULT 17)
set(CMAKE_CXX_STANDARD_COMPUTED_DEFAULT 17)
find_program(CMAKE_AR NAMES llvm-ar-14 llvm-ar REQUIRED)
find_program(CMAKE_RANLIB NAMES llvm-ranlib-14 llvm-ranlib REQUIRED)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# For size: the hot paths of the ring are JavaScript. Linked for size, zig also compiles its C++ library so,
# and what nothing calls is left out.
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG -ffunction-sections -fdata-sections -fstack-protector-strong"
  CACHE STRING "")
if(NOT target MATCHES musl) # whose CMSG_NXTHDR compares numbers of different signs
  set(CMAKE_COMPILE_WARNING_AS_ERROR ON)
endif()
if(CMAKE_SYSTEM_NAME STREQUAL Darwin)
  set(CMAKE_SHARED_LINKER_FLAGS_RELEASE "-Wl,-dead_strip" CACHE STRING "")
else()
  string(APPEND CMAKE_CXX_FLAGS_RELEASE " -flto")
  set(CMAKE_SHARED_LINKER_FLAGS_RELEASE
    "-Os -flto -s -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack" CACHE STRING "")
endif()
