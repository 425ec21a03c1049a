# Linking for macOS by LLVM's linker, for zig's own makes no bundles. The compiler's output is linked with
# the list of what libSystem has; the functions of Node, and of the C++ library, which macOS has, are left
# to be found when the addon is loaded, so that scripts/check-binaries.mjs looks at their names.
find_program(LD64 NAMES ld64.lld-14 ld64.lld REQUIRED)
string(REPLACE aarch64 arm64 architecture ${CMAKE_SYSTEM_PROCESSOR})
set(CMAKE_CXX_CREATE_SHARED_LIBRARY
  "${LD64} -arch ${architecture} -platform_version macos 11.0 11.0 -dead_strip \
<LINK_FLAGS> -bundle -o <TARGET> <OBJECTS> $ENV{ZIG_LIB_DIR}/libc/darwin/libSystem.tbd")
