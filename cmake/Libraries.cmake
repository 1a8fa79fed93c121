# Every library that Earshot links, found once. docs/dependencies.md says why each is here and which folder is its home.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(CapnProto REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(absl REQUIRED)
pkg_check_modules(raft REQUIRED IMPORTED_TARGET raft>=0.22)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(jwt REQUIRED IMPORTED_TARGET libjwt)
# By pkg-config: its CMake file asks for the libraries of its web server and its pusher too, which are not used here.
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)

find_path(EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
find_path(CAF_INCLUDE_DIR caf/all.hpp REQUIRED)
find_library(CAF_CORE_LIBRARY caf_core REQUIRED)
add_library(earshot_caf INTERFACE)
target_include_directories(earshot_caf SYSTEM INTERFACE ${CAF_INCLUDE_DIR})
target_link_libraries(earshot_caf INTERFACE ${CAF_CORE_LIBRARY} Threads::Threads)

# KJ's promises and Cap'n Proto's RPC. GCC sees array bounds and uninitialized values broken where their templates meet ours
# (a member pointer read for traces, the empty half of a Maybe): its false alarms, told only with optimization on.
add_library(earshot_kj INTERFACE)
target_link_libraries(earshot_kj INTERFACE CapnProto::capnp-rpc CapnProto::kj-async)
target_compile_options(earshot_kj INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-maybe-uninitialized>)

# The programs' allocator. What one thread allocates another frees here (a message on its way from its socket to the disk),
# and glibc's arenas lock for that. Sanitizers bring their own.
add_library(earshot_allocator INTERFACE)
if(NOT (EARSHOT_ASAN OR EARSHOT_TSAN OR EARSHOT_FUZZ))
  find_library(MIMALLOC_LIBRARY mimalloc REQUIRED)
  # Behind libstdc++, whose operator new then calls this malloc: mimalloc's own knows of no new-handler.
  target_link_libraries(earshot_allocator INTERFACE stdc++ ${MIMALLOC_LIBRARY})
  target_link_options(earshot_allocator INTERFACE LINKER:--no-as-needed)
  target_compile_definitions(earshot_allocator INTERFACE EARSHOT_MIMALLOC)
endif()
