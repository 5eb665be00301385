# What makes a build quicker and changes nothing in its result: a compiler cache and a linker, where they are
# found, and precompiled headers.
option(RIPIENO_CCACHE "Compile through ccache where it is found" ${PROJECT_IS_TOP_LEVEL})
option(RIPIENO_PRECOMPILED_HEADERS "Compile headers of the standard library and of other projects once" OFF)

if(RIPIENO_CCACHE)
  find_program(RIPIENO_CCACHE_PROGRAM ccache)
  mark_as_advanced(RIPIENO_CCACHE_PROGRAM)
  if(RIPIENO_CCACHE_PROGRAM)
    # The build folders of a tree share what they compile.
    set(launcher env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${RIPIENO_CCACHE_PROGRAM})
    foreach(language C CXX CUDA)
      if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
      endif()
    endforeach()
  endif()
endif()

# A changed CPU kernel relinks its library alone.
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

# In debug builds alone: what users install is linked as their other programs are.
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

# ripieno_precompile(<target> HEADERS <header>... | FROM <target that has them>)
#
# Both are of one kind, library or executable: their code is position-independent in different ways.
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
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # so that ccache sees them
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()
