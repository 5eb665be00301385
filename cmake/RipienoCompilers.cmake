# Speeds up builds without changing their result: a compiler cache and a faster linker, if found,
# and precompiled headers.
option(RIPIENO_CCACHE "Use ccache if it is found" ${PROJECT_IS_TOP_LEVEL})
option(RIPIENO_PRECOMPILED_HEADERS "Precompile headers of the standard library and other projects" OFF)

if(RIPIENO_CCACHE)
  find_program(RIPIENO_CCACHE_PROGRAM ccache)
  mark_as_advanced(RIPIENO_CCACHE_PROGRAM)
  if(RIPIENO_CCACHE_PROGRAM)
    # All build folders of a source tree share cached objects.
    set(launcher env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${RIPIENO_CCACHE_PROGRAM})
    foreach(language C CXX CUDA)
      if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
      endif()
    endforeach()
  endif()
endif()

# A changed CPU kernel relinks only its own library.
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

# Only in debug builds: installed programs are linked with the user's default linker.
if(PROJECT_IS_TOP_LEVEL)
  include(CheckLinkerFlag)
  foreach(linker mold lld)
    check_linker_flag(CXX -fuse-ld=${linker} RIPIENO_LINKS_BY_${linker})
    if(RIPIENO_LINKS_BY_${linker})
      add_link_options($<$<CONFIG:Debug>:-fuse-ld=${linker}>)
      break()
    endif()
  endforeach()
endif()

set(RIPIENO_STANDARD_HEADERS <algorithm> <array> <atomic> <chrono> <cmath> <condition_variable> <cstdint> <cstdlib>
  <cstring> <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <set> <span>
  <sstream> <stdexcept> <string> <string_view> <thread> <utility> <vector>)

# ripieno_precompile(<target> HEADERS <header>... | FROM <target with precompiled headers>)
#
# With FROM, both targets must be libraries or both executables, because position-independent code
# differs between the two.
function(ripieno_precompile target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM" "HEADERS")
  if(NOT RIPIENO_PRECOMPILED_HEADERS)
    return()
  endif()
  if(arg_FROM)
    target_precompile_headers(${target} REUSE_FROM ${arg_FROM})
  else()
    target_precompile_headers(${target} PRIVATE ${arg_HEADERS})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # so that ccache takes them into account
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()
