# ripieno_library(<layer> HEADERS ... SOURCES ... DEPENDS ... [PRIVATE ...] [PRECOMPILED target])
#
# Builds a layer as one library, ripieno::<layer>. HEADERS are installed, and each must compile
# alone. Other headers are private. DEPENDS: libraries that public headers use; PRIVATE: other
# libraries.
function(ripieno_library layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PRECOMPILED" "HEADERS;SOURCES;DEPENDS;PRIVATE")
  set(target ripieno_${layer})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(ripieno::${layer} ALIAS ${target})
  ripieno_headers(${target} ${arg_HEADERS})
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE})
  ripieno_compile_options(${target})
  ripieno_unity_by_folder(${target} ${arg_SOURCES})
  if(arg_PRECOMPILED)
    ripieno_precompile(${target} FROM ${arg_PRECOMPILED})
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${layer})
  install(TARGETS ${target} EXPORT ripieno FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endfunction()

# Sets the public headers of a library target. They are included as "ripieno/<layer>/<header>" and
# by no shorter name, which might be that of another project's header (<core/tensor.h>).
function(ripieno_headers target)
  set(base ${PROJECT_BINARY_DIR}/include)
  file(RELATIVE_PATH layer ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  list(TRANSFORM ARGN PREPEND ${base}/ripieno/${layer}/ OUTPUT_VARIABLE headers)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${base} FILES ${headers})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# In a unity build (CMAKE_UNITY_BUILD) the sources of a folder are compiled as one, so names in unnamed
# namespaces must be unique within a folder; SKIP_UNITY_BUILD_INCLUSION excludes a source.
function(ripieno_unity_by_folder target)
  foreach(source IN LISTS ARGN)
    cmake_path(GET source PARENT_PATH folder)
    string(MAKE_C_IDENTIFIER "${target}_${folder}" group)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()

# The language standard and the warnings for all of our code.
function(ripieno_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow $<$<BOOL:${RIPIENO_WERROR}>:-Werror>>)
endfunction()

# Precompiled headers that the layers share: the standard library, and for io and later layers also
# JSON and fmt.
function(ripieno_precompiled_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;DEPENDS")
  if(NOT RIPIENO_PRECOMPILED_HEADERS)
    return()
  endif()
  add_library(${name} STATIC ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
  ripieno_compile_options(${name})
  ripieno_precompile(${name} HEADERS ${RIPIENO_STANDARD_HEADERS} ${arg_HEADERS})
endfunction()
ripieno_precompiled_library(precompiled_standard)
ripieno_precompiled_library(precompiled_json
  HEADERS <fmt/format.h> <nlohmann/json.hpp>
  DEPENDS fmt::fmt nlohmann_json::nlohmann_json)
